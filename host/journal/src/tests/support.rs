//! What the suites share: a store in a throw-away directory, a clock that the test sets, deliveries.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hookgate_capabilities::{Admission, CloudEvent, EventData, Identity, KnownBy, Payload, Request};
use hookgate_config::{EngineKind, Store};

use crate::{write::clock::Clock, *};

/// Both engines.
pub(super) const ENGINES: [EngineKind; 2] = [EngineKind::Fjall, EngineKind::Sled];

/// Runs a test once for each engine.
pub(super) fn on_both_engines(test: impl Fn(EngineKind)) {
    for engine in ENGINES {
        eprintln!("engine: {engine:?}");
        test(engine);
    }
}

/// A store's configuration, as small as it may be.
pub(super) fn store(path: &Path, engine: EngineKind) -> Store {
    Store { path: path.to_owned(), engine, retention: Duration::from_secs(3600), headroom: 0, cache: 8 << 20 }
}

/// A clock that stands still until it is set.
#[derive(Clone)]
pub(super) struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub(super) fn at(ms: u64) -> Self {
        TestClock(Arc::new(AtomicU64::new(ms)))
    }

    pub(super) fn set(&self, ms: u64) {
        self.0.store(ms, Ordering::SeqCst);
    }

    pub(super) fn clock(&self) -> Clock {
        let time = self.0.clone();
        Arc::new(move || time.load(Ordering::SeqCst))
    }
}

/// Runs a future to its end.
pub(super) fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A delivery with that body and events with those keys.
pub(crate) fn commit(body: &[u8], keys: &[Option<IdempotencyKey>]) -> Commit {
    let request = Request {
        method: "POST".to_owned(),
        url: "https://hooks.example.com/in/shop".to_owned(),
        headers: vec![("content-type".to_owned(), b"application/json".to_vec())],
        received_at: 1_700_000_000_000,
        body: body.to_vec().into(),
    };
    let delivery = KeptDelivery {
        source: "shop".to_owned(),
        plugin: ("hmac".to_owned(), "00".repeat(32)),
        trace: "0af7651916cd43dd8448eb211c80319c".to_owned(),
        request,
        senders: Vec::new(),
        claim: None,
        is_incomplete: false,
        decoded: None,
    };
    let events = keys.iter().enumerate().map(|(index, key)| (admission(index), key.map(remembered))).collect();
    Commit::new(delivery, events)
}

/// A key that is remembered for ten minutes.
fn remembered(hash: IdempotencyKey) -> EventKey {
    EventKey { hash, lasts: Duration::from_secs(600), kind: KeyKind::Id }
}

/// As [`commit`], verified by signatures that are remembered for so many milliseconds.
pub(super) fn signed_commit(
    body: &[u8],
    keys: &[Option<IdempotencyKey>],
    signatures: &[IdempotencyKey],
    window_ms: u64,
) -> Commit {
    let signatures = Signatures { keys: signatures.to_vec(), window: Duration::from_millis(window_ms) };
    Commit { signatures, ..commit(body, keys) }
}

/// What a plugin would say of an event.
pub(crate) fn admission(index: usize) -> Admission {
    let identity = Identity {
        known_by: KnownBy::Id(format!("evt_{index}")),
        kind: Some("paid".to_owned()),
        ..Identity::default()
    };
    Admission { identity, payload: Payload::Body }
}

/// An idempotency key.
pub(super) fn key(number: u64) -> IdempotencyKey {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

/// What `transform` would make of an event.
pub(super) fn output(id: &str) -> CloudEvent {
    CloudEvent {
        id: id.to_owned(),
        source: "/shop".to_owned(),
        type_: "com.example.paid".to_owned(),
        subject: None,
        time: Some(1_700_000_000_000),
        data_schema: None,
        data_content_type: Some("application/json".to_owned()),
        data: EventData::Payload,
        extensions: Vec::new(),
    }
}

/// A failed attempt.
pub(super) fn failure(at: u64) -> Attempt {
    Attempt { at, took: 12, status: Some(503), error: Some("HTTP 503".to_owned()) }
}

/// A success.
pub(super) fn success(at: u64) -> Attempt {
    Attempt { at, took: 12, status: Some(200), error: None }
}

/// The id of an event that must be new.
pub(super) fn new(admitted: &[Admitted]) -> EventId {
    match admitted {
        [Admitted::New(id)] => *id,
        other => panic!("expected one new event, got {other:?}"),
    }
}

/// Drops the last handle and waits until the store is closed.
pub(super) fn close(journal: Journal) {
    let shared = journal.0.shared.clone();
    drop(journal);
    while !matches!(shared.health(), Health::Closed(_)) || std::sync::Arc::strong_count(&shared) > 1 {
        std::thread::yield_now();
    }
}

/// Waits until something holds.
pub(super) fn eventually(holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it did not come about");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How many rounds a suite runs: a number from the environment, for long runs, or the default.
pub(super) fn cases(variable: &str, default: u32) -> u32 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
