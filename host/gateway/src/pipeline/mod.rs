//! Everything behind the commit, put together: the fan-out, and a worker for each destination.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use futures_util::future::join_all;
use hookgate_config::Config;
use hookgate_journal::Journal;
use hookgate_net::egress::Guard;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    claims::Claims,
    dispatch::{Breakers, Lane, StartError},
    fanout::{Fanout, Ordered, Transform},
    route::Routes,
    tasks::keep_running,
};

/// Everything behind the commit, at work. Dropped, it stops at once; what was in flight is tried again after the next
/// start.
#[derive(Debug, Default)]
pub struct Dispatcher {
    /// By destination; also those that are being let go of.
    lanes: BTreeMap<String, Work>,
    fanout: Option<Work>,
}

/// What a [`Dispatcher`] is started from.
pub struct Prepared {
    lanes: Vec<Arc<Lane>>,
    routes: Arc<Routes>,
    ordered: Arc<Ordered>,
    journal: Journal,
}

impl Dispatcher {
    /// Makes the destinations of a configuration ready; nothing is connected or opened yet. `claims` is where large bodies
    /// are.
    pub fn prepare(config: &Config, journal: &Journal, claims: Option<&Claims>) -> Result<Prepared, StartError> {
        let guard = Guard::new(config.egress.allow.clone());
        let lane = |destination| Lane::new(destination, &guard, journal, claims).map(Arc::new);
        let lanes = config.destinations.iter().map(lane).collect::<Result<_, _>>()?;
        let (routes, ordered) = (Arc::new(Routes::new(&config.routes)), Arc::new(Ordered::new(&config.sources)));
        Ok(Prepared { lanes, routes, ordered, journal: journal.clone() })
    }

    /// Starts transforming what is in the inbox and handing over what is in the queues. To be called on a runtime, and for
    /// one dispatcher of a journal: two would hand everything over twice.
    ///
    /// Whatever this dispatcher does already is exchanged part by part. A destination's new work begins when the old one
    /// has finished what is in flight, `within` that time; no destination waits for another's.
    pub fn work_on(&mut self, prepared: Prepared, transform: Arc<dyn Transform>, within: Duration) {
        let Prepared { lanes, routes, ordered, journal } = prepared;
        let mut before = std::mem::take(&mut self.lanes);
        for lane in lanes {
            let name = lane.name().to_owned();
            let work = Work::after(before.remove(&name), within, |stopped| {
                keep_running("dispatch", move || lane.clone().run(stopped.clone()))
            });
            self.lanes.insert(name, work);
        }
        // Those that are gone are kept until they have ended: they may come back.
        for (name, gone) in before {
            self.lanes.insert(name, Work::after(Some(gone), within, |_| std::future::ready(())));
        }
        self.fanout = Some(Work::after(self.fanout.take(), within, |stopped| {
            keep_running("fan-out", move || {
                let (routes, ordered) = (routes.clone(), ordered.clone());
                Fanout::new(journal.clone(), routes, ordered, transform.clone(), stopped.clone()).run()
            })
        }));
    }

    /// Takes nothing new and finishes what is in flight. False when that took longer than `within`: what was cut off is
    /// tried again after the next start.
    pub async fn stop(self, within: Duration) -> bool {
        let all = self.lanes.into_values().chain(self.fanout).map(|work| work.end(within));
        join_all(all).await.into_iter().all(|in_time| in_time)
    }
}

/// A task that can be told to stop. Dropped, it is cut off.
#[derive(Debug)]
struct Work {
    stop: watch::Sender<bool>,
    task: JoinSet<()>,
}

impl Work {
    /// Starts work that begins when the work before it has ended, cut off after that time if need be.
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
            // It may have been told to stop before it could begin.
            let told = *stopped.borrow();
            if !told {
                work.await;
            }
        });
        Work { stop, task }
    }

    /// Tells it to stop and waits; false when it had to be cut off. It is gone in either case.
    async fn end(mut self, within: Duration) -> bool {
        // Nobody listens when it has ended.
        let _ = self.stop.send(true);
        let in_time = tokio::time::timeout(within, self.task.join_next()).await.is_ok();
        self.task.shutdown().await;
        in_time
    }
}

impl Prepared {
    /// Which destinations count as away.
    pub fn breakers(&self) -> Breakers {
        Breakers::of(&self.lanes)
    }
}

#[cfg(test)]
mod tests;
