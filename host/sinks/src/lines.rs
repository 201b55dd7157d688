//! Destinations of JSON lines: a file, or standard output. One CloudEvents document a line.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex as StdMutex, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;
use hookgate_cloudevents as cloudevents;
use hookgate_model::limits;
use tokio::{sync::Mutex, time::timeout};

use crate::{Parcel, Sink, outcome::Outcome};

/// Where lines are written to.
#[derive(Debug)]
pub struct Lines {
    out: Out,
    /// One writer at a time, in the whole process: another destination, or this one in another configuration, may have the
    /// same file. Held for as long as a write takes, also beyond its time-out: a disk or a reader that hangs holds one
    /// thread, not one for each attempt.
    turn: Arc<Mutex<Turn>>,
}

/// The turns of all that is written to, for as long as somebody has them.
static TURNS: StdMutex<BTreeMap<Out, Weak<Mutex<Turn>>>> = StdMutex::new(BTreeMap::new());

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Out {
    File(PathBuf),
    Stdout,
}

#[derive(Debug, Default)]
struct Turn {
    /// Standard output may have got a part of a line last time.
    torn: bool,
}

impl Lines {
    /// A file, appended to. It is opened for each batch, so one that was moved away (rotated) is made anew.
    ///
    /// It must be hookgate's alone to write: what stands behind its last line break and is not a whole JSON text is taken
    /// for a line that a crash has torn, and cut off.
    pub fn file(path: PathBuf) -> Lines {
        Lines::to(Out::File(path))
    }

    /// Standard output.
    pub fn stdout() -> Lines {
        Lines::to(Out::Stdout)
    }

    fn to(out: Out) -> Lines {
        let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        let held = turns.get(&out).and_then(Weak::upgrade);
        let turn = held.unwrap_or_default();
        turns.insert(out.clone(), Arc::downgrade(&turn));
        Lines { out, turn }
    }

    async fn write(&self, text: Vec<u8>) -> io::Result<()> {
        let mut turn = self.turn.clone().lock_owned().await;
        let out = self.out.clone();
        let writing = tokio::task::spawn_blocking(move || match out {
            Out::File(path) => append(&path, &text),
            Out::Stdout => print(&mut turn, &text),
        });
        writing.await.map_err(io::Error::other)?
    }
}

#[async_trait]
impl Sink for Lines {
    fn batch(&self) -> usize {
        limits::ATTEMPT_LINES_MAX
    }

    /// One batch is written after the other.
    fn concurrency(&self, _: usize) -> usize {
        1
    }

    /// Appends the outputs, one line each, in order and in one write. A file is synced before this returns.
    async fn attempt(&self, parcels: &[Parcel], within: Duration) -> Vec<Outcome> {
        let lines: Vec<_> = parcels
            .iter()
            .map(|parcel| cloudevents::json_line(&parcel.event, &parcel.output, parcel.reference.as_ref()))
            .collect();
        let text: Vec<u8> = lines.iter().flatten().flatten().copied().collect();
        let written = match timeout(within, self.write(text)).await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the line was not written within {within:?}")),
        };
        let outcome = |line: Result<Vec<u8>, cloudevents::RenderError>| match (line, &written) {
            (Err(error), _) => Outcome::undeliverable(error.to_string()),
            (Ok(_), Ok(())) => Outcome::delivered(None),
            (Ok(_), Err(error)) => Outcome::unreachable(error.clone()),
        };
        lines.into_iter().map(outcome).collect()
    }
}

/// Appends to the file and syncs it.
fn append(path: &Path, text: &[u8]) -> io::Result<()> {
    let explained = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let is_new = !path.exists();
    if !is_new && !std::fs::metadata(path).map_err(explained)?.is_file() {
        // What is written into a pipe is gone when its reader is.
        let text = "it is not a regular file, and what is written to it would not be durable; take a file, or stdout";
        return Err(explained(io::Error::other(text)));
    }
    let mut file = OpenOptions::new().append(true).read(true).create(true).open(path).map_err(explained)?;
    mend(&mut file).map_err(explained)?;
    file.write_all(text).map_err(explained)?;
    file.sync_data().map_err(explained)?;
    if is_new {
        sync_directory(path).map_err(explained)?;
    }
    Ok(())
}

/// Makes the name of a new file durable.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// Leaves the file empty or with a line break at its end.
fn mend(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut last = [0];
    if length == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(());
    }
    let tail = last_line(file, length)?;
    match tail {
        Some(tail) if serde_json::from_slice::<serde::de::IgnoredAny>(&tail).is_err() => {
            tracing::warn!(bytes = tail.len(), "the file ended in a torn line, which is cut off");
            file.set_len(length - tail.len() as u64)
        }
        _ => file.write_all(b"\n"),
    }
}

/// What stands behind the last line break; none when that is too far back to be a line of ours.
fn last_line(file: &mut File, length: u64) -> io::Result<Option<Vec<u8>>> {
    let mut step: u64 = 64 << 10;
    loop {
        let start = length.saturating_sub(step);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        file.take(length - start).read_to_end(&mut tail)?;
        if let Some(at) = tail.iter().rposition(|byte| *byte == b'\n') {
            return Ok(Some(tail.split_off(at + 1)));
        }
        if start == 0 {
            return Ok(Some(tail));
        }
        if step >= limits::TORN_LINE_BYTES_MAX {
            return Ok(None);
        }
        step *= 8;
    }
}

