//! `cargo xtask bench edge`: what the edge component costs beside a hello-world component of the same SDK, in turn, in one
//! process. Arguments: the two components.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use hookgate_edge_host::{Edge, Options, compile, engine};
use http::Request;
use http_body_util::Full;
use sha2::Sha256;
use wasmtime::{Result, bail, component::Component, error::Context as _};

const SECRET: &str = "whsec_bench";
const ORIGIN: &str = "http://origin.example/in/stripe";
const REQUESTS: usize = 2_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [edge, hello] = arguments.as_slice() else { bail!("it takes two components: the edge's, and hello, world") };
    let engine = engine()?;
    let load = |path: &str| -> Result<Edge> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {path}"))?;
        // As a platform keeps it: compiled ahead of time.
        let artifact = compile(&engine, &bytes)?.serialize()?;
        println!("{path}: {} KiB, {} KiB compiled", bytes.len() / 1024, artifact.len() / 1024);
        Edge::of(&deserialized(&engine, &artifact)?, options())
    };
    let (edge, hello) = (load(edge)?, load(hello)?);
    println!("\n## The edge beside hello, world, in turn, µs: p50 / p99\n");
    println!("| | hello | edge | p50 edge / hello |\n|---|---|---|---|");
    let mut instances = [Vec::new(), Vec::new()];
    for _ in 0..REQUESTS {
        for (of, took) in [&hello, &edge].into_iter().zip(&mut instances) {
            let began = Instant::now();
            of.instantiate().await?;
            took.push(began.elapsed());
        }
    }
    row("an instance", instances);
    for kib in [1, 64] {
        let mut requests = [Vec::new(), Vec::new()];
        for number in 0..REQUESTS {
            for (of, took) in [&hello, &edge].into_iter().zip(&mut requests) {
                let request = signed(&format!("evt_{kib}_{number}"), kib * 1024);
                let began = Instant::now();
                let response = of.handle(request).await?;
                took.push(began.elapsed());
                if response.status() != 200 {
                    bail!("it was answered {}", response.status());
                }
            }
        }
        row(&format!("a request of {kib} KiB"), requests);
    }
    Ok(())
}

#[allow(unsafe_code, reason = "the artifact was made a moment ago, by this process")]
fn deserialized(engine: &wasmtime::Engine, artifact: &[u8]) -> Result<Component> {
    // SAFETY: `artifact` is what `Component::serialize` has given, unchanged.
    unsafe { Component::deserialize(engine, artifact) }
}

/// The origin is answered for in the process, so that no network is measured.
fn options() -> Options {
    let variables = [
        ("origin", ORIGIN),
        ("origin_secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("secret_signing", SECRET),
        ("route", "*"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let documents = Arc::new(BTreeMap::from([(ORIGIN.to_owned(), Bytes::new())]));
    Options { variables: variables.into(), documents, ..Options::default() }
}

/// A delivery of Stripe's, of about this size in bytes.
fn signed(id: &str, bytes: usize) -> Request<Full<Bytes>> {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let head = format!(
        r#"{{"id":"{id}","object":"event","created":{at},"type":"invoice.paid","data":{{"object":{{"note":"{}"}}}}}}"#,
        "x".repeat(bytes.saturating_sub(100))
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap_or_else(|_| unreachable!());
    mac.update(format!("{at}.{head}").as_bytes());
    let tag: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let request = Request::post("http://edge.example/in/stripe")
        .header("content-type", "application/json")
        .header("content-length", head.len())
        .header("stripe-signature", format!("t={at},v1={tag}"));
    request.body(Full::new(head.into())).unwrap_or_else(|_| unreachable!())
}

fn row(what: &str, took: [Vec<Duration>; 2]) {
    let [hello, edge] = took.map(|mut took| {
        took.sort_unstable();
        [took[took.len() / 2], took[took.len() * 99 / 100]].map(|time| time.as_secs_f64() * 1e6)
    });
    let ratio = edge[0] / hello[0];
    println!("| {what} | {:.0} / {:.0} | {:.0} / {:.0} | **{ratio:.2}** |", hello[0], hello[1], edge[0], edge[1]);
}
