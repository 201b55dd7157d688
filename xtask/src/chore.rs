//! What every chore needs: cargo, the wasm target, the gateway's binary.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Of plugins, and of what receives at the edge.
const WASM_TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "wasm32-wasip2"];

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// Where cargo builds: where this executable was built.
pub fn target_directory() -> Result<PathBuf> {
    let executable = env::current_exe().context("cannot tell where xtask itself is")?;
    let directory = executable.ancestors().nth(2).context("xtask must be started by cargo: cargo xtask")?;
    Ok(directory.to_owned())
}

/// Cargo, in the workspace.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(workspace());
    command
}

/// Runs a command, its output shown; an error when it fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}

/// Installs the targets that components are compiled for, where they are missing.
pub fn need_wasm_targets() -> Result<()> {
    WASM_TARGETS.into_iter().try_for_each(need_target)
}

fn need_target(target: &str) -> Result<()> {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(workspace()).args(["--print", "target-libdir", "--target", target]).stderr(Stdio::null());
    let output = rustc.output().context("there is no rustc; install Rust from https://rustup.rs")?;
    if output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir() {
        return Ok(());
    }
    println!("The Rust target {target} is missing; installing it: rustup target add {target}");
    let mut rustup = Command::new("rustup");
    run(rustup.current_dir(workspace()).args(["target", "add", target]))
        .with_context(|| format!("the target could not be installed; try: rustup target add {target}"))
}

/// All that compiles for this machine, for cargo; what is made with Spin's SDK compiles for wasm alone.
pub const NATIVE: [&str; 5] = ["--workspace", "--exclude", "hookgate-edge", "--exclude", "hookgate-edge-hello"];

/// The gateway and the benchmark, for cargo.
const BENCH: [&str; 7] =
    ["--release", "--package", "hookgate", "--package", "hookgate-bench", "--features", "hookgate-bench/native-twin"];

/// What the gateway is built for.
#[derive(Clone, Copy)]
pub enum For {
    /// The demo, which is built with it.
    Demo,
    /// The demo of the edge, which is built with it.
    EdgeDemo,
    /// The tests.
    Tests,
    /// The benchmark, which is built with it: as it is shipped, with features that only the benchmark's own code uses.
    Bench,
    /// The benchmark of the edge.
    EdgeBench,
}

/// Builds the gateway, and puts its binary where no other build replaces it.
pub fn build_gateway(purpose: For) -> Result<PathBuf> {
    let mut build = cargo();
    build.arg("build");
    // All but the benchmark build a part of one selection of packages, and so with one set of features.
    match purpose {
        For::Demo => build.args(NATIVE).args(["--bin", "hookgate", "--bin", "hookgate-demo"]),
        For::EdgeDemo => {
            build.args(NATIVE).args(["--bin", "hookgate", "--bin", "hookgate-edge-demo", "--bin", "hookgate-edge-host"])
        }
        For::Tests => build.args(NATIVE).args(["--bins", "--test", "it"]),
        For::Bench => build.args(BENCH).arg("--bins"),
        // The edge's host would add its own features of wasmtime.
        For::EdgeBench => build.args(["--release", "--package", "hookgate", "--bins"]),
    };
    run(&mut build)?;
    let target = target_directory()?;
    let name = format!("hookgate{}", env::consts::EXE_SUFFIX);
    let directory = match purpose {
        For::Demo | For::EdgeDemo | For::Tests => "debug",
        For::Bench | For::EdgeBench => "release",
    };
    let (built, kept) = (target.join(directory).join(&name), target.join("xtask").join(directory));
    fs::create_dir_all(&kept)?;
    // A running gateway keeps the file that it was started from; the new one takes its name.
    let (new, kept) = (kept.join("new"), kept.join(name));
    fs::copy(&built, &new).with_context(|| format!("there is no {}", built.display()))?;
    fs::rename(&new, &kept)?;
    Ok(kept)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Each package with its features, as it is built when dependencies of these kinds take part.
    fn packages(kinds: &str) -> BTreeSet<String> {
        let mut tree = cargo();
        tree.args(["tree", "--offline", "--prefix", "none", "--format", "{p} {f}", "--edges", kinds]).args(NATIVE);
        let output = tree.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
    }

    /// A feature that only dev-dependencies ask for is missing from the demo, and everything above its package is compiled
    /// twice. tests/Cargo.toml asks for such features.
    #[test]
    fn the_demo_and_the_tests_share_one_set_of_features() {
        let (demo, tests) = (packages("no-dev"), packages("all"));
        let other: Vec<_> = demo.difference(&tests).collect();
        assert!(other.is_empty(), "with other features in tests: {other:#?}");
    }
}