/// Writes past the standard library's buffer, which would keep a part of what could not be written for later.
fn print(turn: &mut Turn, text: &[u8]) -> io::Result<()> {
    let explained = |error: io::Error| io::Error::new(error.kind(), format!("standard output: {error}"));
    let mut stdout = io::stdout().lock();
    stdout.flush().map_err(explained)?;
    let mut file = File::from(stdout.as_fd().try_clone_to_owned().map_err(explained)?);
    if turn.torn {
        file.write_all(b"\n").map_err(explained)?;
    }
    turn.torn = true;
    file.write_all(text).map_err(explained)?;
    turn.torn = false;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use hookgate_capabilities::{EventData, Payload};
    use hookgate_model::handoff::HandoffId;

    use super::*;
    use crate::Health;
    use hookgate_cloudevents::testing::{event, output};

    const LONG: Duration = Duration::from_secs(30);

    fn parcel(id: &str) -> Parcel {
        let event = event(b"{\n}", "application/json", Payload::Body);
        let mut output = output(EventData::Payload, None);
        output.id = id.to_owned();
        Parcel {
            handoff: HandoffId { destination: "file".into(), event: event.id, output: 0 },
            event,
            output,
            reference: None,
        }
    }

    fn ids(path: &Path) -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.ends_with('\n'));
        let documents = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        documents.map(|document| document["id"].as_str().unwrap().to_owned()).collect()
    }

    #[tokio::test]
    async fn a_batch_is_appended_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        let lines = Lines::file(path.clone());
        for batch in [vec![parcel("a"), parcel("b")], vec![parcel("c")]] {
            let outcomes = lines.attempt(&batch, LONG).await;
            assert_eq!(outcomes, vec![Outcome::delivered(None); batch.len()]);
        }
        assert_eq!(ids(&path), ["a", "b", "c"]);
    }

    #[tokio::test]
    async fn a_rotated_file_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("events.jsonl"), directory.path().join("events.jsonl.1"));
        let lines = Lines::file(path.clone());
        lines.attempt(&[parcel("a")], LONG).await;
        fs::rename(&path, &moved).unwrap();
        lines.attempt(&[parcel("b")], LONG).await;
        assert_eq!((ids(&moved), ids(&path)), (vec!["a".to_owned()], vec!["b".to_owned()]));
    }

    #[tokio::test]
    async fn a_torn_line_is_cut_off_and_a_whole_one_ended() {
        let directory = tempfile::tempdir().unwrap();
        let long = format!("{{\"id\":\"{}", "x".repeat(300_000));
        let cases = [
            ("{\"id\":\"a\"}\n{\"id\":\"to", vec!["a", "b"]),
            ("{\"id\":\"to", vec!["b"]),
            ("{\"id\":\"a\"}", vec!["a", "b"]),
            (long.as_str(), vec!["b"]),
            ("", vec!["b"]),
        ];
        for (before, after) in cases {
            let path = directory.path().join("events.jsonl");
            fs::write(&path, before).unwrap();
            Lines::file(path.clone()).attempt(&[parcel("b")], LONG).await;
            assert_eq!(ids(&path), after);
        }
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_opened_is_named_and_tried_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("missing").join("events.jsonl");
        let outcomes = Lines::file(path.clone()).attempt(&[parcel("a"), parcel("b")], LONG).await;
        for outcome in outcomes {
            let failure = outcome.result.unwrap_err();
            assert!(failure.health == Health::Unwell && failure.error.contains(path.to_str().unwrap()), "{failure:?}");
        }
    }

    #[tokio::test]
    async fn an_output_that_cannot_be_rendered_spoils_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        let mut broken = parcel("broken");
        broken.event.admission.payload = Payload::BodyRange(hookgate_capabilities::ByteRange { offset: 9, length: 9 });
        let outcomes = Lines::file(path.clone()).attempt(&[parcel("a"), broken, parcel("b")], LONG).await;
        assert_eq!(outcomes.iter().map(|outcome| outcome.result.is_ok()).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(ids(&path), ["a", "b"]);
    }

    #[tokio::test]
    async fn a_write_that_hangs_times_out_and_holds_up_all_that_have_the_same_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        let (lines, others) = (Lines::file(path.clone()), Lines::file(path.clone()));
        let hanging = lines.turn.clone().lock_owned().await;
        for lines in [&lines, &others] {
            let outcome = lines.attempt(&[parcel("a")], Duration::from_millis(50)).await;
            assert!(outcome[0].result.as_ref().is_err_and(|failure| failure.error.contains("not written within")));
        }
        drop(hanging);
        assert!(others.attempt(&[parcel("b")], LONG).await[0].result.is_ok());
        assert_eq!(ids(&path), ["b"]);
    }

    #[tokio::test]
    async fn a_pipe_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let outcome = Lines::file(path).attempt(&[parcel("a")], LONG).await;
        assert!(outcome[0].result.as_ref().is_err_and(|failure| failure.error.contains("not a regular file")));
    }
}
