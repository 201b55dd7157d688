//! The kept refused deliveries. Their number is bounded for each source and each address. Half of the places are for addresses
//! that have sent authentic deliveries, so forgers cannot take these.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use hookgate_model::{limits, redact::Mask, trace::TraceId};

use super::{Finding, Subject};
use crate::ingress::Client;

/// A refused delivery.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its trace, which is also in the reply to the sender and in the log.
    pub trace: TraceId,
    /// When it was refused, in milliseconds since the epoch.
    pub at: u64,
    /// Where it came from.
    pub client: Client,
    /// The cause in the table of refusals.
    pub cause: &'static str,
    /// Why, in words.
    pub inside: String,
    /// Its contents; `None` if it was refused before its plugin saw it.
    pub delivery: Option<RefusedDelivery>,
    /// Its diagnosis.
    pub diagnosis: DiagnosisState,
}

/// The contents of a refused delivery, with masked credentials.
#[derive(Clone, Debug)]
pub struct RefusedDelivery {
    /// Upper case.
    pub method: String,
    /// As the provider saw it.
    pub url: String,
    /// Names and values in order, as far as they fit into the room for them.
    pub headers: Vec<(String, String)>,
    /// In bytes.
    pub body_bytes: u64,
    /// The body, if it is kept.
    pub body: Option<Bytes>,
}

/// The state of the diagnosis of a refused delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiagnosisState {
    /// It will begin soon.
    NotYet,
    /// It has ended with these findings, if any.
    Found(Vec<Finding>),
    /// Not possible: the reason is not the signature, or the body is too large.
    NotPossible,
    /// Left out: too many deliveries were refused at the same time.
    TooMany,
}

impl RefusedDelivery {
    /// The part of a delivery that is kept.
    pub fn new(subject: &Subject, mask: &Mask, with_body: bool) -> Self {
        let Subject { request, body, .. } = subject;
        let mut room = limits::REFUSED_HEAD_BYTES_MAX;
        let mut fits = |text: &str| {
            let enough = text.len() <= room;
            room = room.saturating_sub(text.len());
            enough
        };
        let url = cut(&mask.url(&request.url), limits::REFUSED_URL_BYTES_MAX);
        let shown = request.headers.iter().map(|(name, value)| (name.clone(), mask.header(name, value)));
        let headers = shown.take_while(|(name, value)| fits(name) && fits(value)).collect();
        let fits = |body: &&Bytes| with_body && body.len() <= limits::REFUSED_BODY_BYTES_MAX;
        RefusedDelivery {
            method: cut(&request.method, limits::REFUSED_METHOD_BYTES_MAX),
            url,
            headers,
            body_bytes: body.length(),
            body: body.in_memory().filter(fits).map(|body| mask.body(body)),
        }
    }
}

fn cut(text: &str, max: usize) -> String {
    text[..text.floor_char_boundary(max)].to_owned()
}

/// The entries of a source, in two halves: from strangers, and from addresses that have sent authentic deliveries.
#[derive(Debug, Default)]
pub(super) struct Ring {
    halves: [VecDeque<Entry>; 2],
    left_out: u64,
}

impl Ring {
    /// Keeps an entry. If its address has used up its share, the oldest entry of the address makes room; if the half is full, the
    /// oldest of the half.
    pub(super) fn push(&mut self, entry: Entry, is_known: bool) {
        let half = &mut self.halves[usize::from(is_known)];
        let key = entry.client.counted();
        let of_address = |other: &Entry| other.client.counted() == key;
        let share = limits::REFUSALS_OF_ADDRESS_MAX;
        let place = if half.iter().filter(|other| of_address(other)).count() >= share {
            half.iter().position(of_address)
        } else {
            (half.len() >= limits::REFUSALS_OF_SOURCE_MAX / 2).then_some(0)
        };
        if let Some(place) = place {
            half.remove(place);
            self.left_out += 1;
        }
        half.push_back(entry);
    }

