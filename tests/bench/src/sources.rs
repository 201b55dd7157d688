//! What many sources and many plugins cost beside one: per delivery, in memory, and at the start.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use hookgate_bundled::component;
use hookgate_sandbox::{Catalog, FirstCalls, Sandbox, SandboxLimits};

use crate::{
    deliveries::SECRET,
    report::{Both, least, load, median, most},
    sandbox::percentiles,
    server::{Kind, Server},
};

const SOURCES: usize = 1_000;
const PLUGINS: usize = 50;

/// Prints all of it.
pub fn run(directory: &Path, hookgate: &Path, rounds: usize) -> Result<()> {
    let plugins = write_plugins(&directory.join("plugins"))?;
    // First what the sources themselves cost, then the plugins.
    for of in [1, PLUGINS] {
        deliveries(directory, &plugins, of, hookgate, rounds)?;
    }
    memory(directory, &plugins, hookgate)
}

/// The time from artifacts to plugins that can be called.
pub async fn loading(directory: &Path, rounds: usize) -> Result<()> {
    let plugins = write_plugins(&directory.join("plugins-to-load"))?;
    let limits = SandboxLimits { concurrency: 64, memory_bytes: 32 << 20, time: Duration::from_millis(250) };
    let catalog = Catalog::new(Some(&plugins))?;
    let names: Vec<String> = (0..PLUGINS).map(plugin).collect();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut took = Vec::new();
    // The first round compiles, and does not count.
    for round in 0..=rounds.max(1) {
        let sandbox = Sandbox::new(limits, &directory.join("artifacts-to-load"), FirstCalls::InThisProcess)?;
        let began = Instant::now();
        let loaded = catalog.load_all(names.iter().map(String::as_str), &sandbox, processors).await;
        ensure!(loaded.iter().all(|(_, plugin)| plugin.is_ok()), "a plugin does not load");
        let milliseconds = began.elapsed().as_secs_f64() * 1e3;
        match round {
            0 => println!("\n## Loading {PLUGINS} plugins\n\nCompiled: {milliseconds:.0} ms."),
            _ => took.push(milliseconds),
        }
    }
    println!("From artifacts: **{:.0}** ms ({:.0}-{:.0}).", median(&took), least(&took), most(&took));
    Ok(())
}

/// One source compared with a thousand sources of this number of plugins, in turn.
fn deliveries(directory: &Path, plugins: &Path, of: usize, hookgate: &Path, rounds: usize) -> Result<()> {
    const COUNT: usize = 20_000;
    println!("\n## 1 KiB deliveries, 64 connections: (a) one source, (b) {SOURCES} sources, plugins: {of}\n");
    let one = start(directory, &format!("one-source-{of}"), hookgate, &sources(plugins, 1, 1))?;
    let all = start(directory, &format!("all-sources-{of}"), hookgate, &sources(plugins, SOURCES, of))?;
    let mut both = Both::default();
    let mut first = 0;
    for round in 0..=rounds {
        for (at, (server, count)) in [(&one, 1), (&all, SOURCES)].into_iter().enumerate() {
            let before = server.cpu_seconds()?;
            let seconds = load(server, COUNT, 64, 1024, first, &["--sources", &count.to_string()])?.seconds;
            first += COUNT as u64;
            // A round that does not count warms everything up.
            if round > 0 {
                both.add(at, COUNT, seconds, server.cpu_seconds()? - before);
            }
        }
    }
    both.print();
    Ok(())
}

/// The memory of an idle plugin: the same number of sources with one plugin and with fifty.
fn memory(directory: &Path, plugins: &Path, hookgate: &Path) -> Result<()> {
    println!("\n## Resident memory of {PLUGINS} idle sources: (a) of one plugin, (b) of {PLUGINS} plugins\n");
    println!("| | a, MiB | b, MiB | a plugin, KiB |\n|---|---|---|---|");
    let (mut of_one, mut of_all) = (Vec::new(), Vec::new());
    for round in 0..5 {
        for (name, count, into) in [("one-plugin", 1, &mut of_one), ("all-plugins", PLUGINS, &mut of_all)] {
            let server = start(directory, name, hookgate, &sources(plugins, PLUGINS, count))?;
            // The first start compiles, and what that took is not all given back.
            if round > 0 {
                into.push(server.resident_bytes()? as f64);
            }
        }
    }
    let ((one, _), (all, _)) = (percentiles(of_one), percentiles(of_all));
    let each = (all - one) / (PLUGINS - 1) as f64;
    let mib = f64::from(1 << 20);
    println!("| after the start | {:.0} | {:.0} | **{:.0}** |", one / mib, all / mib, each / 1024.0);
    Ok(())
}

fn start(directory: &Path, name: &str, hookgate: &Path, lines: &str) -> Result<Server> {
    Server::start_with(Kind::Hookgate, &directory.join(name), hookgate, lines)
}

/// This number of sources, `s0` and on, over this number of plugins.
fn sources(plugins: &Path, count: usize, of: usize) -> String {
    let source = |n: usize| {
        let plugin = plugin(n % of);
        format!("[[source]]\nname = \"s{n}\"\nplugin = \"{plugin}\"\nsecrets.signing = {{ value = \"{SECRET}\" }}\n")
    };
    let entries: String = (0..count).map(source).collect();
    format!("{entries}[plugins]\ndirectory = {:?}\n", plugins.display().to_string())
}

fn plugin(n: usize) -> String {
    format!("bench-{n}")
}

/// As many different components as there are plugins: Stripe's, each with a custom section of its own, so that nothing is
/// shared between them.
fn write_plugins(directory: &Path) -> Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let stripe = component("stripe").context("stripe is bundled")?;
    for n in 0..PLUGINS {
        let name = plugin(n);
        let mut component = stripe.to_vec();
        // Id 0, the length of the rest, the length of the name, the name: all below 128.
        component.extend([0, name.len() as u8 + 1, name.len() as u8]);
        component.extend(name.as_bytes());
        fs::write(directory.join(format!("{name}.wasm")), component)?;
    }
    Ok(fs::canonicalize(directory)?)
}
