//! The events of one source on their way through the fan-out.

use std::{collections::VecDeque, time::Duration};

use hookgate_model::{
    event::{EventId, KeptEvent, Waiting},
    limits,
};
use tokio::time::Instant;

use super::Done;

/// The events of one source.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) waiting: VecDeque<Next>,
    /// In the order of the inbox. A finished event waits here for those before it.
    running: VecDeque<(EventId, Progress)>,
    /// No resting event is started again before this.
    rests_until: Option<Instant>,
}

pub(super) enum Next {
    Read(Box<KeptEvent>, Waiting),
    Id(Waiting),
}

/// An event that waits while its plugin is out, and how often it has broken the plugin.
pub(super) struct Resting {
    pub(super) waiting: Waiting,
    pub(super) failures: usize,
}

/// How a transformation ended.
pub(super) enum TransformEnd {
    Done(Done),
    /// The plugin is out for this time.
    Out(Resting, Duration),
}

enum Progress {
    Transforming,
    Resting(Resting),
    Done(Done),
}

impl Lane {
    pub(super) fn may_start(&self) -> bool {
        !self.waiting.is_empty() && self.running.len() < limits::TRANSFORMS_OF_SOURCE_MAX
    }

    /// Whether a new event may be started at once: none waits before it.
    pub(super) fn may_start_next(&self) -> bool {
        self.waiting.is_empty() && self.running.len() < limits::TRANSFORMS_OF_SOURCE_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// An event is being transformed, behind those before it.
    pub(super) fn start(&mut self, id: EventId) {
        self.running.push_back((id, Progress::Transforming));
    }

    /// A transformation has ended.
    pub(super) fn end(&mut self, id: EventId, ended: TransformEnd, now: Instant) {
        let progress = match ended {
            TransformEnd::Done(done) => {
                // The plugin works again, so resting events need not wait for the end of their pause.
                self.rests_until = self.rests_until.filter(|_| done.is_err());
                Progress::Done(done)
            }
            TransformEnd::Out(resting, pause) => {
                self.rests_until = Some(now + pause);
                Progress::Resting(resting)
            }
        };
        if let Some(entry) = self.running.iter_mut().find(|(running, _)| *running == id) {
            entry.1 = progress;
        }
    }

    /// When a resting event may be started again, if there is one.
    pub(super) fn wakes_at(&self, now: Instant) -> Option<Instant> {
        let rests = self.running.iter().any(|(_, progress)| matches!(progress, Progress::Resting(_)));
        rests.then(|| self.rests_until.unwrap_or(now))
    }

    /// The next resting event that may be started again. It keeps its place.
    pub(super) fn wake(&mut self, now: Instant) -> Option<(EventId, Resting)> {
        if self.rests_until.is_some_and(|until| now < until) {
            return None;
        }
        let rests = |(_, progress): &&mut (EventId, Progress)| matches!(progress, Progress::Resting(_));
        let (id, progress) = self.running.iter_mut().find(rests)?;
        match std::mem::replace(progress, Progress::Transforming) {
            Progress::Resting(resting) => Some((*id, resting)),
            other => {
                *progress = other;
                None
            }
        }
    }

    /// Removes the finished events that have no unfinished one before them.
    pub(super) fn take_done(&mut self) -> Vec<(EventId, Done)> {
        let mut all = Vec::new();
        while let Some((id, Progress::Done(_))) = self.running.front() {
            let id = *id;
            if let Some((_, Progress::Done(done))) = self.running.pop_front() {
                all.push((id, done));
            }
        }
        all
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(1);

    fn id(index: u16) -> EventId {
        EventId { delivery: Default::default(), index }
    }

    fn out(index: u16, failures: usize) -> TransformEnd {
        let waiting = Waiting { ticket: u64::from(index), event: id(index), marks: Default::default() };
        TransformEnd::Out(Resting { waiting, failures }, PAUSE)
    }

    fn failed() -> TransformEnd {
        TransformEnd::Done(Err("why".into()))
    }

    #[test]
    fn what_is_done_waits_for_what_rests_before_it() {
        let (mut lane, now) = (Lane::default(), Instant::now());
        (0..3).for_each(|n| lane.start(id(n)));
        lane.end(id(1), failed(), now);
        lane.end(id(0), out(0, 1), now);
        assert!(lane.take_done().is_empty());
        assert_eq!(lane.wakes_at(now), Some(now + PAUSE));
        assert!(lane.wake(now).is_none());
        let (woken, resting) = lane.wake(now + PAUSE).unwrap();
        assert_eq!((woken, resting.failures), (id(0), 1));
        assert!(lane.wake(now + PAUSE).is_none() && lane.wakes_at(now).is_none());
        lane.end(id(0), failed(), now);
        let done: Vec<_> = lane.take_done().into_iter().map(|(id, _)| id).collect();
        assert_eq!(done, [id(0), id(1)]);
        assert!(!lane.is_empty());
    }

    #[test]
    fn a_success_wakes_those_that_rest_and_a_failure_does_not() {
        let (mut lane, now) = (Lane::default(), Instant::now());
        (0..4).for_each(|n| lane.start(id(n)));
        lane.end(id(2), out(2, 0), now);
        lane.end(id(0), failed(), now);
        assert_eq!(lane.wakes_at(now), Some(now + PAUSE));
        lane.end(id(1), TransformEnd::Done(Ok(Default::default())), now);
        assert_eq!(lane.wakes_at(now), Some(now));
        assert_eq!(lane.wake(now).unwrap().0, id(2));
    }
}
