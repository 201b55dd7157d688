//! Power cuts: a process's system calls are traced, and from many moments of the trace the states are built that a disk
//! could be in afterwards: what was fsynced is there, of the rest everything, nothing, a part, or garbage.
//!
//! `HOOKGATE_POWER_STATES` sets the states for each engine. `losses_are_seen` shows that the suite can fail: it runs
//! the same states with fdatasync doing nothing, which is what sled does by itself when it is told to flush.

use std::path::{Path, PathBuf};

use hookgate_config::EngineKind;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{child::*, disk::*, support::*};

struct Traced {
    _dir: tempfile::TempDir,
    ops: Vec<Op>,
}

/// A traced life of a store: made, worked on, left without being closed, and opened and worked on again.
fn traced(engine: EngineKind, failing_sync: Option<u32>) -> Traced {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap().join("disk");
    std::fs::create_dir(&root).unwrap();
    let trace: PathBuf = dir.path().join("trace");
    for life in 0..2 {
        let load = Load {
            store: &root.join("store"),
            engine,
            first_key: life * 1_000_000,
            commits: 25,
            acks: Some(&root.join("acks")),
        };
        let mut command = load.command();
        command.env("LD_PRELOAD", shim()).env("HOOKGATE_DISK_ROOT", &root).env("HOOKGATE_DISK_TRACE", &trace);
        if let Some(number) = failing_sync.filter(|_| life == 0) {
            command.env("HOOKGATE_DISK_SYNC_FAILS", number.to_string());
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let ops = read_trace(&trace, &root);
    Traced { _dir: dir, ops }
}

/// What had been acknowledged by then.
fn acks_by(ops: &[Op]) -> Acks {
    let mut acks = Acks::default();
    for op in ops {
        if let Op::Write { path, data, .. } = op
            && path == "/acks"
        {
            acks.read(std::str::from_utf8(data).unwrap());
        }
    }
    acks
}

/// How each state was not as it must be that was not.
fn failures(engine: EngineKind, traced: &Traced, states: u32, believe_fdatasync: bool) -> Vec<String> {
    let mut failures = Vec::new();
    for state in 0..states {
        let mut random = StdRng::seed_from_u64(u64::from(state));
        let cut = random.random_range(1..=traced.ops.len());
        let ops = &traced.ops[..cut];
        let after = tempfile::tempdir().unwrap();
        Disk::after(ops, believe_fdatasync).leave(after.path(), &mut random);
        if let Err(e) = check_state(after.path(), engine, &acks_by(ops)) {
            failures.push(format!("state {state}, after {cut} of {} calls: {e}", traced.ops.len()));
        }
    }
    failures
}

fn check_state(after: &Path, engine: EngineKind, acks: &Acks) -> Result<(), String> {
    check(&after.join("store"), engine, acks)
}

/// Nothing that was acknowledged is lost, but for as many in a hundred states as are told to be damaged.
fn survives(engine: EngineKind, told_of_100: u32) {
    let traced = traced(engine, None);
    let acks = acks_by(&traced.ops);
    assert!(acks.admitted.len() > 200, "only {} commits in the trace", acks.admitted.len());
    let states = cases("HOOKGATE_POWER_STATES", 40);
    let (told, silent): (Vec<_>, Vec<_>) =
        failures(engine, &traced, states, true).into_iter().partition(|failure| failure.contains("is damaged: "));
    assert!(silent.is_empty(), "{silent:#?}");
    assert!(told.len() as u32 * 100 <= states * told_of_100, "{told:#?}");
}

#[test]
fn fjall_survives_power_cuts() {
    survives(EngineKind::Fjall, 0);
}

/// Cut off while it is being opened after a crash, sled now and then says that its log is damaged (docs/store.md, 4).
#[test]
fn sled_survives_power_cuts() {
    survives(EngineKind::Sled, 5);
}

/// What a failed sync should have written is lost for good, whatever later syncs say, unless it is written again.
/// On fjall only: after a power cut between the failed sync and the rewriting sled may say that its log is damaged.
#[test]
fn what_a_failed_sync_has_lost_is_not_trusted() {
    let engine = EngineKind::Fjall;
    // Those of the first opening come to about the same number each time.
    let before = traced(engine, None);
    let first = before.ops.iter().position(|op| matches!(op, Op::Write { data, .. } if data.starts_with(b"admitted")));
    let opening = before.ops[..first.unwrap()].iter().filter(|op| matches!(op, Op::Sync { .. })).count() as u32;
    let refuses = |traced: &Traced| {
        let failed = traced.ops.iter().any(|op| matches!(op, Op::FailedSync(_)));
        failed && !acks_by(&traced.ops).refused.is_empty()
    };
    for number in [opening + 5, opening + 20] {
        // One that belongs to the opening, or to what the engine does beside the commits, fails none of these.
        let tried = (0..8).map(|further| traced(engine, Some(number + 7 * further)));
        let traced =
            tried.into_iter().find(refuses).unwrap_or_else(|| panic!("no sync from {number} on failed a commit"));
        let failures = failures(engine, &traced, cases("HOOKGATE_POWER_STATES", 24), true);
        assert!(failures.is_empty(), "sync {number}: {failures:#?}");
    }
}

#[test]
fn losses_are_seen() {
    on_both_engines(|engine| {
        let failures = failures(engine, &traced(engine, None), 12, false);
        eprintln!("{engine:?} without fdatasync: {} of 12 states, {:?}", failures.len(), failures.first());
        assert!(!failures.is_empty());
    });
}
