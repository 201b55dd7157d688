//! A version that judges deliveries of the past: what it would have done.

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
    case::{Case, Unsaid},
    compare::{Differences, compare},
};
use crate::{
    claims::{Claims, body_of},
    sources::Inbound,
};

/// On which deliveries a version is tried, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Admitted at that time or later, in milliseconds since the epoch.
    pub since: Option<u64>,
    /// The newest so many.
    pub deliveries: usize,
    /// What is not judged by then is left out.
    pub time: Duration,
}

/// With what an answer was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// With the events that are kept of the delivery.
    Recorded,
    /// With what the active version says of it now.
    Active,
    /// With both, which say the same.
    Both,
}

/// Why a delivery could not be judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unjudged {
    /// The version does not admit it, and may have read a header with credentials that is not kept.
    Headers,
    /// Keys are not at hand that were fetched then.
    Keys,
    /// The body cannot be read.
    Body,
    /// Neither version admits it now, for one and the same reason: secrets were rotated, say.
    Outdated,
}

/// How far two say the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Deliveries that were judged differently.
    pub differing: u64,
    /// By part: those that were judged differently in it.
    pub parts: BTreeMap<Part, u64>,
}

/// A difference in a delivery of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// When the delivery was received, in milliseconds since the epoch.
    pub at: u64,
    /// Its trace.
    pub trace: String,
    /// Its events that are kept; a bounded number.
    pub events: Vec<EventId>,
    /// From what the version differs.
    pub against: Against,
    /// In what.
    pub difference: Difference,
}

/// What a version would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Deliveries that it has judged.
    pub judged: u64,
    /// Of these, those that it judges differently than what is recorded or at work.
    pub differing: u64,
    /// Deliveries that it could not judge, by why.
    pub unjudged: BTreeMap<Unjudged, u64>,
    /// Compared with the events that are kept.
    pub recorded: Agreement,
    /// Compared with what the active version says now.
    pub active: Agreement,
    /// The first differences, newest delivery first.
    pub found: Vec<Found>,
    /// Whether there were more deliveries than the bounds allow.
    pub more: bool,
}

/// Has a version judge stored deliveries of a source, one after the other, newest first. Dropped, it ends.
///
/// # Errors
/// The store does not answer.
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

/// A version and what it is compared with.
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

    /// What differs from what is recorded, and from what the active version says.
    async fn judge(&self, recorded: &Recorded) -> Result<[Differences; 2], Unjudged> {
        let request = Arc::new(recorded.delivery.request.clone());
        let lacks_headers = self.not_kept.iter().any(|name| !has(&request, name));
        let body = body_of(&recorded.delivery, self.claims).await.map_err(|_| Unjudged::Body)?;
        let case = Case::new(self.inbound, request, body, &recorded.delivery.senders, recorded.id);
        let kept = case.kept(&recorded.events)?;
        let before = case.ask(&self.active).await?;
        let after = case.ask(&self.candidate).await?;
        // A version that admits it has not missed them.
        if lacks_headers && !after.is_admitted() {
            return Err(Unjudged::Headers);
        }
        // It was admitted once: what is kept, or what is configured now, does not let anybody say so again.
        if !before.is_admitted() && before.has_same_verdict(&after) {
            return Err(Unjudged::Outdated);
        }
        Ok([compare(&kept, &after), compare(&before, &after)])
    }
}

impl From<Unsaid> for Unjudged {
    fn from(unsaid: Unsaid) -> Unjudged {
        match unsaid {
            Unsaid::Keys => Unjudged::Keys,
            Unsaid::Body => Unjudged::Body,
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
        let of_recorded = recorded.list.iter().map(|difference| match both(difference) {
            true => (Against::Both, difference),
            false => (Against::Recorded, difference),
        });
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
