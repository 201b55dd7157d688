//! The run, and its report: medians of ratios, each taken within a round in which everything ran in turn.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use hookgate_config::EngineKind;

use crate::{
    disk::Disk,
    filters, sandbox,
    server::{Kind, Server},
    sources,
    store::{self, Bench},
    subject::Subject,
};

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(300);

const KINDS: [Kind; 3] = [Kind::Bare, Kind::Twin, Kind::Hookgate];
const SIZES: [usize; 3] = [1024, 8 * 1024, 64 * 1024];

/// Everything, with a report.
#[derive(clap::Args, Debug)]
pub struct Run {
    #[command(flatten)]
    subject: Subject,
    /// Rounds of each load.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Idempotency keys of the large store.
    #[arg(long, default_value_t = 5_000_000)]
    keys: u64,
}

impl Run {
    /// Runs it all.
    pub async fn run(self) -> Result<()> {
        let directory = self.subject.scratch()?;
        sandbox(20_000).await?;
        self.throughput(directory.path())?;
        self.latency(directory.path())?;
        self.ordering(directory.path())?;
        self.one_key(directory.path())?;
        lone_commits(directory.path()).await?;
        self.large_store(directory.path()).await?;
        sources::run(directory.path(), &self.subject.hookgate, self.rounds)?;
        sources::loading(directory.path(), self.rounds).await?;
        filters::run(20_000)
    }

    /// What ordering costs, and nothing else.
    pub fn ordering_alone(&self) -> Result<()> {
        let directory = self.subject.scratch()?;
        self.ordering(directory.path())?;
        self.one_key(directory.path())
    }

    /// Until the last event is in the file: each event of an ordering key of its own, and all of a single one.
    fn one_key(&self, directory: &Path) -> Result<()> {
        const COUNT: usize = 20_000;
        println!(
            "\n## From the first delivery to the last line of a file, ordering on: (a) a key for each event, (b) one for all\n"
        );
        let lines = "ordering = { window = \"1ms\", late = \"deliver\" }\n[[destination]]\nname = \"file\"\n\
                     jsonl = { path = \"events.jsonl\" }\n[[route]]\nfrom = \"*\"\nto = \"file\"";
        let mut both = Both::default();
        let directories = ["own-keys", "one-key"].map(|name| directory.join(name));
        let start = |directory: &PathBuf| Server::start_with(Kind::Hookgate, directory, &self.subject.hookgate, lines);
        let servers = [start(&directories[0])?, start(&directories[1])?];
        for round in 0..=self.rounds {
            for (at, server) in servers.iter().enumerate() {
                let (before, began) = (server.cpu_seconds()?, Instant::now());
                let keys: &[&str] = if at == 1 { &["--one-key"] } else { &[] };
                load(server, COUNT, 64, 1024, (round * COUNT) as u64, keys)?;
                wait_for_lines(&directories[at].join("events.jsonl"), (round + 1) * COUNT)?;
                if round > 0 {
                    both.add(at, COUNT, began.elapsed().as_secs_f64(), server.cpu_seconds()? - before);
                }
            }
        }
        both.print();
        Ok(())
    }

    /// What many sources and plugins cost, and nothing else.
    pub async fn sources_alone(&self) -> Result<()> {
        let directory = self.subject.scratch()?;
        sources::loading(directory.path(), self.rounds).await?;
        sources::run(directory.path(), &self.subject.hookgate, self.rounds)
    }

    /// As fast as it goes all the way into a file, with ordering and without. Each event has an ordering key of its own,
    /// the worst case, and each round lasts for several windows, so that as many are released as come.
    fn ordering(&self, directory: &Path) -> Result<()> {
        const COUNT: usize = 20_000;
        println!("\n## Throughput into a file, 64 connections, 1 KiB: (a) without ordering, (b) with it\n");
        let to_file = "[[destination]]\nname = \"file\"\njsonl = { path = \"events.jsonl\" }\n\
                       [[route]]\nfrom = \"*\"\nto = \"file\"";
        let ordered = format!("ordering = {{ window = \"500ms\", late = \"deliver\" }}\n{to_file}");
        let start = |name: &str, lines: &str| {
            Server::start_with(Kind::Hookgate, &directory.join(name), &self.subject.hookgate, lines)
        };
        let servers = [start("off", to_file)?, start("on", &ordered)?];
        let mut both = Both::default();
        let mut first = 0;
        for round in 0..=self.rounds {
            for (at, server) in servers.iter().enumerate() {
                let before = server.cpu_seconds()?;
                let measured = load(server, COUNT, 64, 1024, first, &[])?;
                first += COUNT as u64;
                if round > 0 {
                    both.add(at, COUNT, measured.seconds, server.cpu_seconds()? - before);
                }
            }
        }
        both.print();
        Ok(())
    }

