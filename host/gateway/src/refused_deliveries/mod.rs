//! The refused deliveries of a source: what they looked like, and what was found out about them. They are kept in a ring
//! that forgers cannot fill ([`ring`]).

mod ring;

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use hookgate_capabilities::{Body, Request};
use hookgate_model::{event::Sender, limits, trace::TraceId};
use tokio::sync::Semaphore;

pub use self::ring::{Entry, Looked, RefusedDelivery};
use self::ring::{KnownSenders, Ring};
use crate::ingress::{Client, Refused};

/// What was found out about a refused delivery, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What would have to be different, in a word.
    pub cause: Cause,
    /// In a sentence, with what to do. No secret stands in it.
    pub text: String,
}

/// What would have to be different for a delivery to be authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The time.
    Clock,
    /// The source: the delivery is another one's.
    OtherSource,
    /// The secret: another source's.
    SecretOfOtherSource,
    /// The secret: another one of the same source.
    OtherSecret,
    /// The secret: without the blanks or quotes around it.
    TrimmedSecret,
    /// The body: something on the way has rewritten it.
    RewrittenBody,
    /// The URL: the provider signs another one.
    Url,
}

impl Cause {
    /// In logs and in the admin API.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Clock => "clock",
            Cause::OtherSource => "other-source",
            Cause::SecretOfOtherSource => "secret-of-other-source",
            Cause::OtherSecret => "other-secret",
            Cause::TrimmedSecret => "trimmed-secret",
            Cause::RewrittenBody => "rewritten-body",
            Cause::Url => "url",
        }
    }
}

/// A delivery that its plugin has refused.
pub struct Subject {
    /// As it was received.
    pub request: Arc<Request>,
    /// The body as the plugin read it: without its content codings, or in the object store.
    pub body: Body,
    /// What `auth` knows of its sender.
    pub senders: Vec<Sender>,
}

/// The refused deliveries of one source.
pub struct Refusals {
    ring: Mutex<Ring>,
    known: KnownSenders,
    /// One delivery of a source is looked into at a time.
    working: Arc<Semaphore>,
    /// Deliveries of known senders have a budget of their own, so that forgers cannot use it up.
    budgets: [DefaultDirectRateLimiter; 2],
}

impl Default for Refusals {
    fn default() -> Self {
        let quota = || Quota::per_second(NonZeroU32::MIN).allow_burst(limits::DIAGNOSES_BURST);
        Refusals {
            ring: Mutex::default(),
            known: KnownSenders::default(),
            working: Arc::new(Semaphore::new(1)),
            budgets: [RateLimiter::direct(quota()), RateLimiter::direct(quota())],
        }
    }
}

impl Refusals {
    /// Notes that an authentic delivery came from this address: what comes from there is worth more room.
    pub fn authentic_from(&self, client: Client) {
        self.known.note(client);
    }

    /// Takes a refused delivery in.
    pub fn take(&self, refused: &Refused, client: Client, trace: &TraceId, shown: Option<RefusedDelivery>) -> bool {
        let entry = Entry {
            trace: *trace,
            at: hookgate_model::clock::now_ms(),
            client,
            cause: refused.cause(),
            inside: refused.inside(),
            delivery: shown,
            looked: Looked::NotYet,
        };
        self.locked().push(entry, self.known.knows(client))
    }

    /// Newest first.
    pub fn list(&self) -> Vec<Entry> {
        self.locked().list()
    }

    /// That of a trace.
    pub fn find(&self, trace: &TraceId) -> Option<Entry> {
        self.locked().find(trace)
    }

    /// How many there were that are not kept any more.
    pub fn left_out(&self) -> u64 {
        self.locked().left_out()
    }

    /// Notes what was found out about one.
    pub fn looked(&self, trace: &TraceId, looked: Looked) {
        self.locked().looked(trace, looked);
    }

    /// Whether another diagnosis may be made now.
    pub fn may_work(&self, client: Client) -> Option<tokio::sync::OwnedSemaphorePermit> {
        let budget = &self.budgets[usize::from(self.known.knows(client))];
        let permit = self.working.clone().try_acquire_owned().ok()?;
        budget.check().ok().map(|()| permit)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
