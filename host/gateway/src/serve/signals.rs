use std::io;

#[cfg(unix)]
use tokio::signal::unix::{self, SignalKind};

pub(super) enum Signal {
    /// SIGINT or SIGTERM, by name.
    Stop(&'static str),
    /// SIGHUP.
    Reload,
}

/// SIGINT, SIGTERM, and SIGHUP if the gateway can reload its configuration.
pub(super) struct Signals {
    #[cfg(unix)]
    terminate: unix::Signal,
    #[cfg(unix)]
    interrupt: unix::Signal,
    #[cfg(unix)]
    hang_up: Option<unix::Signal>,
}

impl Signals {
    #[cfg(unix)]
    pub(super) fn new(can_reload: bool) -> io::Result<Self> {
        Ok(Signals {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            hang_up: can_reload.then(|| unix::signal(SignalKind::hangup())).transpose()?,
        })
    }

    #[cfg(unix)]
    pub(super) async fn wait(&mut self) -> Signal {
        let hang_up = async {
            match &mut self.hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Signal::Stop("SIGINT"),
            _ = hang_up => Signal::Reload,
        }
    }

    #[cfg(not(unix))]
    pub(super) fn new(_: bool) -> io::Result<Self> {
        Ok(Signals {})
    }

    #[cfg(not(unix))]
    pub(super) async fn wait(&mut self) -> Signal {
        // On an error no signal can arrive. The gateway then runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Stop("interrupt")
    }
}