    /// Newest first.
    pub(super) fn list(&self) -> Vec<Entry> {
        let mut all: Vec<Entry> = self.halves.iter().flatten().cloned().collect();
        all.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        all
    }

    pub(super) fn find(&self, trace: &TraceId) -> Option<Entry> {
        self.halves.iter().flatten().rev().find(|entry| entry.trace == *trace).cloned()
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(super) fn set_diagnosis(&mut self, trace: &TraceId, diagnosis: DiagnosisState) {
        if let Some(entry) = self.halves.iter_mut().flatten().find(|entry| entry.trace == *trace) {
            entry.diagnosis = diagnosis;
        }
    }
}

/// Addresses that have sent authentic deliveries lately, as hashes. One that shares its place with a later one is
/// forgotten, which costs nothing but room for its refused deliveries.
pub(super) struct KnownSenders([AtomicU64; limits::KNOWN_SENDERS_OF_SOURCE]);

impl Default for KnownSenders {
    fn default() -> Self {
        KnownSenders([const { AtomicU64::new(0) }; limits::KNOWN_SENDERS_OF_SOURCE])
    }
}

impl KnownSenders {
    /// On the path of every delivery: it only writes what it does not find there.
    pub(super) fn note(&self, client: Client) {
        let (hash, place) = self.place(client);
        if client != Client::Unknown && place.load(Ordering::Relaxed) != hash {
            place.store(hash, Ordering::Relaxed);
        }
    }

    pub(super) fn knows(&self, client: Client) -> bool {
        let (hash, place) = self.place(client);
        place.load(Ordering::Relaxed) == hash
    }

    fn place(&self, client: Client) -> (u64, &AtomicU64) {
        let mut hasher = DefaultHasher::new();
        client.counted().hash(&mut hasher);
        let hash = hasher.finish() | 1;
        (hash, &self.0[(hash >> 1) as usize % self.0.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(client: [u8; 4], at: u64) -> Entry {
        Entry {
            trace: TraceId::random(),
            at,
            client: Client::Address(client.into()),
            cause: "unauthenticated",
            inside: String::new(),
            delivery: None,
            diagnosis: DiagnosisState::NotPossible,
        }
    }

    #[test]
    fn an_address_pushes_out_its_own_entries_only() {
        let mut ring = Ring::default();
        ring.push(entry([192, 0, 2, 1], 0), false);
        for at in 1..100 {
            ring.push(entry([192, 0, 2, 66], at), false);
        }
        let kept = ring.list();
        assert_eq!(kept.len(), 1 + limits::REFUSALS_OF_ADDRESS_MAX);
        assert_eq!(kept.last().map(|entry| entry.at), Some(0), "the other address's entry is still there");
        assert_eq!(kept.first().map(|entry| entry.at), Some(99));
        assert_eq!(ring.left_out(), 99 - limits::REFUSALS_OF_ADDRESS_MAX as u64);
    }

    #[test]
    fn a_crowd_of_strangers_pushes_out_nothing_of_known_senders() {
        let mut ring = Ring::default();
        ring.push(entry([192, 0, 2, 1], 0), true);
        for n in 0..=255 {
            ring.push(entry([198, 51, 100, n], 1), false);
        }
        assert_eq!(ring.list().len(), 1 + limits::REFUSALS_OF_SOURCE_MAX / 2);
        assert_eq!(ring.list().last().map(|entry| entry.at), Some(0));
    }

    #[test]
    fn senders_are_known_by_what_they_have_sent() {
        let senders = KnownSenders::default();
        let [one, other] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(|address: [u8; 4]| Client::Address(address.into()));
        assert!(!senders.knows(one));
        senders.note(one);
        senders.note(Client::Unknown);
        assert!(senders.knows(one) && !senders.knows(other) && !senders.knows(Client::Unknown));
    }
}
