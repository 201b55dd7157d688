//! hookgate compared with other ways to receive webhooks: the same deliveries to each, in turn, in one table.
//!
//! The programs of the peers are in `tests/bench/peers`; `docs/benchmarks.md` says how they are set up and why.

mod install;
mod process;
mod start;
mod table;
mod usage;

use std::{
    any::Any,
    fs::{self, Permissions},
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use self::{
    install::Installation,
    process::Process,
    start::Peer,
    table::Row,
    usage::{Disk, Usage},
};
use crate::{
    deliveries::{SECRET, github_request},
    report::load_at,
    server::{Kind, Server},
    subject::Subject,
};

const CONNECTIONS: usize = 64;
const BYTES: usize = 1024;

/// Deliveries of the first round, which tells how many are enough.
const FIRST_COUNT: usize = 2_000;

/// Deliveries of a round at most: all of them are signed beforehand and held in memory.
const MOST: usize = 150_000;

/// Rounds that do not count: they warm everything up, and the rate of the second decides on the number of deliveries.
const WARM_UP: usize = 2;

/// How long a server may take to answer one request.
const PATIENCE: Duration = Duration::from_secs(30);

/// hookgate compared with other ways to receive webhooks.
#[derive(clap::Args, Debug)]
pub struct Peers {
    #[command(flatten)]
    subject: Subject,
    /// Rounds that count.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each server is under load in a round.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// A peer to leave out.
    #[arg(long)]
    without: Vec<Peer>,
}

impl Peers {
    /// Installs and starts every server, measures them in turn, and prints the table.
    ///
    /// # Errors
    /// hookgate could not be measured, or a peer that was not left out.
    pub fn run(self) -> Result<()> {
        let directory = self.subject.scratch()?;
        let installation = Installation::new(&self.subject.directory.join("peers"))?;
        // Postgres does not run as root; its own user must reach its files.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o711))?;
        let directory = fs::canonicalize(directory.path())?;
        let mut contestants = vec![self.hookgate_to_a_file(&directory)?, self.hookgate_without_a_route(&directory)?];
        let mut missing = Vec::new();
        for peer in Peer::value_variants().iter().filter(|peer| !self.without.contains(peer)) {
            match Contestant::of(*peer, &installation, &directory) {
                Ok(contestant) => contestants.push(contestant),
                Err(error) => {
                    println!("{} is not measured: {error:#}", peer.name());
                    missing.push(peer.name());
                }
            }
        }
        self.measure(&mut contestants, &Disk::of(&directory)?)?;
        let rows: Vec<Row> = contestants.into_iter().map(|contestant| contestant.row).collect();
        table::print(&rows, self.rounds, self.seconds);
        ensure!(missing.is_empty(), "not measured: {}; leave it out with --without NAME", missing.join(", "));
        Ok(())
    }

    fn measure(&self, contestants: &mut [Contestant], disk: &Disk) -> Result<()> {
        for round in 0..self.rounds + WARM_UP {
            for contestant in &mut *contestants {
                let measured = contestant.measure(disk).with_context(|| contestant.row.name.to_owned())?;
                if round < WARM_UP {
                    contestant.count = ((measured.per_second * self.seconds) as usize).clamp(FIRST_COUNT, MOST);
                } else {
                    contestant.row.rounds.push(measured);
                }
            }
        }
        Ok(())
    }

    fn hookgate_to_a_file(&self, directory: &Path) -> Result<Contestant> {
        let to_file = "[[destination]]\nname = \"file\"\njsonl = { path = \"events.jsonl\" }\n\
                       [[route]]\nfrom = \"*\"\nto = \"file\"";
        self.hookgate("hookgate, to a file", &directory.join("to-a-file"), to_file)
    }

    fn hookgate_without_a_route(&self, directory: &Path) -> Result<Contestant> {
        self.hookgate("hookgate, no route", &directory.join("no-route"), "")
    }

    fn hookgate(&self, name: &'static str, directory: &Path, lines: &str) -> Result<Contestant> {
        let source = format!(
            "[[source]]\nname = \"github\"\nplugin = \"github\"\nsecrets.signing = {{ value = \"{SECRET}\" }}\n{lines}"
        );
        let server = Server::start_with(Kind::Hookgate, directory, &self.subject.hookgate, &source)?;
        let (at, roots) = (server.at, vec![server.process_id()]);
        Contestant::checked(Row::new(name, true), at, "/in/github", roots, Box::new(server))
    }
}

/// A server in the comparison.
struct Contestant {
    row: Row,
    at: SocketAddr,
    path: &'static str,
    /// The processes that it consists of, each with all of its own.
    roots: Vec<u32>,
    /// The number of the next delivery.
    first: u64,
    /// Deliveries of the next round.
    count: usize,
    /// Ends the processes when it is dropped.
    _held: Box<dyn Any>,
}

impl Contestant {
    fn of(peer: Peer, installation: &Installation, directory: &Path) -> Result<Contestant> {
        let directory = directory.join(peer.name());
        fs::create_dir(&directory)?;
        let started = peer.start(installation, &directory)?;
        let roots = started.processes.iter().map(Process::id).collect();
        let row = Row::new(peer.title(), peer.is_durable());
        Contestant::checked(row, started.at, peer.path(), roots, Box::new(started.processes))
    }

    /// A server that takes signed deliveries, also when they are repeated, and refuses a forged one.
    fn checked(
        row: Row,
        at: SocketAddr,
        path: &'static str,
        roots: Vec<u32>,
        held: Box<dyn Any>,
    ) -> Result<Contestant> {
        let signed = github_request(0, BYTES, path, SECRET);
        for what in ["a signed delivery", "a repeated delivery"] {
            let status = status_of(at, &signed)?;
            ensure!(status == 200, "{}: {what} was answered {status}", row.name);
        }
        let status = status_of(at, &github_request(0, BYTES, path, "a wrong secret"))?;
        ensure!(status >= 400, "{}: a forged delivery was answered {status}", row.name);
        Ok(Contestant { row, at, path, roots, first: 1, count: FIRST_COUNT, _held: held })
    }

    /// One round. What the server does after its last reply counts as well, except in the time.
    fn measure(&mut self, disk: &Disk) -> Result<Measured> {
        let before = (Usage::at_rest(&self.roots)?, disk.written_bytes());
        let load = load_at(self.at, self.count, CONNECTIONS, BYTES, self.first, &["--github", self.path])?;
        let after = (Usage::at_rest(&self.roots)?, disk.written_bytes());
        self.first += self.count as u64;
        Ok(Measured {
            deliveries: self.count,
            per_second: self.count as f64 / load.seconds,
            p50_us: load.p50_us,
            p99_us: load.p99_us,
            cpu_seconds: after.0.cpu_seconds - before.0.cpu_seconds,
            written_bytes: difference(after.0.written_bytes, before.0.written_bytes),
            disk_bytes: difference(after.1, before.1),
        })
    }
}

/// What came of a round.
struct Measured {
    deliveries: usize,
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
    /// Of all processes of the server.
    cpu_seconds: f64,
    /// The pages that the processes of the server changed in files; none if the system does not tell.
    written_bytes: Option<u64>,
    /// What the disk wrote meanwhile; none if the system does not tell.
    disk_bytes: Option<u64>,
}

fn difference(after: Option<u64>, before: Option<u64>) -> Option<u64> {
    Some(after?.saturating_sub(before?))
}

/// The status of the reply to one request.
fn status_of(at: SocketAddr, request: &[u8]) -> Result<u16> {
    let mut stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    match line.split(' ').nth(1).map(str::parse) {
        Some(Ok(status)) => Ok(status),
        _ => bail!("not a reply: {line:?}"),
    }
}
