//! The simplest thing that orders the events of one key: a list that is looked through again and again. The tests compare
//! the real ones with it.

use super::Kind;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    InTime,
    Late,
}

/// An event that is held.
#[derive(Clone, Copy, Debug)]
struct Held {
    position: u64,
    number: u64,
    due: u64,
}

/// The events of one key. Numbers of events rise from arrival to arrival.
#[derive(Clone, Debug)]
pub struct Model {
    kind: Kind,
    hold: u64,
    most: usize,
    next: Option<u128>,
    held: Vec<Held>,
    /// Events that have left, by their number.
    pub left: Vec<(u64, How)>,
}

impl Model {
    pub fn new(kind: Kind, hold: u64, most: usize) -> Model {
        Model { kind, hold, most, next: None, held: Vec::new(), left: Vec::new() }
    }

    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// An event comes.
    pub fn arrive(&mut self, position: u64, number: u64, now: u64) {
        let past = self.next.is_some_and(|next| u128::from(position) < next);
        if past && self.kind == Kind::Sequence && position <= 1 && self.next > Some(2) {
            while !self.held.is_empty() {
                self.leave_first();
            }
            self.next = None;
        } else if past {
            return self.left.push((number, How::Late));
        }
        self.held.push(Held { position, number, due: now + self.hold });
        self.held.sort_by_key(|held| (held.position, held.number));
        self.follow();
        while self.held.len() > self.most {
            self.leave_first();
            self.follow();
        }
    }

    /// Time has passed.
    pub fn pass(&mut self, now: u64) {
        while let Some(last) = self.held.iter().rposition(|held| held.due <= now) {
            for _ in 0..=last {
                self.leave_first();
            }
        }
        self.follow();
    }

    /// Numbers that need not wait.
    fn follow(&mut self) {
        while self.kind == Kind::Sequence
            && let Some(first) = self.held.first()
            && u128::from(first.position) <= self.next.unwrap_or(1)
        {
            self.leave_first();
        }
    }

    fn leave_first(&mut self) {
        let first = self.held.remove(0);
        let at = u128::from(first.position);
        if self.next.is_some_and(|next| at < next) {
            return self.left.push((first.number, How::Late));
        }
        self.left.push((first.number, How::InTime));
        self.next = Some(if self.kind == Kind::Sequence { at + 1 } else { at });
    }
}
