//! Where the first entry of a queue, of the inbox, or of the held events of a source can be at the earliest.
//!
//! Entries leave at the front, and in a log-structured engine what was deleted there is in the way until it is compacted:
//! a look at an empty queue could wade through a million deletions. So the place of the first entry is remembered.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::{
    engine::{Batch, KeyRange, Space},
    record::keys,
};

/// The known fronts, by space and by what all keys of the range begin with.
#[derive(Debug, Default)]
pub(crate) struct Heads(Mutex<HashMap<(Space, Vec<u8>), Head>>);

#[derive(Debug, Default)]
struct Head {
    /// No entry is below.
    from: Vec<u8>,
    /// How often an entry was added. A look that has not seen it says nothing of where the first entry is: the new one
    /// may lie before the first of those that it has seen.
    additions: u64,
}

/// A look that is under way.
#[derive(Debug)]
pub(crate) struct Look {
    space: Space,
    of: Vec<u8>,
    additions: u64,
}

impl Heads {
    /// Raises a range's start to where its first entry can be. To be followed by [`Heads::seen`].
    pub(crate) fn start(&self, space: Space, of: Vec<u8>, range: &mut KeyRange) -> Look {
        let mut heads = self.0.lock();
        let head = heads.entry((space, of.clone())).or_default();
        if head.from > range.from {
            range.from.clone_from(&head.from);
        }
        Look { space, of, additions: head.additions }
    }

    /// What the first entry was, or the range's end when there was none; counts only when nothing was added meanwhile.
    pub(crate) fn seen(&self, look: Look, first: Vec<u8>) {
        if let Some(head) = self.0.lock().get_mut(&(look.space, look.of))
            && head.additions == look.additions
        {
            head.from = first;
        }
    }

    /// The keys that a batch adds to queues, the inbox and the times of held events; to be handed to [`Heads::added`]
    /// once it is applied.
    pub(crate) fn additions(batch: &Batch) -> Vec<(Space, Vec<u8>)> {
        let added = batch.writes.iter().filter(|((space, key), value)| value.is_some() && of(*space, key).is_some());
        added.map(|(key, _)| key.clone()).collect()
    }

    /// Lowers the fronts. The entries may be announced only after this.
    pub(crate) fn added(&self, additions: Vec<(Space, Vec<u8>)>) {
        let mut heads = self.0.lock();
        for (space, key) in additions {
            let Some(of) = of(space, &key) else { continue };
            if let Some(head) = heads.get_mut(&(space, of.to_vec())) {
                head.additions += 1;
                if key < head.from {
                    head.from = key;
                }
            }
        }
    }

    /// Forgets everything: the store was opened again.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }
}

/// What all keys of the range begin with to which a key belongs; none when its range is not worked off from its front.
fn of(space: Space, key: &[u8]) -> Option<&[u8]> {
    match space {
        Space::Queue if keys::read_waits(key).is_none() => Some(keys::destination_of(key)),
        Space::HeldDue => Some(keys::held_line_of(key)),
        Space::Inbox if keys::is_in_order(key) => Some(&[]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(heads: &Heads) -> (Look, Vec<u8>) {
        let mut range = KeyRange { from: vec![0], to: vec![9] };
        let look = heads.start(Space::Inbox, Vec::new(), &mut range);
        (look, range.from)
    }

    fn add(heads: &Heads, key: u8) {
        heads.added(vec![(Space::Inbox, vec![key])]);
    }

    #[test]
    fn a_look_raises_the_front_and_what_comes_below_lowers_it() {
        let heads = Heads::default();
        heads.seen(look(&heads).0, vec![5]);
        assert_eq!(look(&heads).1, [5]);
        add(&heads, 3);
        assert_eq!(look(&heads).1, [3]);
        add(&heads, 7);
        assert_eq!(look(&heads).1, [3]);
    }

    /// Such an entry stayed out of sight until the next start: an event that was acknowledged and not handed on.
    #[test]
    fn what_is_added_during_a_look_is_found_by_the_next_one() {
        for (added, seen) in [(4, vec![6]), (4, vec![9]), (1, vec![2])] {
            let heads = Heads::default();
            let (under_way, _) = look(&heads);
            add(&heads, added);
            heads.seen(under_way, seen);
            assert!(look(&heads).1 <= vec![added], "{added} is hidden");
        }
    }
}
