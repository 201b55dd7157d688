//! Dispatch as a whole: a real journal, real receivers on loopback, real files.

mod deaths;
mod fanout;
mod files;
mod http;
mod isolation;
mod lifecycle;
mod order;
mod receiver;

use std::{
    collections::BTreeMap,
    future::Future,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use hookgate_capabilities::{Admission, CloudEvent, EventData, Identity, Payload, Request};
use hookgate_cloudevents::Format;
use hookgate_config::{
    Admin, Claims, Config, DataRef, Destination, Diagnosis, Egress, EngineKind, Log, LogFormat, Plugins, Rate, Retry,
    Route, Server, Store, Target,
};
use hookgate_journal::{Admitted, Commit, Journal};
use hookgate_model::{
    event::{EventId, KeptDelivery, KeptEvent},
    handoff::{Handoff, HandoffId, HandoffState},
};
use hookgate_sinks::{HttpTarget, Jsonl, On4xx};
use tempfile::TempDir;

use super::Dispatcher;
use crate::fanout::{Transform, TransformError, Transformed};

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// One CloudEvent of each event, with its payload.
pub struct Whole;

#[async_trait::async_trait]
impl Transform for Whole {
    async fn transform(&self, event: &KeptEvent) -> Result<Transformed, TransformError> {
        Ok(vec![whole(event)].into())
    }
}

/// The event with its payload.
pub fn whole(event: &KeptEvent) -> CloudEvent {
    CloudEvent {
        id: event.id.to_string(),
        source: format!("/{}", event.delivery.source),
        type_: "com.acme.done".into(),
        subject: None,
        time: None,
        data_schema: None,
        data_content_type: Some("application/json".into()),
        data: EventData::Payload,
        extensions: Vec::new(),
    }
}

/// A store in a directory of its own, and what is configured over it.
pub struct Bench {
    pub directory: TempDir,
    pub config: Config,
}

impl Bench {
    /// Every source to every one of these destinations; loopback is allowed.
    pub fn new(destinations: Vec<Destination>) -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let route =
            Route { from: vec!["*".into()], to: destinations.iter().map(|d| d.name.clone()).collect(), filter: None };
        let config = config(directory.path(), destinations, vec![route]);
        Bench { directory, config }
    }

    pub fn open(&self) -> Journal {
        Journal::open(&self.config.store).unwrap()
    }

    pub fn start(&self, journal: &Journal) -> Dispatcher {
        self.start_with(journal, Arc::new(Whole))
    }

    pub fn start_with(&self, journal: &Journal, transform: Arc<dyn Transform>) -> Dispatcher {
        let mut dispatcher = Dispatcher::default();
        dispatcher.work_on(Dispatcher::prepare(&self.config, journal, None).unwrap(), transform, PATIENCE);
        dispatcher
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// Opens the store again once its last holder has let it go.
pub async fn reopen(bench: &Bench) -> Journal {
    let mut journal = None;
    until("the store is free again", || {
        journal = Journal::open(&bench.config.store).ok();
        journal.is_some()
    })
    .await;
    journal.unwrap()
}

fn config(directory: &Path, destinations: Vec<Destination>, routes: Vec<Route>) -> Config {
    let second = Duration::from_secs(1);
    Config {
        server: Server {
            listen: "127.0.0.1:0".parse().unwrap(),
            public_url: None,
            trusted_proxies: Vec::new(),
            connections: 10,
            header_timeout: second,
            body_timeout: second,
            body_memory: 64 << 20,
            drain_timeout: second,
            tls: None,
        },
        store: Store {
            path: directory.join("store"),
            engine: EngineKind::Fjall,
            retention: Duration::from_secs(3600),
            headroom: 0,
            cache: 8 << 20,
        },
        seal_key: None,
        admin: Admin { listen: "127.0.0.1:0".parse().unwrap(), token: None },
        egress: Egress { allow: vec!["127.0.0.0/8".parse().unwrap()] },
        plugins: Plugins {
            directory: None,
            cache: None,
            trusted_keys: Vec::new(),
            grants: Default::default(),
            timeout: second,
            memory: 1 << 20,
            concurrency: 1,
        },
        log: Log { filter: "info".into(), format: LogFormat::Text },
        diagnosis: Diagnosis { bodies: false },
        claims: Claims {
            path: directory.join("claims"),
            s3: None,
            public_url: None,
            url_ttl: second,
            keys: Vec::new(),
            dataref: DataRef::Gateway,
        },
        sources: Vec::new(),
        destinations: destinations.into_iter().map(Arc::new).collect(),
        routes,
    }
}

/// An HTTP destination that retries at once, five attempts in all.
pub fn http(name: &str, url: &str) -> Destination {
    http_with(name, url, |_| {})
}

/// The same with other settings.
pub fn http_with(name: &str, url: &str, change: impl FnOnce(&mut HttpTarget)) -> Destination {
    let mut http = HttpTarget {
        url: url.parse().unwrap(),
        secrets: Vec::new(),
        format: Format::Structured,
        headers: Vec::new(),
        on_4xx: On4xx::DeadLetter,
    };
    change(&mut http);
    destination(name, http.into())
}

/// Any destination that retries at once, five attempts in all.
pub fn destination(name: &str, target: Target) -> Destination {
    Destination {
        name: name.into(),
        target,
        rate: None,
        concurrency: 4,
        timeout: Duration::from_secs(20),
        retry: Retry { attempts: 5, first: Duration::from_millis(1), max: Duration::from_millis(20) },
    }
}

/// `count` a second, one at once.
pub fn rate(count: u32) -> Rate {
    let one = NonZeroU32::MIN;
    Rate { count: NonZeroU32::new(count).unwrap(), per: Duration::from_secs(1), burst: one }
}

/// Admits an event with this body.
pub async fn admit(journal: &Journal, source: &str, body: &str) -> EventId {
    admit_as(journal, source, Identity::default(), body).await
}

/// Admits an event of which the plugin says that.
pub async fn admit_as(journal: &Journal, source: &str, identity: Identity, body: &str) -> EventId {
    let delivery = KeptDelivery {
        source: source.into(),
        plugin: ("test".into(), "00".into()),
        trace: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
        request: Request {
            method: "POST".into(),
            url: format!("http://localhost/in/{source}"),
            headers: vec![("content-type".into(), b"application/json".to_vec())],
            received_at: hookgate_model::clock::now_ms(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        },
        senders: Vec::new(),
        claim: None,
        is_incomplete: false,
        decoded: None,
    };
    let admission = Admission { identity, payload: Payload::Body };
    let commit = Commit::new(delivery, vec![(admission, None)]);
    match journal.commit(commit).await.unwrap().as_slice() {
        [Admitted::New(id)] => *id,
        other => panic!("{other:?}"),
    }
}

/// Admits so many events of a source, with their numbers as bodies.
pub async fn admit_many(journal: &Journal, source: &str, count: usize) -> Vec<EventId> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(admit(journal, source, &number.to_string()).await);
    }
    ids
}

/// The first output of an event on its way to a destination.
pub fn handoff_id(event: EventId, destination: &str) -> HandoffId {
    HandoffId { destination: destination.into(), event, output: 0 }
}

/// A handoff once it waits no more. A store that is just being opened again is waited for.
pub async fn settled(journal: &Journal, event: EventId, destination: &str) -> Handoff {
    let id = handoff_id(event, destination);
    let waits = |state| matches!(state, HandoffState::Pending(_) | HandoffState::Waiting(_));
    let mut settled = None;
    until("the handoff is settled", || {
        settled = journal.handoff(&id).ok().flatten().filter(|handoff| !waits(handoff.state));
        settled.is_some()
    })
    .await;
    settled.unwrap()
}

pub fn is_delivered(handoff: &Handoff) -> bool {
    matches!(handoff.state, HandoffState::Delivered(_))
}

pub fn is_dead(handoff: &Handoff) -> bool {
    matches!(handoff.state, HandoffState::Dead(_))
}

/// Waits for a condition that nothing announces.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(what, waiting).await;
}

/// Waits for something, and panics when it does not come.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited for {PATIENCE:?}: {what}"),
    }
}

/// How often each text is there.
pub fn tally(texts: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for text in texts {
        *counts.entry(text).or_default() += 1;
    }
    counts
}
