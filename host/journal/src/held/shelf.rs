//! The held events of one ordering key, as [`Buffer`](crate::reorder::Buffer) sees them.

use std::{collections::VecDeque, sync::Arc};

use hookgate_model::ordering::Late;

use crate::{
    engine::Space,
    handoffs,
    record::{
        self, HeldEvent, Whereabouts,
        keys::{self, HeldAt, OrderingHash},
    },
    reorder::{Cause, Entry, Kind, OrderingNotice, Shelf},
    straight,
    types::{HandoffState, JournalError, Marks},
    write::Draft,
};

/// Held events of a key that are read at once.
const PAGE: usize = 32;

/// The held events of one key, as a draft sees them.
pub(crate) struct DraftShelf<'d, 'e> {
    draft: &'d mut Draft<'e>,
    source: &'d Arc<str>,
    key: OrderingHash,
    kind: Kind,
    late: Late,
    /// What was read ahead, from its front on.
    page: VecDeque<Entry<HeldEvent>>,
}

impl<'d, 'e> DraftShelf<'d, 'e> {
    pub(super) fn new(
        draft: &'d mut Draft<'e>,
        source: &'d Arc<str>,
        key: OrderingHash,
        kind: Kind,
        late: Late,
    ) -> Self {
        DraftShelf { draft, source, key, kind, late, page: VecDeque::new() }
    }

    fn at(&self, entry: &Entry<HeldEvent>) -> HeldAt {
        HeldAt { key: self.key, position: entry.position, arrival: entry.arrival }
    }

    fn notice(&mut self, entry: &Entry<HeldEvent>, cause: Cause, missing: u64) {
        self.draft.notices.push(OrderingNotice::released(self.source, entry.item.event, cause, missing));
    }
}

impl Shelf for DraftShelf<'_, '_> {
    type Item = HeldEvent;
    type Error = JournalError;

    fn first(&mut self, from: u64) -> Result<Option<Entry<HeldEvent>>, JournalError> {
        if self.page.is_empty() {
            let range = keys::held_from(&self.key, from);
            for (key, value) in self.draft.page(Space::Held, &range, PAGE)? {
                let Some(at) = keys::read_held(&key) else { continue };
                match record::read(&value, &hex::encode(&key)) {
                    Ok(item) => self.page.push_back(Entry { position: at.position, arrival: at.arrival, item }),
                    Err(e) => tracing::error!("{e}; it stays where it is"),
                }
            }
        }
        Ok(self.page.front().cloned())
    }

    fn hold(&mut self, entry: Entry<HeldEvent>) -> Result<(), JournalError> {
        let (at, due) = (self.at(&entry), entry.item.due);
        let writes = &mut self.draft.writes;
        writes.put(Space::Held, keys::held(&at), record::write(&entry.item)?);
        writes.put(Space::HeldDue, keys::held_due(self.source, self.kind, due, &at), Vec::new());
        let whereabouts = record::write(&Whereabouts::Held(at))?;
        writes.put(Space::Inbox, keys::whereabouts(entry.item.event), whereabouts);
        self.draft.delta.held(self.source, 1);
        let until = self.draft.wakes.held_until;
        self.draft.wakes.held_until = Some(until.map_or(due, |until| until.min(due)));
        self.page.clear();
        Ok(())
    }

    fn take(&mut self, entry: &Entry<HeldEvent>) -> Result<(), JournalError> {
        let at = self.at(entry);
        let writes = &mut self.draft.writes;
        writes.delete(Space::Held, keys::held(&at));
        writes.delete(Space::HeldDue, keys::held_due(self.source, self.kind, entry.item.due, &at));
        writes.delete(Space::Inbox, keys::whereabouts(entry.item.event));
        self.draft.delta.held(self.source, -1);
        self.page.pop_front();
        Ok(())
    }

    fn release(&mut self, entry: Entry<HeldEvent>, cause: Cause, missing: u64) -> Result<(), JournalError> {
        self.notice(&entry, cause, missing);
        let HeldEvent { event, ahead, .. } = entry.item;
        let marks = Marks { late: false, overflow: cause == Cause::Overflow, ahead, missing };
        straight::admit_in_turn(self.draft, event, marks)
    }

    fn late(&mut self, entry: Entry<HeldEvent>) -> Result<(), JournalError> {
        self.notice(&entry, Cause::Late, 0);
        let HeldEvent { event, ahead, .. } = entry.item;
        let now = self.draft.now;
        let reason = match self.kind {
            Kind::Sequence => "late: its number, or a higher one, was released before it came",
            Kind::Timestamp => "late: a later event of its ordering key was released before it came",
        };
        match self.late {
            Late::Deliver => handoffs::add_to_inbox(self.draft, event, Marks { late: true, ahead, ..Marks::default() }),
            Late::DeadLetter => handoffs::refuse_late(self.draft, event, HandoffState::Dead(now), reason),
            Late::Drop => handoffs::refuse_late(self.draft, event, HandoffState::Discarded(now), reason),
        }
    }
}
