//! A process of its own that works on a store and says what was acknowledged: this test executable, started again.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use hookgate_capabilities::KnownBy;
use hookgate_config::EngineKind;
use hookgate_model::ordering::OnFailure;

use super::support::*;
use crate::*;

/// Tasks that commit at the same time.
const TASKS: u64 = 6;
/// Ordering keys over which the events are spread.
const STRANDS: u64 = 4;

/// The work that a child does.
pub(super) struct Load<'a> {
    pub(super) store: &'a Path,
    pub(super) engine: EngineKind,
    /// Keys are new from here on.
    pub(super) first_key: u64,
    /// Commits of each task; then the process ends without closing anything.
    pub(super) commits: u64,
    /// Where acknowledgements go, a line each; else to stdout.
    pub(super) acks: Option<&'a Path>,
}

impl Load<'_> {
    /// The command that starts it.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["tests::child::works_when_told_to", "--exact", "--nocapture", "--test-threads=1"])
            .env("HOOKGATE_CHILD_STORE", self.store)
            .env("HOOKGATE_CHILD_ENGINE", self.engine.name())
            .env("HOOKGATE_CHILD_FIRST_KEY", self.first_key.to_string())
            .env("HOOKGATE_CHILD_COMMITS", self.commits.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        if let Some(acks) = self.acks {
            command.env("HOOKGATE_CHILD_ACKS", acks);
        }
        command
    }
}

/// What was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Acks {
    /// By key the event that was admitted under it.
    pub(super) admitted: BTreeMap<u64, EventId>,
    /// Taken out of the inbox.
    pub(super) fanned_out: Vec<EventId>,
    /// What was refused, and why: commits, and steps of what had been admitted.
    pub(super) refused: Vec<String>,
}

impl Acks {
    /// Reads a line; anything else than an acknowledgement (the test harness speaks, too) is skipped. What is cut off at
    /// the end of a process is none.
    pub(super) fn read(&mut self, line: &str) {
        let words: Vec<&str> = line.trim_end_matches('\n').splitn(3, ' ').collect();
        match words[..] {
            ["admitted", key, id] => {
                let id = id.parse().unwrap();
                let before = self.admitted.insert(key.parse().unwrap(), id);
                assert!(before.is_none_or(|before| before == id), "key {key} was admitted twice: {before:?} and {id}");
            }
            ["fanned-out", id, ""] => self.fanned_out.push(id.parse().unwrap()),
            ["refused", _, why] => self.refused.push(why.to_owned()),
            _ => {}
        }
    }

