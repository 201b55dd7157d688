//! Recorded deliveries: whether a version judges what the journal keeps of a source as it was judged before.

use std::{collections::BTreeMap, sync::Arc};

use hookgate_capabilities::{Body, Delivery, Refusal, Request, Verdict};
use uuid::Uuid;

use crate::{
    claims::{Claims, body_of},
    journal::{self, EventFilter, Journal, JournalError, KeptDelivery, KeptEvent},
    limits,
    plugin::{Broken, Provider},
    sources::Inbound,
};

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Judged as before.
    pub same: usize,
    /// Left out, since the version at work does not judge them as before either: their secrets are gone, credentials were
    /// not kept, their keys or bodies cannot be had.
    pub skipped: usize,
}

/// One delivery that the journal keeps, with what was admitted of it.
struct Kept {
    delivery: Arc<KeptDelivery>,
    /// Place in the delivery, the provider's id, what happened.
    events: Vec<(u16, Option<String>, Option<String>)>,
}

/// Has a version judge the latest deliveries of a source.
///
/// # Errors
/// The outer one: the journal does not tell. The inner one: the first delivery that it judges otherwise, and how.
pub async fn judge_again(
    journal: &Journal,
    claims: Option<&Claims>,
    inbound: &Inbound,
    candidate: &Provider,
) -> Result<Result<Recorded, String>, JournalError> {
    let (journal, source) = (journal.clone(), inbound.source.name.clone());
    let kept = tokio::task::spawn_blocking(move || latest(&journal, &source)).await;
    let kept = kept.unwrap_or_else(|error| Err(JournalError::Failed(error.to_string())))?;
    let active = inbound.plugin.get().active.clone();
    let mut recorded = Recorded::default();
    for (id, kept) in kept {
        let Ok(body) = body_of(&kept.delivery, claims).await else {
            recorded.skipped += 1;
            continue;
        };
        match differs(inbound, candidate, &kept, &body).await {
            None if admits_changed(inbound, &active, candidate, &kept, &body).await => {
                return Ok(Err(format!(
                    "it admits the recorded delivery {id} with a byte more in its body, which the version at work refuses"
                )));
            }
            None => recorded.same += 1,
            // What the version at work cannot judge any more is nothing against this one.
            Some(_) if differs(inbound, &active, &kept, &body).await.is_some() => recorded.skipped += 1,
            Some(how) => return Ok(Err(format!("it judges the recorded delivery {id} otherwise: {how}"))),
        }
    }
    Ok(Ok(recorded))
}

/// The latest deliveries of a source, by id.
fn latest(journal: &Journal, source: &str) -> Result<BTreeMap<Uuid, Kept>, JournalError> {
    let mut found: BTreeMap<Uuid, Kept> = BTreeMap::new();
    let limit = 4 * limits::PLUGIN_RECORDED_MAX;
    let mut filter = EventFilter { source: Some(source.to_owned()), limit, ..EventFilter::default() };
    for _ in 0..limits::PLUGIN_RECORDED_PAGES_MAX {
        let page = journal.events(&filter)?;
        for summary in page.items {
            if found.len() == limits::PLUGIN_RECORDED_MAX && !found.contains_key(&summary.id.delivery) {
                return Ok(found);
            }
            let Some(KeptEvent { id, delivery, admission, .. }) = journal.event(summary.id)? else { continue };
            let kept = found.entry(id.delivery).or_insert_with(|| Kept { delivery, events: Vec::new() });
            kept.events.push((id.index, admission.identity.id, admission.identity.kind));
        }
        match page.next {
            Some(next) => filter.after = Some(next),
            None => break,
        }
    }
    Ok(found)
}

/// How a version's judgement of a delivery differs from what is kept of it.
async fn differs(inbound: &Inbound, provider: &Provider, kept: &Kept, body: &Body) -> Option<String> {
    let accepted = match judge(inbound, provider, &kept.delivery, body).await {
        Err(broken) => return Some(format!("the call broke: {broken}")),
        Ok(Err(refusal)) => return Some(format!("refused as {refusal:?}")),
        Ok(Ok(Verdict::Admit(accepted))) => accepted,
        Ok(Ok(_)) => return Some("it is a handshake and no event".to_owned()),
    };
    kept.events.iter().find_map(|(index, id, kind)| {
        let Some(event) = accepted.events.get(usize::from(*index)) else {
            return Some(format!("event {index} is missing"));
        };
        let identity = &event.identity;
        match (identity.id == *id, identity.kind == *kind) {
            (true, true) => None,
            (false, _) => Some(format!("event {index} has the id {:?}, and had {id:?}", identity.id)),
            (true, false) => Some(format!("event {index} is of the kind {:?}, and was of {kind:?}", identity.kind)),
        }
    })
}

/// Whether a version takes a forgery for genuine that the one at work does not.
async fn admits_changed(inbound: &Inbound, active: &Provider, candidate: &Provider, kept: &Kept, body: &Body) -> bool {
    let Some(bytes) = body.in_memory() else { return false };
    // White space: what reads the body finds nothing wrong with it.
    let changed = Body::Memory([bytes.as_ref(), b" "].concat().into());
    let admits =
        async |provider| matches!(judge(inbound, provider, &kept.delivery, &changed).await, Ok(Ok(Verdict::Admit(_))));
    admits(candidate).await && !admits(active).await
}

/// The judgement, with all the keys that it needs.
async fn judge(
    inbound: &Inbound,
    provider: &Provider,
    kept: &KeptDelivery,
    body: &Body,
) -> Result<Result<Verdict, Refusal>, Broken> {
    let keys = inbound.keys.of(provider);
    let body_bytes = body.in_memory().cloned().unwrap_or_default();
    let request = Arc::new(Request { body: body_bytes, ..kept.request.clone() });
    let delivery = Delivery::new(request, inbound.settings.clone(), inbound.secrets.get())
        .with_body(body.clone())
        .with_keys(keys.clone())
        .from_known_sender(journal::methods(&kept.senders));
    let mut judgement = provider.verify(delivery.clone()).await;
    for _ in 0..limits::KEY_ROUNDS_MAX {
        let Err(Broken::KeysNeeded(need)) = &judgement else { break };
        if keys.fetch(need).await.is_err() {
            break;
        }
        judgement = provider.verify(delivery.clone()).await;
    }
    judgement
}