    /// 64 connections, as fast as they go.
    fn throughput(&self, directory: &Path) -> Result<()> {
        println!("\n## Throughput, 64 connections: (a) bare hyper, (b) native twin, (c) hookgate\n");
        println!(
            "| body | a/s | b/s | c/s | c/b median (min-max) | c/a | CPU b, µs | CPU c, µs | RSS c, MiB | fdatasync/s |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|");
        for bytes in SIZES {
            let count = (64 << 20) / bytes.max(4096);
            let servers = self.servers(&directory.join(format!("throughput-{bytes}")))?;
            let mut first = 0;
            let mut rates: [Vec<f64>; 3] = Default::default();
            let mut cpu: [Vec<f64>; 3] = Default::default();
            // A round that does not count warms everything up.
            for round in 0..=self.rounds {
                for (at, server) in servers.iter().enumerate() {
                    let before = server.cpu_seconds()?;
                    let measured = load(server, count, 64, bytes, first, &[])?;
                    first += count as u64;
                    if round > 0 {
                        rates[at].push(count as f64 / measured.seconds);
                        cpu[at].push((server.cpu_seconds()? - before) * 1e6 / count as f64);
                    }
                }
            }
            let [a, b, c] = &rates;
            let to_twin = ratios(c, b);
            println!(
                "| {} KiB | {:.0} | {:.0} | {:.0} | **{:.2}** ({:.2}-{:.2}) | {:.2} | {:.0} | {:.0} | {:.0} | {:.0} |",
                bytes / 1024,
                median(a),
                median(b),
                median(c),
                median(&to_twin),
                least(&to_twin),
                most(&to_twin),
                median(&ratios(c, a)),
                median(&cpu[1]),
                median(&cpu[2]),
                servers[2].resident_bytes()? as f64 / f64::from(1 << 20),
                syncs_per_second(directory, bytes)?,
            );
        }
        Ok(())
    }

    /// A moderate rate.
    fn latency(&self, directory: &Path) -> Result<()> {
        println!("\n## Latency at 500 deliveries a second, 16 connections, 1 KiB, µs: p50 / p99, medians of rounds\n");
        println!("| bare hyper | native twin | hookgate | hookgate/twin p50 | p99 |");
        println!("|---|---|---|---|---|");
        let servers = self.servers(&directory.join("latency"))?;
        let (mut p50, mut p99): ([Vec<f64>; 3], [Vec<f64>; 3]) = Default::default();
        let mut first = 0;
        for round in 0..=self.rounds {
            for (at, server) in servers.iter().enumerate() {
                let measured = load(server, 1_500, 16, 1024, first, &["--rate", "500"])?;
                first += 1_500;
                if round > 0 {
                    p50[at].push(measured.p50_us);
                    p99[at].push(measured.p99_us);
                }
            }
        }
        let cell = |at: usize| format!("{:.0} / {:.0}", median(&p50[at]), median(&p99[at]));
        let (to_p50, to_p99) = (median(&ratios(&p50[2], &p50[1])), median(&ratios(&p99[2], &p99[1])));
        println!("| {} | {} | {} | {to_p50:.2} | {to_p99:.2} |", cell(0), cell(1), cell(2));
        Ok(())
    }

    /// Admission into a store with ten thousand keys and into one with millions.
    async fn large_store(&self, directory: &Path) -> Result<()> {
        println!("\n## Admission of 1 KiB deliveries, 64 at once, into a small and a large store (fjall)\n");
        let mut small = Bench::open(&directory.join("small"), EngineKind::Fjall)?;
        let mut large = Bench::open(&directory.join("large"), EngineKind::Fjall)?;
        small.fill(10_000).await?;
        large.fill(self.keys).await?;
        let (mut of_small, mut of_large) = (Vec::new(), Vec::new());
        for round in 0..=self.rounds {
            let (one, other) = (small.admit(4_000, 1024).await?, large.admit(4_000, 1024).await?);
            if round > 0 {
                of_small.push(one);
                of_large.push(other);
            }
        }
        let ratio = ratios(&of_large, &of_small);
        println!("| keys | µs a delivery | ratio median (min-max) |");
        println!("|---|---|---|");
        println!("| 10,000 | {:.0} | |", median(&of_small));
        println!(
            "| {} | {:.0} | **{:.2}** ({:.2}-{:.2}) |",
            self.keys,
            median(&of_large),
            median(&ratio),
            least(&ratio),
            most(&ratio)
        );
        Ok(())
    }

    fn servers(&self, directory: &Path) -> Result<Vec<Server>> {
        KINDS.iter().map(|kind| Server::start(*kind, directory, &self.subject.hookgate)).collect()
    }
}

