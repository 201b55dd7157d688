//! Recorded deliveries: whether a version judges the stored deliveries of a source as they were judged before.
//!
//! This compares verdicts, ids and kinds. A trial shows all other differences ([`crate::trial`]).

use std::sync::Arc;

use bytes::Bytes;
use hookgate_capabilities::{Body, Request};
use hookgate_journal as journal;
use hookgate_journal::{Journal, JournalError};
use hookgate_model::{limits, trial::Difference};
use hookgate_sandbox::{Broken, Plugin, Provider};

use crate::{
    claims::{Claims, body_of},
    sources::Inbound,
    trial::{Answer, Case, Unjudged, compare},
};

/// The number of deliveries by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Judged as before.
    pub same: usize,
    /// Left out, because the active version does not judge them as before either: their secrets were removed, credentials were
    /// not kept, or their keys or bodies are not available.
    pub skipped: usize,
}

/// Has a version judge the latest deliveries of a source.
///
/// # Errors
/// The outer error: the journal cannot be read. The inner one: the first delivery that it judges differently, and how.
pub async fn judge_again(
    journal: &Journal,
    claims: Option<&Claims>,
    inbound: &Inbound,
    candidate: &Plugin,
) -> Result<Result<Recorded, String>, JournalError> {
    let (journal, source) = (journal.clone(), inbound.source.name.clone());
    let latest = tokio::task::spawn_blocking(move || latest(&journal, &source)).await;
    let latest = latest.unwrap_or_else(|error| Err(JournalError::Failed(error.to_string())))?;
    let active = inbound.plugin.get().active.uncounted();
    let check = Check { inbound, claims, active, candidate: Provider::Sandboxed(candidate.uncounted()) };
    let mut recorded = Recorded::default();
    for delivery in latest {
        match check.objection(&delivery).await {
            Ok(None) => recorded.same += 1,
            Ok(Some(objection)) => return Ok(Err(objection)),
            Err(_) => recorded.skipped += 1,
        }
    }
    Ok(Ok(recorded))
}

/// The latest deliveries of a source.
fn latest(journal: &Journal, source: &str) -> Result<Vec<journal::Recorded>, JournalError> {
    let (mut found, mut before) = (Vec::new(), None);
    for _ in 0..limits::PLUGIN_RECORDED_PAGES_MAX {
        let page = journal.recorded(source, None, before, limits::PLUGIN_RECORDED_MAX - found.len())?;
        found.extend(page.items);
        before = page.next;
        if before.is_none() || found.len() >= limits::PLUGIN_RECORDED_MAX {
            break;
        }
    }
    Ok(found)
}

/// A version, compared with the active one.
struct Check<'a> {
    inbound: &'a Inbound,
    claims: Option<&'a Claims>,
    active: Provider,
    candidate: Provider,
}

impl Check<'_> {
    /// Why a delivery speaks against the candidate.
    ///
    /// # Errors
    /// The active version cannot judge it any more, so it does not speak against the candidate.
    async fn objection(&self, delivery: &journal::Recorded) -> Result<Option<String>, Unjudged> {
        let (id, kept) = (delivery.id, &delivery.delivery);
        let body = body_of(kept, self.claims).await.map_err(|_| Unjudged::Body)?;
        let request = Arc::new(kept.request.clone());
        let case = Case::new(self.inbound, request, body.clone(), &kept.senders, id);
        let before = Answer::named(delivery.events.iter().map(|(place, event, _)| (*place, event)));
        let after = self.answer(&case, &self.candidate).await;
        if let Some(Difference { what, before: was, after: is, .. }) = compare(&before, &after).list.first() {
            let active = self.answer(&case, &self.active).await;
            if !compare(&before, &active).is_empty() {
                return Err(Unjudged::Outdated);
            }
            let how = format!("{what} is {is}, and was {was}");
            return Ok(Some(format!("it judges the recorded delivery {id} differently: {how}")));
        }
        let Some(bytes) = body.in_memory() else { return Ok(None) };
        // White space, so that the body still parses.
        let forged = Bytes::from([bytes.as_ref(), b" "].concat());
        let request = Request { body: forged.clone(), ..kept.request.clone() };
        let forged = Case::new(self.inbound, Arc::new(request), Body::Memory(forged), &kept.senders, id);
        let is_fooled = self.answer(&forged, &self.candidate).await.is_admitted()
            && !self.answer(&forged, &self.active).await.is_admitted();
        let what = "with a byte more in its body, which the active version refuses";
        Ok(is_fooled.then(|| format!("it admits the recorded delivery {id} {what}")))
    }

    /// The answer of a version. Keys that it needs are fetched, as for a new delivery.
    async fn answer(&self, case: &Case, version: &Provider) -> Answer {
        let mut judged = case.judge(version).await;
        for _ in 0..limits::KEY_ROUNDS_MAX {
            let Err(Broken::KeysNeeded(need)) = &judged else { break };
            if self.inbound.keys.of(version).fetch(need, None).await.is_err() {
                break;
            }
            judged = case.judge(version).await;
        }
        Answer::of(&judged)
    }
}
