//! The way of a delivery, from the request to the reply, top to bottom.
//!
//! ```text
//! source -> authenticate -> body -> verify (in a sandbox) -> rate -> commit (durable) -> reply
//! ```
//!
//! A large body of a source with a claim check is in the object store, and everything else is the same ([`crate::claims`]).
//!
//! What comes after the reply (transform, routes, destinations) starts from the journal: `fanout` and `dispatch`.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hookgate_capabilities::{
    Accepted, Admission, Body, ByteRange, CapabilityError, Confirmation, Delivery, Enrollment, KnownBy, Payload,
    Proofs, Refusal, Reply, Request, Verdict,
    known_by::{self, Occurrences},
};
use hookgate_config::{Fallback, Idempotency, KeyOf, Replay, ReplayAnswer, Server, Source};
use hookgate_journal as journal;
use hookgate_journal::{Admitted, Commit, Journal, JournalError};
use hookgate_model::{
    claim::Claim,
    clock::now_ms,
    event::{EventId, EventKey, KeptDelivery, KeyKind, Sender},
    limits, redact,
    trace::TraceId,
};
use hookgate_net::tls::ClientCertificate;
use hookgate_sandbox::{Broken, Function, Provider};
use hookgate_telemetry::ServerMetrics;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, request::Parts};
use http_body_util::Full;
use hyper::body::Incoming;
use ipnet::IpNet;
use metrics::Gauge;
use sha2::{Digest, Sha256};

use crate::{
    claim_links::{AnswerBody, ClaimLinks, event_of as claimed_event},
    claims::{Arrival, Claims},
    diagnosis, duplicates,
    handed_over::{HandedOver, NotTaken},
    ingress::{
        BodyBounds, BodyRoom, Client, Decoder, Failures, Refused, Share, WholeBody, content_codings,
        discard_of_stranger, read_body, refusal_causes,
    },
    keys::KeysError,
    live::{Current, Live},
    refused_deliveries::Subject,
    replay,
    sources::Inbound,
    trial::{Beside, Judgement, Trials},
};
use hookgate_auth::{Credentials, Denied};

/// Takes deliveries.
pub struct Gateway {
    current: Current,
    journal: Journal,
    claims: Claims,
    claim_links: ClaimLinks,
    handed_over: HandedOver,
    trials: Trials,
    public_url: String,
    body_timeout: Duration,
    room: BodyRoom,
    decoder: Decoder,
    /// Refusals of each client, for the log.
    refusals: Failures,
    metrics: ServerMetrics,
}

/// Where deliveries go.
pub struct Stores {
    /// Events.
    pub journal: Journal,
    /// Large bodies.
    pub claims: Claims,
    /// Secrets that providers hand over.
    pub handed_over: HandedOver,
    /// Deliveries that versions on trial judge, too.
    pub trials: Trials,
}

/// Whose a delivery is, and the version of its plugin that it began with.
#[derive(Clone, Copy)]
struct With<'a> {
    live: &'a Arc<Live>,
    inbound: &'a Inbound,
    provider: &'a Provider,
    /// Another version that sees it too.
    beside: Option<&'a Beside>,
    client: Client,
    trace: &'a TraceId,
}

/// A body that is whole.
struct Taken {
    /// As received; empty where it goes to the object store.
    received: Bytes,
    /// As plugins read it.
    body: Body,
    arrival: Option<Box<Arrival>>,
    held: Share,
}

/// A delivery that its plugin has judged and found authentic. Only [`verify`] makes one, so that what is not verified
/// cannot be committed.
struct Verified {
    request: Arc<Request>,
    body: Body,
    accepted: Accepted,
    /// By which signatures, where they are remembered.
    proofs: Option<Proofs>,
    /// Part of its JSON counted as absent.
    is_incomplete: bool,
    /// The body's way into the object store, if it goes there.
    arrival: Option<Box<Arrival>>,
}

/// An event with what it is known by.
type Keyed = (Admission, Option<EventKey>);

/// Parts of a large body that are events' own, with their digests.
type Ranges = Vec<(ByteRange, [u8; 32])>;

/// What the provider is told.
enum Outcome {
    /// Events are durable, new ones among them or not.
    Admitted { admitted: Vec<Admitted>, reply: Option<Reply> },
    /// A handshake was answered.
    Answered(Reply),
}

