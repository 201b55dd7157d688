//! Shadow trials: a version that judges live deliveries beside the active one.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, OnceLock},
};

use hookgate_capabilities::{Body, Request};
use hookgate_journal::{Journal, KeptDifference, TrialCounts, TrialNote};
use hookgate_model::{
    clock::now_ms,
    event::{EventId, Sender},
    limits,
    trial::{Part, TrialMode},
};
use hookgate_sandbox::{Provider, Running};
use hookgate_telemetry::metrics::{trial_compared, trial_differences, trial_skipped};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::{
    answer::Judgement,
    case::{Case, NotJudged, bytes_of},
    compare::{Differences, compare},
};
use crate::sources::Inbound;

/// Runs the trials of live deliveries; cheap to clone.
#[derive(Clone)]
pub struct Trials(Arc<Parts>);

struct Parts {
    journal: Journal,
    /// Memory for deliveries that wait or are judged, in units of [`limits::TRIAL_UNIT_BYTES`].
    room: Arc<Semaphore>,
    calls: Semaphore,
    pending: Mutex<PendingNotes>,
}

/// Results that are not in the journal yet.
#[derive(Default)]
struct PendingNotes {
    /// By source and candidate.
    notes: BTreeMap<(String, String), (TrialCounts, VecDeque<KeptDifference>)>,
    /// A task is writing. It looks for more before it ends.
    is_being_written: bool,
}

/// The trial of a candidate on one delivery.
pub struct ShadowTrial {
    active: Provider,
    candidate: Provider,
    judged_by_active: OnceLock<ActiveJudgement>,
}

/// The input and the judgement of the active version.
struct ActiveJudgement {
    source: String,
    case: Case,
    judged: Judgement,
}

impl ShadowTrial {
    /// For a delivery that begins now; `None` if no version is tried as a shadow.
    pub fn new(running: &Running) -> Option<ShadowTrial> {
        let trial = running.trial.as_ref().filter(|trial| trial.mode == TrialMode::Shadow)?;
        let (active, candidate) = (running.active.uncounted(), trial.candidate.uncounted());
        Some(ShadowTrial { active, candidate, judged_by_active: OnceLock::new() })
    }

    /// Records the judgement of the active version.
    pub fn record(
        &self,
        inbound: &Inbound,
        request: &Arc<Request>,
        body: &Body,
        senders: &[Sender],
        judged: &Judgement,
    ) {
        let case = Case::new(inbound, request.clone(), body.clone(), senders, Uuid::nil());
        let judged_by_active = ActiveJudgement { source: inbound.source.name.clone(), case, judged: judged.clone() };
        // A delivery is judged once.
        drop(self.judged_by_active.set(judged_by_active));
    }
}

/// Identifies a delivery in the journal.
struct DeliveryMark {
    at: u64,
    trace: String,
    events: Vec<EventId>,
}

impl Trials {
    /// Trials whose results are kept in the journal.
    pub fn new(journal: Journal) -> Trials {
        Trials(Arc::new(Parts {
            journal,
            room: Arc::new(Semaphore::new(limits::TRIAL_ROOM_UNITS)),
            calls: Semaphore::new(limits::TRIAL_CALLS_MAX),
            pending: Mutex::default(),
        }))
    }

    /// Starts the judgement of the candidate on a delivery that the active version has judged, and returns at once. If too many
    /// deliveries wait already, this one is not compared. `events` are its events in the journal.
    pub fn compare(&self, shadow: ShadowTrial, trace: String, events: impl IntoIterator<Item = EventId>) {
        let ShadowTrial { active, candidate, judged_by_active } = shadow;
        // Without a judgement of the active version there is nothing to compare with.
        let Some(ActiveJudgement { source, case, judged }) = judged_by_active.into_inner() else { return };
        let key = (source, candidate.hash().to_owned());
        let room = match self.room_for(&case, &judged) {
            Ok(room) => room,
            Err(skipped) => return self.note(key, skipped, Vec::new()),
        };
        let events = events.into_iter().take(limits::TRIAL_EVENT_IDS_MAX).collect();
        let mark = DeliveryMark { at: now_ms(), trace, events };
        let trials = self.clone();
        tokio::spawn(async move {
            let found = trials.judge(&active, &candidate, &case, &judged).await;
            drop(room);
            let (found, differences) = match found {
                Ok(differences) => {
                    (TrialResult::Compared(differences.parts.iter().copied().collect()), differences.list)
                }
                Err(NotJudged::Keys) => (TrialResult::NotJudged("keys"), Vec::new()),
                Err(NotJudged::Body) => (TrialResult::NotJudged("body"), Vec::new()),
            };
            let kept = |difference| KeptDifference {
                at: mark.at,
                trace: mark.trace.clone(),
                events: mark.events.clone(),
                difference,
            };
            trials.note(key, found, differences.into_iter().map(kept).collect());
        });
    }

