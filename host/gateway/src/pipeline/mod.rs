//! Everything after the commit: the fan-out, and the dispatch to all destinations.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::future::join_all;
use hookgate_config::Config;
use hookgate_journal::Journal;
use hookgate_net::egress::Guard;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    claims::Claims,
    dispatch::{DestinationHealth, Lane, Lanes, Scheduler, StartError},
    fanout::{Fanout, OrderedSources, Transform},
    route::Routes,
    tasks::keep_running,
};

/// Runs everything after the commit. If it is dropped, it stops at once; attempts in flight are made again after the next
/// start.
#[derive(Default)]
pub struct Dispatcher {
    dispatch: Option<(Work, watch::Sender<Lanes>)>,
    fanout: Option<Work>,
}

/// The work of a configuration, ready to be started by a [`Dispatcher`].
pub struct Prepared {
    lanes: Vec<Arc<Lane>>,
    routes: Arc<Routes>,
    ordered: Arc<OrderedSources>,
    journal: Journal,
}

impl Dispatcher {
    /// Prepares the destinations of a configuration; nothing is connected or opened yet. `claims` holds large bodies.
    pub fn prepare(config: &Config, journal: &Journal, claims: Option<&Claims>) -> Result<Prepared, StartError> {
        let guard = Guard::new(config.egress.allow.clone());
        let lane = |destination| Lane::new(destination, &guard, journal, claims).map(Arc::new);
        let lanes = config.destinations.iter().map(lane).collect::<Result<_, _>>()?;
        let (routes, ordered) = (Arc::new(Routes::new(&config.routes)), Arc::new(OrderedSources::new(&config.sources)));
        Ok(Prepared { lanes, routes, ordered, journal: journal.clone() })
    }

    /// Starts transforming the events of the inbox and delivering the queues. Must be called on a runtime. A journal may have
    /// one dispatcher only: two would deliver everything twice.
    ///
    /// Running work is replaced part by part. The new work of a destination begins when the old one has finished its attempts
    /// in flight, or after `within`. No destination waits for another one.
    pub fn work_on(&mut self, prepared: Prepared, transform: Arc<dyn Transform>, within: Duration) {
        let Prepared { lanes, routes, ordered, journal } = prepared;
        let lanes = Lanes::new(lanes, within);
        match &self.dispatch {
            // The task runs as long as there is a dispatcher.
            Some((_, current)) => drop(current.send(lanes)),
            None => {
                let (current, changes) = watch::channel(lanes);
                let journal = journal.clone();
                let work = Work::after(None, within, |stopped| {
                    keep_running("dispatch", move || {
                        Scheduler::new(journal.clone(), changes.clone(), stopped.clone()).run()
                    })
                });
                self.dispatch = Some((work, current));
            }
        }
        self.fanout = Some(Work::after(self.fanout.take(), within, |stopped| {
            keep_running("fan-out", move || {
                let (routes, ordered) = (routes.clone(), ordered.clone());
                Fanout::new(journal.clone(), routes, ordered, transform.clone(), stopped.clone()).run()
            })
        }));
    }

    /// Starts nothing new and finishes the attempts in flight. False if that took longer than `within`; attempts that were cut
    /// off are made again after the next start.
    pub async fn stop(self, within: Duration) -> bool {
        let dispatch = self.dispatch.map(|(work, _)| work);
        let all = dispatch.into_iter().chain(self.fanout).map(|work| work.end(within));
        join_all(all).await.into_iter().all(|in_time| in_time)
    }
}

/// A task that can be stopped. If this is dropped, it is cut off.
#[derive(Debug)]
struct Work {
    stop: watch::Sender<bool>,
    task: JoinSet<()>,
}

impl Work {
    /// Starts work that begins when the work before it has ended, which is cut off after `within`.
    fn after<F: Future<Output = ()> + Send + 'static>(
        before: Option<Work>,
        within: Duration,
        work: impl FnOnce(watch::Receiver<bool>) -> F,
    ) -> Work {
        let (stop, stopped) = watch::channel(false);
        let work = work(stopped.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            if let Some(before) = before
                && !before.end(within).await
            {
                tracing::warn!("attempts were still under way when the drain time-out was over; they are made again");
            }
            // It may have been stopped before it could begin.
            let is_stopped = *stopped.borrow();
            if !is_stopped {
                work.await;
            }
        });
        Work { stop, task }
    }

    /// Stops the task and waits for its end. False if it had to be cut off.
    async fn end(mut self, within: Duration) -> bool {
        // Sending fails if the task has ended already.
        let _ = self.stop.send(true);
        let in_time = tokio::time::timeout(within, self.task.join_next()).await.is_ok();
        self.task.shutdown().await;
        in_time
    }
}

impl Prepared {
    /// Its routes, and the sources whose events are ordered.
    pub fn routing(&self) -> (Arc<Routes>, Arc<OrderedSources>) {
        (self.routes.clone(), self.ordered.clone())
    }

    /// Which destinations are available.
    pub fn destination_health(&self) -> DestinationHealth {
        DestinationHealth::of(&self.lanes)
    }
}

#[cfg(test)]
mod tests;
