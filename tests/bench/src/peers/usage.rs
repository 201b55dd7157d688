//! What a server uses: processor time and written bytes, of all its processes together.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use rustix::fs::{major, minor, syncfs};

/// The time between two looks at a server that is to come to rest.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// How long a server may go on working after its last reply.
const PATIENCE: Duration = Duration::from_secs(120);

/// What some processes have used so far, with all the processes below them and those that have ended.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Processor time, in seconds.
    pub cpu_seconds: f64,
    /// Bytes of the pages that they changed in files; none if the system does not tell.
    pub written_bytes: Option<u64>,
}

impl Usage {
    fn of(roots: &[u32]) -> Result<Usage> {
        let processes = below(roots)?;
        let ticks: u64 = processes.iter().map(|process| process.ticks).sum();
        let written_bytes = processes.iter().map(|process| written_bytes(process.id)).sum();
        Ok(Usage { cpu_seconds: ticks as f64 / rustix::param::clock_ticks_per_second() as f64, written_bytes })
    }

    /// As soon as the processes have nothing left to do.
    pub fn at_rest(roots: &[u32]) -> Result<Usage> {
        // The clock ticks every ten milliseconds; timers of an idle server take one of them now and then.
        let idle = 1.5 / rustix::param::clock_ticks_per_second() as f64;
        let began = Instant::now();
        let mut last = Usage::of(roots)?;
        loop {
            sleep(BETWEEN_LOOKS);
            let usage = Usage::of(roots)?;
            if usage.cpu_seconds - last.cpu_seconds < idle {
                return Ok(usage);
            }
            ensure!(began.elapsed() < PATIENCE, "the server does not come to rest");
            last = usage;
        }
    }
}

/// The disk that a directory is on.
pub struct Disk {
    directory: File,
    statistics: PathBuf,
}

impl Disk {
    /// It must exist.
    pub fn of(directory: &Path) -> Result<Disk> {
        let directory = File::open(directory)?;
        let device = directory.metadata()?.dev();
        let statistics = format!("/sys/dev/block/{}:{}/stat", major(device), minor(device));
        Ok(Disk { directory, statistics: statistics.into() })
    }

    /// Bytes written to it so far by the whole system, with what was still in memory; none if the system does not tell.
    pub fn written_bytes(&self) -> Option<u64> {
        syncfs(&self.directory).ok()?;
        let statistics = fs::read_to_string(&self.statistics).ok()?;
        // The seventh figure; sectors have 512 bytes here, whatever the disk has.
        Some(statistics.split_whitespace().nth(6)?.parse::<u64>().ok()? * 512)
    }
}

/// A process, from `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessStat {
    /// Its id.
    pub id: u32,
    /// When it was started: with the id, this tells it from a later process with the same id.
    pub started: u64,
    parent: u32,
    /// Processor time of the process and of its children that have ended.
    ticks: u64,
}

impl ProcessStat {
    /// A process that runs.
    pub fn of(id: u32) -> Option<ProcessStat> {
        parse(id, &fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
    }
}

/// The name, in parentheses, may have spaces and parentheses in it; numbers are counted from behind it.
fn parse(id: u32, stat: &str) -> Option<ProcessStat> {
    let fields: Vec<&str> = stat.rsplit(") ").next()?.split(' ').collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let ticks = number(11)? + number(12)? + number(13)? + number(14)?;
    Some(ProcessStat { id, started: number(19)?, parent: u32::try_from(number(1)?).ok()?, ticks })
}

/// These processes and all below them that run.
pub fn below(roots: &[u32]) -> Result<Vec<ProcessStat>> {
    let ids = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let all: Vec<ProcessStat> = ids.filter_map(ProcessStat::of).collect();
    let mut found: BTreeSet<u32> = roots.iter().copied().collect();
    loop {
        let children = all.iter().filter(|process| found.contains(&process.parent)).map(|process| process.id);
        let more: BTreeSet<u32> = children.collect();
        if more.is_subset(&found) {
            return Ok(all.into_iter().filter(|process| found.contains(&process.id)).collect());
        }
        found.extend(more);
    }
}

/// By a process and its children that have ended: the kernel adds them when their parent waits for them.
fn written_bytes(id: u32) -> Option<u64> {
    let io = fs::read_to_string(format!("/proc/{id}/io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_process_with_a_strange_name() {
        let stat = "7 (a) b) S 3 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5000 0 0";
        let expected = ProcessStat { id: 7, started: 5000, parent: 3, ticks: 100 };
        assert_eq!(parse(7, stat), Some(expected));
    }

    #[test]
    fn finds_the_processes_below_a_process() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let found: Vec<u32> = below(&[std::process::id()]).unwrap().into_iter().map(|process| process.id).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&std::process::id()) && found.contains(&child.id()));
    }
}
