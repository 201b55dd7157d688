//! A process of a peer: started, waited for, and ended.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::usage::{ProcessStat, below};

/// How long a process may take to be ready, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// The time between two looks at something that is waited for.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// A process; it and all processes below it are ended when this is dropped.
pub struct Process {
    child: Child,
    name: &'static str,
    log: PathBuf,
    stop: Signal,
}

impl Process {
    /// Starts a command, its output in `NAME.log` in `directory`.
    pub fn start(name: &'static str, command: &mut Command, directory: &Path) -> Result<Process> {
        let log = directory.join(format!("{name}.log"));
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Process { child, name, log, stop: Signal::TERM })
    }

    /// The same, with another signal that asks it to end.
    pub fn stopped_by(mut self, stop: Signal) -> Process {
        self.stop = stop;
        self
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it takes connections.
    pub fn wait_for_port(&mut self, at: SocketAddr) -> Result<()> {
        self.wait_until(|| TcpStream::connect(at).is_ok())
    }

    /// Waits until it is ready.
    pub fn wait_until(&mut self, mut is_ready: impl FnMut() -> bool) -> Result<()> {
        let began = Instant::now();
        while !is_ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended, {status}: {}", self.name, self.last_lines());
            }
            if began.elapsed() > PATIENCE {
                bail!("{} is not ready after {PATIENCE:?}: {}", self.name, self.last_lines());
            }
            sleep(BETWEEN_LOOKS);
        }
        Ok(())
    }

    fn last_lines(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let processes = below(&[self.id()]).unwrap_or_default();
        signal(self.id(), self.stop);
        let began = Instant::now();
        while began.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            sleep(BETWEEN_LOOKS);
        }
        // What is left has missed that it should end.
        for process in processes {
            if ProcessStat::of(process.id).is_some_and(|now| now.started == process.started) {
                signal(process.id, Signal::KILL);
            }
        }
        let _ = self.child.wait();
    }
}

fn signal(id: u32, signal: Signal) {
    if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        let _ = kill_process(id, signal);
    }
}

/// An address on this machine that nothing listens on.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
