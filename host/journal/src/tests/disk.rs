//! Disks that fail: what a power cut leaves of a traced process's files, and processes whose disk is full or broken.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File},
    io::Read,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use rand::{Rng, RngExt, seq::SliceRandom};

/// What a disk writes as a whole or not at all.
const SECTOR: usize = 512;

/// The shim, compiled once.
pub(super) fn shim() -> &'static Path {
    static SHIM: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = SHIM.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let (source, path) = (dir.path().join("disk_shim.c"), dir.path().join("disk_shim.so"));
        fs::write(&source, include_str!("disk_shim.c")).unwrap();
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let built = Command::new(&compiler).args(["-O1", "-shared", "-fPIC", "-o"]).arg(&path).arg(&source).output();
        let built =
            built.unwrap_or_else(|e| panic!("this test needs a C compiler, and `{compiler}` did not start: {e}"));
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        (dir, path)
    });
    path
}

/// A system call that changed something.
#[derive(Debug)]
pub(super) enum Op {
    Create(String),
    Write { path: String, at: u64, data: Vec<u8> },
    Truncate { path: String, to: u64 },
    Sync { path: String, data_only: bool },
    FailedSync(String),
    Rename { from: String, to: String },
    Unlink(String),
    MakeDir(String),
    RemoveDir(String),
}

/// Reads what the shim has written, paths below its root.
pub(super) fn read_trace(trace: &Path, root: &Path) -> Vec<Op> {
    let bytes = fs::read(trace).unwrap();
    let root = root.to_str().unwrap();
    let mut rest = bytes.as_slice();
    let mut ops = Vec::new();
    while !rest.is_empty() {
        let mut head = [0; 25];
        // A killed process may leave half a record.
        if rest.read_exact(&mut head).is_err() {
            break;
        }
        let number = |from: usize, to: usize| {
            let mut wide = [0; 8];
            wide[..to - from].copy_from_slice(&head[from..to]);
            u64::from_le_bytes(wide)
        };
        let (path_length, length) = (number(17, 21) as usize, number(21, 25) as usize);
        let Some((path, behind)) = rest.split_at_checked(path_length) else { break };
        let Some((data, behind)) = behind.split_at_checked(length) else { break };
        rest = behind;
        let below = |path: &[u8]| String::from_utf8(path.to_vec()).unwrap().strip_prefix(root).unwrap_or("").to_owned();
        let path = below(path);
        ops.push(match head[0] {
            1 => Op::Create(path),
            2 => Op::Write { path, at: number(1, 9), data: data.to_vec() },
            3 => Op::Truncate { path, to: number(1, 9) },
            4 | 5 => Op::Sync { path, data_only: head[0] == 5 },
            6 => Op::Rename { from: path, to: below(data) },
            7 => Op::Unlink(path),
            8 => Op::MakeDir(path),
            9 => Op::RemoveDir(path),
            10 => Op::FailedSync(path),
            other => panic!("unknown record {other}"),
        });
    }
    ops
}

/// A change of a file's content.
#[derive(Debug)]
enum Change<'a> {
    Write { at: u64, data: &'a [u8] },
    Truncate(u64),
}

/// A change of names; all of them in one order, as a journaling file system keeps them.
#[derive(Debug)]
enum Naming {
    /// The path now means this inode.
    Link(String, usize),
    Unlink(String),
    Rename(String, String),
}

#[derive(Debug, Default)]
struct Inode<'a> {
    is_dir: bool,
    changes: Vec<Change<'a>>,
    /// So many of the changes are on the disk for sure, but for those that are lost.
    synced: usize,
    /// Written before a sync that failed: Linux takes them for written from then on, and no later sync writes them.
    lost: HashSet<usize>,
}

/// A file system in the middle of its life: what is on the disk for sure, and what may be.
pub(super) struct Disk<'a> {
    inodes: Vec<Inode<'a>>,
    /// Names as the process sees them.
    live: BTreeMap<String, usize>,
    /// Every naming, with the directory that makes it durable and whether it is.
    namings: Vec<(Naming, bool)>,
}