impl Gateway {
    /// Takes deliveries for the sources that are in force. `public_url` is what providers see, without a slash at its end.
    /// Addresses in `exempt` may have all of the memory for bodies.
    pub fn new(current: Current, stores: Stores, server: &Server, exempt: Vec<IpNet>, public_url: String) -> Self {
        let Stores { journal, claims, handed_over, trials } = stores;
        Gateway {
            current,
            journal,
            claim_links: ClaimLinks::new(claims.clone()),
            claims,
            handed_over,
            trials,
            public_url,
            body_timeout: server.body_timeout,
            room: BodyRoom::new(server.body_memory, exempt),
            decoder: Decoder::default(),
            refusals: Failures::for_log(),
            metrics: ServerMetrics::new(refusal_causes()),
        }
    }

    /// Answers one request.
    pub async fn receive(&self, request: http::Request<Incoming>, client: Client) -> Response<AnswerBody> {
        let received_at = now_ms();
        let (head, body) = request.into_parts();
        let trace = TraceId::of(&head.headers);
        let mut response = match claimed_event(head.uri.path()) {
            Some(_) => self.show_claim(&head, client, &trace).await,
            None => self.take_in(head, body, received_at, client, &trace).await.map(AnswerBody::from),
        };
        if let Ok(value) = HeaderValue::from_str(&trace.to_string()) {
            response.headers_mut().insert("hookgate-trace", value);
        }
        response
    }

    /// Answers a request for a claim.
    async fn show_claim(&self, head: &Parts, client: Client, trace: &TraceId) -> Response<AnswerBody> {
        let served = self.claim_links.serve(&self.journal, client, &head.method, &head.uri, &head.headers).await;
        served.unwrap_or_else(|refused| {
            self.metrics.refusals.count(refused.cause());
            self.report(&refused, None, client, trace);
            refused.response(&trace.to_string()).map(AnswerBody::from)
        })
    }

    /// Answers a delivery.
    async fn take_in(
        &self,
        head: Parts,
        body: Incoming,
        received_at: u64,
        client: Client,
        trace: &TraceId,
    ) -> Response<Full<Bytes>> {
        let name = source_name(head.uri.path()).map(str::to_owned);

        let _in_flight = InFlight::new(&self.metrics.requests_in_flight);
        let live = self.current.get();
        let inbound = name.as_deref().and_then(|name| live.sources.get(name));
        let outcome = match (&name, inbound) {
            (None, _) => Err(Refused::UnknownPath),
            (Some(_), None) => Err(Refused::UnknownSource),
            (Some(_), Some(inbound)) => {
                // Whatever takes over meanwhile: a delivery is one version's from its beginning to its end.
                let running = inbound.plugin.get();
                let provider = running.chosen(rand::random_range(0..100), &inbound.breakers);
                let beside = Beside::new(&running);
                let with = With { live: &live, inbound, provider, beside: beside.as_ref(), client, trace };
                let outcome = self.deliver(with, head, body, received_at).await;
                if let Some(beside) = beside {
                    self.trials.compare(beside, trace.to_string(), events_of(&outcome));
                }
                outcome
            }
        };
        self.count(inbound, &outcome);
        match outcome {
            Ok(outcome) => {
                let response = outcome.response();
                let status = response.headers().get("hookgate-status").and_then(|status| status.to_str().ok());
                tracing::debug!(source = name, status, %trace, "a delivery was taken");
                response
            }
            Err(refused) => {
                self.report(&refused, inbound, client, trace);
                refused.response(&trace.to_string())
            }
        }
    }

    fn count(&self, inbound: Option<&Inbound>, outcome: &Result<Outcome, Refused>) {
        match (inbound.map(|inbound| &inbound.metrics), outcome) {
            (Some(metrics), Err(refused)) => metrics.refused(refused.cause()),
            (None, Err(refused)) => self.metrics.refusals.count(refused.cause()),
            (Some(metrics), Ok(Outcome::Answered(_))) => metrics.answered.increment(1),
            (Some(metrics), Ok(Outcome::Admitted { admitted, .. })) => {
                let new = admitted.iter().filter(|event| matches!(event, Admitted::New(_))).count();
                metrics.events.increment(new as u64);
                if new > 0 { metrics.accepted.increment(1) } else { metrics.duplicate.increment(1) }
            }
            // No source, no success.
            (None, Ok(_)) => {}
        }
    }

