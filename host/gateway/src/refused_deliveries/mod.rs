//! The latest refused deliveries of a source, and the diagnosis of each. They are kept in a ring that forgers cannot fill
//! ([`ring`]).

mod ring;

use std::{num::NonZeroU32, sync::Arc};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use hookgate_capabilities::{Body, Request};
use hookgate_model::{event::Sender, limits, trace::TraceId};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

pub use self::ring::{DiagnosisState, Entry, RefusedDelivery};
use self::ring::{KnownSenders, Ring};
use crate::ingress::{Client, Refused};

/// A result of the diagnosis of a refused delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What would have to be different.
    pub cause: Cause,
    /// A sentence with the remedy. It contains no secrets.
    pub text: String,
}

/// What would have to be different for a delivery to be authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The time.
    Clock,
    /// The source: the delivery belongs to another one.
    OtherSource,
    /// The secret: that of another source.
    SecretOfOtherSource,
    /// The secret: another one of the same source.
    OtherSecret,
    /// The secret: without the blanks or quotes around it.
    TrimmedSecret,
    /// The body: it was rewritten on the way.
    RewrittenBody,
    /// The URL: the provider signs another one.
    Url,
}

impl Cause {
    /// Its name in logs and in the admin API.
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
    /// The body as the plugin read it: without content codings, or in the object store.
    pub body: Body,
    /// The senders that `auth` has authenticated.
    pub senders: Vec<Sender>,
}

/// The refused deliveries of one source.
pub struct Refusals {
    ring: Mutex<Ring>,
    known: KnownSenders,
    /// One delivery of a source is diagnosed at a time.
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
    /// Notes that an authentic delivery came from this address, which gives it more room.
    pub fn authentic_from(&self, client: Client) {
        self.known.note(client);
    }

    /// Adds a refused delivery.
    pub fn take(&self, refused: &Refused, client: Client, trace: &TraceId, shown: Option<RefusedDelivery>) {
        let entry = Entry {
            trace: *trace,
            at: hookgate_model::clock::now_ms(),
            client,
            cause: refused.cause(),
            inside: refused.inside(),
            delivery: shown,
            diagnosis: DiagnosisState::NotYet,
        };
        self.locked().push(entry, self.known.knows(client));
    }

    /// Newest first.
    pub fn list(&self) -> Vec<Entry> {
        self.locked().list()
    }

    /// The entry with that trace.
    pub fn find(&self, trace: &TraceId) -> Option<Entry> {
        self.locked().find(trace)
    }

    /// The number of entries that are not kept any more.
    pub fn left_out(&self) -> u64 {
        self.locked().left_out()
    }

    /// Sets the diagnosis of an entry.
    pub fn set_diagnosis(&self, trace: &TraceId, diagnosis: DiagnosisState) {
        self.locked().set_diagnosis(trace, diagnosis);
    }

    /// A permit for a diagnosis, if one may be made now.
    pub fn may_work(&self, client: Client) -> Option<tokio::sync::OwnedSemaphorePermit> {
        let budget = &self.budgets[usize::from(self.known.knows(client))];
        let permit = self.working.clone().try_acquire_owned().ok()?;
        budget.check().ok().map(|()| permit)
    }

    fn locked(&self) -> parking_lot::MutexGuard<'_, Ring> {
        self.ring.lock()
    }
}
