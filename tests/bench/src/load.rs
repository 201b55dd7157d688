//! The load: connections that each send a request, wait for its reply, and send the next one. A process of its own.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::deliveries::{SECRET, github_request, now_unix, request, signed_about};

/// What to send.
#[derive(Clone, Debug, clap::Args)]
pub struct Load {
    /// Where to.
    #[arg(long)]
    pub to: SocketAddr,
    /// Requests in all.
    #[arg(long)]
    pub count: usize,
    /// Connections.
    #[arg(long)]
    pub connections: usize,
    /// Bytes of each body.
    #[arg(long)]
    pub bytes: usize,
    /// The first id; ids go on from there.
    #[arg(long)]
    pub first: u64,
    /// All events are about one object, and of one ordering key.
    #[arg(long)]
    pub one_key: bool,
    /// Requests a second; none: as many as go.
    #[arg(long)]
    pub rate: Option<f64>,
    /// To this number of sources in turn, `s0` and on; none: to `stripe`.
    #[arg(long)]
    pub sources: Option<usize>,
    /// Deliveries of GitHub to this path; none: of Stripe to the sources.
    #[arg(long)]
    pub github: Option<String>,
}

impl Load {
    /// The request of this number, signed.
    fn request(&self, n: usize, now_unix: u64) -> Vec<u8> {
        let id = self.first + n as u64;
        if let Some(path) = &self.github {
            return github_request(id, self.bytes, path, SECRET);
        }
        let object = if self.one_key { 0 } else { id };
        let source = self.sources.map_or_else(|| "stripe".to_owned(), |count| format!("s{}", n % count.max(1)));
        request(&signed_about(object, id, self.bytes, now_unix), &source)
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Measured {
    /// From the first request to the last reply.
    pub seconds: f64,
    /// Of each request, in microseconds, sorted.
    pub latencies_us: Vec<f64>,
}

/// Sends everything, all of it signed beforehand. Every reply must be a 200.
pub async fn run(load: Load) -> Result<Measured> {
    let now = now_unix();
    let mut piles: Vec<Vec<Vec<u8>>> = vec![Vec::new(); load.connections];
    for n in 0..load.count {
        piles[n % load.connections].push(load.request(n, now));
    }
    let pace = load.rate.map(|rate| Duration::from_secs_f64(load.connections as f64 / rate));
    let began = Instant::now();
    let mut connections = JoinSet::new();
    for (at, pile) in piles.into_iter().enumerate() {
        let start = pace.map(|pace| began + pace.mul_f64(at as f64 / load.connections as f64));
        connections.spawn(connection(load.to, pile, start.zip(pace)));
    }
    let mut latencies_us = Vec::with_capacity(load.count);
    while let Some(done) = connections.join_next().await {
        latencies_us.extend(done??);
    }
    let seconds = began.elapsed().as_secs_f64();
    latencies_us.sort_by(f64::total_cmp);
    Ok(Measured { seconds, latencies_us })
}

/// With a pace, a latency counts from when the request was due, not from when a late sender got round to it.
async fn connection(to: SocketAddr, pile: Vec<Vec<u8>>, pace: Option<(Instant, Duration)>) -> Result<Vec<f64>> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::with_capacity(pile.len());
    let mut reply = Vec::new();
    let mut due = pace.map(|(start, _)| start);
    for request in pile {
        if let Some(due) = due {
            tokio::time::sleep_until(due.into()).await;
        }
        let began = due.unwrap_or_else(Instant::now);
        stream.write_all(&request).await?;
        read_reply(&mut stream, &mut reply).await?;
        latencies.push(began.elapsed().as_secs_f64() * 1e6);
        due = due.zip(pace).map(|(due, (_, pace))| due + pace);
    }
    Ok(latencies)
}

/// A reply with an empty body, or one with a content length.
async fn read_reply(stream: &mut TcpStream, reply: &mut Vec<u8>) -> Result<()> {
    reply.clear();
    loop {
        if stream.read_buf(reply).await? == 0 {
            bail!("the server closed the connection");
        }
        let Some(head) = reply.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&reply[..head]).context("a reply's head")?;
        let length = text
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse::<usize>())
            })
            .transpose()?
            .unwrap_or(0);
        if reply.len() < head + 4 + length {
            continue;
        }
        if !text.starts_with("HTTP/1.1 200") {
            bail!("not a 200: {}", String::from_utf8_lossy(reply));
        }
        return Ok(());
    }
}