impl<'a> Disk<'a> {
    /// The file system after these calls. Where fdatasync is not believed it changes nothing: a disk (or an engine) that
    /// does not sync.
    pub(super) fn after(ops: &'a [Op], believe_fdatasync: bool) -> Disk<'a> {
        let mut disk = Disk { inodes: Vec::new(), live: BTreeMap::new(), namings: Vec::new() };
        for op in ops {
            match op {
                Op::Sync { data_only: true, .. } if !believe_fdatasync => {}
                op => disk.step(op),
            }
        }
        disk
    }

    fn step(&mut self, op: &'a Op) {
        match op {
            Op::Create(path) => self.make(path, false),
            Op::MakeDir(path) => self.make(path, true),
            Op::Write { path, at, data } => self.change(path, Change::Write { at: *at, data }),
            Op::Truncate { path, to } => self.change(path, Change::Truncate(*to)),
            Op::Sync { path, .. } => self.sync(path),
            Op::FailedSync(path) => self.fail_to_sync(path),
            Op::Rename { from, to } => {
                self.namings.push((Naming::Rename(from.clone(), to.clone()), false));
                rename(&mut self.live, from, to);
            }
            Op::Unlink(path) | Op::RemoveDir(path) => {
                self.live.remove(path);
                self.namings.push((Naming::Unlink(path.clone()), false));
            }
        }
    }

    fn make(&mut self, path: &str, is_dir: bool) {
        self.inodes.push(Inode { is_dir, ..Inode::default() });
        self.live.insert(path.to_owned(), self.inodes.len() - 1);
        self.namings.push((Naming::Link(path.to_owned(), self.inodes.len() - 1), false));
    }

    fn change(&mut self, path: &str, change: Change<'a>) {
        // An unknown file was unlinked while it was open: its content is gone with it.
        if let Some(inode) = self.live.get(path).and_then(|inode| self.inodes.get_mut(*inode)) {
            inode.changes.push(change);
        }
    }

    fn sync(&mut self, path: &str) {
        match self.live.get(path) {
            Some(&inode) if !self.inodes[inode].is_dir => self.inodes[inode].synced = self.inodes[inode].changes.len(),
            _ => {
                for (naming, durable) in &mut self.namings {
                    let (Naming::Link(of, _) | Naming::Unlink(of) | Naming::Rename(of, _)) = naming;
                    *durable |= of.rsplit_once('/').map_or("", |(dir, _)| dir) == path;
                }
            }
        }
    }

    fn fail_to_sync(&mut self, path: &str) {
        if let Some(inode) = self.live.get(path).and_then(|inode| self.inodes.get_mut(*inode)) {
            let open = inode.synced..inode.changes.len();
            inode.lost.extend(open.filter(|change| matches!(inode.changes[*change], Change::Write { .. })));
            inode.synced = inode.changes.len();
        }
    }

    /// Writes what a power cut could leave: all that was synced; of the rest whatever chance says.
    pub(super) fn leave(&self, at: &Path, random: &mut impl Rng) {
        for (path, inode) in self.names(random) {
            let target = at.join(path.trim_start_matches('/'));
            let Some(parent) = target.parent().filter(|parent| parent.is_dir()) else { continue };
            let inode = &self.inodes[inode];
            if inode.is_dir {
                fs::create_dir_all(&target).unwrap();
            } else if parent.is_dir() {
                inode.leave(&File::create(&target).unwrap(), random);
            }
        }
    }

    fn names(&self, random: &mut impl Rng) -> BTreeMap<String, usize> {
        let open = self.namings.iter().filter(|(_, durable)| !durable).count();
        let mut kept = random.random_range(0..=open);
        let mut names = BTreeMap::new();
        for (naming, durable) in &self.namings {
            if !durable {
                if kept == 0 {
                    continue;
                }
                kept -= 1;
            }
            match naming {
                Naming::Link(path, inode) => drop(names.insert(path.clone(), *inode)),
                Naming::Unlink(path) => drop(names.remove(path)),
                Naming::Rename(from, to) => rename(&mut names, from, to),
            }
        }
        names
    }
}

/// Moves a name, and all names below it.
fn rename(names: &mut BTreeMap<String, usize>, from: &str, to: &str) {
    let below = format!("{from}/");
    let moved: Vec<String> = names.keys().filter(|name| *name == from || name.starts_with(&below)).cloned().collect();
    for name in moved {
        if let Some(inode) = names.remove(&name) {
            names.insert(format!("{to}{}", &name[from.len()..]), inode);
        }
    }
}

impl Inode<'_> {
    fn leave(&self, file: &File, random: &mut impl Rng) {
        for (number, change) in self.changes[..self.synced].iter().enumerate() {
            if !self.lost.contains(&number) {
                change.apply(file);
            }
        }
        let open = &self.changes[self.synced..];
        match random.random_range(0..4) {
            // Nothing of it.
            0 => {}
            // The first so many, the last of them cut.
            1 => {
                let whole = random.random_range(0..=open.len());
                open[..whole].iter().for_each(|change| change.apply(file));
                if let Some(Change::Write { at, data }) = open.get(whole) {
                    let cut = random.random_range(0..=data.len() / SECTOR) * SECTOR;
                    file.write_all_at(&data[..cut], *at).unwrap();
                }
            }
            // Any of it.
            2 => open.iter().filter(|_| random.random()).for_each(|change| change.apply(file)),
            // All of it, some sectors garbled.
            _ => {
                open.iter().for_each(|change| change.apply(file));
                let mut writes: Vec<_> = open
                    .iter()
                    .filter_map(
                        |change| if let Change::Write { at, data } = change { Some((*at, data.len())) } else { None },
                    )
                    .collect();
                writes.shuffle(random);
                for (at, length) in writes.into_iter().take(3) {
                    let length = length.min(SECTOR);
                    let mut noise = vec![0; length];
                    if random.random() {
                        random.fill(&mut noise[..]);
                    }
                    file.write_all_at(&noise, at).unwrap();
                }
            }
        }
    }
}

impl Change<'_> {
    fn apply(&self, file: &File) {
        match self {
            Change::Write { at, data } => file.write_all_at(data, *at).unwrap(),
            Change::Truncate(to) => file.set_len(*to).unwrap(),
        }
    }
}