    /// Tells of a refusal in the log. Of a client that is refused all the time only some are told, with the number of those
    /// before it that were not.
    fn report(&self, refused: &Refused, inbound: Option<&Inbound>, client: Client, trace: &TraceId) {
        let untold = match refused {
            Refused::TooManyFailures(exceeded) => exceeded.untold,
            _ => self.refusals.untold(client),
        };
        let Some(untold) = untold else { return };
        let (cause, inside) = (refused.cause(), refused.inside());
        let (source, untold) = (inbound.map(|inbound| inbound.source.name.as_str()), (untold > 0).then_some(untold));
        if refused.is_ours() {
            tracing::error!(source, cause, %client, %trace, inside, untold, "a delivery could not be taken");
        } else {
            tracing::info!(source, cause, %client, %trace, inside, untold, "a delivery was refused");
        }
    }

    async fn deliver(
        &self,
        with: With<'_>,
        mut head: Parts,
        body: Incoming,
        received_at: u64,
    ) -> Result<Outcome, Refused> {
        let With { inbound, client, .. } = with;
        // Before a byte of the body: nothing large is read for somebody who is not let in.
        let senders = match authenticate(inbound, &head, client, received_at).await {
            Ok(senders) => senders,
            Err(refused) => {
                diagnosis::note_unjudged(&inbound.refusals, &refused, client, with.trace);
                discard_of_stranger(body, &head.headers).await;
                return Err(count_failure(inbound, client, refused));
            }
        };
        take_credentials_out(&mut head, with);
        // Its place in memory is held until the reply is known.
        let taken = self.take_body(with, &head.headers, body).await?;
        let Taken { received, body, arrival, held: _held } = taken;
        let request = Arc::new(self.request(head, received, received_at));
        let judged = verify(with, request.clone(), body.clone(), arrival, &senders).await;
        match &judged {
            Ok(_) => inbound.refusals.authentic_from(client),
            Err(refused) => {
                let subject = Subject { request, body, senders: senders.clone() };
                diagnosis::note(with.live, &inbound.source.name, refused, client, with.trace, subject);
            }
        }
        let verified = match judged {
            Ok(Judged::Admit(verified)) => verified,
            Ok(Judged::Answer(reply)) => {
                inbound.rates.spend_answered().map_err(Refused::RateLimited)?;
                return Ok(Outcome::Answered(reply));
            }
            Ok(Judged::Confirm(confirmation)) => {
                inbound.rates.spend_verified().map_err(Refused::RateLimited)?;
                return confirm(with, confirmation).await;
            }
            Ok(Judged::Enroll(handed_over)) => {
                // Strangers must not use the rate up; what is taken is bounded by itself.
                let taken = self.take_over(inbound, handed_over).await;
                return taken.map_err(|refused| count_failure(inbound, client, refused));
            }
            Err(refused) => return Err(count_failure(inbound, client, refused)),
        };
        inbound.rates.spend_verified().map_err(Refused::RateLimited)?;
        let committed = self.commit(with, *verified, senders).await;
        committed.map_err(|refused| count_failure(inbound, client, refused))
    }

    /// Reads the body, and undoes its content codings.
    async fn take_body(&self, with: With<'_>, headers: &HeaderMap, body: Incoming) -> Result<Taken, Refused> {
        let With { inbound, client, .. } = with;
        let codings = match content_codings(headers) {
            Ok(codings) => codings,
            Err(refused) => {
                discard_of_stranger(body, headers).await;
                return Err(refused);
            }
        };
        let (limit, claim_check) = (inbound.source.limits.body, inbound.source.claim_check);
        // A body is decoded in memory, so one with a content coding is never a claim.
        let (max, claim_check) = match codings.is_empty() {
            true => (limit, claim_check),
            false => (limit.min(limits::BODY_IN_MEMORY_BYTES_MAX), None),
        };
        let claims = claim_check.map(|above| (above, &self.claims));
        let place = self.room.place(client, &inbound.source.name);
        let bounds = BodyBounds { max, time: self.body_timeout, place, claims };
        let (whole, mut held) = read_body(body, bounds).await?;
        match whole {
            WholeBody::Memory(received) => {
                let read = self.decoder.decode(codings, received.clone(), max, &mut held).await?;
                Ok(Taken { received, body: Body::Memory(read), arrival: None, held })
            }
            WholeBody::Arrived(mut arrival) => {
                let body = arrival.whole().await?.body();
                Ok(Taken { received: Bytes::new(), body, arrival: Some(arrival), held })
            }
        }
    }