/// Native and sandboxed calls, in turn.
pub async fn sandbox(rounds: usize) -> Result<()> {
    let artifacts = tempfile::tempdir()?;
    println!("## One verification, in turn, in one process, µs: p50 / p99\n");
    println!("| body | native | fresh sandbox | p50 above native |");
    println!("|---|---|---|---|");
    for bytes in SIZES {
        let cost = sandbox::measure(&artifacts.path().join("artifacts"), bytes, rounds).await?;
        let ((native, native_99), (sandboxed, sandboxed_99)) = (cost.native, cost.sandboxed);
        println!(
            "| {} KiB | {native:.1} / {native_99:.1} | {sandboxed:.1} / {sandboxed_99:.1} | **{:.1}** |",
            cost.bytes / 1024,
            sandboxed - native
        );
    }
    Ok(())
}

async fn lone_commits(directory: &Path) -> Result<()> {
    println!(
        "\n## A lone durable commit beside a bare append and fdatasync of the same bytes, in turn, µs: p50 / p99\n"
    );
    println!("| engine | body | commit | fdatasync | ratio of p50 |");
    println!("|---|---|---|---|---|");
    for engine in [EngineKind::Fjall, EngineKind::Sled] {
        for bytes in [1024, 8 * 1024, 64 * 1024] {
            let [(commit, commit_99), (bare, bare_99)] = store::lone(directory, engine, bytes, 2_000).await?;
            println!(
                "| {engine:?} | {} KiB | {commit:.0} / {commit_99:.0} | {bare:.0} / {bare_99:.0} | **{:.2}** |",
                bytes / 1024,
                commit / bare
            );
        }
    }
    Ok(())
}

/// What came of a load: how long it took, and of each delivery.
pub struct Measured {
    /// From the first request to the last reply.
    pub seconds: f64,
    /// Half of the replies came sooner.
    pub p50_us: f64,
    /// One reply in a hundred came later.
    pub p99_us: f64,
}

/// Two gateways, in turn, round by round.
#[derive(Default)]
pub struct Both {
    /// Deliveries a second.
    rates: [Vec<f64>; 2],
    /// Processor time a delivery, in microseconds.
    cpu: [Vec<f64>; 2],
}

impl Both {
    /// A round of the first (0) or the second (1): the number of deliveries, and the seconds that they took.
    pub fn add(&mut self, at: usize, count: usize, seconds: f64, cpu_seconds: f64) {
        self.rates[at].push(count as f64 / seconds);
        self.cpu[at].push(cpu_seconds * 1e6 / count as f64);
    }

    /// Prints a table of the two.
    pub fn print(&self) {
        let [a, b] = &self.rates;
        let ratio = ratios(b, a);
        println!("| a/s | b/s | b/a median (min-max) | CPU a, µs | CPU b, µs |\n|---|---|---|---|---|");
        println!(
            "| {:.0} | {:.0} | **{:.2}** ({:.2}-{:.2}) | {:.0} | {:.0} |",
            median(a),
            median(b),
            median(&ratio),
            least(&ratio),
            most(&ratio),
            median(&self.cpu[0]),
            median(&self.cpu[1])
        );
    }
}

/// Waits until a file has this number of lines.
fn wait_for_lines(file: &Path, count: usize) -> Result<()> {
    let began = Instant::now();
    loop {
        let lines = std::fs::read(file).map_or(0, |text| text.iter().filter(|byte| **byte == b'\n').count());
        if lines >= count {
            return Ok(());
        }
        anyhow::ensure!(began.elapsed() < PATIENCE, "{lines} of {count} lines are in {}", file.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs the load as a process of its own; `more` are further arguments of it.
pub fn load(
    server: &Server,
    count: usize,
    connections: usize,
    bytes: usize,
    first: u64,
    more: &[&str],
) -> Result<Measured> {
    load_at(server.at, count, connections, bytes, first, more)
}

/// As [`load`], to any server.
pub fn load_at(
    to: SocketAddr,
    count: usize,
    connections: usize,
    bytes: usize,
    first: u64,
    more: &[&str],
) -> Result<Measured> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("load").args(["--to", &to.to_string()]);
    let numbers = [("--count", count), ("--connections", connections), ("--bytes", bytes), ("--first", first as usize)];
    for (name, value) in numbers {
        command.arg(name).arg(value.to_string());
    }
    let output = command.args(more).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match figures[..] {
        [seconds, p50_us, p99_us] if output.status.success() => Ok(Measured { seconds, p50_us, p99_us }),
        _ => Err(anyhow::anyhow!(String::from_utf8_lossy(&output.stderr).into_owned())).context("the load failed"),
    }
}

fn syncs_per_second(directory: &Path, bytes: usize) -> Result<f64> {
    let mut disk = Disk::new(directory, bytes)?;
    let took: Result<Vec<f64>> = (0..500).map(|_| disk.append()).collect();
    Ok(1e6 / median(&took?))
}

/// Each to its counterpart.
pub fn ratios(of: &[f64], to: &[f64]) -> Vec<f64> {
    of.iter().zip(to).map(|(of, to)| of / to).collect()
}

/// The middle one.
pub fn median(values: &[f64]) -> f64 {
    sandbox::percentiles(values.to_vec()).0
}

/// The smallest.
pub fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The largest.
pub fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}
