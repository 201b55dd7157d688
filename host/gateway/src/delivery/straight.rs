//! The straight path: the events of a delivery are transformed in the sandbox that has just verified it, and routed, so that
//! one commit writes them in their final form, with the handoffs that they owe.
//!
//! An event that cannot be transformed there goes into the inbox and is transformed after the reply. So are events that are held
//! until it is their turn, and all events of a delivery with a large body or of a plugin that is out. What is lent to the
//! plugin is the same on both paths: the request as it is kept, and no secrets.

use std::sync::Arc;

use hookgate_capabilities::{Accepted, Admission, Body, CloudEvent, Delivery, Event, Position, Request};
use hookgate_journal::{EarlyTransform, Routed};
use hookgate_model::{
    event::{EventId, KeptDelivery, KeptEvent, Marks, Sender, Waiting, methods},
    limits, redact,
};
use hookgate_sandbox::{Broken, Function};
use hookgate_telemetry::metrics::transformed;
use parking_lot::Mutex;
use uuid::Uuid;

use super::DeliveryContext;
use crate::fanout::{Transformed, route};

/// The straight path of one delivery.
pub(super) struct StraightPath<'a> {
    context: &'a DeliveryContext<'a>,
    request: &'a Request,
    body: &'a Body,
    senders: &'a [Sender],
    /// As the plugin judges it.
    judged: &'a Delivery,
    /// The delivery as it is kept and its events, from the call that has admitted it.
    begun: Mutex<Option<Begun>>,
}

struct Begun {
    id: Uuid,
    kept: Arc<KeptDelivery>,
    /// What each call of `transform` was lent.
    lent: Vec<Delivery>,
    _early: EarlyTransform,
}

/// A delivery whose events are transformed and routed.
pub(super) struct Straight {
    pub(super) id: Uuid,
    pub(super) kept: Arc<KeptDelivery>,
    /// By the places of the events; none for an event that goes into the inbox.
    pub(super) routed: Vec<Option<Routed>>,
}

impl<'a> StraightPath<'a> {
    pub(super) fn new(
        context: &'a DeliveryContext<'a>,
        request: &'a Request,
        body: &'a Body,
        senders: &'a [Sender],
        judged: &'a Delivery,
    ) -> Self {
        StraightPath { context, request, body, senders, judged, begun: Mutex::new(None) }
    }

    /// The events of an admission that are to be transformed at once; none if they take the path through the inbox.
    pub(super) fn events(&self, accepted: &Accepted) -> Vec<Event> {
        let begun = self.may_begin(accepted).then(|| self.begin(accepted)).flatten();
        let (begun, events) = begun.map_or((None, Vec::new()), |(begun, events)| (Some(begun), events));
        *self.begun.lock() = begun;
        events
    }

    fn may_begin(&self, accepted: &Accepted) -> bool {
        let DeliveryContext { inbound, provider, .. } = self.context;
        let running = inbound.plugin.get();
        // The plugin has the host read the body, and nothing interrupts the host.
        self.body.in_memory().is_some_and(|body| (body.len() as u64) < limits::PLUGIN_WORKER_BODY_BYTES_MAX)
            && (1..=limits::EARLY_TRANSFORMS_MAX).contains(&accepted.events.len())
            && !accepted.events.iter().any(|event| inbound.source.ordering.is_some() && is_held(event))
            && running.transforming(provider.hash(), &inbound.breakers).hash() == provider.hash()
            && !inbound.breakers.is_open(provider.hash(), Function::Transform)
    }

    fn begin(&self, accepted: &Accepted) -> Option<(Begun, Vec<Event>)> {
        let DeliveryContext { gateway, inbound, .. } = self.context;
        let _early = gateway.journal.begin_early_transform()?;
        let kept =
            Arc::new(self.context.kept(self.request.clone(), self.senders.to_vec(), self.judged.is_incomplete()));
        let mut request = kept.request.clone();
        redact::hide(&mut request);
        let (request, methods) = (Arc::new(request), methods(self.senders));
        let id = gateway.journal.next_delivery();
        let mut events = Vec::new();
        for (index, admission) in (0..).zip(&accepted.events) {
            let id = EventId { delivery: id, index };
            let lent = inbound.lend(id, admission, request.clone(), self.body.clone(), methods.clone());
            events.push(lent.ok()?);
        }
        let lent = events.iter().map(Event::delivery).collect();
        Some((Begun { id, kept, lent, _early }, events))
    }

    /// Routes what `transform` has made of the events.
    pub(super) fn finish(
        self,
        accepted: &Accepted,
        transformed: Vec<Result<Vec<CloudEvent>, String>>,
    ) -> Option<Straight> {
        let Begun { id, kept, lent, _early } = self.begun.into_inner()?;
        let DeliveryContext { live, inbound, provider, .. } = self.context;
        if !transformed.is_empty()
            && let Ok(permit) = inbound.breakers.ask(provider.hash(), Function::Transform, None)
        {
            inbound.breakers.report(provider.hash(), permit, &Ok::<_, Broken>(()));
        }
        let routed = (0..).zip(&accepted.events).zip(transformed.into_iter().zip(lent)).map(
            |((index, admission), (outputs, lent))| {
                // The plugin refuses the event, or its outputs are not valid. The path through the inbox tells the operator.
                let outputs = outputs.ok()?;
                let id = EventId { delivery: id, index };
                let event = KeptEvent { id, delivery: kept.clone(), admission: admission.clone(), outputs: None };
                let is_incomplete = kept.is_incomplete || lent.is_incomplete();
                // The ticket is known when it is committed.
                let waiting = Waiting { ticket: 0, event: id, marks: Marks::default() };
                route(&live.routes, &live.ordered, &event, Transformed { outputs, is_incomplete }, &waiting).ok()
            },
        );
        let routed = routed.collect();
        Some(Straight { id, kept, routed })
    }
}

/// Whether an event is held for a time, whatever its turn is.
fn is_held(event: &Admission) -> bool {
    let ordering = event.identity.ordering.as_ref();
    ordering.is_some_and(|ordering| matches!(ordering.position, Position::Timestamp(_)))
}

/// Counts the events that were committed in their final form. `outcomes` are by the places of the events.
pub(super) fn count(source: &str, in_final_form: &[EventId], outcomes: &[Option<&'static str>]) {
    for event in in_final_form {
        if let Some(Some(outcome)) = outcomes.get(usize::from(event.index)) {
            transformed(source, outcome).increment(1);
        }
    }
}
