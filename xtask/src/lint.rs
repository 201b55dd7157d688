//! `cargo xtask lint`

use std::{path::PathBuf, time::Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{chore, plugins};

/// A linter: what it looks at, and its run.
type Step = (&'static str, fn() -> Result<()>);

/// The version of cargo-deny; it is compiled where it is missing.
const DENY: &str = "0.20.2";

/// All of them, by the names that the command takes.
const STEPS: [Step; 5] = [
    ("clippy", clippy),
    ("plugins", clippy_of_plugins),
    ("edge", clippy_of_edge),
    ("documentation", documentation),
    ("dependencies", dependencies),
];

/// Which linters; all of them when nothing is said.
#[derive(Args)]
pub struct Lint {
    /// clippy, plugins and edge (clippy for wasm), documentation, dependencies
    #[arg(value_parser = STEPS.map(|(name, _)| name))]
    steps: Vec<String>,
}

impl Lint {
    /// Runs them, warnings as errors, and prints how long each took.
    pub fn run(self) -> Result<()> {
        chore::need_wasm_targets()?;
        let wanted = |name: &str| self.steps.is_empty() || self.steps.iter().any(|step| step == name);
        let mut times = Vec::new();
        for (name, step) in STEPS.into_iter().filter(|(name, _)| wanted(name)) {
            let begun = Instant::now();
            step().with_context(|| format!("{name}: the linter found something"))?;
            times.push((name, begun.elapsed().as_secs()));
        }
        for (name, seconds) in times {
            println!("{seconds:>5} s  {name}");
        }
        Ok(())
    }
}

fn clippy() -> Result<()> {
    run_clippy(|clippy| {
        clippy.args(chore::NATIVE).arg("--all-targets");
    })
}

/// As they are compiled into components: their code for wasm alone is seen by no other step.
fn clippy_of_plugins() -> Result<()> {
    let crates = plugins::packages()?;
    run_clippy(|clippy| {
        clippy.args(["--target", "wasm32-unknown-unknown"]);
        clippy.args(crates.iter().flat_map(|name| ["--package", name]));
        clippy.args(["--package", "hookgate-edge-capabilities"]);
    })
}

/// The edge has code for its feature, and other code for components without it.
fn clippy_of_edge() -> Result<()> {
    run_clippy(|clippy| {
        clippy.args(["--target", "wasm32-wasip2", "--package", "hookgate-edge", "--package", "hookgate-edge-hello"]);
    })?;
    run_clippy(|clippy| {
        clippy.args(["--target", "wasm32-wasip2", "--package", "hookgate-edge", "--features", "content-codings"]);
    })
}

fn run_clippy(select: impl FnOnce(&mut std::process::Command)) -> Result<()> {
    let mut clippy = chore::cargo();
    clippy.args(["clippy", "--quiet"]);
    select(&mut clippy);
    chore::run(clippy.args(["--", "-D", "warnings"]))
}

fn documentation() -> Result<()> {
    let mut doc = chore::cargo();
    // Of libraries: what documents a command is its help.
    doc.args(["doc", "--quiet", "--lib", "--no-deps", "--document-private-items"]).args(chore::NATIVE);
    // Private items are documented, too: links to them lead somewhere.
    chore::run(doc.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links"))
}

/// Licences, sources, duplicates, and known vulnerabilities as far as their database can be reached.
fn dependencies() -> Result<()> {
    let deny = need_deny()?;
    let check = |what: &[&str]| {
        let mut command = std::process::Command::new(&deny);
        command.current_dir(chore::workspace()).args(["--workspace", "check", "--hide-inclusion-graph"]);
        command.args(what);
        command
    };
    chore::run(&mut check(&["licenses", "bans", "sources"]))?;
    let output = check(&["advisories"]).output().context("cargo-deny cannot be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Ok(());
    }
    if said.contains("failed to fetch advisory database") {
        println!("NOT CHECKED: known vulnerabilities. The database of advisories cannot be fetched from here:\n{said}");
        return Ok(());
    }
    bail!("{said}")
}

fn need_deny() -> Result<PathBuf> {
    let tools = chore::target_directory()?.join("tools");
    let deny = tools.join("bin").join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    if !deny.is_file() {
        println!("cargo-deny is missing; installing it: cargo install cargo-deny@{DENY}");
        let mut install = chore::cargo();
        install
            .args(["install", "--quiet", "--locked", "--debug", &format!("cargo-deny@{DENY}"), "--root"])
            .arg(&tools);
        chore::run(install.env("CARGO_PROFILE_DEV_DEBUG", "0"))?;
    }
    Ok(deny)
}
