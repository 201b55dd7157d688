//! The signal to stop.

use std::time::Duration;

use tokio::sync::watch;

/// For all listeners: stop accepting, and finish what is in flight within the drain time-out.
#[derive(Clone)]
pub struct Shutdown {
    stopped: watch::Receiver<bool>,
    /// How long connections may take to finish.
    pub drain_timeout: Duration,
}

impl Shutdown {
    /// The signal and its sender.
    pub fn new(drain_timeout: Duration) -> (watch::Sender<bool>, Self) {
        let (stop, stopped) = watch::channel(false);
        (stop, Shutdown { stopped, drain_timeout })
    }

    /// Resolves when it is time to stop.
    pub async fn wait(&mut self) {
        // An error means that the sender was dropped.
        let _ = self.stopped.wait_for(|stopped| *stopped).await;
    }
}
