//! Replays: the judgement of a version on stored deliveries.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use hookgate_capabilities::Request;
use hookgate_journal::{Journal, JournalError, Recorded};
use hookgate_model::{
    event::EventId,
    limits,
    trial::{Difference, Part},
};
use hookgate_sandbox::{Plugin, Provider};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    case::{Case, NotJudged},
    compare::{Differences, compare},
};
use crate::{
    claims::{Claims, body_of},
    sources::Inbound,
};

/// The deliveries of a replay, and its time limit.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Admitted at that time or later, in milliseconds since the epoch.
    pub since: Option<u64>,
    /// The number of deliveries at most, newest first.
    pub deliveries: usize,
    /// Deliveries that are not judged by then are left out.
    pub time: Duration,
}

/// What an answer was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// The recorded events of the delivery.
    Recorded,
    /// The answer of the active version now.
    Active,
    /// Both, which agree.
    Both,
}

/// Why a delivery could not be judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unjudged {
    /// The version does not admit it, and may have read a header with credentials that is not kept.
    Headers,
    /// Keys that were fetched at that time are not cached.
    Keys,
    /// The body cannot be read.
    Body,
    /// Neither version admits it now, for the same reason: for example, secrets were rotated.
    Outdated,
}

/// How far two answers agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Deliveries that were judged differently.
    pub differing: u64,
    /// By part: deliveries that were judged differently in it.
    pub parts: BTreeMap<Part, u64>,
}

/// A difference in a stored delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// When the delivery was received, in milliseconds since the epoch.
    pub at: u64,
    /// Its trace.
    pub trace: String,
    /// Its recorded events; a bounded number.
    pub events: Vec<EventId>,
    /// What the version differs from.
    pub against: Against,
    /// The difference.
    pub difference: Difference,
}

/// The results of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Deliveries that were judged.
    pub judged: u64,
    /// Deliveries that the version judges differently from the record or the active version.
    pub differing: u64,
    /// Deliveries that could not be judged, by reason.
    pub unjudged: BTreeMap<Unjudged, u64>,
    /// Compared with the recorded events.
    pub recorded: Agreement,
    /// Compared with the active version now.
    pub active: Agreement,
    /// The first differences, newest delivery first.
    pub found: Vec<Found>,
    /// Whether there were more deliveries than the bounds allow.
    pub more: bool,
}

/// Has a version judge stored deliveries of a source, one after the other, newest first. Ends when it is dropped.
///
/// # Errors
/// The store cannot be read.
pub async fn recorded(
    journal: &Journal,
    claims: Option<&Claims>,
    inbound: &Inbound,
    candidate: &Plugin,
    bounds: Bounds,
) -> Result<Report, JournalError> {
    let until = Instant::now() + bounds.time;
    let replay = Replay::new(inbound, claims, candidate);
    let mut report = Report::default();
    let (mut before, mut seen) = (None, 0);
    loop {
        let (journal, source) = (journal.clone(), inbound.source.name.clone());
        let read = move || journal.recorded(&source, bounds.since, before, limits::TRIAL_PAGE_DELIVERIES);
        let page = tokio::task::spawn_blocking(read).await;
        let page = page.unwrap_or_else(|error| Err(JournalError::Failed(error.to_string())))?;
        for delivery in page.items {
            if seen == bounds.deliveries || Instant::now() >= until {
                report.more = true;
                return Ok(report);
            }
            seen += 1;
            report.add(&delivery, replay.judge(&delivery).await);
            // Live deliveries go first.
            tokio::task::yield_now().await;
        }
        match page.next {
            Some(next) => before = Some(next),
            None => return Ok(report),
        }
        if Instant::now() >= until {
            report.more = true;
            return Ok(report);
        }
    }
}

/// A version, and the active one that it is compared with.
struct Replay<'a> {
    inbound: &'a Inbound,
    claims: Option<&'a Claims>,
    active: Provider,
    candidate: Provider,
    /// Headers with credentials that the candidate reads and the active version does not: they were not kept.
    not_kept: Vec<String>,
}

impl<'a> Replay<'a> {
    fn new(inbound: &'a Inbound, claims: Option<&'a Claims>, candidate: &Plugin) -> Self {
        let active = inbound.plugin.get().active.uncounted();
        let candidate = Provider::Sandboxed(candidate.uncounted());
        let shown = inbound.authenticator.headers();
        let is_kept = |name: &String| {
            active.headers().contains(name)
                || !(hookgate_model::redact::CREDENTIALS.contains(&name.as_str())
                    || shown.iter().any(|shown| shown == name.as_str()))
        };
        let not_kept = candidate.headers().iter().filter(|name| !is_kept(name)).cloned().collect();
        Replay { inbound, claims, active, candidate, not_kept }
    }

    /// The differences from the record, and from the active version.
    async fn judge(&self, recorded: &Recorded) -> Result<[Differences; 2], Unjudged> {
        let request = Arc::new(recorded.delivery.request.clone());
        let lacks_headers = self.not_kept.iter().any(|name| !has(&request, name));
        let body = body_of(&recorded.delivery, self.claims).await.map_err(|_| Unjudged::Body)?;
        let case = Case::new(self.inbound, request, body, &recorded.delivery.senders, recorded.id);
        let kept = case.kept(&recorded.events)?;
        let before = case.ask(&self.active).await?;
        let after = case.ask(&self.candidate).await?;
        // A version that admits it does not need them.
        if lacks_headers && !after.is_admitted() {
            return Err(Unjudged::Headers);
        }
        // It was admitted once. The record or the current configuration does not allow the same judgement any more.
        if !before.is_admitted() && before.has_same_verdict(&after) {
            return Err(Unjudged::Outdated);
        }
        Ok([compare(&kept, &after), compare(&before, &after)])
    }
}

impl From<NotJudged> for Unjudged {
    fn from(why: NotJudged) -> Unjudged {
        match why {
            NotJudged::Keys => Unjudged::Keys,
            NotJudged::Body => Unjudged::Body,
        }
    }
}

impl Report {
    fn add(&mut self, delivery: &Recorded, outcome: Result<[Differences; 2], Unjudged>) {
        let [recorded, active] = match outcome {
            Ok(differences) => differences,
            Err(why) => {
                *self.unjudged.entry(why).or_default() += 1;
                return;
            }
        };
        self.judged += 1;
        self.differing += u64::from(!(recorded.is_empty() && active.is_empty()));
        self.recorded.add(&recorded.parts);
        self.active.add(&active.parts);
        let both = |difference: &Difference| recorded.list.contains(difference) && active.list.contains(difference);
        let of_recorded = recorded
            .list
            .iter()
            .map(|difference| (if both(difference) { Against::Both } else { Against::Recorded }, difference));
        let of_active = active.list.iter().filter(|difference| !both(difference));
        let all = of_recorded.chain(of_active.map(|difference| (Against::Active, difference)));
        let room = limits::TRIAL_REPLAY_DIFFERENCES_MAX.saturating_sub(self.found.len());
        self.found.extend(all.take(room).map(|(against, difference)| Found {
            at: delivery.delivery.request.received_at,
            trace: delivery.delivery.trace.clone(),
            events: delivery.event_ids().take(limits::TRIAL_EVENT_IDS_MAX).collect(),
            against,
            difference: difference.clone(),
        }));
    }
}

impl Agreement {
    fn add(&mut self, differing: &BTreeSet<Part>) {
        self.differing += u64::from(!differing.is_empty());
        for part in differing {
            *self.parts.entry(*part).or_default() += 1;
        }
    }
}

fn has(request: &Request, name: &str) -> bool {
    request.headers.iter().any(|(there, _)| there == name)
}
