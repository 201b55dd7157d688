//! In what versions on trial differ from the active ones: counts for each source and version, and the last differences.
//!
//! Nothing here is synced: what a power cut takes is a difference less to look at.

use std::ops::ControlFlow;

use hookgate_model::{
    limits,
    trial::{Difference, Part},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Journal,
    engine::{self, Direction, Engine, KeyRange, Space},
    page::Page,
    record::{self, Record, keys},
    types::{EventId, JournalError},
    write::{Draft, Kind},
};

/// What an entry of the space is about.
const TRIAL: u8 = b't';
const DIFFERENCE: u8 = b'd';

/// What was counted of a version on trial. Deliveries throughout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialCounts {
    /// Judged by both versions.
    pub compared: u64,
    /// Of these, judged differently.
    pub differing: u64,
    /// By part, in the order of [`Part::ALL`]: judged differently in it.
    pub parts: [u64; Part::ALL.len()],
    /// Not judged by the version on trial since too many waited for it.
    pub skipped_busy: u64,
    /// Not judged by it since their bodies are too large.
    pub skipped_large: u64,
    /// It could not judge them: keys that are not at hand, a body that cannot be read.
    pub not_judged: u64,
}

impl TrialCounts {
    /// Adds what was counted elsewhere.
    pub fn add(&mut self, more: &TrialCounts) {
        let TrialCounts { compared, differing, parts, skipped_busy, skipped_large, not_judged } = more;
        self.compared += compared;
        self.differing += differing;
        self.parts.iter_mut().zip(parts).for_each(|(part, more)| *part += more);
        self.skipped_busy += skipped_busy;
        self.skipped_large += skipped_large;
        self.not_judged += not_judged;
    }
}

/// What is known of a version that is or was on trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptTrial {
    /// The SHA-256 of its component, in hex.
    pub candidate: String,
    /// When the first delivery was counted, in milliseconds since the epoch.
    pub since: u64,
    /// When the last one was.
    pub last: u64,
    /// What was counted.
    pub counts: TrialCounts,
    /// How many differences there ever were; the last of them are kept.
    pub differences: u64,
}

impl Record for KeptTrial {
    const KIND: &'static str = "trial";
}

/// A difference that was found in a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptDifference {
    /// When the delivery was received, in milliseconds since the epoch.
    pub at: u64,
    /// Its trace, 32 hex digits.
    pub trace: String,
    /// Its events, those of them that were admitted; a bounded number.
    pub events: Vec<EventId>,
    /// What it is.
    pub difference: Difference,
}

impl Record for KeptDifference {
    const KIND: &'static str = "difference";
}

/// What is to be added to what is known of a version on trial.
#[derive(Clone, Debug)]
pub struct TrialNote {
    /// The source.
    pub source: String,
    /// The SHA-256 of the version's component, in hex.
    pub candidate: String,
    /// What was counted.
    pub counts: TrialCounts,
    /// What was found, oldest first.
    pub differences: Vec<KeptDifference>,
}

impl Journal {
    /// Keeps what was found of versions on trial, in one atomic write (not synced).
    pub async fn note_trials(&self, notes: Vec<TrialNote>) -> Result<(), JournalError> {
        self.write(Kind::Progress, move |draft| notes.into_iter().try_for_each(|note| note.write(draft))).await
    }

    /// The versions that were tried for a source, the one that was counted last first.
    pub fn trials(&self, source: &str) -> Result<Vec<KeptTrial>, JournalError> {
        let mut trials = all_of(&*self.0.shared.engine()?, &keys::prefix(line(TRIAL, source)))?;
        trials.sort_by_key(|(_, trial)| std::cmp::Reverse(trial.last));
        Ok(trials.into_iter().map(|(_, trial)| trial).collect())
    }

