//! Components that are not bundled are compiled and tried for the first time in a process of their own.
//!
//! What a guest does, the sandbox bounds. What it brings about in the compiler or in a function of the host, a defect
//! of ours might not: then the process that ends is not the one that has the deliveries. The other process is this same
//! program with a hidden command ([`try_component`]). It gets the component over a pipe and nothing else: no
//! configuration, no secrets, no environment. What it has compiled it leaves in the directory of artifacts.

use std::{
    collections::BTreeMap,
    env,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use hookgate_capabilities::{Delivery, Event, Identity, Request, Secrets};
use hookgate_model::limits;
use serde::{Deserialize, Serialize};

use super::{Plugin, Sandbox, SandboxLimits, vectors};

/// The hidden command of this program that [`try_component`] stands behind.
pub const COMMAND: &str = "try-plugin";

/// Where a component that is not bundled is compiled and called for the first time.
#[derive(Clone, Debug, Default)]
pub enum FirstCalls {
    /// In a process of its own, of this program.
    InChild(PathBuf),
    /// In the one that loads it: for programs other than `hookgate`, such as tests.
    #[default]
    InThisProcess,
}

/// The child's orders, a line of JSON before the component's bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    artifacts: PathBuf,
    memory_bytes: usize,
    time_ms: u64,
}

/// What the child answers.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    /// It did no harm. Whether it judges rightly is another question.
    Harmless,
    /// It cannot be loaded, in the words of [`super::LoadError`].
    Refused(String),
}

/// Why a component is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Harm {
    /// It cannot be loaded.
    #[error("{0}")]
    Refused(String),
    /// The child has ended.
    #[error("trying it has ended the process that tried it ({0}); it would have ended the gateway")]
    Ended(ExitStatus),
    /// The child was ended.
    #[error("compiling and trying it took longer than {} s", limits::PLUGIN_TRIAL_TIME_MAX.as_secs())]
    TimedOut,
    /// There is no child.
    #[error("it cannot be tried in a process of its own: {0}")]
    NoChild(#[from] io::Error),
}

impl FirstCalls {
    /// In a process of the program that runs.
    pub fn in_child() -> FirstCalls {
        // The program that runs, also when its file was exchanged for a newer one.
        let running = Path::new("/proc/self/exe");
        let program = if running.exists() { Ok(running.to_owned()) } else { env::current_exe() };
        program.map_or(FirstCalls::InThisProcess, FirstCalls::InChild)
    }

    /// Has a component tried. It blocks for as long as that takes.
    pub(super) fn run(&self, component: &[u8], limits: &SandboxLimits, artifacts: &Path) -> Result<(), Harm> {
        let FirstCalls::InChild(program) = self else { return Ok(()) };
        let order = Order {
            artifacts: artifacts.to_owned(),
            memory_bytes: limits.memory_bytes,
            time_ms: u64::try_from(limits.time.as_millis()).unwrap_or(u64::MAX),
        };
        let mut line = serde_json::to_vec(&order).map_err(io::Error::other)?;
        line.push(b'\n');
        let mut child = Command::new(program)
            .arg(COMMAND)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let answered = converse(&mut child, &line, component, limits::PLUGIN_TRIAL_TIME_MAX);
        // Whatever came of it, no child is left behind.
        let _ = child.kill();
        let status = child.wait()?;
        match answered? {
            Said::Nothing => Err(Harm::Ended(status)),
            Said::TooLate => Err(Harm::TimedOut),
            Said::Answer(text) => match serde_json::from_slice(&text) {
                Ok(Answer::Harmless) => Ok(()),
                Ok(Answer::Refused(why)) => Err(Harm::Refused(why)),
                Err(_) => Err(Harm::Ended(status)),
            },
        }
    }
}

/// What the child has said.
enum Said {
    Answer(Vec<u8>),
    Nothing,
    TooLate,
}

/// Hands the component over and waits for the answer, which ends with the pipe.
fn converse(child: &mut Child, order: &[u8], component: &[u8], time: Duration) -> io::Result<Said> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else { return Err(io::ErrorKind::BrokenPipe.into()) };
    thread::scope(|scope| {
        // A child that does not read has ended, and its answer says why.
        scope.spawn(move || stdin.write_all(order).and_then(|()| stdin.write_all(component)));
        let (send, receive) = std::sync::mpsc::channel();
        scope.spawn(move || {
            let mut text = Vec::new();
            let read = stdout.take(limits::PLUGIN_TRIAL_ANSWER_BYTES_MAX).read_to_end(&mut text);
            let _ = send.send(read.map(|_| text));
        });
        let said = match receive.recv_timeout(time) {
            Ok(Ok(text)) if text.is_empty() => Ok(Said::Nothing),
            Ok(Ok(text)) => Ok(Said::Answer(text)),
            Ok(Err(error)) => Err(error),
            Err(_) => Ok(Said::TooLate),
        };
        // Both threads end with the child's pipes.
        let _ = child.kill();
        said
    })
}

