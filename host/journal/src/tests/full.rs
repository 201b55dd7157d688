//! A disk that is full, or that fails: answers are errors, nothing is half there, and work goes on when it can.

use std::fs;

use hookgate_config::EngineKind;

use super::{child::*, disk::shim, support::*};

/// When this many commits were admitted and none was refused, the disk has done nothing to the child.
const ENOUGH: usize = 50_000;

/// Runs a child whose disk misbehaves and reads what it says. When `room` is there it is made as soon as commits have
/// been refused a few times, and the child goes on until new ones are acknowledged.
fn run(engine: EngineKind, fault: (&str, &str), make_room: bool) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap().join("disk");
    fs::create_dir(&root).unwrap();
    let room = dir.path().join("room");
    let store = root.join("store");
    let load = Load { store: &store, engine, first_key: 0, commits: 1_000_000, acks: None };
    let mut command = load.command();
    command.env("LD_PRELOAD", shim()).env("HOOKGATE_DISK_ROOT", &root).env("HOOKGATE_DISK_ROOM", &room);
    let mut child = command.env(fault.0, fault.1).spawn().unwrap();
    let mut acks = Acks::default();
    let mut admitted_when_full = None;
    acks.read_until(&mut child, |acks| {
        if !acks.refused.is_empty() && admitted_when_full.is_none() {
            admitted_when_full = Some(acks.admitted.len());
            if make_room {
                fs::write(&room, "").unwrap();
            }
        }
        admitted_when_full.map_or(acks.admitted.len() >= ENOUGH, |before| acks.admitted.len() >= before + 200)
    });
    assert!(!acks.refused.is_empty(), "{engine:?} {fault:?}: nothing was refused");
    assert!(admitted_when_full.is_some_and(|before| acks.admitted.len() >= before + 200), "it did not go on");
    check(&store, engine, &acks).unwrap_or_else(|e| panic!("{engine:?} {fault:?}: {e}"));
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    on_both_engines(|engine| {
        for after in ["1500000", "2345678"] {
            run(engine, ("HOOKGATE_DISK_FULL_AFTER", after), true);
        }
    });
}

#[test]
fn a_failed_sync_refuses_and_goes_on() {
    on_both_engines(|engine| run(engine, ("HOOKGATE_DISK_SYNC_FAILS", "500"), false));
}