    /// Reserves memory for a delivery until it is compared.
    fn room_for(&self, case: &Case, judged: &Judgement) -> Result<OwnedSemaphorePermit, TrialResult> {
        let Some(body) = case.body().in_memory() else { return Err(TrialResult::Large) };
        let units = 1 + (body.len() + bytes_of(judged)).div_ceil(limits::TRIAL_UNIT_BYTES);
        match u32::try_from(units) {
            Ok(units) if units as usize <= limits::TRIAL_ROOM_UNITS => {
                self.0.room.clone().try_acquire_many_owned(units).map_err(|_| TrialResult::Busy)
            }
            _ => Err(TrialResult::Large),
        }
    }

    async fn judge(
        &self,
        active: &Provider,
        candidate: &Provider,
        case: &Case,
        judged: &Judgement,
    ) -> Result<Differences, NotJudged> {
        // The semaphore is never closed.
        let _turn = self.0.calls.acquire().await;
        let before = case.answer(active, judged).await?;
        let after = case.ask(candidate).await?;
        Ok(compare(&before, &after))
    }

    /// Counts a result, and starts a task that writes all pending results to the journal.
    fn note(&self, key: (String, String), result: TrialResult, differences: Vec<KeptDifference>) {
        result.count(&key.0);
        let mut pending = self.0.pending.lock();
        let (counts, kept) = pending.notes.entry(key).or_default();
        counts.add(&result.counts());
        kept.extend(differences);
        let most = usize::try_from(limits::TRIAL_DIFFERENCES_MAX).unwrap_or(usize::MAX);
        kept.drain(..kept.len().saturating_sub(most));
        if !std::mem::replace(&mut pending.is_being_written, true) {
            tokio::spawn(self.clone().write());
        }
    }

    async fn write(self) {
        loop {
            let notes = {
                let mut pending = self.0.pending.lock();
                let notes = std::mem::take(&mut pending.notes);
                pending.is_being_written = !notes.is_empty();
                notes
            };
            if notes.is_empty() {
                return;
            }
            let note = |((source, candidate), (counts, differences)): ((String, String), (_, VecDeque<_>))| TrialNote {
                source,
                candidate,
                counts,
                differences: differences.into(),
            };
            if let Err(error) = self.0.journal.note_trials(notes.into_iter().map(note).collect()).await {
                tracing::warn!(%error, "results of a trial could not be stored");
            }
        }
    }
}

/// The result of a trial on one delivery.
enum TrialResult {
    /// Both have judged it, differently in these parts.
    Compared(Vec<Part>),
    /// Too many deliveries waited.
    Busy,
    /// Its body is too large.
    Large,
    /// It could not be judged for this cause.
    NotJudged(&'static str),
}

impl TrialResult {
    fn counts(&self) -> TrialCounts {
        let none = TrialCounts::default();
        match self {
            TrialResult::Busy => TrialCounts { skipped_busy: 1, ..none },
            TrialResult::Large => TrialCounts { skipped_large: 1, ..none },
            TrialResult::NotJudged(_) => TrialCounts { not_judged: 1, ..none },
            TrialResult::Compared(differing) => TrialCounts {
                compared: 1,
                differing: u64::from(!differing.is_empty()),
                parts: Part::ALL.map(|part| u64::from(differing.contains(&part))),
                ..none
            },
        }
    }

    fn count(&self, source: &str) {
        match self {
            TrialResult::Busy => trial_skipped(source, "busy").increment(1),
            TrialResult::Large => trial_skipped(source, "large").increment(1),
            TrialResult::NotJudged(cause) => trial_skipped(source, cause).increment(1),
            TrialResult::Compared(differing) => {
                trial_compared(source).increment(1);
                differing.iter().for_each(|part| trial_differences(source, part.word()).increment(1));
            }
        }
    }
}
