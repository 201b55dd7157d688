//! Which events are being transformed, and which were when the process died.
//!
//! A plugin's call is sandboxed, and still a defect in the sandbox or in the host could end the whole process in it. The
//! event would be in the inbox at the next start and end that process as well. So an event is marked before each call. What
//! is marked when a store is opened was being transformed when the process died: it is a suspect. Suspects are transformed
//! alone (by the gateway's fan-out), so that the next death points to one event only; an event that gets through is cleared.
//!
//! The marks are a file beside the engine that is written without a sync: a kill or an abort of the process leaves it
//! readable, and what a power cut takes with it were no deaths that a plugin caused.
//!
//! ```text
//! slot n at 32 * n:
//!   0: state      1 byte: 0 free, 1 being transformed, 2 suspect
//!   1: deaths     1 byte: of processes that were transforming it
//!   2: event     18 bytes: delivery, index
//!  20: zeros      4 bytes
//!  24: check      8 bytes, the first ones of the SHA-256 of all before
//! ```

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

use hookgate_model::limits::SUSPECTS_MAX;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::{Journal, record::keys, types::EventId};

const FILE: &str = "transforming";
const SLOT: usize = 32;

const FREE: u8 = 0;
const MARKED: u8 = 1;
const SUSPECT: u8 = 2;

impl Journal {
    /// Marks an event whose transformation begins, until the mark is dropped: if the process dies meanwhile, the next one
    /// knows that event. `None` where the mark cannot be written.
    pub fn mark_transform(&self, event: EventId) -> Option<TransformMark> {
        self.0.suspects.mark(event)
    }

    /// How many processes have died while they transformed an event that is still in the inbox.
    pub fn transform_deaths(&self, event: EventId) -> u8 {
        self.0.suspects.deaths(event)
    }
}

/// The open file.
#[derive(Debug)]
pub(super) struct Suspects {
    file: File,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    /// Events whose transformation a process has not survived: each with its slot and the number of such processes.
    suspects: HashMap<EventId, (u64, u8)>,
    free: Vec<u64>,
    /// Slots from here on were never used.
    end: u64,
    /// The file could not be written last time, which was logged.
    failed: bool,
}

/// A mark that is taken off when it is dropped: the call has ended, and the process lives.
#[derive(Debug)]
pub struct TransformMark {
    suspects: Arc<Suspects>,
    event: EventId,
    slot: u64,
}

impl Suspects {
    /// Opens or makes the file. What is marked there is a suspect from now on, if it still `waits` for its transformation.
    pub(super) fn open(store: &Path, waits: impl Fn(EventId) -> bool) -> io::Result<Suspects> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(store.join(FILE))?;
        let mut bytes = Vec::new();
        (&file).take(SUSPECTS_MAX * SLOT as u64).read_to_end(&mut bytes)?;
        let mut slots = Slots::default();
        for (slot, bytes) in (0..).zip(bytes.as_chunks::<SLOT>().0) {
            slots.end = slot + 1;
            match read(bytes) {
                Some((state, deaths, event)) if waits(event) => {
                    let deaths = deaths.saturating_add(u8::from(state == MARKED));
                    slots.suspects.insert(event, (slot, deaths));
                    file.write_all_at(&slot_of(SUSPECT, deaths, event), slot * SLOT as u64)?;
                }
                _ => {
                    slots.free.push(slot);
                    file.write_all_at(&[FREE; SLOT], slot * SLOT as u64)?;
                }
            }
        }
        if !slots.suspects.is_empty() {
            tracing::warn!(
                events = slots.suspects.len(),
                "the process died while these events were being transformed: each is transformed alone now"
            );
        }
        Ok(Suspects { file, slots: Mutex::new(slots) })
    }

    /// Processes that have died while they transformed the event.
    pub(super) fn deaths(&self, event: EventId) -> u8 {
        self.slots.lock().suspects.get(&event).map_or(0, |(_, deaths)| *deaths)
    }

    /// Marks an event whose transformation begins. `None` where the file cannot be written, which is logged.
    pub(super) fn mark(self: &Arc<Self>, event: EventId) -> Option<TransformMark> {
        let mut slots = self.slots.lock();
        let (slot, deaths) = match slots.suspects.get(&event) {
            Some(known) => *known,
            None => (slots.take_free()?, 0),
        };
        if self.write(&mut slots, slot, &slot_of(MARKED, deaths, event)) {
            return Some(TransformMark { suspects: self.clone(), event, slot });
        }
        if deaths == 0 {
            slots.free.push(slot);
        }
        None
    }

    /// An event's transformation is done with, whatever came of it.
    pub(super) fn clear(&self, event: EventId) {
        let mut slots = self.slots.lock();
        if let Some((slot, _)) = slots.suspects.remove(&event) {
            self.write(&mut slots, slot, &[FREE; SLOT]);
            slots.free.push(slot);
        }
    }

    fn unmark(&self, event: EventId, slot: u64) {
        let mut slots = self.slots.lock();
        match slots.suspects.get(&event).copied() {
            Some((_, deaths)) => _ = self.write(&mut slots, slot, &slot_of(SUSPECT, deaths, event)),
            None => {
                self.write(&mut slots, slot, &[FREE; SLOT]);
                slots.free.push(slot);
            }
        }
    }

    fn write(&self, slots: &mut Slots, slot: u64, bytes: &[u8; SLOT]) -> bool {
        let written = self.file.write_all_at(bytes, slot * SLOT as u64);
        if let (Err(error), false) = (&written, slots.failed) {
            tracing::warn!(%error, "cannot note which event is being transformed: one that ends the process would not be found");
        }
        slots.failed = written.is_err();
        written.is_ok()
    }
}

