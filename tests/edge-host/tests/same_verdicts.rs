//! Every vector that a bundled plugin carries, at the edge and in the gateway's own sandbox: one and the same plugin, and
//! the same comes of it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use hookgate_bundled::component;
use hookgate_capabilities::{
    Admission, Body, CloudEvent, Delivery, Event, KnownBy, Refusal, Request, Secrets, Verdict, known_by,
};
use hookgate_conformance::Vector;
use hookgate_edge_host::{Documents, Edge, Options, compile, engine};
use hookgate_gateway::edge::{ContentCodings, Platform, compose};
use hookgate_sandbox::{Broken, Catalog, FirstCalls, Plugin, Sandbox, SandboxLimits, vectors};
use http::HeaderValue;
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

const ORIGIN_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What came of a delivery, in words that both ways have.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    /// Of a reply of the plugin's own.
    body: Option<String>,
    /// Of each CloudEvent: what the provider calls the event, and the event itself.
    events: Vec<(Value, Value)>,
}

/// An origin that accepts everything and remembers the last request.
struct Origin {
    url: String,
    last: Arc<Mutex<Option<Bytes>>>,
}

impl Origin {
    async fn start() -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let last = Arc::new(Mutex::new(None));
        let kept = last.clone();
        tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                let kept = kept.clone();
                let service = service_fn(move |request: hyper::Request<Incoming>| {
                    let kept = kept.clone();
                    async move {
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        *kept.lock().unwrap() = Some(body);
                        Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::new())))
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service),
                );
            }
        });
        Origin { url, last }
    }

    fn taken(&self) -> Vec<Value> {
        let Some(body) = self.last.lock().unwrap().take() else { return Vec::new() };
        match serde_json::from_slice(&body).unwrap() {
            Value::Array(batch) => batch,
            one => vec![one],
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_vector_gets_the_same_at_the_edge_as_in_the_gateway() {
    let cache = tempfile::tempdir().unwrap();
    let limits = SandboxLimits { concurrency: 4, memory_bytes: 32 << 20, time: Duration::from_secs(5) };
    let sandbox = Sandbox::new(limits, &cache.path().join("compiled"), FirstCalls::InThisProcess).unwrap();
    let catalog = Catalog::new(None).unwrap();
    let (engine, origin) = (engine().unwrap(), Origin::start().await);
    let (mut compared, mut left_out, mut failures) = (0, 0, Vec::new());
    for (name, _) in catalog.list() {
        let plugin = catalog.load(name, &sandbox).await.unwrap();
        let composed = compose(component(name).unwrap(), Platform::Spin, ContentCodings::Decoded).unwrap();
        let component = compile(&engine, &composed.component).unwrap();
        for (id, vector) in vectors::carried(&plugin).unwrap() {
            let vector = vector.unwrap();
            // The edge has no `auth` of its own: the platform is to have it.
            let is_left_out = !vector.authenticated_by.is_empty() || nests_deep(&vector.request().body);
            let Some(request) = as_http(&vector).filter(|_| !is_left_out) else {
                left_out += 1;
                continue;
            };
            let expected = in_the_gateway(&plugin, &vector).await;
            let edge = Edge::of(&component, options(&plugin, &vector, &origin)).unwrap();
            let found = at_the_edge(&edge, request, &origin).await;
            let found = found.map(|found| found.with_ids_of(&expected));
            compared += 1;
            if found.as_ref().ok() != Some(&expected) {
                failures.push(format!("{name} {id}:\n  in the gateway {expected:?}\n  at the edge    {found:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {compared} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(compared > 400 && left_out < compared / 10, "{compared} compared, {left_out} left out");
}

/// Deeper than this test reads JSON; tests of the gateway's reader have such bodies.
fn nests_deep(body: &[u8]) -> bool {
    body.windows(100).any(|part| part.iter().all(|byte| b"{}[]\"a:".contains(byte)))
}

impl Outcome {
    /// Without the ids that each host makes for itself, of events that nothing identifies for good.
    fn with_ids_of(mut self, expected: &Outcome) -> Outcome {
        for ((id, event), (expected, _)) in self.events.iter_mut().zip(&expected.events) {
            if expected.is_null() {
                *id = Value::Null;
                event["id"] = Value::Null;
            }
        }
        self
    }
}

/// None where no HTTP client could send it.
fn as_http(vector: &Vector) -> Option<http::Request<Full<Bytes>>> {
    let Request { method, url, headers, body, .. } = vector.request();
    let mut request = http::Request::builder().method(method.as_str()).uri(&url);
    for (name, value) in &headers {
        request = request.header(name, HeaderValue::from_bytes(value).ok()?);
    }
    let request = request.body(Full::new(body)).ok()?;
    // What a client of HTTP would have changed is another delivery.
    (request.uri().to_string() == url).then_some(request)
}

fn options(plugin: &Plugin, vector: &Vector, origin: &Origin) -> Options {
    let mut variables = BTreeMap::from([
        ("origin".to_owned(), origin.url.clone()),
        ("origin_secret".to_owned(), ORIGIN_SECRET.to_owned()),
        ("route".to_owned(), "*".to_owned()),
        ("public_url".to_owned(), base(&vector.request().url)),
        ("source".to_owned(), "source".to_owned()),
        ("body_limit".to_owned(), (64 << 20).to_string()),
    ]);
    for (name, texts) in vector.secrets(plugin.descriptor()) {
        let name = format!("secret_{}", name.replace('-', "_"));
        assert!(texts.len() <= 2, "{}: the edge has two live versions of a secret", vector.id);
        for (text, suffix) in texts.iter().zip(["", "_previous"]) {
            variables.insert(format!("{name}{suffix}"), text.expose().to_owned());
        }
    }
    for (name, text) in vector.settings() {
        variables.insert(format!("setting_{}", name.replace('-', "_")), text);
    }
    let text = |document: &Value| match document {
        Value::String(text) => text.clone(),
        json => json.to_string(),
    };
    let documents = vector.keys.iter().map(|(url, document)| (url.clone(), Bytes::from(text(document))));
    let confirmed = vector.expect.confirm.iter().map(|url| (url.clone(), Bytes::new()));
    let documents: Documents = Arc::new(documents.chain(confirmed).collect());
    Options { variables, now: Some(vector.request().received_at), documents, ..Options::default() }
}

/// Scheme and authority.
fn base(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
    url[..end].to_owned()
}

async fn at_the_edge(edge: &Edge, request: http::Request<Full<Bytes>>, origin: &Origin) -> Result<Outcome, String> {
    let response = edge.handle(request).await.map_err(|error| format!("{error:#}"))?;
    let mut taken = origin.taken();
    let events = taken.iter_mut().map(|event| {
        let said = event.as_object_mut().unwrap().remove("hookgateidentity").unwrap();
        let identity: Value = serde_json::from_str(said.as_str().unwrap()).unwrap();
        (identity["id"].clone(), event.take())
    });
    let events: Vec<_> = events.collect();
    let is_problem = response.headers().get("content-type").is_some_and(|value| value == "application/problem+json");
    let body = String::from_utf8_lossy(response.body()).into_owned();
    Ok(Outcome { status: response.status().as_u16(), body: (!is_problem).then_some(body), events })
}

async fn in_the_gateway(plugin: &Plugin, vector: &Vector) -> Outcome {
    let request = Arc::new(vector.request());
    let settings = Arc::new(vector.settings());
    let secrets = Arc::new(Secrets::new(vector.secrets(plugin.descriptor())));
    let delivery =
        Delivery::new(request.clone(), settings.clone(), secrets).with_keys(vector.keys(plugin.descriptor()));
    let answered = |status, body: &[u8], events| Outcome {
        status,
        body: Some(String::from_utf8_lossy(body).into_owned()),
        events,
    };
    let refused = |status| Outcome { status, body: None, events: Vec::new() };
    let judgement = match plugin.verify(delivery).await {
        Ok(judgement) => judgement,
        Err(Broken::KeysNeeded(_)) => return refused(503),
        Err(broken) => panic!("{}: {broken}", vector.id),
    };
    // Before anything is judged the edge sees that the secrets are there, as the gateway's configuration is checked.
    let required = plugin.descriptor().secrets.iter().filter(|spec| spec.required);
    let secrets = vector.secrets(plugin.descriptor());
    // An empty variable is none.
    let has = |name: &str| secrets.get(name).is_some_and(|texts| texts.iter().any(|text| !text.expose().is_empty()));
    if required.clone().any(|spec| !has(&spec.name)) {
        return refused(503);
    }
    match judgement {
        Err(Refusal::Unauthenticated(_) | Refusal::Stale(_)) => refused(401),
        Err(Refusal::Malformed(_)) => refused(400),
        Err(Refusal::Unsupported(_)) => refused(422),
        Err(Refusal::Misconfigured(_)) => refused(503),
        Ok(Verdict::Answer(reply)) => answered(reply.status, &reply.body, Vec::new()),
        Ok(Verdict::Confirm(confirmation)) => answered(confirmation.reply.status, &confirmation.reply.body, Vec::new()),
        Ok(Verdict::Enroll(_)) => refused(403),
        Ok(Verdict::Admit(accepted)) => {
            let mut events = Vec::new();
            for admission in accepted.events {
                events.extend(transformed(plugin, &request, &settings, admission).await);
            }
            let (status, body) = accepted.reply.map_or((200, Vec::new()), |reply| (reply.status, reply.body));
            answered(status, &body, events)
        }
    }
}

async fn transformed(
    plugin: &Plugin,
    request: &Arc<Request>,
    settings: &Arc<BTreeMap<String, String>>,
    admission: Admission,
) -> Vec<(Value, Value)> {
    let payload = admission.payload.within(&Body::Memory(request.body.clone())).unwrap();
    let key = match &admission.identity.known_by {
        KnownBy::Id(id) => known_by::by_id("source", id),
        _ => known_by::by_payload("source", &payload).unwrap(),
    };
    let is_made_up = matches!(admission.identity.known_by, KnownBy::Delivery(_) | KnownBy::Undeclared);
    let event_id: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let id = admission.identity.known_by.id().map_or_else(|| event_id.clone(), str::to_owned);
    let event = Event {
        event_id,
        source_name: "source".to_owned(),
        admitted_as: admission.identity,
        payload_bytes: payload.clone(),
        brought_by: Delivery::without_secrets(request.clone(), settings.clone()),
    };
    let outputs = plugin.transform(event).await.unwrap().unwrap();
    let several = outputs.len() > 1;
    let shown = |(number, output): (usize, &CloudEvent)| {
        let mut event = json_of(output, &admission.payload, request, &payload);
        if is_made_up {
            event["id"] = Value::Null;
            return (Value::Null, event);
        }
        let id = if several { format!("{id} {number}") } else { id.clone() };
        (Value::String(id), event)
    };
    outputs.iter().enumerate().map(shown).collect()
}

/// As the gateway writes it.
fn json_of(output: &CloudEvent, payload: &hookgate_capabilities::Payload, request: &Request, bytes: &Body) -> Value {
    use hookgate_capabilities::cloudevents::{Data, Envelope, payload_content_type};
    let bytes = bytes.in_memory().unwrap().clone();
    let content_type = payload_content_type(payload, &request.headers, &bytes);
    let data = Data::of(output, || Ok::<_, Infallible>((bytes, content_type))).unwrap();
    let extensions = output.extensions.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    serde_json::to_value(&Envelope { output, data: data.as_ref(), elsewhere: None, extensions }).unwrap()
}
