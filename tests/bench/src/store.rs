//! The journal by itself: a lone commit beside a bare fdatasync, and admission into small and large stores.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use bytes::Bytes;
use hookgate_capabilities::{Admission, Identity, KnownBy, Payload, Request};
use hookgate_config::{EngineKind, Store};
use hookgate_journal::{Admitted, Commit, Journal};
use hookgate_model::event::{EventKey, KeptDelivery, KeyKind};
use tokio::task::JoinSet;

use crate::{disk::Disk, sandbox::percentiles};

/// A journal with a count of the keys it was given.
pub struct Bench {
    journal: Journal,
    next: u64,
}

impl Bench {
    /// Opens an empty store.
    pub fn open(path: &Path, engine: EngineKind) -> Result<Bench> {
        let store = Store {
            path: path.to_owned(),
            engine,
            retention: Duration::from_secs(7 * 86400),
            headroom: 64 << 20,
            cache: 64 << 20,
        };
        Ok(Bench { journal: Journal::open(&store)?, next: 0 })
    }

    fn commit_of(&mut self, events: u64, bytes: usize) -> Commit {
        let admission = |n: u64| {
            let identity = Identity { known_by: KnownBy::Id(format!("evt_{n:024}")), ..Identity::default() };
            let mut key = [0; 16];
            // Spread as hashes are.
            key[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
            key[8..].copy_from_slice(&n.to_be_bytes());
            (
                Admission { identity, payload: Payload::Body },
                Some(EventKey { hash: key, lasts: Duration::from_secs(72 * 3600), kind: KeyKind::Id }),
            )
        };
        let first = self.next;
        self.next += events;
        let request = Request {
            method: "POST".into(),
            url: "https://hooks.example.com/in/stripe".into(),
            headers: vec![("content-type".into(), b"application/json".to_vec())],
            received_at: 1_700_000_000_000,
            body: Bytes::from(vec![b'x'; bytes]),
        };
        Commit::new(
            KeptDelivery {
                source: "stripe".into(),
                plugin: ("stripe".into(), "0".repeat(64)),
                trace: "0".repeat(32),
                request,
                senders: Vec::new(),
                claim: None,
                is_incomplete: false,
                decoded: None,
            },
            (first..self.next).map(admission).collect(),
        )
    }

    /// Inserts keys up to this number.
    pub async fn fill(&mut self, keys: u64) -> Result<()> {
        while self.next < keys {
            let events = (keys - self.next).min(1000);
            let commit = self.commit_of(events, 0);
            self.journal.commit(commit).await?;
        }
        Ok(())
    }

    /// Commits this number of deliveries of one event, 64 at once; returns microseconds per delivery.
    pub async fn admit(&mut self, deliveries: usize, bytes: usize) -> Result<f64> {
        let commits: Vec<Commit> = (0..deliveries).map(|_| self.commit_of(1, bytes)).collect();
        let mut piles: Vec<Vec<Commit>> = (0..64).map(|_| Vec::new()).collect();
        for (n, commit) in commits.into_iter().enumerate() {
            piles[n % 64].push(commit);
        }
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for pile in piles {
            let journal = self.journal.clone();
            tasks.spawn(async move {
                for commit in pile {
                    match journal.commit(commit).await?.as_slice() {
                        [Admitted::New(_)] => {}
                        other => bail!("{other:?} where a new event was sent"),
                    }
                }
                Ok(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(began.elapsed().as_secs_f64() * 1e6 / deliveries as f64)
    }
}

/// A lone commit of this number of bytes and a bare append of the same, in turn: p50 and p99 of each, in microseconds.
pub async fn lone(directory: &Path, engine: EngineKind, bytes: usize, rounds: usize) -> Result<[(f64, f64); 2]> {
    let mut bench = Bench::open(&directory.join(format!("lone-{engine:?}-{bytes}")), engine)?;
    let mut disk = Disk::new(directory, bytes)?;
    let (mut commits, mut appends) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        appends.push(disk.append()?);
        let commit = bench.commit_of(1, bytes);
        let began = Instant::now();
        bench.journal.commit(commit).await?;
        commits.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok([percentiles(commits), percentiles(appends)])
}
