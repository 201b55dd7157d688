//! The configured sources, each with its plugin, its secrets and its rates.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use hookgate_capabilities::{Admission, Body, CapabilityError, Delivery, Event, Request};
use hookgate_config::Source;
use hookgate_model::{
    event::{EventId, KeptEvent, methods},
    redact,
};
use hookgate_net::fetch::Fetcher;
use hookgate_sandbox::{Breakers, Broken, Function, Provider, Running, Slot};
use hookgate_telemetry::{SourceMetrics, metrics::begin_plugin_swaps};

use crate::{
    claims::{ClaimError, Claims, body_of},
    enrollment::{Enrollments, SourceSecrets},
    fanout::{Transform, TransformError, Transformed},
    fetched_keys::{GrantedUrls, SourceKeys},
    ingress::{SourceRates, refusal_causes},
    refused_deliveries::Refusals,
};
use hookgate_auth::Authenticator;

/// A source, ready for deliveries.
pub struct Inbound {
    /// As configured.
    pub source: Arc<Source>,
    /// Who may send to it.
    pub authenticator: Authenticator,
    /// The plugin versions that judge its deliveries.
    pub plugin: Slot,
    /// Whether each version may be called.
    pub breakers: Breakers,
    /// The settings that the plugin reads.
    pub settings: Arc<BTreeMap<String, String>>,
    /// The secrets that the plugin may use.
    pub secrets: SourceSecrets,
    /// The keys that the host fetches for the plugin.
    pub keys: VersionKeys,
    /// Its rate limits.
    pub rates: Arc<SourceRates>,
    /// Its metrics.
    pub metrics: SourceMetrics,
    /// The latest deliveries that were refused.
    pub refusals: Arc<Refusals>,
}

/// The keys that the host fetches for the versions of a source's plugin.
#[derive(Clone)]
pub struct VersionKeys {
    /// As far as the source grants it.
    own: Arc<SourceKeys>,
    /// For a bundled version, which is also granted the URLs that it declares.
    bundled: Arc<SourceKeys>,
}

impl VersionKeys {
    /// The keys for one version.
    pub fn of(&self, version: &Provider) -> &Arc<SourceKeys> {
        if version.is_bundled() { &self.bundled } else { &self.own }
    }
}

impl Inbound {
    /// An event as its plugin sees it in `transform`: with the request as it is kept, and without secrets.
    pub fn lend(
        &self,
        event: EventId,
        admission: &Admission,
        request: Arc<Request>,
        body: Body,
        methods: Arc<[String]>,
    ) -> Result<Event, CapabilityError> {
        let payload = admission.payload.within(&body)?;
        let delivery = Delivery::without_secrets(request, self.settings.clone());
        Ok(Event {
            event_id: event.to_string(),
            source_name: self.source.name.clone(),
            admitted_as: admission.identity.clone(),
            payload_bytes: payload,
            brought_by: delivery.with_body(body).from_known_sender(methods),
        })
    }
}

/// All sources, by name.
#[derive(Default)]
pub struct Sources {
    by_name: HashMap<String, Inbound>,
    /// Large bodies.
    claims: Option<Claims>,
}

impl Sources {
    /// Builds each source from its configuration, the versions of its plugin, and the URLs granted to a bundled one. If the
    /// limits of a source are the same as `before`, its rates go on: a reload does not refill them.
    pub fn new(
        sources: impl IntoIterator<Item = (Arc<Source>, Running, GrantedUrls)>,
        fetcher: &Fetcher,
        enrollments: &Enrollments,
        claims: Option<Claims>,
        before: &Sources,
    ) -> Self {
        let ready = |(source, running, granted): (Arc<Source>, Running, GrantedUrls)| {
            let same = before.get(&source.name).filter(|before| before.source.limits == source.limits);
            let rates = same.map_or_else(|| Arc::new(SourceRates::new(&source.limits)), |same| same.rates.clone());
            let refusals = before.get(&source.name).map_or_else(Arc::default, |before| before.refusals.clone());
            let own = GrantedUrls { keys: source.keys.allow.clone(), confirm: source.keys.confirm.clone() };
            let fetched = |granted| Arc::new(SourceKeys::new(source.clone(), granted, fetcher.clone()));
            begin_plugin_swaps(&source.plugin);
            let inbound = Inbound {
                authenticator: Authenticator::new(&source.auth, fetcher),
                plugin: Slot::running(running),
                breakers: Breakers::new(&source.name),
                settings: Arc::new(source.settings.clone()),
                secrets: SourceSecrets::new(source.clone(), enrollments),
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

    /// The versions that run: source, plugin, hash, and the role `active`, `canary` or `shadow`.
    pub fn versions(&self) -> Vec<(String, String, String, &'static str)> {
        let of = |(name, inbound): (&String, &Inbound)| {
            let running = inbound.plugin.get();
            let version = |provider: &Provider, role| {
                let (plugin, hash) = provider.stamp();
                (name.clone(), plugin, hash, role)
            };
            let trial = running.trial.as_ref().map(|trial| version(&trial.candidate, trial.mode.name()));
            [Some(version(&running.active, "active")), trial]
        };
        self.by_name.iter().flat_map(of).flatten().collect()
    }

    /// All sources, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Inbound> {
        self.by_name.values()
    }

    /// The source of that name.
    pub fn get(&self, name: &str) -> Option<&Inbound> {
        self.by_name.get(name)
    }
}

/// Transforms with the plugin that the event's source has now. If two versions run, the one that has verified the event is
/// used. An event whose source was removed from the configuration becomes a dead letter.
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
        let lent = inbound.lend(event.id, &event.admission, request, body, methods(&event.delivery.senders));
        let lent = lent.map_err(|error| TransformError::Refused(error.to_string()))?;
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

/// An unavailable object store is tried again; a missing object is not.
fn not_there(error: ClaimError) -> TransformError {
    match error {
        ClaimError::Missing(_) => TransformError::Refused(error.to_string()),
        _ => TransformError::Away(error.to_string()),
    }
}
