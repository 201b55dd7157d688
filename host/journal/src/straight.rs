//! Admission in the final form: events that are transformed and routed before their commit.

use crate::{
    engine::Space,
    handoffs::{self, counted},
    owed,
    record::{self, Owed, keys},
    types::{EventId, HandoffId, JournalError, KeptEvent, Marks, Routed, RoutedEvent, Waiting},
    write::{Draft, RecentEvent},
};

impl RoutedEvent {
    /// Queues the handoffs of the event. What it owes, if that is anything.
    pub(super) fn admit(self, draft: &mut Draft<'_>, event: EventId) -> Result<Option<Owed>, JournalError> {
        let RoutedEvent { delivery, admission, routed: Routed { outputs, to, .. }, bytes } = self;
        let queued = draft.hold_now;
        draft.in_final_form.push(event);
        for (destination, output) in &to {
            keys::check_name(destination)?;
            let id = HandoffId { destination: destination.clone(), event, output: *output };
            draft.writes.put(Space::Queue, keys::timed(queued, &id), owed::MARK.to_vec());
            draft.delta.change(destination, counted(&id, &owed::untried(queued)));
            draft.wakes.queues.insert(id.destination);
        }
        if to.is_empty() {
            return Ok(None);
        }
        // What is read back has its body decoded.
        if !delivery.request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-encoding")) {
            let kept = KeptEvent { id: event, delivery, admission, outputs: Some(outputs) };
            draft.committed.push(RecentEvent { event: kept, owed: to.clone(), queued, bytes });
        }
        Ok(Some(Owed { index: event.index, queued, to }))
    }
}

/// Admits an event whose turn it is. If it is transformed, and nothing is in the inbox that could have to go before it, its
/// handoffs are queued at the end of its strand. Otherwise it goes into the inbox.
pub(super) fn admit_in_turn(draft: &mut Draft<'_>, event: EventId, marks: Marks) -> Result<(), JournalError> {
    let arriving = draft.arriving.take_if(|(id, _)| *id == event).map(|(_, routed)| routed);
    match arriving.filter(|_| marks == Marks::default() && draft.inbox() == 0) {
        Some(routed) => routed.admit_in_order(draft, event),
        None => handoffs::add_to_inbox(draft, event, marks),
    }
}

impl RoutedEvent {
    fn admit_in_order(self, draft: &mut Draft<'_>, id: EventId) -> Result<(), JournalError> {
        let RoutedEvent { delivery, admission, routed: Routed { mut outputs, to, strand }, .. } = self;
        draft.in_final_form.push(id);
        let waiting = Waiting { ticket: draft.ticket(), event: id, marks: Marks::default() };
        hookgate_cloudevents::say_order(&mut outputs, &KeptEvent { id, delivery, admission, outputs: None }, &waiting);
        draft.writes.put(Space::Outputs, keys::event(id), record::write(&outputs)?);
        for (destination, output) in to {
            handoffs::queue_anew(draft, HandoffId { destination, event: id, output }, strand.as_ref())?;
        }
        Ok(())
    }
}