impl Slots {
    fn take_free(&mut self) -> Option<u64> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        let slot = Some(self.end).filter(|end| *end < SUSPECTS_MAX)?;
        self.end += 1;
        Some(slot)
    }
}

impl Drop for TransformMark {
    fn drop(&mut self) {
        self.suspects.unmark(self.event, self.slot);
    }
}

fn slot_of(state: u8, deaths: u8, event: EventId) -> [u8; SLOT] {
    let mut bytes = [0; SLOT];
    bytes[0] = state;
    bytes[1] = deaths;
    bytes[2..20].copy_from_slice(&keys::event(event));
    let check = Sha256::digest(&bytes[..24]);
    bytes[24..].copy_from_slice(&check[..8]);
    bytes
}

/// State, deaths and event of a slot; none for a free one, and for what no process has written as a whole.
fn read(bytes: &[u8; SLOT]) -> Option<(u8, u8, EventId)> {
    let (state, deaths, event) = (bytes[0], bytes[1], keys::read_event(&bytes[2..20])?);
    let is_whole = [MARKED, SUSPECT].contains(&state) && *bytes == slot_of(state, deaths, event);
    is_whole.then_some((state, deaths, event))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn event(number: u16) -> EventId {
        EventId { delivery: Uuid::from_u128(7), index: number }
    }

    fn open(dir: &tempfile::TempDir) -> Arc<Suspects> {
        Arc::new(Suspects::open(dir.path(), |_| true).unwrap())
    }

    fn deaths(suspects: &Suspects) -> [u8; 4] {
        [0, 1, 2, 3].map(|number| suspects.deaths(event(number)))
    }

    /// As if the process had died: nothing is taken off.
    fn die(marks: impl IntoIterator<Item = Option<TransformMark>>) {
        marks.into_iter().for_each(|mark| std::mem::forget(mark.unwrap()));
    }

    #[test]
    fn what_was_marked_when_the_process_died_is_suspect_and_what_had_ended_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let suspects = open(&dir);
        drop(suspects.mark(event(0)));
        die([suspects.mark(event(1)), suspects.mark(event(2))]);
        let suspects = open(&dir);
        assert_eq!(deaths(&suspects), [0, 1, 1, 0]);
        // One gets through, the other ends the process again; a third that is not begun stays what it is.
        drop(suspects.mark(event(1)));
        suspects.clear(event(1));
        die([suspects.mark(event(2))]);
        let suspects = open(&dir);
        assert_eq!(deaths(&suspects), [0, 0, 2, 0]);
        die([suspects.mark(event(2)), suspects.mark(event(3))]);
        assert_eq!(deaths(&open(&dir)), [0, 0, 3, 1]);
        assert_eq!(deaths(&open(&dir)), [0, 0, 3, 1], "opening alone is not a death");
    }

    #[test]
    fn a_suspect_that_is_gone_from_the_inbox_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let suspects = open(&dir);
        die([suspects.mark(event(1)), suspects.mark(event(2))]);
        let suspects = Suspects::open(dir.path(), |id| id == event(2)).unwrap();
        assert_eq!(deaths(&suspects), [0, 0, 1, 0]);
        assert_eq!(deaths(&open(&dir)), [0, 0, 1, 0]);
    }

    #[test]
    fn slots_are_used_again_and_there_are_so_many_at_most() {
        let dir = tempfile::tempdir().unwrap();
        let suspects = open(&dir);
        for _ in 0..10 {
            let marks: Vec<_> = (0..40).map(|number| suspects.mark(event(number)).unwrap()).collect();
            drop(marks);
        }
        assert_eq!(std::fs::metadata(dir.path().join(FILE)).unwrap().len(), 40 * SLOT as u64);
        let all: Vec<_> = (0..SUSPECTS_MAX).map(|number| suspects.mark(event(number as u16)).unwrap()).collect();
        assert!(suspects.mark(event(u16::MAX)).is_none());
        drop(all);
        assert!(suspects.mark(event(u16::MAX)).is_some());
    }

    #[test]
    fn garbage_marks_no_event() {
        let dir = tempfile::tempdir().unwrap();
        let suspects = open(&dir);
        die([suspects.mark(event(1))]);
        let whole = std::fs::read(dir.path().join(FILE)).unwrap();
        for at in 0..SLOT {
            let mut garbled = whole.clone();
            garbled[at] ^= 0x11;
            std::fs::write(dir.path().join(FILE), garbled).unwrap();
            assert_eq!(deaths(&open(&dir)), [0; 4], "{at}");
        }
        std::fs::write(dir.path().join(FILE), &whole[..SLOT - 1]).unwrap();
        assert_eq!(deaths(&open(&dir)), [0; 4]);
    }
}