    /// The request as plugins see it.
    fn request(&self, head: Parts, body: Bytes, received_at: u64) -> Request {
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        Request {
            method: head.method.as_str().to_owned(),
            url: format!("{}{target}", self.public_url),
            headers: head
                .headers
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
                .collect(),
            received_at,
            body,
        }
    }

    /// Keeps a secret that the provider hands over. The reply that repeats it is sent when it is durable.
    async fn take_over(&self, inbound: &Inbound, handed_over: Enrollment) -> Result<Outcome, Refused> {
        // Such a reply says that the request has arrived, and nothing about the secret: the provider can send it again.
        let harmless = (!handed_over.is_repeated()).then(|| handed_over.reply.clone());
        match (self.handed_over.take(&inbound.source, handed_over).await, harmless) {
            (Ok(reply), _) => Ok(Outcome::Answered(reply)),
            (Err(NotTaken::Closed(why)), Some(reply)) => {
                inbound.rates.spend_answered().map_err(Refused::RateLimited)?;
                tracing::info!(source = inbound.source.name, "answered and not kept: {why}");
                Ok(Outcome::Answered(reply))
            }
            (Err(NotTaken::Closed(why)), None) => Err(Refused::HandoverClosed(why)),
            (Err(NotTaken::Store(error)), _) => Err(refused_by_store(error)),
        }
    }

    /// Makes the events durable. No reply is a success before this has ended.
    async fn commit(&self, with: With<'_>, verified: Verified, senders: Vec<Sender>) -> Result<Outcome, Refused> {
        let With { inbound, provider, trace, .. } = with;
        let Verified { request, body, accepted, proofs, is_incomplete, mut arrival } = verified;
        let request = without_credentials(Arc::unwrap_or_clone(request), with);
        let (events, ranges) = known_by(&inbound.source, accepted.events, body).await?;
        let claim = match &mut arrival {
            Some(arrival) => Some(Claim { ranges, ..arrival.keep().await? }),
            None => None,
        };
        let commit = Commit {
            delivery: KeptDelivery {
                source: inbound.source.name.clone(),
                plugin: provider.stamp(),
                trace: trace.to_string(),
                request,
                senders,
                claim,
                is_incomplete,
                decoded: None,
            },
            events,
            signatures: replay::signatures(&inbound.source, proofs.as_ref()),
            ordering: inbound.source.ordering.clone(),
        };
        let journal::Committed { events: admitted, dropped, keeps_object } =
            self.journal.take_in(commit).await.map_err(refused_by_store)?;
        if let Some(arrival) = arrival {
            arrival.settle(keeps_object).await;
        }
        duplicates::tell(&inbound.source.name, &inbound.metrics, &dropped, trace);
        if is_replay(inbound, &admitted, trace) {
            return Err(Refused::Replayed);
        }
        Ok(Outcome::Admitted { admitted, reply: accepted.reply })
    }
}

/// Counts and tells of what came before under another id. True when the source wants it refused; nothing of it was
/// admitted either way.
fn is_replay(inbound: &Inbound, admitted: &[Admitted], trace: &TraceId) -> bool {
    let replayed = |event: &&Admitted| matches!(event, Admitted::Replayed(_));
    let Some(first) = admitted.iter().find(replayed).map(|replayed| replayed.event()) else { return false };
    inbound.metrics.replays.increment(1);
    let source = inbound.source.name.as_str();
    tracing::warn!(source, %trace, event = %first, "a delivery came again under another id and was not admitted");
    matches!(&inbound.source.replay, Some(Replay { answer: ReplayAnswer::Refuse, .. }))
}

fn refused_by_store(error: JournalError) -> Refused {
    match error {
        JournalError::Full(text) => Refused::StoreFull(text),
        error => Refused::StoreFailed(error.to_string()),
    }
}

enum Judged {
    Admit(Box<Verified>),
    Answer(Reply),
    Confirm(Confirmation),
    Enroll(Enrollment),
}

/// Whether the sender is who may send, by what the head and the connection show.
async fn authenticate(inbound: &Inbound, head: &Parts, client: Client, now: u64) -> Result<Vec<Sender>, Refused> {
    let certificate = head.extensions.get::<ClientCertificate>();
    let shown = Credentials { headers: &head.headers, client, certificate, now };
    inbound.authenticator.authenticate(shown).await.map_err(|denied| match denied {
        Denied::Missing(why, challenges) => Refused::NoCredentials(why, challenges),
        Denied::Wrong(why, challenges) => Refused::WrongCredentials(why, challenges),
        Denied::Forbidden(why, challenges) => Refused::Forbidden(why, challenges),
        Denied::Unavailable(why) => Refused::AuthUnavailable(why),
    })
}

