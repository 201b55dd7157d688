//! A plugin as the gateway calls it: [`Plugin::verify_and_transform`], [`Plugin::transform`], [`Plugin::sign`].

use std::{sync::Arc, time::Instant};

use hookgate_capabilities::{
    Accepted, CloudEvent, Delivery, Descriptor, Event, Outgoing, Refusal, Verdict, rules, rules::tame,
};
use hookgate_model::{component_signature, limits};
use tokio::time::timeout;
use wasmtime::{
    Store, Trap,
    component::{Instance, Resource},
};

use crate::{
    bindings,
    call::{Call, DeliveryHandle, EventHandle},
    convert,
    error::Broken,
    loaded::{BrokenRule, Loaded, WASI_WAIT, run},
};

/// A component that was compiled, linked and asked what it is.
#[derive(Clone)]
pub struct Plugin(Arc<Loaded>, Counting);

/// Whether calls of a plugin count in the metrics.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counting {
    Counted,
    Uncounted,
}

/// A plugin's judgement of a delivery.
#[derive(Debug)]
pub struct Judged {
    /// The verdict, or the plugin's refusal.
    pub verdict: Result<Verdict, Refusal>,
    /// What `transform` made of the events that it was given, in their order, each the plugin's outputs or its own error. It
    /// ends before the first event that broke the plugin or took too long.
    pub transformed: Vec<Result<Vec<CloudEvent>, String>>,
}

/// Makes the events that are to be transformed in the sandbox that has just admitted them. It returns none if they are to be
/// transformed later.
pub type EventsOf<'a> = &'a (dyn Fn(&Accepted) -> Vec<Event> + Send + Sync);

impl Plugin {
    pub(crate) fn new(loaded: Loaded) -> Plugin {
        Plugin(Arc::new(loaded), Counting::Counted)
    }

    /// The SHA-256 of the component, in hex.
    pub fn hash(&self) -> &str {
        &self.0.hash
    }

    /// The same, with calls that do not count in the metrics: nothing depends on what they answer.
    pub fn uncounted(&self) -> Plugin {
        Plugin(self.0.clone(), Counting::Uncounted)
    }

    /// What it says of itself.
    pub fn descriptor(&self) -> &Descriptor {
        &self.0.descriptor
    }

    /// The interfaces it imports.
    pub fn imports(&self) -> &[String] {
        &self.0.imports
    }

    /// What it exports.
    pub fn exports(&self) -> &[String] {
        &self.0.exports
    }

    /// Bytes of its component.
    pub fn size_bytes(&self) -> usize {
        self.0.size_bytes
    }

    /// The conformance vectors it carries: JSON texts.
    pub fn vectors(&self) -> &[String] {
        &self.0.vectors
    }

    /// Whether it is one of those embedded in this binary, to the byte.
    pub fn is_bundled(&self) -> bool {
        self.0.bundled
    }

    /// Whether it imports WASI.
    pub fn needs_wasi(&self) -> bool {
        self.0.needs_wasi
    }

    /// The keys of the signatures that it carries; [`component_signature::verify`] checks them.
    pub fn signed_by(&self) -> &[component_signature::KeyId] {
        &self.0.signed_by
    }

    /// Whether it can sign (exports `sender`).
    pub fn can_sign(&self) -> bool {
        self.0.exported.sign.is_some()
    }

    /// Judges a delivery.
    ///
    /// # Errors
    /// [`Broken`] when a call did not end by the rules.
    pub async fn verify(&self, delivery: Delivery) -> Result<Result<Verdict, Refusal>, Broken> {
        Ok(self.verify_and_transform(delivery, &|_| Vec::new()).await?.verdict)
    }

    /// Judges a delivery, and transforms the events that `events_of` makes of an admission, in the same sandbox. A body with a
    /// content coding may have been signed before it got the coding or afterwards: where the body as received does not
    /// verify, the decoded one is tried.
    ///
    /// # Errors
    /// [`Broken`] when `verify` did not end by the rules. A `transform` that did not only ends the list of results.
    pub async fn verify_and_transform(&self, delivery: Delivery, events_of: EventsOf<'_>) -> Result<Judged, Broken> {
        let decoded = delivery.has_content_coding().then(|| delivery.clone().signed_as_decoded());
        let as_received = self.judge(delivery, events_of).await?;
        match (decoded, &as_received.verdict) {
            (Some(decoded), Err(Refusal::Unauthenticated(_) | Refusal::Stale(_))) => {
                let decoded = self.judge(decoded, events_of).await?;
                // Where neither verifies, the first refusal says as much, unless the second found the signature right.
                let is_no_better = matches!(decoded.verdict, Err(Refusal::Unauthenticated(_)));
                Ok(if is_no_better { as_received } else { decoded })
            }
            _ => Ok(as_received),
        }
    }

    async fn judge(&self, delivery: Delivery, events_of: EventsOf<'_>) -> Result<Judged, Broken> {
        let began = Instant::now();
        let mut took = None;
        let judged = self
            .0
            .call(delivery, None, async |_, store| {
                let (instance, verdict) = self.verify_in(store).await?;
                took = Some(began.elapsed());
                let transformed = match &verdict {
                    Ok(Verdict::Admit(accepted)) => self.transform_all_in(&instance, store, events_of(accepted)).await,
                    _ => Vec::new(),
                };
                Ok(Judged { verdict, transformed })
            })
            .await;
        if self.1 == Counting::Counted {
            self.0.metrics.verify.record(took.unwrap_or_else(|| began.elapsed()));
        }
        self.counted(judged)
    }

