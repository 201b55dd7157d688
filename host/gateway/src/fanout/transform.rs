//! Transforming one event: the plugin is called, its outputs are checked and routed.

use std::{sync::Arc, time::Duration};

use hookgate_capabilities::CloudEvent;
use hookgate_cloudevents as cloudevents;
use hookgate_journal::{Journal, Routed};
use hookgate_model::{
    event::{KeptDelivery, KeptEvent, Waiting},
    limits,
};
use hookgate_sandbox::tame;
use tokio::{sync::RwLock, time::sleep};

use super::{
    OrderedSources,
    lane::{Resting, TransformEnd},
};
use crate::route::Routes;

/// Before an unavailable object store is asked again.
const AWAY_PAUSE: Duration = Duration::from_secs(5);
/// Between tries of an event that breaks the plugin.
const BROKEN_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// Turns events into CloudEvents; implemented by the plugins of the sources.
#[async_trait::async_trait]
pub trait Transform: Send + Sync {
    /// The outputs of an event. It goes nowhere if there are none.
    async fn transform(&self, event: &KeptEvent) -> Result<Transformed, TransformError>;
}

/// The answer of a plugin.
#[derive(Clone, Debug, Default)]
pub struct Transformed {
    /// Its outputs, not checked yet.
    pub outputs: Vec<CloudEvent>,
    /// Part of the event's JSON counted as absent while the plugin read it.
    pub is_incomplete: bool,
}

impl From<Vec<CloudEvent>> for Transformed {
    fn from(outputs: Vec<CloudEvent>) -> Self {
        Transformed { outputs, is_incomplete: false }
    }
}

/// Why an event has no outputs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransformError {
    /// The plugin refuses the event. Another try would not help.
    #[error("the plugin cannot transform the event: {0}")]
    Refused(String),
    /// The plugin trapped, exceeded its limits, or is missing. More tries may help.
    #[error("the plugin broke: {0}")]
    Broken(String),
    /// The process has died this many times while it transformed the event, which is not tried again.
    #[error(
        "the gateway's process ended {0} times while this event was being transformed, so it is not tried again; correct \
         the plugin, then redrive it"
    )]
    Deadly(u8),
    /// The plugin has broken too often to be called now. It may be called again after this time.
    #[error("the plugin is out")]
    Out(Duration),
    /// Its large body cannot be read now. It is tried until that works.
    #[error("the event's body cannot be read: {0}")]
    Away(String),
}

/// What all transformations use.
pub(super) struct Shared {
    pub(super) journal: Journal,
    pub(super) routes: Arc<Routes>,
    pub(super) ordered: Arc<OrderedSources>,
    pub(super) transform: Arc<dyn Transform>,
    /// Read-locked by each call of a plugin; write-locked by a call that may end the process.
    pub(super) calls: RwLock<()>,
}

impl Shared {
    /// Transforms, checks and routes one event.
    pub(super) async fn process(&self, event: &KeptEvent, mut state: Resting) -> TransformEnd {
        let (source, trace) = (&event.delivery.source, &event.delivery.trace);
        let waiting = &state.waiting;
        let done = match self.transform(event, &mut state.failures).await {
            Err(TransformError::Out(pause)) => return TransformEnd::Out(state, pause),
            Ok(transformed) => route(&self.routes, &self.ordered, event, transformed, waiting),
            Err(error) => Err(tame(&error.to_string())),
        };
        if let Err(reason) = &done {
            tracing::error!(trace, event = %event.id, source, reason, "the event cannot be transformed: a dead letter");
        }
        TransformEnd::Done(done)
    }

    /// Calls the plugin, again after a pause if it broke. `failures` counts those of this event so far.
    async fn transform(&self, event: &KeptEvent, failures: &mut usize) -> Result<Transformed, TransformError> {
        loop {
            let outcome = self.transform_once_there(event).await;
            let Err(TransformError::Broken(reason)) = outcome else { return outcome };
            let Some(pause) = BROKEN_PAUSES.get(*failures) else { return Err(TransformError::Broken(reason)) };
            *failures += 1;
            let (source, trace) = (&event.delivery.source, &event.delivery.trace);
            tracing::warn!(trace, event = %event.id, source, reason, "the plugin broke and is tried again");
            sleep(*pause).await;
        }
    }

    /// Calls the plugin until the body of the event can be read. Later events of the source wait, as they do for every
    /// transformation.
    async fn transform_once_there(&self, event: &KeptEvent) -> Result<Transformed, TransformError> {
        loop {
            match self.transform_marked(event).await {
                Err(TransformError::Away(reason)) => {
                    let (source, trace) = (&event.delivery.source, &event.delivery.trace);
                    tracing::warn!(trace, event = %event.id, source, reason, "an event waits for the object store");
                    sleep(AWAY_PAUSE).await;
                }
                decided => return decided,
            }
        }
    }

    /// Calls the plugin with the event marked. An event that was being transformed when the process died is transformed alone,
    /// so that no other event is blamed if the process dies again.
    async fn transform_marked(&self, event: &KeptEvent) -> Result<Transformed, TransformError> {
        let deaths = self.journal.transform_deaths(event.id);
        if deaths >= limits::TRANSFORM_DEATHS_MAX {
            return Err(TransformError::Deadly(deaths));
        }
        let _alone = if deaths > 0 { Some(self.calls.write().await) } else { None };
        let _beside_others = if deaths == 0 { Some(self.calls.read().await) } else { None };
        let _mark = self.journal.mark_transform(event.id);
        self.transform.transform(event).await
    }
}

/// Checks what a plugin made of an event, marks it, and finds its destinations. `waiting` is its place in the order of its
/// source. The error says what is wrong with the outputs.
pub fn route(
    routes: &Routes,
    ordered: &OrderedSources,
    event: &KeptEvent,
    transformed: Transformed,
    waiting: &Waiting,
) -> Result<Routed, String> {
    let Transformed { mut outputs, is_incomplete } = transformed;
    cloudevents::check_all(&outputs).map_err(|why| tame(&why))?;
    if is_incomplete {
        cloudevents::say_unread(&mut outputs);
    }
    if ordered.holds(&event.delivery.source) {
        cloudevents::say_order(&mut outputs, event, waiting);
    }
    let to = (0..).zip(&outputs).flat_map(|(number, output)| {
        routes.destinations(event, output).into_iter().map(move |name| (name.to_owned(), number))
    });
    let to: Vec<_> = to.collect();
    if !to.is_empty() {
        let KeptDelivery { source, trace, .. } = &*event.delivery;
        tracing::debug!(trace, event = %event.id, source, outputs = outputs.len(), handoffs = to.len(), "routed");
    }
    Ok(Routed { outputs, to, strand: ordered.strand(event) })
}