/// What the sender was known by is none of the plugin's business, unless it reads that header itself.
fn take_credentials_out(head: &mut Parts, with: With<'_>) {
    let With { inbound, provider, .. } = with;
    let is_read = |name: &HeaderName| provider.headers().iter().any(|read| read == name.as_str());
    for name in inbound.authenticator.headers().iter().filter(|name| !is_read(name)) {
        head.headers.remove(name);
    }
}

/// Has the plugin judge the delivery. Whatever goes wrong in there, the delivery is not admitted.
async fn verify(
    with: With<'_>,
    request: Arc<Request>,
    body: Body,
    arrival: Option<Box<Arrival>>,
    senders: &[Sender],
) -> Result<Judged, Refused> {
    let inbound = with.inbound;
    let mut delivery = Delivery::new(request.clone(), inbound.settings.clone(), inbound.secrets.get())
        .with_body(body.clone())
        .with_keys(inbound.keys.of(with.provider).clone())
        .from_known_sender(hookgate_model::event::methods(senders));
    let proofs = replay::proofs_for(&inbound.source);
    if let Some(proofs) = &proofs {
        delivery = delivery.noting(proofs.clone());
    }
    let judged = judge(with, delivery.clone()).await?;
    let is_incomplete = delivery.is_incomplete();
    if let Some(beside) = with.beside {
        beside.saw(inbound, &request, &body, senders, &judged);
    }
    match judged {
        Err(Broken::KeysNeeded(_)) => Err(Refused::KeysUnavailable(KeysError::TooManyRounds.to_string())),
        Err(Broken::Body(text)) => Err(Refused::ClaimFailed(text)),
        Err(Broken::NoTurn) => Err(Refused::Overloaded),
        Err(broken) => Err(Refused::PluginBroken(broken.cause(), broken.to_string())),
        Ok(Ok(Verdict::Admit(accepted))) => {
            Ok(Judged::Admit(Box::new(Verified { request, body, accepted, proofs, is_incomplete, arrival })))
        }
        Ok(Ok(Verdict::Answer(reply))) => Ok(Judged::Answer(reply)),
        Ok(Ok(Verdict::Confirm(confirmation))) => Ok(Judged::Confirm(confirmation)),
        Ok(Ok(Verdict::Enroll(handed_over))) => Ok(Judged::Enroll(handed_over)),
        Ok(Err(refusal)) => Err(match refusal {
            Refusal::Unauthenticated(text) => Refused::Unauthenticated(text),
            Refusal::Stale(text) => Refused::Stale(text),
            Refusal::Malformed(text) => Refused::Malformed(text),
            Refusal::Unsupported(text) => Refused::Unsupported(text),
            Refusal::Misconfigured(text) => Refused::Misconfigured(text),
        }),
    }
}

/// The plugin's judgement, unless it is out, with all the keys that it needs: they are fetched without it, and it judges
/// from the beginning.
async fn judge(with: With<'_>, delivery: Delivery) -> Result<Judgement, Refused> {
    let With { inbound, provider, client, .. } = with;
    let leave = inbound.breakers.ask(provider.hash(), Function::Verify, client.counted().address());
    let leave = leave.map_err(Refused::PluginOut)?;
    let mut judgement = provider.verify(delivery.clone()).await;
    for _ in 0..limits::KEY_ROUNDS_MAX {
        let Err(Broken::KeysNeeded(need)) = &judgement else { break };
        // What cannot be fetched is nobody's forgery.
        inbound
            .keys
            .of(provider)
            .fetch(need, Some(client))
            .await
            .map_err(|error| Refused::KeysUnavailable(error.to_string()))?;
        judgement = provider.verify(delivery.clone()).await;
    }
    inbound.breakers.report(provider.hash(), leave, &judgement);
    Ok(judgement)
}