    /// Calls `verify` in a fresh instance. The instance goes on to `transform`.
    async fn verify_in(&self, store: &mut Store<Call>) -> wasmtime::Result<(Instance, Result<Verdict, Refusal>)> {
        let loaded = &self.0;
        let body_length = store.data().delivery.body_length();
        let instance = loaded.provider.instance_pre().instantiate_async(&mut *store).await?;
        let delivery = Resource::<DeliveryHandle>::new_borrow(0);
        let answer: Result<bindings::Verdict, bindings::Refusal> =
            run(&instance, store, &loaded.exported.verify, delivery).await?;
        let verdict = match answer {
            Err(refusal) => Err(rules::refusal(convert::refusal(refusal))),
            Ok(verdict) => {
                let verdict = convert::verdict(verdict);
                rules::verdict(&verdict, body_length, &loaded.descriptor).map_err(BrokenRule)?;
                Ok(verdict)
            }
        };
        Ok((instance, verdict))
    }

    /// Transforms events in the instance that has admitted them, up to the first one that breaks it or takes too long.
    async fn transform_all_in(
        &self,
        instance: &Instance,
        store: &mut Store<Call>,
        events: Vec<Event>,
    ) -> Vec<Result<Vec<CloudEvent>, String>> {
        let mut transformed = Vec::with_capacity(events.len());
        store.data_mut().begin_transforming();
        for event in events {
            let began = Instant::now();
            let transforming = self.transform_in(instance, store, event);
            let outcome = if self.0.needs_wasi {
                // A guest that waits for a WASI clock computes nothing.
                let ended = timeout(WASI_WAIT * limits::PLUGIN_SHORT_TIME, transforming).await;
                ended.unwrap_or_else(|_| Err(Trap::Interrupt.into()))
            } else {
                transforming.await
            };
            self.record_transform(began);
            match outcome {
                Ok(outputs) => transformed.push(outputs),
                // The instance cannot be called any more.
                Err(error) => {
                    tracing::debug!(plugin = self.0.descriptor.name, %error, "an event is transformed later");
                    break;
                }
            }
        }
        transformed
    }

    /// Calls `transform` in an instance.
    async fn transform_in(
        &self,
        instance: &Instance,
        store: &mut Store<Call>,
        event: Event,
    ) -> wasmtime::Result<Result<Vec<CloudEvent>, String>> {
        self.0.lend_fuel(store);
        store.data_mut().lend_event(event);
        let event = Resource::<EventHandle>::new_borrow(0);
        let answer: Result<Vec<bindings::CloudEvent>, String> =
            run(instance, store, &self.0.exported.transform, event).await?;
        Ok(answer.map(|events| events.into_iter().map(convert::cloud_event).collect()).map_err(|why| tame(&why)))
    }

    fn record_transform(&self, began: Instant) {
        if self.1 == Counting::Counted {
            self.0.metrics.transform.record(began.elapsed());
        }
    }

    /// Puts an admitted event into CloudEvents, in a sandbox of its own. The inner error is the plugin's own.
    ///
    /// # Errors
    /// [`Broken`] when the call did not end by the rules.
    pub async fn transform(&self, event: Event) -> Result<Result<Vec<CloudEvent>, String>, Broken> {
        let began = Instant::now();
        let answer = self
            .0
            .call(event.delivery(), Some(event.clone()), async |loaded, store| {
                let instance = loaded.provider.instance_pre().instantiate_async(&mut *store).await?;
                self.transform_in(&instance, store, event).await
            })
            .await;
        self.record_transform(began);
        self.counted(answer)
    }

    /// Counts a call that broke the rules.
    fn counted<T>(&self, outcome: Result<T, Broken>) -> Result<T, Broken> {
        outcome.inspect_err(|broken| match broken {
            // It has broken no rule.
            Broken::KeysNeeded(_) | Broken::Body(_) | Broken::NoSender | Broken::NoTurn => {}
            _ if self.1 == Counting::Uncounted => {}
            broken => self.0.metrics.failed(broken.cause()),
        })
    }

    /// Signs a delivery as the provider would. The inner error is the plugin's own.
    ///
    /// # Errors
    /// [`Broken`] when the call did not end by the rules, or the plugin cannot sign.
    pub async fn sign(&self, delivery: Delivery) -> Result<Result<Outgoing, String>, Broken> {
        let sign = self.0.exported.sign.as_ref().ok_or(Broken::NoSender)?;
        let answer: Result<bindings::Outgoing, String> = self
            .0
            .call(delivery, None, async |loaded, store| {
                let instance = loaded.provider.instance_pre().instantiate_async(&mut *store).await?;
                run(&instance, store, sign, Resource::<DeliveryHandle>::new_borrow(0)).await
            })
            .await?;
        Ok(answer.map(convert::outgoing).map_err(|why| tame(&why)))
    }
}
