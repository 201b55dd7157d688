//! The project's chores: `cargo xtask demo | test | lint | plugins | edge | bench`.

mod bench;
mod chore;
mod demo;
mod edge;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod links;
mod lint;
mod plugins;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// The project's chores; each needs only rustup, git and a C compiler
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Xtask {
    /// Builds hookgate and shows it at work: real signed deliveries, a forgery, a crash, every event once
    Demo(demo::Demo),
    /// Builds and tests everything; the last line sums up all tests
    Test(test::Test),
    /// Runs clippy, the documentation's checks and cargo-deny, warnings as errors
    Lint(lint::Lint),
    /// Builds the first-party plugins into target/plugins-out
    Plugins,
    /// Composes plugins into components for Spin and other platforms, in target/edge
    Edge(edge::Edge),
    /// Measures hookgate beside bare hyper and its native twin
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    match Xtask::parse() {
        Xtask::Demo(demo) => demo.run(),
        Xtask::Test(test) => test.run(),
        Xtask::Lint(lint) => lint.run(),
        Xtask::Plugins => plugins::run(),
        Xtask::Edge(edge) => edge.run(),
        Xtask::Bench(bench) => bench.run(),
    }
}