    /// Reads what a child says until it has said `enough` (or ended), and what it had said when it was killed then.
    pub(super) fn read_until(&mut self, child: &mut Child, mut enough: impl FnMut(&Acks) -> bool) {
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let mut killed = false;
        loop {
            line.clear();
            if lines.read_line(&mut line).unwrap() == 0 {
                break;
            }
            if line.ends_with('\n') {
                self.read(&line);
            }
            if !killed && enough(self) {
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
    }
}

/// The body of a key's delivery: some short, some over sled's limit for a whole value.
pub(super) fn body(key: u64) -> Vec<u8> {
    let filler = if key.is_multiple_of(17) { 20_000 } else { (key.wrapping_mul(7919) % 3000) as usize };
    let mut body = format!("{{\"key\":{key},\"filler\":\"").into_bytes();
    body.extend((0..filler as u64).map(|n| b'a' + (n.wrapping_mul(31).wrapping_add(key) % 23) as u8));
    body.extend(b"\"}");
    body
}

/// A commit of a key's delivery; the event's id at the provider is the key.
pub(super) fn commit_of(number: u64) -> Commit {
    let mut commit = commit(&body(number), &[Some(key(number))]);
    commit.events[0].0.identity.known_by = KnownBy::Id(number.to_string());
    commit.events[0].1 = Some(EventKey { hash: key(number), lasts: Duration::from_secs(1_000_000), kind: KeyKind::Id });
    if is_straight(number) {
        commit.routed =
            vec![Some(Routed { outputs: vec![output("a")], to: vec![(STRAIGHT.to_owned(), 0)], strand: None })];
    }
    commit
}

/// The destination of events that are committed in their final form.
const STRAIGHT: &str = "straight";

/// Whether the event of a key is committed in its final form.
fn is_straight(key: u64) -> bool {
    key.is_multiple_of(3)
}

/// Checks a store against what was acknowledged: all of it there, nothing twice, and new work goes on.
pub(super) fn check(path: &Path, engine: EngineKind, acks: &Acks) -> Result<(), String> {
    let journal = Journal::open(&store(path, engine)).map_err(|e| e.to_string())?;
    let result = check_opened(&journal, acks);
    close(journal);
    result
}

fn check_opened(journal: &Journal, acks: &Acks) -> Result<(), String> {
    for (&key, &id) in &acks.admitted {
        let event = journal.event(id).map_err(|e| e.to_string())?;
        let event = event.ok_or_else(|| format!("{id} (key {key}) was acknowledged and is not there"))?;
        if event.delivery.request.body != body(key) {
            return Err(format!("{id} (key {key}) has another body"));
        }
        let again = wait(journal.commit(commit_of(key))).map_err(|e| e.to_string())?;
        if again != [Admitted::Duplicate(id)] {
            return Err(format!("{id} (key {key}) was admitted again: {again:?}"));
        }
    }
    let all = EventFilter { limit: usize::MAX, ..EventFilter::default() };
    let mut seen = BTreeMap::new();
    for event in journal.events(&all).map_err(|e| e.to_string())?.items {
        if let Some(before) = seen.insert(event.provider_id.clone(), event.id) {
            return Err(format!("key {:?} was admitted twice: {before} and {}", event.provider_id, event.id));
        }
        journal.event(event.id).map_err(|e| e.to_string())?;
    }
    check_strands(journal)?;
    check_straight(journal, acks)?;
    if wait(journal.commit(commit_of(u64::MAX))).map_err(|e| e.to_string())?.is_empty() {
        return Err("a new commit admitted nothing".to_owned());
    }
    Ok(())
}

/// Hands over all that is queued: of each ordering key in the order of admission, until nothing is left.
fn check_strands(journal: &Journal) -> Result<(), String> {
    let mut last = BTreeMap::new();
    loop {
        let queued = journal.queue("orders", None, 100).map_err(|e| e.to_string())?;
        if queued.is_empty() {
            break;
        }
        for (_, id) in queued {
            let event = journal.event(id.event).map_err(|e| e.to_string())?;
            let strand = event.map(|event| strand_number(&event)).ok_or_else(|| format!("{id:?} has no event"))?;
            if last.insert(strand, id.event).is_some_and(|before| before >= id.event) {
                return Err(format!("{id:?} is out of order"));
            }
            wait(journal.record(&id, success(1), HandoffState::Delivered(2))).map_err(|e| e.to_string())?;
        }
    }
    match journal.stats().map_err(|e| e.to_string())?.destinations.get("orders") {
        None => Ok(()),
        left => Err(format!("after all that was queued has gone there is {left:?}")),
    }
}

/// Hands over all that commits have queued. Each event that was acknowledged owed its handoff.
fn check_straight(journal: &Journal, acks: &Acks) -> Result<(), String> {
    loop {
        let queued = journal.queue(STRAIGHT, None, 100).map_err(|e| e.to_string())?;
        if queued.is_empty() {
            break;
        }
        for (_, id) in queued {
            let state = journal.handoff(&id).map_err(|e| e.to_string())?.map(|handoff| handoff.state);
            if !matches!(state, Some(HandoffState::Pending(_))) {
                return Err(format!("{id:?} is queued and {state:?}"));
            }
            wait(journal.record(&id, success(1), HandoffState::Delivered(2))).map_err(|e| e.to_string())?;
        }
    }
    for (key, id) in acks.admitted.iter().filter(|(key, _)| is_straight(**key)) {
        let handoffs = journal.handoffs_of(*id).map_err(|e| e.to_string())?;
        if !matches!(handoffs[..], [(_, Handoff { state: HandoffState::Delivered(_), .. })]) {
            return Err(format!("{id} (key {key}) has the handoffs {handoffs:?}"));
        }
    }
    match journal.stats().map_err(|e| e.to_string())?.destinations.get(STRAIGHT) {
        None => Ok(()),
        left => Err(format!("after all that was queued has gone there is {left:?}")),
    }
}

fn strand_number(event: &KeptEvent) -> u64 {
    event.admission.identity.known_by.id().unwrap().parse::<u64>().unwrap() % STRANDS
}

/// The child's side. Without its environment there is nothing to do.
#[test]
fn works_when_told_to() {
    let variable = |name: &str| std::env::var(format!("HOOKGATE_CHILD_{name}")).ok();
    let Some(path) = variable("STORE") else { return };
    let engine = if variable("ENGINE").unwrap() == "sled" { EngineKind::Sled } else { EngineKind::Fjall };
    let number = |name| variable(name).unwrap().parse::<u64>().unwrap();
    let (first_key, commits) = (number("FIRST_KEY"), number("COMMITS"));
    let say: Say = match variable("ACKS") {
        Some(path) => {
            let file = Mutex::new(File::options().create(true).append(true).open(path).unwrap());
            Arc::new(move |line: String| file.lock().unwrap().write_all(line.as_bytes()).unwrap())
        }
        // One write a line: a kill must not leave half of one with a whole one behind it.
        None => Arc::new(|line: String| std::io::stdout().lock().write_all(line.as_bytes()).unwrap()),
    };
    // The harness has begun a line.
    say("\n".to_owned());
    let journal = Journal::open(&store(Path::new(&path), engine)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::spawn(move_on(journal.clone(), say.clone()));
        let tasks = (0..TASKS).map(|task| tokio::spawn(admit(journal.clone(), say.clone(), first_key + task, commits)));
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
    std::process::exit(0);
}

type Say = Arc<dyn Fn(String) + Send + Sync>;

/// Commits new keys, and now and then one that was there before.
async fn admit(journal: Journal, say: Say, first: u64, commits: u64) {
    for n in 0..commits {
        let back = if n % 5 == 4 { rand::random_range(0..=n) } else { 0 };
        let key = first + (n - back) * TASKS;
        match journal.commit(commit_of(key)).await {
            Ok(admitted) => {
                let id = admitted[0].event();
                say(format!("admitted {key} {id}\n"));
            }
            Err(e) => {
                say(format!("refused {key} {e}\n"));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// Works the inbox off, and the queue more slowly.
async fn move_on(journal: Journal, say: Say) {
    loop {
        for Waiting { event: id, .. } in journal.inbox(None, 20).unwrap_or_default() {
            let Ok(Some(event)) = journal.event(id) else { continue };
            let strand = Strand::of("shop", &strand_number(&event).to_string(), OnFailure::Block);
            let to = vec![("orders".to_owned(), 0)];
            // The order of the inbox is kept over failures, too.
            if let Err(e) = journal.fan_out_in_order(id, vec![output("a")], to, strand).await {
                say(format!("refused {id} {e}\n"));
                break;
            }
            say(format!("fanned-out {id} \n"));
        }
        for _ in 0..3 {
            for destination in ["orders", STRAIGHT] {
                for (_, id) in journal.queue(destination, None, 20).unwrap_or_default() {
                    if let Err(e) = journal.record(&id, success(1), HandoffState::Delivered(2)).await {
                        say(format!("refused {} {e}\n", id.event));
                    }
                }
            }
        }
        let grown = tokio::time::timeout(Duration::from_millis(50), journal.inbox_grown().notified());
        drop(grown.await);
    }
}
