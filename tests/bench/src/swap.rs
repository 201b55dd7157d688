//! What exchanging a plugin costs the deliveries beside it: latencies at a fixed rate, with and without swaps, in turn.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, bail, ensure};
use hookgate_bundled::component;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use sha2::{Digest, Sha256};

use crate::{
    load::{self, Load},
    sandbox::percentiles,
    server::{Kind, Server},
};

/// Deliveries of one measurement.
const COUNT: usize = 4_000;
const CONNECTIONS: usize = 8;
const BYTES: usize = 2_048;

/// Prints p50 and p99 of deliveries without and with swaps, and of an installation, with this number of swaps in each round.
pub async fn run(directory: &Path, hookgate: &Path, rounds: usize, swaps: usize, rate: f64) -> Result<()> {
    let server = Server::start(Kind::Hookgate, directory, hookgate)?;
    let admin = Admin { client: Client::builder(TokioExecutor::new()).build_http(), at: server.admin };
    let stripe = component("stripe").context("stripe is bundled")?;
    let builds = [section(stripe, 1), section(stripe, 2)];
    let hashes = builds.each_ref().map(|build| hex::encode(Sha256::digest(build)));
    let (mut quiet, mut swapping, mut installing, mut done) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let mut first = 0;
    let load = async |first: &mut u64| {
        let load = Load {
            to: server.at,
            count: COUNT,
            connections: CONNECTIONS,
            bytes: BYTES,
            first: *first,
            rate: Some(rate),
            one_key: false,
            sources: None,
            github: None,
        };
        *first += COUNT as u64;
        load::run(load).await
    };
    load(&mut first).await?;
    for round in 0..rounds {
        quiet.extend(load(&mut first).await?.latencies_us);
        // A component that is new each time: it is compiled beside the deliveries.
        let fresh = section(&builds[round % 2], 3 + u8::try_from(round)?);
        let (measured, installed) = tokio::join!(load(&mut first), admin.install(fresh));
        installed?;
        installing.extend(measured?.latencies_us);
        if round == 0 {
            for build in &builds {
                admin.install(build.clone()).await?;
            }
        }
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let swapper = tokio::spawn(admin.clone().swap(hashes.clone(), swaps, stop.clone(), count.clone()));
        let measured = load(&mut first).await?;
        stop.store(true, Ordering::SeqCst);
        swapper.await??;
        swapping.extend(measured.latencies_us);
        done += count.load(Ordering::SeqCst);
    }
    ensure!(done > 0, "nothing was swapped");
    println!("\n## Swaps: deliveries of {BYTES} bytes at {rate}/s, µs: p50 / p99\n");
    println!("| without | while a version is installed | with {done} swaps | p99 with / without |\n|---|---|---|---|");
    let ((q50, q99), (i50, i99), (s50, s99)) = (percentiles(quiet), percentiles(installing), percentiles(swapping));
    println!("| {q50:.0} / {q99:.0} | {i50:.0} / {i99:.0} | {s50:.0} / {s99:.0} | **{:.2}** |", s99 / q99);
    Ok(())
}

/// The same component under another hash: with a custom section `build`.
fn section(component: &[u8], n: u8) -> Vec<u8> {
    [component, &[0, 7, 5], b"build", &[n]].concat()
}

/// The gateway's admin API.
#[derive(Clone)]
struct Admin {
    client: Client<HttpConnector, Full<bytes::Bytes>>,
    at: SocketAddr,
}

impl Admin {
    async fn install(&self, component: Vec<u8>) -> Result<()> {
        self.post("/api/v1/plugins/versions", "application/wasm", component).await
    }

    /// Both versions in turn, this number of times or until stopped.
    async fn swap(
        self,
        hashes: [String; 2],
        swaps: usize,
        stop: Arc<AtomicBool>,
        count: Arc<AtomicUsize>,
    ) -> Result<()> {
        for hash in hashes.iter().cycle().take(swaps) {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            let order = serde_json::json!({ "hash": hash }).to_string();
            self.post("/api/v1/plugins/stripe/activate", "application/json", order.into_bytes()).await?;
            count.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }

    async fn post(&self, path: &str, media_type: &str, body: Vec<u8>) -> Result<()> {
        let request = hyper::Request::post(format!("http://{}{path}", self.at)).header("content-type", media_type);
        let response = self.client.request(request.body(Full::new(body.into()))?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("{path}: {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(())
    }
}
