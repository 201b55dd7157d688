//! The signal that it is time to stop.

use std::time::Duration;

use tokio::sync::watch;

/// Told to all listeners: stop accepting, finish what is in flight, be done by the drain time-out.
#[derive(Clone)]
pub struct Shutdown {
    stopped: watch::Receiver<bool>,
    /// How long connections may take to finish.
    pub drain_timeout: Duration,
}

impl Shutdown {
    /// The signal, and what sends it.
    pub fn new(drain_timeout: Duration) -> (watch::Sender<bool>, Self) {
        let (stop, stopped) = watch::channel(false);
        (stop, Shutdown { stopped, drain_timeout })
    }

    /// Resolves when it is time to stop.
    pub async fn wait(&mut self) {
        // An error means that the sender is gone: nobody will say it any more.
        let _ = self.stopped.wait_for(|stopped| *stopped).await;
    }
}
