use std::sync::Arc;

use hookgate_capabilities::{
    Admission, Body, ByteRange, CapabilityError, KnownBy, Payload, Request,
    known_by::{self, Occurrences},
};
use hookgate_config::{Fallback, Idempotency, KeyOf, Replay, ReplayAnswer, Source};
use hookgate_journal::{Admitted, Commit, Committed, JournalError};
use hookgate_model::{
    claim::Claim,
    event::{EventKey, KeptDelivery, KeyKind, Sender},
    limits,
};
use sha2::{Digest, Sha256};

use super::{
    DeliveryContext,
    reply::Outcome,
    straight::{self, Straight},
    verify::Verified,
};
use crate::{duplicates, fanout::outcome_of, ingress::Refused, replay_protection};

/// An event with its idempotency key.
type Keyed = (Admission, Option<EventKey>);

/// Parts of a large body that are events' own payloads, with their digests.
type Ranges = Vec<(ByteRange, [u8; 32])>;

impl DeliveryContext<'_> {
    /// Makes the events durable. No reply is a success before this has ended.
    pub(super) async fn commit(&self, verified: Verified, senders: Vec<Sender>) -> Result<Outcome, Refused> {
        let (source, trace) = (&self.inbound.source, self.trace);
        let Verified { request, body, accepted, proofs, is_incomplete, straight, mut upload, .. } = verified;
        let (events, ranges) = with_keys_and_ranges(source, accepted.events, body).await?;
        let claim = match &mut upload {
            Some(upload) => Some(Claim { ranges, ..upload.keep().await? }),
            None => None,
        };
        let (id, delivery, routed) = match straight {
            Some(Straight { id, kept, routed }) => (Some(id), kept, routed),
            None => {
                let kept = self.kept(Arc::unwrap_or_clone(request), senders, is_incomplete);
                (None, Arc::new(KeptDelivery { claim, ..kept }), Vec::new())
            }
        };
        let commit = Commit {
            id,
            delivery,
            events,
            routed,
            signatures: replay_protection::signatures(source, proofs.as_ref()),
            ordering: source.ordering.clone(),
        };
        let outcomes: Vec<_> = commit.routed.iter().map(|routed| routed.as_ref().map(outcome_of)).collect();
        let committed = self.gateway.journal.take_in(commit).await.map_err(refused_by_store)?;
        let Committed { events: admitted, dropped, in_final_form, keeps_object } = committed;
        if let Some(upload) = upload {
            upload.settle(keeps_object).await;
        }
        duplicates::report(&source.name, &self.inbound.metrics, &dropped, trace);
        if self.is_refused_replay(&admitted) {
            return Err(Refused::Replayed);
        }
        straight::count(&source.name, &in_final_form, &outcomes);
        Ok(Outcome::Admitted { admitted, reply: accepted.reply })
    }

    /// The delivery as the journal keeps it, with its body in memory.
    pub(super) fn kept(&self, request: Request, senders: Vec<Sender>, is_incomplete: bool) -> KeptDelivery {
        KeptDelivery {
            source: self.inbound.source.name.clone(),
            plugin: self.provider.stamp(),
            trace: self.trace.to_string(),
            request: self.without_credentials(request),
            senders,
            claim: None,
            is_incomplete,
            decoded: None,
        }
    }

    /// Counts and logs a signature that came before under another id. True if the source refuses replays; nothing was
    /// admitted in either case.
    fn is_refused_replay(&self, admitted: &[Admitted]) -> bool {
        let replayed = |event: &&Admitted| matches!(event, Admitted::Replayed(_));
        let Some(first) = admitted.iter().find(replayed).map(|replayed| replayed.event()) else { return false };
        self.inbound.metrics.replays.increment(1);
        let (source, trace) = (&self.inbound.source, self.trace);
        let name = source.name.as_str();
        tracing::warn!(source = name, %trace, event = %first, "a delivery came again under another id and was not admitted");
        matches!(&source.replay, Some(Replay { answer: ReplayAnswer::Refuse, .. }))
    }
}

