//! hookgate beside bare hyper and its native twin, all in one run, interleaved, as ratios.
//!
//! `cargo xtask bench` runs it; `docs/benchmarks.md` says what the figures mean and what was found with them.

mod claims;
mod deliveries;
mod disk;
mod filters;
mod load;
mod peers;
mod report;
mod sandbox;
mod server;
mod sources;
mod store;
mod subject;
mod swap;
mod twin;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

use self::subject::Subject;

// As the gateway's binary, for all that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
enum Command {
    /// Everything, with a report.
    Run(report::Run),
    /// What ordering costs.
    Ordering(report::Run),
    /// What a thousand sources over fifty plugins cost beside one.
    Sources(report::Run),
    /// What the sandbox costs a call.
    Sandbox {
        /// Calls of each kind.
        #[arg(long, default_value_t = 20_000)]
        rounds: usize,
    },
    /// What a thousand filtered routes cost an event beside one.
    Filters {
        /// Events.
        #[arg(long, default_value_t = 20_000)]
        rounds: usize,
    },
    /// One large delivery by claim check: memory, and the cost of hashing.
    Claims {
        #[command(flatten)]
        subject: Subject,
        /// Its size.
        #[arg(long, default_value_t = 1024)]
        mib: usize,
    },
    /// What exchanging a plugin costs the deliveries beside it.
    Swap {
        #[command(flatten)]
        subject: Subject,
        /// Measurements of each kind.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Swaps in each.
        #[arg(long, default_value_t = 200)]
        swaps: usize,
        /// Deliveries a second.
        #[arg(long, default_value_t = 1_000.0)]
        rate: f64,
    },
    /// One kind of call, over and over, for a profiler.
    Spin {
        /// Bytes of the body.
        #[arg(long, default_value_t = 1024)]
        bytes: usize,
        /// Calls.
        #[arg(long, default_value_t = 200_000)]
        rounds: usize,
        /// Without a sandbox.
        #[arg(long)]
        native: bool,
    },
    /// hookgate compared with other ways to receive webhooks.
    Peers(peers::Peers),
    /// Sends deliveries and prints seconds, p50 and p99 in microseconds.
    Load(load::Load),
    /// The native twin.
    Twin {
        /// Its configuration.
        #[arg(long)]
        config: PathBuf,
    },
    /// Bare hyper.
    Bare,
}

fn main() -> Result<()> {
    match Command::parse() {
        // One thread: the load must leave the processors to the server.
        Command::Load(load) => tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
            let measured = load::run(load).await?;
            let (p50, p99) = sandbox::percentiles(measured.latencies_us);
            println!("{} {p50} {p99}", measured.seconds);
            Ok(())
        }),
        other => tokio::runtime::Runtime::new()?.block_on(run(other)),
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Run(run) => run.run().await,
        Command::Ordering(run) => run.ordering_alone(),
        Command::Sources(run) => run.sources_alone().await,
        Command::Sandbox { rounds } => report::sandbox(rounds).await,
        Command::Filters { rounds } => filters::run(rounds),
        Command::Claims { subject, mib } => {
            let directory = subject.scratch()?;
            claims::hashing(directory.path(), 9)?;
            claims::one_large(directory.path(), &subject.hookgate, mib)
        }
        Command::Swap { subject, rounds, swaps, rate } => {
            swap::run(subject.scratch()?.path(), &subject.hookgate, rounds, swaps, rate).await
        }
        Command::Spin { bytes, rounds, native } => {
            sandbox::spin(&tempfile::tempdir()?.path().join("artifacts"), bytes, rounds, native).await
        }
        Command::Peers(peers) => peers.run(),
        Command::Twin { config } => server::twin(&config).await,
        Command::Bare => server::bare().await,
        Command::Load(_) => unreachable!("handled before a runtime is made"),
    }
}
