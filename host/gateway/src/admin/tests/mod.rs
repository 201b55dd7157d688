//! The API as a whole, over a real journal.

mod dead_letters;
mod duplicates;
mod events;
mod gateway;
mod openapi;
mod secrets;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use bytes::Bytes;
use hookgate_capabilities::{Admission, CloudEvent, Descriptor, EventData, Identity, KnownBy, Payload, SecretSpec};
use hookgate_config::{Config, KnownPlugins, Plugins, ProcessEnvironment, Store};
use hookgate_journal::{Admitted, Commit, Journal};
use hookgate_model::{
    event::{EventId, KeptDelivery},
    handoff::{Attempt, HandoffId, HandoffState, Strand},
    ordering::OnFailure,
};
use hookgate_net::{egress::Guard, fetch::Fetcher};
use hookgate_sandbox::{Origin, Plugin};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use super::{AdminState, Parts, router};
use crate::{
    dispatch::DestinationHealth,
    enrollment::Enrollments,
    live::{Current, Live},
};

const SOURCE: &str = "
[[source]]
name = \"shop\"
plugin = \"shopping\"
secrets.signing = [{ value = \"the shop's own secret\" }]
settings.tolerance = 300
[[destination]]
name = \"orders\"
http = { url = \"https://orders.example/in?token=hush&v=2\" }
[[destination]]
name = \"audit\"
stdout = {}
[[route]]
from = \"shop\"
to = [\"orders\", \"audit\"]
";

/// In force, with that breaker open.
fn current(config: Config, plugins: BTreeMap<String, (Plugin, Origin)>) -> Current {
    let destination_health = DestinationHealth::standing([("orders", true)]);
    Current::new(Live {
        config,
        plugins,
        sources: Arc::default(),
        routes: Arc::default(),
        ordered: Arc::default(),
        fetcher: Fetcher::new(Guard::default()),
        destination_health,
    })
}

/// The API over a journal in a directory of its own.
struct Api {
    router: Router,
    journal: Journal,
    current: Current,
    enrollments: Enrollments,
    _directory: TempDir,
}

impl Api {
    fn new() -> Api {
        Api::with(SOURCE)
    }

    /// With these sections in the configuration.
    fn with(sections: &str) -> Api {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), sections);
        let journal = Journal::open(&config.store).unwrap();
        let enrollments = Enrollments::open(journal.clone(), &config.store.path, None).unwrap();
        let parts = Parts {
            current: current(config, BTreeMap::new()),
            journal: journal.clone(),
            enrollments,
            claims: None,
            versions: None,
            metrics: Box::new(|| "# nothing yet\n".to_owned()),
            public_url: "https://hooks.example".to_owned(),
            started: std::time::Instant::now(),
        };
        Api::of(parts, directory)
    }

    fn of(parts: Parts, directory: TempDir) -> Api {
        let (journal, current, enrollments) = (parts.journal.clone(), parts.current.clone(), parts.enrollments.clone());
        Api { router: router(AdminState::new(parts)), journal, current, enrollments, _directory: directory }
    }

    async fn call(&self, request: Request<Body>) -> Response<Bytes> {
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.call(request(Method::GET, path).body(Body::empty()).unwrap()).await)
    }

    /// What must be there.
    async fn found(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, order: &Value) -> (StatusCode, Value) {
        let request = request(Method::POST, path).header("content-type", "application/json");
        answer(self.call(request.body(Body::from(order.to_string())).unwrap()).await)
    }

    /// Admits an event of the source.
    async fn admit(&self, source: &str, id: &str) -> EventId {
        let identity =
            Identity { known_by: KnownBy::Id(id.to_owned()), kind: Some("paid".to_owned()), ..Identity::default() };
        let commit = Commit::new(
            KeptDelivery {
                source: source.to_owned(),
                plugin: ("shopping".to_owned(), "ab".repeat(32)),
                trace: "0af7651916cd43dd8448eb211c80319c".to_owned(),
                request: delivered(),
                senders: Vec::new(),
                claim: None,
                is_incomplete: false,
                decoded: None,
            },
            vec![(Admission { identity, payload: Payload::Body }, None)],
        );
        match self.journal.commit(commit).await.unwrap()[..] {
            [Admitted::New(id)] => id,
            ref other => panic!("{other:?}"),
        }
    }

    /// Routes one output of an event to these destinations.
    async fn route(&self, event: EventId, to: &[&str]) {
        let to = to.iter().map(|name| ((*name).to_owned(), 0)).collect();
        self.journal.fan_out(event, vec![output()], to).await.unwrap();
    }

    /// Records a failed attempt after which the handoff is dead.
    async fn kill(&self, event: EventId, destination: &str) -> HandoffId {
        let id = HandoffId { destination: destination.to_owned(), event, output: 0 };
        let attempt = Attempt { at: 1_700_000_000_000, took: 12, status: Some(410), error: Some("gone".to_owned()) };
        self.journal.record(&id, attempt, HandoffState::Dead(1_700_000_000_012)).await.unwrap();
        id
    }
}

fn config(directory: &Path, sections: &str) -> Config {
    let known = |_: &Plugins, _: &Store| -> Box<dyn KnownPlugins> {
        Box::new(BTreeMap::from([("shopping".to_owned(), Ok(descriptor()))]))
    };
    let text = format!("store.path = \"data\"\nstore.headroom = \"1MiB\"\n{sections}");
    Config::parse(&text, "hookgate.toml", directory, &ProcessEnvironment, &known).unwrap().0
}

fn descriptor() -> Descriptor {
    let secret = |name: &str, handed_over: bool| SecretSpec {
        name: name.to_owned(),
        required: !handed_over,
        handed_over,
        prefixes: Vec::new(),
        description: "what it is".to_owned(),
    };
    let setting = hookgate_capabilities::SettingSpec {
        name: "tolerance".to_owned(),
        default: None,
        description: "what it does".to_owned(),
    };
    Descriptor {
        name: "shopping".to_owned(),
        version: "1.0.0".to_owned(),
        summary: "a shop".to_owned(),
        documentation: Vec::new(),
        secrets: vec![secret("signing", false), secret("given", true)],
        settings: vec![setting],
        headers: Vec::new(),
        key_urls: Vec::new(),
        confirm_urls: Vec::new(),
    }
}

fn delivered() -> hookgate_capabilities::Request {
    hookgate_capabilities::Request {
        method: "POST".to_owned(),
        url: "https://hooks.example/in/shop?access_token=hush&v=2".to_owned(),
        headers: vec![
            ("x-shop-signature".to_owned(), b"c0ffee".to_vec()),
            ("authorization".to_owned(), b"Bearer hush".to_vec()),
        ],
        received_at: 1_700_000_000_000,
        body: Bytes::from_static(b"{\"amount\": 12345678901234567890}"),
    }
}

fn output() -> CloudEvent {
    CloudEvent {
        id: "1".to_owned(),
        source: "https://shop.example".to_owned(),
        type_: "example.shop.paid".to_owned(),
        subject: None,
        time: Some(1_700_000_000_000),
        data_schema: None,
        data_content_type: Some("application/json".to_owned()),
        data: EventData::Json("{\"made\": 12345678901234567890}".to_owned()),
        extensions: vec![("live".to_owned(), hookgate_capabilities::ExtensionValue::Boolean(true))],
    }
}

/// As a client on this machine makes it.
fn request(method: Method, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "127.0.0.1:8081")
}

fn answer(response: Response<Bytes>) -> (StatusCode, Value) {
    let body = serde_json::from_slice(response.body());
    let body = body.unwrap_or_else(|_| String::from_utf8_lossy(response.body()).into_owned().into());
    (response.status(), body)
}

/// The strings below a key of each item.
fn each<'v>(items: &'v Value, key: &str) -> Vec<&'v str> {
    items.as_array().unwrap().iter().map(|item| item[key].as_str().unwrap()).collect()
}