    /// Differences of a version that was tried for a source, newest first; `before` is the last page's `next`.
    pub fn differences(
        &self,
        source: &str,
        candidate: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<KeptDifference, u64>, JournalError> {
        let mut range = keys::prefix(of_version(DIFFERENCE, source, candidate));
        if let Some(before) = before {
            range.to = numbered(source, candidate, before);
        }
        let mut page = Page { items: Vec::new(), next: None };
        let mut damaged = None;
        let engine = self.0.shared.engine()?;
        engine.scan(Space::Differences, &range, Direction::Backward, &mut |key, value| {
            if page.items.len() == limit {
                return ControlFlow::Break(());
            }
            page.next = number_of(key);
            match record::read(value, &hex::encode(key)) {
                Ok(difference) => page.items.push(difference),
                Err(error) => damaged = Some(error),
            }
            if damaged.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        match damaged {
            Some(error) => Err(error),
            None => Ok(Page { next: page.next.filter(|_| page.items.len() == limit), ..page }),
        }
    }

    /// Forgets the trial of a version at a source.
    pub async fn forget_trial(&self, source: &str, candidate: &str) -> Result<(), JournalError> {
        let (source, candidate) = (source.to_owned(), candidate.to_owned());
        self.write(Kind::Progress, move |draft| forget(draft, &of_version(TRIAL, &source, &candidate))).await
    }
}

impl TrialNote {
    fn write(self, draft: &mut Draft<'_>) -> Result<(), JournalError> {
        let TrialNote { source, candidate, counts, differences } = self;
        let key = of_version(TRIAL, &source, &candidate);
        let known = match draft.get(Space::Differences, &key)? {
            Some(bytes) => record::read(&bytes, &source)?,
            None => {
                make_room(draft, &source)?;
                let since = draft.now;
                KeptTrial {
                    candidate: candidate.clone(),
                    since,
                    last: since,
                    counts: Default::default(),
                    differences: 0,
                }
            }
        };
        let mut trial = KeptTrial { last: draft.now, ..known };
        trial.counts.add(&counts);
        for difference in differences {
            draft.writes.put(
                Space::Differences,
                numbered(&source, &candidate, trial.differences),
                record::write(&difference)?,
            );
            if let Some(oldest) = trial.differences.checked_sub(limits::TRIAL_DIFFERENCES_MAX) {
                draft.writes.delete(Space::Differences, numbered(&source, &candidate, oldest));
            }
            trial.differences += 1;
        }
        draft.writes.put(Space::Differences, key, record::write(&trial)?);
        Ok(())
    }
}

/// Forgets the trial of a source that was counted longest ago, where there are as many as may be.
fn make_room(draft: &mut Draft<'_>, source: &str) -> Result<(), JournalError> {
    let most = limits::TRIALS_OF_SOURCE_MAX;
    let page = draft.page(Space::Differences, &keys::prefix(line(TRIAL, source)), most)?;
    if page.len() < most {
        return Ok(());
    }
    // One that cannot be read goes first.
    let last = |value: &[u8]| record::read(value, &source).map_or(0, |trial: KeptTrial| trial.last);
    match page.iter().min_by_key(|(_, value)| last(value)) {
        Some((key, _)) => forget(draft, key),
        None => Ok(()),
    }
}

/// The keys of trials of which nothing was counted for `age` milliseconds.
pub(super) fn outdated(engine: &dyn Engine, now: u64, age: u64) -> Result<Vec<Vec<u8>>, JournalError> {
    let trials = all_of(engine, &keys::prefix(vec![TRIAL]))?;
    let old = trials.into_iter().filter(|(_, trial)| trial.last.saturating_add(age) < now);
    Ok(old.map(|(key, _)| key).collect())
}

/// Forgets a trial by its key, unless something was counted of it meanwhile.
pub(super) fn forget_outdated(draft: &mut Draft<'_>, trial: &[u8], now: u64, age: u64) -> Result<(), JournalError> {
    let Some(bytes) = draft.get(Space::Differences, trial)? else { return Ok(()) };
    let KeptTrial { last, .. } = record::read(&bytes, &hex::encode(trial))?;
    if last.saturating_add(age) < now { forget(draft, trial) } else { Ok(()) }
}

/// Forgets a trial by its key, with its differences.
fn forget(draft: &mut Draft<'_>, trial: &[u8]) -> Result<(), JournalError> {
    let mut differences = trial.to_vec();
    if let Some(kind) = differences.first_mut() {
        *kind = DIFFERENCE;
    }
    for (key, _) in draft.page(Space::Differences, &keys::prefix(differences), usize::MAX)? {
        draft.writes.delete(Space::Differences, key);
    }
    draft.writes.delete(Space::Differences, trial.to_vec());
    Ok(())
}

fn all_of(engine: &dyn Engine, range: &KeyRange) -> Result<Vec<(Vec<u8>, KeptTrial)>, JournalError> {
    let found = engine::collect(engine, Space::Differences, range, usize::MAX, |key| Some(key.to_vec()))?;
    let trials = found.into_iter().filter_map(|key| match engine.get(Space::Differences, &key) {
        Ok(bytes) => {
            let trial = record::read(&bytes?, &hex::encode(&key));
            // An unreadable record is skipped; it does not concern the sweeper or the next trial.
            trial.inspect_err(|error| tracing::error!("{error}")).ok().map(|trial| Ok((key, trial)))
        }
        Err(error) => Some(Err(error.into())),
    });
    trials.collect()
}

/// `kind:1 length:1 source`
fn line(kind: u8, source: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(source.len() + 26);
    key.push(kind);
    key.push(source.len().min(keys::NAME_MAX) as u8);
    key.extend(source.as_bytes());
    key
}

/// `kind:1 length:1 source version:16`
fn of_version(kind: u8, source: &str, candidate: &str) -> Vec<u8> {
    let mut key = line(kind, source);
    let hash: [u8; 32] = Sha256::digest(candidate).into();
    key.extend(hash.first_chunk::<16>().copied().unwrap_or_default());
    key
}

/// `kind:1 length:1 source version:16 number:8`
fn numbered(source: &str, candidate: &str, number: u64) -> Vec<u8> {
    let mut key = of_version(DIFFERENCE, source, candidate);
    key.extend(number.to_be_bytes());
    key
}

fn number_of(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|number| u64::from_be_bytes(*number))
}
