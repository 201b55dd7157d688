//! The way of a delivery, from the request to the reply, top to bottom.
//!
//! ```text
//! source -> authenticate -> body -> verify and transform (in a sandbox) -> rate -> commit (durable) -> reply
//! ```
//!
//! [`DeliveryContext::deliver`] is the whole of it; each step is in a file of its own. A large body of a source with a claim
//! check goes to the object store, and everything else is the same ([`crate::claims`]).
//!
//! What comes after the reply starts from the journal: `fanout`, for events that were not transformed before it, and
//! `dispatch`.

mod body;
mod commit;
mod credentials;
mod enroll;
mod reply;
mod report;
mod straight;
mod verify;

use std::{sync::Arc, time::Duration};

use hookgate_config::Server;
use hookgate_journal::Journal;
use hookgate_model::{clock::now_ms, trace::TraceId};
use hookgate_sandbox::Provider;
use hookgate_telemetry::ServerMetrics;
use http::{HeaderValue, Response, request::Parts};
use hyper::body::Incoming;
use ipnet::IpNet;

use self::{body::ReceivedBody, reply::Outcome, report::InFlight, verify::Verdict};
use crate::{
    claim_links::{AnswerBody, ClaimLinks, event_of as claimed_event},
    claims::Claims,
    enrollment::Enrollments,
    ingress::{BodyRoom, Client, Decoder, Failures, Refused, discard_of_stranger, refusal_causes},
    live::{Current, Live},
    sources::Inbound,
    trial::{ShadowTrial, Trials},
};

/// Receives deliveries.
pub struct Gateway {
    current: Current,
    journal: Journal,
    claims: Claims,
    claim_links: ClaimLinks,
    enrollments: Enrollments,
    trials: Trials,
    public_url: String,
    body_timeout: Duration,
    room: BodyRoom,
    decoder: Decoder,
    /// Refusals of each client, to bound their lines in the log.
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
    pub enrollments: Enrollments,
    /// Deliveries that plugin versions on trial judge as well.
    pub trials: Trials,
}

/// One delivery on its way: where it goes, and the plugin version that it keeps from beginning to end.
struct DeliveryContext<'a> {
    gateway: &'a Gateway,
    live: &'a Arc<Live>,
    inbound: &'a Inbound,
    provider: &'a Provider,
    /// The plugin version on trial, if any.
    shadow: Option<&'a ShadowTrial>,
    client: Client,
    trace: &'a TraceId,
    received_at: u64,
}

impl Gateway {
    /// Receives deliveries for the sources in force. `public_url` is the base that providers see, without a slash at its
    /// end. Addresses in `exempt` may use all of the memory for bodies.
    pub fn new(current: Current, stores: Stores, server: &Server, exempt: Vec<IpNet>, public_url: String) -> Self {
        let Stores { journal, claims, enrollments, trials } = stores;
        Gateway {
            current,
            journal,
            claim_links: ClaimLinks::new(claims.clone()),
            claims,
            enrollments,
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
        let mut response = if claimed_event(head.uri.path()).is_some() {
            self.receive_claim_request(&head, client, &trace).await
        } else {
            self.receive_delivery(head, body, received_at, client, &trace).await
        };
        if let Ok(value) = HeaderValue::from_str(&trace.to_string()) {
            response.headers_mut().insert("hookgate-trace", value);
        }
        response
    }

    async fn receive_claim_request(&self, head: &Parts, client: Client, trace: &TraceId) -> Response<AnswerBody> {
        let served = self.claim_links.serve(&self.journal, client, &head.method, &head.uri, &head.headers).await;
        served.unwrap_or_else(|refused| {
            self.metrics.refusals.count(refused.cause());
            self.report_refusal(&refused, None, client, trace);
            refused.response(&trace.to_string()).map(AnswerBody::from)
        })
    }

    async fn receive_delivery(
        &self,
        head: Parts,
        body: Incoming,
        received_at: u64,
        client: Client,
        trace: &TraceId,
    ) -> Response<AnswerBody> {
        let _in_flight = InFlight::new(&self.metrics.requests_in_flight);
        let name = source_name(head.uri.path()).map(str::to_owned);
        let live = self.current.get();
        let inbound = name.as_deref().and_then(|name| live.sources.get(name));
        let outcome = match (inbound, &name) {
            (Some(inbound), _) => {
                // A reload or an activation does not change the version of a delivery that has begun.
                let running = inbound.plugin.get();
                let provider = running.chosen(rand::random_range(0..100), &inbound.breakers);
                let shadow = ShadowTrial::new(&running);
                let context = DeliveryContext {
                    gateway: self,
                    live: &live,
                    inbound,
                    provider,
                    shadow: shadow.as_ref(),
                    client,
                    trace,
                    received_at,
                };
                let outcome = context.deliver(head, body).await.map_err(|refused| context.count_failure(refused));
                if let Some(shadow) = shadow {
                    self.trials.compare(shadow, trace.to_string(), reply::events_of(&outcome));
                }
                outcome
            }
            (None, Some(_)) => Err(Refused::UnknownSource),
            (None, None) => Err(Refused::UnknownPath),
        };
        self.count(inbound, &outcome);
        let response = match outcome {
            Ok(outcome) => {
                let response = outcome.response();
                let status = response.headers().get("hookgate-status").and_then(|status| status.to_str().ok());
                tracing::debug!(source = name, status, %trace, "a delivery was taken");
                response
            }
            Err(refused) => {
                self.report_refusal(&refused, inbound, client, trace);
                refused.response(&trace.to_string())
            }
        };
        response.map(AnswerBody::from)
    }
}

impl DeliveryContext<'_> {
    async fn deliver(&self, mut head: Parts, body: Incoming) -> Result<Outcome, Refused> {
        let rates = &self.inbound.rates;
        // Before the body: nothing large is read from an unauthenticated sender.
        let senders = match self.authenticate(&head).await {
            Ok(senders) => senders,
            Err(refused) => {
                self.note_unjudged(&refused);
                discard_of_stranger(body, &head.headers).await;
                return Err(refused);
            }
        };
        self.remove_credentials(&mut head.headers);
        // The share of the memory for bodies is held until the reply is known.
        let ReceivedBody { received, body, upload, share: _share } = self.receive_body(&head.headers, body).await?;
        let request = self.request(head, received);
        match self.verify(request, body, upload, &senders).await? {
            Verdict::Admit(verified) => {
                rates.spend_verified().map_err(Refused::RateLimited)?;
                self.commit(*verified, senders).await
            }
            Verdict::Answer(reply) => {
                rates.spend_answered().map_err(Refused::RateLimited)?;
                Ok(Outcome::Answered(reply))
            }
            Verdict::Confirm(confirmation) => {
                rates.spend_verified().map_err(Refused::RateLimited)?;
                self.confirm(confirmation).await
            }
            // Spends no rate, which strangers could use up otherwise. Enrollments have bounds of their own.
            Verdict::Enroll(enrollment) => self.enroll(enrollment).await,
        }
    }
}

/// `/in/{source}`, with or without a slash behind it.
fn source_name(path: &str) -> Option<&str> {
    let name = path.strip_prefix("/in/")?;
    let name = name.strip_suffix('/').unwrap_or(name);
    (!name.is_empty() && !name.contains('/')).then_some(name)
}
