//! `cargo xtask test`

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::chore;

/// Which tests; all of them when nothing is said.
#[derive(Args)]
pub struct Test {
    /// For `cargo test`: `cargo xtask test -- --test crash`
    #[arg(last = true)]
    arguments: Vec<String>,
}

impl Test {
    /// Builds everything and runs all tests, also after a failure; the last line sums them up.
    pub fn run(self) -> Result<()> {
        chore::need_wasm_targets()?;
        let bucket = chore::need_s3_server()?;
        let gateway = chore::build_gateway(chore::For::Tests)?;
        let mut test = chore::cargo();
        test.args(["test", "--no-fail-fast"])
            .args(chore::NATIVE)
            .args(self.arguments)
            .env("HOOKGATE_BIN", gateway)
            .env("HOOKGATE_S3_SERVER", bucket);
        if env::var_os("RUST_TEST_THREADS").is_none() {
            test.env("RUST_TEST_THREADS", threads().to_string());
        }
        let (total, success) = run_counting(&mut test)?;
        println!("\n{} passed, {} failed", total.passed, total.failed);
        if success {
            Ok(())
        } else if total.failed == 0 {
            bail!("something did not build, or a test ended its process; see above")
        } else {
            bail!("there were failures; see above")
        }
    }
}

/// Tests at once. Those that drive the gateway wait more than they compute.
fn threads() -> usize {
    2 * thread::available_parallelism().map_or(2, usize::from)
}

/// Over all test binaries.
#[derive(Debug, Default, PartialEq, Eq)]
struct Total {
    passed: u64,
    failed: u64,
}

/// Runs `cargo test`, shows what it prints, and counts.
fn run_counting(command: &mut Command) -> Result<(Total, bool)> {
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot run {command:?}"))?;
    let stdout = child.stdout.take().context("no standard output")?;
    let mut total = Total::default();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        total.add(&line);
    }
    Ok((total, child.wait()?.success()))
}

impl Total {
    /// Adds a line like `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
    fn add(&mut self, line: &str) {
        let Some(result) = line.trim_start().strip_prefix("test result: ") else { return };
        let count = |word: &str| -> u64 {
            let parts = result.split([';', '.']).map(str::trim);
            parts.filter_map(|part| part.strip_suffix(word)?.trim().parse::<u64>().ok()).sum()
        };
        self.passed += count("passed");
        self.failed += count("failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed_over_all_binaries() {
        let mut total = Total::default();
        for line in [
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s",
            "test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s",
            "a test printed: 7 passed",
        ] {
            total.add(line);
        }
        assert_eq!(total, Total { passed: 13, failed: 2 });
    }
}