/// Confirms a subscription before the provider is told that all is well; where that fails it asks again.
async fn confirm(with: With<'_>, confirmation: Confirmation) -> Result<Outcome, Refused> {
    let With { inbound, provider, trace, .. } = with;
    let confirmed = inbound.keys.of(provider).confirm(&confirmation.url).await;
    confirmed.map_err(|error| Refused::ConfirmationFailed(error.to_string()))?;
    tracing::info!(source = inbound.source.name, %trace, "a subscription was confirmed");
    Ok(Outcome::Answered(confirmation.reply))
}

/// A failed verification, of the sender or of the delivery, counts against its address, never against the source. An
/// address over its limit is told so, but what it sends is still verified: behind a shared address a forger must not
/// silence the provider.
fn count_failure(inbound: &Inbound, client: Client, refused: Refused) -> Refused {
    match refused {
        Refused::NoCredentials(..)
        | Refused::WrongCredentials(..)
        | Refused::Forbidden(..)
        | Refused::Unauthenticated(_)
        | Refused::Stale(_)
        | Refused::HandoverClosed(_)
        | Refused::Replayed => match inbound.rates.spend_failure(client) {
            Ok(()) => refused,
            Err(exceeded) => Refused::TooManyFailures(exceeded),
        },
        _ => refused,
    }
}

/// What is kept of a request: not the headers with which somebody could act as the sender, unless the plugin needs them to
/// judge the delivery again; and never those by which `auth` knew the sender.
fn without_credentials(mut request: Request, with: With<'_>) -> Request {
    let (read_by_plugin, shown) = (with.provider.headers(), with.inbound.authenticator.headers());
    let may_stay = |name: &String| !redact::CREDENTIALS.contains(&name.as_str()) || read_by_plugin.contains(name);
    let is_kept = |name: &String| may_stay(name) && !shown.iter().any(|shown| shown == name.as_str());
    request.headers.retain(|(name, _)| is_kept(name));
    redact::take_out(&mut request, &with.inbound.secrets.by_name());
    request
}

/// What each event is known by, and the digests of those payloads that are parts of a large body. That one is read again
/// for it, where it holds up nobody.
async fn known_by(source: &Arc<Source>, events: Vec<Admission>, body: Body) -> Result<(Vec<Keyed>, Ranges), Refused> {
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

/// The key of an event and how long it is remembered, by what the plugin declares and what the source says of that. None
/// for an event that is new whatever came before.
fn event_key(
    source: &Source,
    event: &Admission,
    body: &Body,
    occurrences: &mut Occurrences,
) -> Result<Option<EventKey>, Refused> {
    let Idempotency { ttl, key, fallback, fallback_window } = &source.idempotency;
    // The range was checked against the body when the plugin gave it.
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

impl Outcome {
    fn response(self) -> Response<Full<Bytes>> {
        match self {
            Outcome::Answered(reply) => with_status(reply_of(reply), "answered"),
            Outcome::Admitted { admitted, reply } => {
                let is_new = admitted.iter().any(|event| matches!(event, Admitted::New(_)));
                let response = reply.map_or_else(Response::default, reply_of);
                let mut response = with_status(response, if is_new { "accepted" } else { "duplicate" });
                if let Ok(ids) = HeaderValue::from_str(&event_ids(&admitted)) {
                    response.headers_mut().insert("hookgate-event", ids);
                }
                response
            }
        }
    }
}

/// Those that are in the journal.
fn events_of(outcome: &Result<Outcome, Refused>) -> Vec<EventId> {
    match outcome {
        Ok(Outcome::Admitted { admitted, .. }) => admitted.iter().map(|admitted| admitted.event()).collect(),
        _ => Vec::new(),
    }
}

fn event_ids(admitted: &[Admitted]) -> String {
    let ids = admitted.iter().take(limits::REPLY_EVENT_IDS_MAX).map(|admitted| admitted.event().to_string());
    ids.collect::<Vec<_>>().join(",")
}

fn with_status(mut response: Response<Full<Bytes>>, status: &'static str) -> Response<Full<Bytes>> {
    response.headers_mut().insert("hookgate-status", HeaderValue::from_static(status));
    response
}

/// A plugin's reply; `plugin::rules` has checked it.
fn reply_of(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in &reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    response
}

/// `/in/{source}`, with or without a slash behind it.
fn source_name(path: &str) -> Option<&str> {
    let name = path.strip_prefix("/in/")?;
    let name = name.strip_suffix('/').unwrap_or(name);
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// Counts a request for as long as it is worked on, also when its sender goes away.
struct InFlight<'a>(&'a Gauge);

impl<'a> InFlight<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.increment(1);
        InFlight(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