pub(super) fn refused_by_store(error: JournalError) -> Refused {
    match error {
        JournalError::Full(text) => Refused::StoreFull(text),
        error => Refused::StoreFailed(error.to_string()),
    }
}

/// The events with their keys, and the digests of payloads that are parts of a large body. A large body is read again for
/// that, on a thread that may block.
async fn with_keys_and_ranges(
    source: &Arc<Source>,
    events: Vec<Admission>,
    body: Body,
) -> Result<(Vec<Keyed>, Ranges), Refused> {
    if body.in_memory().is_some() {
        return with_keys(source, events, &body).map(|events| (events, Vec::new()));
    }
    let source = source.clone();
    let read = tokio::task::spawn_blocking(move || {
        let ranges = digests_of_parts(&events, &body)?;
        with_keys(&source, events, &body).map(|events| (events, ranges))
    });
    read.await.unwrap_or_else(|error| Err(Refused::ClaimFailed(error.to_string())))
}

fn with_keys(source: &Source, events: Vec<Admission>, body: &Body) -> Result<Vec<Keyed>, Refused> {
    let mut occurrences = Occurrences::default();
    let mut keyed = |event: Admission| event_key(source, &event, body, &mut occurrences).map(|key| (event, key));
    events.into_iter().map(&mut keyed).collect()
}

fn digests_of_parts(events: &[Admission], body: &Body) -> Result<Ranges, Refused> {
    let mut ranges = Ranges::new();
    let mut bytes = 0u64;
    for event in events {
        let Payload::BodyRange(range) = event.payload else { continue };
        if ranges.iter().any(|(known, _)| *known == range) {
            continue;
        }
        bytes = bytes.saturating_add(range.length);
        if bytes > limits::CLAIM_PARTS_MAX.saturating_mul(body.length()) {
            let times = limits::CLAIM_PARTS_MAX;
            let text = format!("its answer breaks the rules: the payloads add up to more than {times} times the body");
            return Err(Refused::PluginBroken("rules", text));
        }
        let mut hash = Sha256::new();
        event.payload.within(body).and_then(|part| part.feed(|piece| hash.update(piece))).map_err(unreadable)?;
        ranges.push((range, hash.finalize().into()));
    }
    Ok(ranges)
}

fn unreadable(error: CapabilityError) -> Refused {
    Refused::ClaimFailed(error.to_string())
}

/// The idempotency key of an event, by what the plugin declares and what the source's configuration makes of that. `None`
/// for an event that always counts as new.
fn event_key(
    source: &Source,
    event: &Admission,
    body: &Body,
    occurrences: &mut Occurrences,
) -> Result<Option<EventKey>, Refused> {
    let Idempotency { ttl, key, fallback, fallback_window } = &source.idempotency;
    // The range was checked against the body when the plugin returned it.
    let payload = || event.payload.within(body).map_err(unreadable);
    let by_payload = || known_by::by_payload(&source.name, &payload()?).map_err(unreadable);
    let (hash, lasts, kind) = match (&event.identity.known_by, key) {
        (_, KeyOf::Payload) | (KnownBy::Payload, KeyOf::Id) => (by_payload()?, *ttl, KeyKind::Payload),
        (KnownBy::Id(id), KeyOf::Id) => (known_by::by_id(&source.name, id), *ttl, KeyKind::Id),
        (KnownBy::Delivery(None), KeyOf::Id) => return Ok(None),
        (KnownBy::Delivery(Some(fresh)), KeyOf::Id) => {
            let hash = known_by::by_delivery(&source.name, fresh.as_bytes(), &payload()?).map_err(unreadable)?;
            (occurrences.distinct(hash), *ttl, KeyKind::Delivery)
        }
        (KnownBy::Undeclared, KeyOf::Id) => match fallback {
            Fallback::Payload => (occurrences.distinct(by_payload()?), *fallback_window, KeyKind::Undeclared),
            Fallback::None => return Ok(None),
        },
    };
    Ok(Some(EventKey { hash, lasts, kind }))
}
