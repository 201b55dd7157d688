//! Events that were committed in their final form a moment ago, in memory. Most of them are handed over at once, and need not
//! be read back for that.

use std::collections::{HashMap, VecDeque};

use hookgate_model::limits::RECENT_EVENTS_BYTES_MAX;
use parking_lot::Mutex;

use crate::{
    engine::{Batch, Space},
    record::keys,
    types::{EventId, HandoffId, KeptEvent},
};

/// An event whose handoffs have not been tried.
#[derive(Clone, Debug)]
pub(crate) struct RecentEvent {
    pub(crate) event: KeptEvent,
    /// Its handoffs without a first attempt.
    pub(crate) owed: Vec<(String, u16)>,
    /// When they were queued, by the clock that queued handoffs wait by.
    pub(crate) queued: u64,
    /// Bytes of its delivery's record, with all events and outputs.
    pub(crate) bytes: usize,
}

/// The recent events. The oldest make room.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    events: HashMap<EventId, RecentEvent>,
    /// In the order of their commits, with some that are gone.
    order: VecDeque<EventId>,
    bytes: usize,
}

impl Recent {
    /// The event, if it is here.
    pub(crate) fn event(&self, id: EventId) -> Option<KeptEvent> {
        self.0.lock().events.get(&id).map(|recent| recent.event.clone())
    }

    /// When a handoff was queued that has not been tried.
    pub(crate) fn queued(&self, id: &HandoffId) -> Option<u64> {
        let kept = self.0.lock();
        let recent = kept.events.get(&id.event)?;
        recent.position(id).map(|_| recent.queued)
    }

    /// Enters a batch that the engine has applied: events that it has committed, and attempts and new outputs of others.
    pub(crate) fn applied(&self, committed: Vec<RecentEvent>, written: &[Written]) {
        let mut kept = self.0.lock();
        committed.into_iter().for_each(|event| kept.add(event));
        written.iter().for_each(|written| kept.note(written));
    }

    /// Forgets everything: the store was opened again.
    pub(crate) fn clear(&self) {
        *self.0.lock() = Kept::default();
    }
}

/// What a batch has written that recent events are concerned with.
#[derive(Debug)]
pub(crate) enum Written {
    /// The record of a handoff.
    Handoff(HandoffId),
    /// New outputs of an event.
    Outputs(EventId),
}

impl Written {
    /// To be taken before the batch is applied.
    pub(crate) fn by(batch: &Batch) -> Vec<Written> {
        let of = |(space, key): &(Space, Vec<u8>)| match space {
            Space::Handoffs => keys::read_handoff(key).map(Written::Handoff),
            Space::Outputs => keys::read_event(key).map(Written::Outputs),
            _ => None,
        };
        batch.writes.keys().filter_map(of).collect()
    }
}

impl RecentEvent {
    fn position(&self, id: &HandoffId) -> Option<usize> {
        self.owed.iter().position(|(destination, output)| *destination == id.destination && *output == id.output)
    }
}

impl Kept {
    fn add(&mut self, event: RecentEvent) {
        self.bytes += event.bytes;
        self.order.push_back(event.event.id);
        self.events.insert(event.event.id, event);
        while self.bytes > RECENT_EVENTS_BYTES_MAX || self.order.len() > 2 * self.events.len() + 64 {
            let Some(oldest) = self.order.pop_front() else { break };
            // One that is here and not over the bound was only in front of others that are gone.
            if self.bytes > RECENT_EVENTS_BYTES_MAX {
                self.remove(oldest);
            } else if self.events.contains_key(&oldest) {
                self.order.push_back(oldest);
                self.order.retain(|id| self.events.contains_key(id));
            }
        }
    }

    fn note(&mut self, written: &Written) {
        match written {
            Written::Outputs(event) => self.remove(*event),
            Written::Handoff(id) => {
                let Some(recent) = self.events.get_mut(&id.event) else { return };
                if let Some(at) = recent.position(id) {
                    recent.owed.swap_remove(at);
                }
                if recent.owed.is_empty() {
                    self.remove(id.event);
                }
            }
        }
    }

    fn remove(&mut self, id: EventId) {
        if let Some(event) = self.events.remove(&id) {
            self.bytes -= event.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::tests::support::{admission, commit};

    fn event(number: u128, bytes: usize, to: &[&str]) -> RecentEvent {
        let id = EventId { delivery: Uuid::from_u128(number), index: 0 };
        let delivery = commit(b"{}", &[]).delivery;
        let event = KeptEvent { id, delivery, admission: admission(0), outputs: Some(Vec::new()) };
        RecentEvent { event, owed: to.iter().map(|name| ((*name).to_owned(), 0)).collect(), queued: 7, bytes }
    }

    fn handoff(event: &RecentEvent, destination: &str) -> HandoffId {
        HandoffId { destination: destination.to_owned(), event: event.event.id, output: 0 }
    }

    #[test]
    fn an_event_stays_until_each_of_its_handoffs_was_tried() {
        let recent = Recent::default();
        let event = event(1, 10, &["a", "b"]);
        recent.applied(vec![event.clone()], &[]);
        assert_eq!(recent.queued(&handoff(&event, "a")), Some(7));
        recent.applied(Vec::new(), &[Written::Handoff(handoff(&event, "a"))]);
        assert_eq!(recent.queued(&handoff(&event, "a")), None);
        assert!(recent.event(event.event.id).is_some());
        recent.applied(Vec::new(), &[Written::Handoff(handoff(&event, "b"))]);
        assert!(recent.event(event.event.id).is_none());
        assert_eq!(recent.0.lock().bytes, 0);
    }

    #[test]
    fn an_event_with_new_outputs_is_read_from_the_store() {
        let recent = Recent::default();
        let event = event(1, 10, &["a"]);
        recent.applied(vec![event.clone()], &[]);
        recent.applied(Vec::new(), &[Written::Outputs(event.event.id)]);
        assert!(recent.event(event.event.id).is_none());
    }

    #[test]
    fn the_oldest_make_room_and_the_list_of_them_stays_short() {
        let recent = Recent::default();
        let large = RECENT_EVENTS_BYTES_MAX / 4;
        for number in 0..8 {
            recent.applied(vec![event(number, large, &["a"])], &[]);
        }
        assert!(recent.event(event(0, 0, &[]).event.id).is_none());
        assert!(recent.event(event(7, 0, &[]).event.id).is_some());
        assert!(recent.0.lock().bytes <= RECENT_EVENTS_BYTES_MAX);
        for number in 100..10_000 {
            let small = event(number, 1, &["a"]);
            recent.applied(vec![small.clone()], &[]);
            recent.applied(Vec::new(), &[Written::Handoff(handoff(&small, "a"))]);
        }
        assert!(recent.0.lock().order.len() < 200);
        assert!(recent.event(event(7, 0, &[]).event.id).is_some());
    }
}
