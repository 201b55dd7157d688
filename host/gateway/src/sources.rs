//! The configured sources, each with its plugin, its secrets and its rates.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use hookgate_capabilities::{Delivery, Event};
use hookgate_config::Source;
use hookgate_model::{event::KeptEvent, redact};
use hookgate_net::fetch::Fetcher;
use hookgate_sandbox::{Breakers, Broken, Function, Provider, Running, Slot};
use hookgate_telemetry::{SourceMetrics, metrics::begin_plugin_swaps};

use crate::{
    claims::{ClaimError, Claims, body_of},
    fanout::{Transform, TransformError, Transformed},
    handed_over::{HandedOver, SourceSecrets},
    ingress::{SourceRates, refusal_causes},
    keys::{Granted, SourceKeys},
    refused_deliveries::Refusals,
};
use hookgate_auth::Authenticator;

/// A source, ready for deliveries.
pub struct Inbound {
    /// As configured.
    pub source: Arc<Source>,
    /// Who may send to it.
    pub authenticator: Authenticator,
    /// What judges its deliveries.
    pub plugin: Slot,
    /// Whether it may be asked.
    pub breakers: Breakers,
    /// What the plugin is told.
    pub settings: Arc<BTreeMap<String, String>>,
    /// What the plugin may check against.
    pub secrets: SourceSecrets,
    /// What the host fetches for it.
    pub keys: VersionKeys,
    /// What is left of its rates.
    pub rates: Arc<SourceRates>,
    /// What it counts.
    pub metrics: SourceMetrics,
    /// Deliveries that it has refused.
    pub refusals: Arc<Refusals>,
}

/// What the host fetches for the versions of a source's plugin.
#[derive(Clone)]
pub struct VersionKeys {
    /// As far as the source allows it.
    own: Arc<SourceKeys>,
    /// For a bundled one, which may also have fetched what it names itself.
    bundled: Arc<SourceKeys>,
}

impl VersionKeys {
    /// What it fetches for one of them.
    pub fn of(&self, version: &Provider) -> &Arc<SourceKeys> {
        match version.is_bundled() {
            true => &self.bundled,
            false => &self.own,
        }
    }
}

/// All sources, by name.
#[derive(Default)]
pub struct Sources {
    by_name: HashMap<String, Inbound>,
    /// Where large bodies are.
    claims: Option<Claims>,
}

impl Sources {
    /// Puts each source together with what judges its deliveries, and what a bundled plugin may have fetched for it. Rates
    /// that are the same as `before` go on as they stand: reading the configuration again fills no bucket.
    pub fn new(
        sources: impl IntoIterator<Item = (Arc<Source>, Running, Granted)>,
        fetcher: &Fetcher,
        handed_over: &HandedOver,
        claims: Option<Claims>,
        before: &Sources,
    ) -> Self {
        let ready = |(source, running, granted): (Arc<Source>, Running, Granted)| {
            let same = before.get(&source.name).filter(|before| before.source.limits == source.limits);
            let rates = same.map_or_else(|| Arc::new(SourceRates::new(&source.limits)), |same| same.rates.clone());
            let refusals = before.get(&source.name).map_or_else(Arc::default, |before| before.refusals.clone());
            let own = Granted { keys: source.keys.allow.clone(), confirm: source.keys.confirm.clone() };
            let fetched = |granted| Arc::new(SourceKeys::new(source.clone(), granted, fetcher.clone()));
            begin_plugin_swaps(&source.plugin);
            let inbound = Inbound {
                authenticator: Authenticator::new(&source.auth, fetcher),
                plugin: Slot::running(running),
                breakers: Breakers::new(&source.name),
                settings: Arc::new(source.settings.clone()),
                secrets: SourceSecrets::new(source.clone(), handed_over),
                keys: VersionKeys { own: fetched(own), bundled: fetched(granted) },
                rates,
                metrics: SourceMetrics::new(&source.name, refusal_causes()),
                refusals,
                source: source.clone(),
            };
            (source.name.clone(), inbound)
        };
        Sources { by_name: sources.into_iter().map(ready).collect(), claims }
    }

    /// Which versions are at work: source, plugin, hash, and `active`, `canary` or `shadow`.
    pub fn at_work(&self) -> Vec<(String, String, String, &'static str)> {
        let of = |(name, inbound): (&String, &Inbound)| {
            let running = inbound.plugin.get();
            let told = |provider: &Provider, role| {
                let (plugin, hash) = provider.stamp();
                (name.clone(), plugin, hash, role)
            };
            let trial = running.trial.as_ref().map(|trial| told(&trial.candidate, trial.mode.name()));
            [Some(told(&running.active, "active")), trial]
        };
        self.by_name.iter().flat_map(of).flatten().collect()
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Inbound> {
        self.by_name.values()
    }

    /// The source of that name.
    pub fn get(&self, name: &str) -> Option<&Inbound> {
        self.by_name.get(name)
    }
}

/// Transforms with the plugin that the event's source has now: where two are at work, with the one that has verified it.
/// An event whose source is gone from the configuration waits as a dead letter until it is back.
#[async_trait::async_trait]
impl Transform for Sources {
    async fn transform(&self, event: &KeptEvent) -> Result<Transformed, TransformError> {
        let name = &event.delivery.source;
        let Some(inbound) = self.get(name) else {
            let text = format!("the source {name:?} is not in the configuration any more; put it back and redrive");
            return Err(TransformError::Refused(text));
        };
        let running = inbound.plugin.get();
        let plugin = running.transforming(&event.delivery.plugin.1, &inbound.breakers);
        let leave = inbound.breakers.ask(plugin.hash(), Function::Transform, None).map_err(TransformError::Out)?;
        let mut request = event.delivery.request.clone();
        redact::hide(&mut request);
        let request = Arc::new(request);
        let body = body_of(&event.delivery, self.claims.as_ref()).await.map_err(not_there)?;
        let payload = event.admission.payload.within(&body);
        let lent = Event {
            event_id: event.id.to_string(),
            source_name: name.clone(),
            admitted_as: event.admission.identity.clone(),
            payload_bytes: payload.map_err(|error| TransformError::Refused(error.to_string()))?,
            brought_by: Delivery::without_secrets(request, inbound.settings.clone())
                .with_body(body)
                .from_known_sender(hookgate_model::event::methods(&event.delivery.senders)),
        };
        let delivery = lent.delivery();
        let outcome = plugin.transform(lent).await;
        inbound.breakers.report(plugin.hash(), leave, &outcome);
        match outcome {
            Ok(Ok(outputs)) => {
                Ok(Transformed { outputs, is_incomplete: event.delivery.is_incomplete || delivery.is_incomplete() })
            }
            Ok(Err(why)) => Err(TransformError::Refused(why)),
            Err(Broken::Body(why)) => Err(TransformError::Away(why)),
            Err(broken) => Err(TransformError::Broken(broken.to_string())),
        }
    }
}

/// An object store that is away comes back; an object that is gone does not.
fn not_there(error: ClaimError) -> TransformError {
    match error {
        ClaimError::Missing(_) => TransformError::Refused(error.to_string()),
        _ => TransformError::Away(error.to_string()),
    }
}