/// The child's part: reads an order and a component from standard input, tries it, and answers on standard output.
///
/// # Errors
/// Standard input holds no order, or the answer is not read.
pub async fn try_component() -> io::Result<()> {
    bound_this_process();
    let mut input = Vec::new();
    io::stdin().lock().take(limits::PLUGIN_FILE_BYTES_MAX * 2).read_to_end(&mut input)?;
    let end = input.iter().position(|byte| *byte == b'\n').ok_or(io::ErrorKind::InvalidInput)?;
    let (order, component) = input.split_at(end);
    let order: Order = serde_json::from_slice(order)?;
    let answer = match tried(order, component.get(1..).unwrap_or_default()).await {
        Ok(()) => Answer::Harmless,
        Err(why) => Answer::Refused(why),
    };
    serde_json::to_writer(io::stdout().lock(), &answer)?;
    io::stdout().flush()
}

/// The process has no more memory than a compiler needs, leaves no image of it, and ends with the one that has started it.
#[cfg(unix)]
fn bound_this_process() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let bound = |resource, wanted: u64| {
        let maximum = getrlimit(resource).maximum.map_or(wanted, |maximum| maximum.min(wanted));
        // Where that is not allowed, the time is bounded all the same.
        let _ = setrlimit(resource, Rlimit { current: Some(maximum), maximum: Some(maximum) });
    };
    bound(Resource::Data, limits::PLUGIN_TRIAL_MEMORY_BYTES_MAX);
    bound(Resource::Core, 0);
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
}

#[cfg(not(unix))]
fn bound_this_process() {}

/// Compiles a component, asks it what it is, and has it do once what it would do for deliveries. What it answers does not
/// matter here: only that it can be asked.
async fn tried(order: Order, component: &[u8]) -> Result<(), String> {
    let time = Duration::from_millis(order.time_ms);
    let limits = SandboxLimits { concurrency: 1, memory_bytes: order.memory_bytes, time };
    let sandbox =
        Sandbox::new(limits, &order.artifacts, FirstCalls::InThisProcess).map_err(|error| error.to_string())?;
    let plugin = sandbox.load(component).await.map_err(|error| error.to_string())?;
    for (_, vector) in vectors::carried(&plugin).unwrap_or_default() {
        if let Ok(vector) = vector {
            let _differences = vectors::differences(&plugin, vector, &[]).await;
        }
    }
    probe(&plugin).await;
    Ok(())
}

/// Asks for a verdict on a small delivery, and for what the plugin makes of it as an event, whatever the verdict was.
async fn probe(plugin: &Plugin) {
    let request = Arc::new(Request {
        method: "POST".to_owned(),
        url: "https://hooks.example.com/in/source".to_owned(),
        headers: vec![("content-type".to_owned(), b"application/json".to_vec())],
        received_at: hookgate_model::clock::now_ms(),
        body: "{\"id\":\"1\",\"type\":\"probe\",\"data\":{}}".into(),
    });
    let secrets = Arc::new(Secrets::new(BTreeMap::new()));
    let _verdict = plugin.verify(Delivery::new(request.clone(), Arc::default(), secrets)).await;
    let event = Event {
        event_id: "00000000-0000-7000-8000-000000000000".to_owned(),
        source_name: "source".to_owned(),
        admitted_as: Identity::default(),
        payload_bytes: request.body.clone().into(),
        brought_by: Delivery::without_secrets(request, Arc::default()),
    };
    let _outputs = plugin.transform(event).await;
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    /// What comes of a component where this script stands in for the program.
    fn tried_by(script: &str, component: &[u8]) -> Result<(), Harm> {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("program");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let limits = SandboxLimits { concurrency: 1, memory_bytes: 1 << 20, time: Duration::from_millis(1) };
        FirstCalls::InChild(program).run(component, &limits, directory.path())
    }

    #[test]
    fn whatever_becomes_of_the_child_is_told() {
        // More than a pipe holds: a child that ends early must not be waited for.
        let component = vec![b' '; 1 << 20];
        for (script, expected) in [
            ("kill -ABRT $$", "has ended the process that tried it (signal: 6 (SIGABRT)"),
            ("exit 3", "has ended the process that tried it (exit status: 3"),
            ("echo nonsense", "has ended the process that tried it"),
            ("cat >/dev/null; kill -SEGV $$", "signal: 11"),
            ("cat >/dev/null; echo '{\"Refused\":\"it is too odd\"}'", "it is too odd"),
        ] {
            let error = tried_by(script, &component).unwrap_err().to_string();
            assert!(error.contains(expected), "{script}: {error}");
        }
        assert!(tried_by("cat >/dev/null; echo '\"Harmless\"'", &component).is_ok());
    }

    #[test]
    fn the_child_gets_the_component_and_no_environment() {
        let script =
            r#"read order; test "$(cat)" = component && test -z "$HOME$CARGO_MANIFEST_DIR" && echo '"Harmless"'"#;
        assert!(tried_by(script, b"component").is_ok());
    }

    #[test]
    fn a_child_that_goes_on_for_ever_is_ended() {
        let mut child =
            Command::new("/bin/sleep").arg("1000").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let said = converse(&mut child, b"", &vec![0; 1 << 20], Duration::from_millis(1)).unwrap();
        assert!(matches!(said, Said::TooLate));
        assert!(!child.wait().unwrap().success());
    }
}
