//! `cargo xtask test`

use std::{
    collections::BTreeSet,
    env, fs,
    io::{self, BufRead, BufReader, PipeReader},
    process::{Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
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
        let gateway = chore::build_gateway(chore::For::Tests)?;
        let mut test = chore::cargo();
        test.args(["test", "--no-fail-fast"]).args(chore::NATIVE).args(self.arguments).env("HOOKGATE_BIN", gateway);
        if env::var_os("RUST_TEST_THREADS").is_none() {
            test.env("RUST_TEST_THREADS", threads().to_string());
        }
        let (total, success) = run_counting(&mut test)?;
        let counts = format!("{} passed, {} failed", total.passed, total.failed);
        println!("\n{}\n\n{counts}", total.times());
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
#[derive(Debug, Default, PartialEq)]
struct Total {
    passed: u64,
    failed: u64,
    /// How long each binary took in seconds, and its name.
    suites: Vec<(f64, String)>,
    /// The binary that runs.
    running: String,
    /// Its tests that the harness has called slow and that have not ended.
    slow: BTreeSet<String>,
}

/// A suite that took less is not named in the table of times.
const NAMED_SUITE_SECONDS: f64 = 1.0;

/// When nothing was printed for this long, a test waits for something that will not come. No suite and no single crate
/// takes half of it.
const LONGEST_SILENCE: Duration = Duration::from_secs(10 * 60);

/// Runs `cargo test`, shows what it prints, and counts. Ends it when it hangs.
fn run_counting(command: &mut Command) -> Result<(Total, bool)> {
    // One pipe for both: cargo names a binary on standard error before the binary prints its result on standard output.
    let (output, input) = io::pipe()?;
    command.stdout(input.try_clone()?).stderr(input);
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    // The pipe ends when no process can write into it any more: not this one either.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut total = Total::default();
    let lines = lines_of(output);
    loop {
        match lines.recv_timeout(LONGEST_SILENCE) {
            Ok(line) => {
                let line = String::from_utf8_lossy(&line?).into_owned();
                println!("{line}");
                total.add(&line);
            }
            Err(RecvTimeoutError::Disconnected) => return Ok((total, child.wait()?.success())),
            Err(RecvTimeoutError::Timeout) => {
                end_with_descendants(child.id())?;
                bail!("{}", total.hung());
            }
        }
    }
}

/// What is written into a pipe, line by line.
fn lines_of(output: PipeReader) -> Receiver<io::Result<Vec<u8>>> {
    let (lines, received) = mpsc::channel();
    thread::spawn(move || BufReader::new(output).split(b'\n').try_for_each(|line| lines.send(line)));
    received
}

/// Ends a process that this one has started, and every process below it. Where there is no `/proc`, only the process itself.
fn end_with_descendants(root: u32) -> Result<()> {
    let mut ended = BTreeSet::from([root]);
    loop {
        let before = ended.len();
        let below = processes().filter(|(_, parent)| ended.contains(parent)).map(|(id, _)| id).collect::<Vec<_>>();
        ended.extend(below);
        if ended.len() == before {
            break;
        }
    }
    Command::new("kill").arg("-KILL").args(ended.iter().map(u32::to_string)).status()?;
    Ok(())
}

/// The processes of this machine with their parents.
fn processes() -> impl Iterator<Item = (u32, u32)> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name of the program is in parentheses and may hold any character; its state and its parent follow.
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
        Some((id, parent.parse().ok()?))
    })
}

impl Total {
    /// Adds a line like `test result: ok. 3 passed; 0 failed; ...; finished in 0.02s`, or one that names a binary.
    fn add(&mut self, line: &str) {
        let line = line.trim_start();
        if let Some(named) = line.strip_prefix("Running ").or_else(|| line.strip_prefix("Doc-tests ")) {
            let binary = named.rsplit_once("deps/").map_or(named, |(_, binary)| binary);
            self.running = binary.rsplit_once('-').map_or(binary, |(name, _)| name).to_owned();
            self.slow.clear();
        }
        if let Some(test) = line.strip_prefix("test ") {
            match (test.split_once(" has been running for over "), test.split_once(" ... ")) {
                (Some((name, _)), _) => drop(self.slow.insert(name.to_owned())),
                (None, Some((name, _))) => drop(self.slow.remove(name)),
                (None, None) => {}
            }
        }
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let parts = || result.split(['.', ';']).map(str::trim);
        let count = |word: &str| -> u64 {
            parts().filter_map(|part| part.strip_suffix(word)?.trim().parse::<u64>().ok()).sum()
        };
        self.passed += count("passed");
        self.failed += count("failed");
        let seconds = result.rsplit_once("finished in ").and_then(|(_, time)| time.trim_end_matches('s').parse().ok());
        self.suites.push((seconds.unwrap_or_default(), self.running.clone()));
    }

    /// What hung.
    fn hung(&self) -> String {
        let minutes = LONGEST_SILENCE.as_secs() / 60;
        let tests: Vec<_> = self.slow.iter().map(String::as_str).collect();
        let tests = if tests.is_empty() { "no test that ran for a minute".to_owned() } else { tests.join(", ") };
        format!("{} printed nothing for {minutes} minutes and was ended; unfinished: {tests}", self.running)
    }

    /// How long the suites took, the longest first.
    fn times(&self) -> String {
        let mut suites: Vec<_> = self.suites.iter().collect();
        suites.sort_by(|one, other| other.0.total_cmp(&one.0));
        let (named, short): (Vec<_>, Vec<_>) = suites.into_iter().partition(|(time, _)| *time >= NAMED_SUITE_SECONDS);
        // The sum of no numbers at all is -0.0.
        let rest = short.iter().fold(0.0, |sum, (time, _)| sum + time);
        let lines = named.iter().map(|(time, name)| format!("{time:>7.1} s  {name}\n"));
        lines.chain([format!("{rest:>7.1} s  {} others", short.len())]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(lines: &[&str]) -> Total {
        let mut total = Total::default();
        lines.iter().for_each(|line| total.add(line));
        total
    }

    #[test]
    fn results_are_summed_over_all_binaries() {
        let total = total(&[
            "     Running unittests src/lib.rs (target/debug/deps/hookgate_model-15b8888b20966ec4)",
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s",
            "     Running tests/it/main.rs (target/debug/deps/it-15b8888b20966ec4)",
            "test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 61.50s",
            "a test printed: 7 passed",
        ]);
        assert_eq!((total.passed, total.failed), (13, 2));
        assert_eq!(total.times(), "   61.5 s  it\n    0.0 s  1 others");
    }

    #[test]
    fn what_hangs_is_named() {
        let total = total(&[
            "     Running tests/it/main.rs (target/debug/deps/it-15b8888b20966ec4)",
            "test slow has been running for over 60 seconds",
            "test hangs has been running for over 60 seconds",
            "test slow ... ok",
        ]);
        assert_eq!(total.hung(), "it printed nothing for 10 minutes and was ended; unfinished: hangs");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_is_ended_with_all_below_it() {
        let mut command = Command::new("sh");
        // A shell below a shell, and below that a third process; they end the pipe when all of them have ended.
        command.args(["-c", "sh -c 'sleep 1000 & echo started; wait' & wait"]);
        let (output, input) = io::pipe().unwrap();
        let mut child = command.stdout(input).spawn().unwrap();
        command.stdout(Stdio::null());
        let lines = lines_of(output);
        assert_eq!(lines.recv().unwrap().unwrap(), b"started");
        end_with_descendants(child.id()).unwrap();
        assert!(lines.recv().is_err());
        child.wait().unwrap();
    }
}
