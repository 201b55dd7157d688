//! Plugins: components that know a provider, each call of one in a fresh sandbox.
//!
//! [`Sandbox`] makes a [`Plugin`] of a component's bytes; [`Plugin::verify`] and [`Plugin::transform`] call it. A call
//! that breaks the rules, for whatever reason, is a [`Broken`]: the delivery is neither admitted nor called forged.

mod artifact;
mod bindings;
mod breaker;
mod call;
mod catalog;
pub mod child;
mod convert;
mod engine;
#[cfg(feature = "native-twin")]
mod native;
mod provider;
pub mod sent_at;
mod size;
mod slot;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod ticker;
mod time;
mod turns;
pub mod vectors;
mod wasi;

use std::{
    future::Future,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

pub use hookgate_capabilities::rules::tame;
use hookgate_capabilities::{
    Accepted, CapabilityError, CloudEvent, Delivery, Descriptor, Event, KeyNeed, Outgoing, Prefixes, Refusal, Request,
    Verdict, rules,
};
use sha2::{Digest, Sha256};
use strum::IntoStaticStr;
use tokio::time::timeout;
use wasmtime::{
    Engine, Store, Trap, UpdateDeadline,
    component::{Component, ComponentExportIndex, ComponentNamedList, Instance, Lift, Linker, Lower, Resource},
};

#[cfg(feature = "native-twin")]
pub use self::native::NativeTwin;
pub use self::{
    artifact::ArtifactError,
    breaker::{Breakers, Function},
    catalog::{Catalog, CatalogError, Origin, read as read_component},
    child::FirstCalls,
    engine::SandboxLimits,
    provider::Provider,
    slot::{Running, Slot, Trial},
};
use self::{
    artifact::ArtifactStore,
    bindings::ProviderPre,
    call::{Call, CallTime, DeliveryHandle, EventHandle},
    ticker::Ticker,
    time::Meter,
    turns::{LongTurn, Share, Turn, Turns},
};
use hookgate_model::{component_signature, limits};
use hookgate_telemetry::PluginMetrics;

/// Where plugins run: one engine, its limits, and as many slots as calls may run at once.
pub struct Sandbox {
    engine: Engine,
    ticker: Ticker,
    linker: Linker<Call>,
    limits: SandboxLimits,
    turns: Turns,
    artifacts: ArtifactStore,
    first_calls: FirstCalls,
}

/// A component that was compiled, linked and asked what it is.
#[derive(Clone)]
pub struct Plugin(Arc<Loaded>, Counting);

/// Whether calls of a plugin count in the metrics.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counting {
    Counted,
    Uncounted,
}

struct Loaded {
    sandbox: Arc<Sandbox>,
    hash: String,
    descriptor: Descriptor,
    prefixes: Arc<Prefixes>,
    metrics: PluginMetrics,
    imports: Vec<String>,
    exports: Vec<String>,
    size_bytes: usize,
    vectors: Vec<String>,
    bundled: bool,
    signed_by: Vec<component_signature::KeyId>,
    provider: ProviderPre<Call>,
    exported: Exported,
    needs_wasi: bool,
    share: Share,
}

/// Why the sandbox cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The artifacts' directory.
    #[error(transparent)]
    Artifacts(#[from] ArtifactError),
    /// wasmtime refuses the limits.
    #[error("the plugin sandbox cannot be set up: {0:#}; lower plugins.concurrency or plugins.memory")]
    Engine(wasmtime::Error),
}

/// Why a component is not a plugin.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Not a component, or too large to be one.
    #[error("it cannot be compiled: {0}; it must be a WebAssembly component (not a core module) of at most 64 MiB")]
    Compile(String),
    /// It would take too long to compile.
    #[error("it is too large to be compiled: {0}")]
    Size(String),
    /// It asks for what is not lent, or does not export what a plugin must.
    #[error("it does not fit the world hookgate:provider/provider@0.1.0: {0}")]
    World(String),
    /// `describe` broke a rule.
    #[error("its describe function is broken: {0}")]
    Describe(#[from] Broken),
    /// It was tried in a process of its own, and did not pass.
    #[error("{0}")]
    Trial(String),
}

/// How a call of a plugin broke the rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Broken {
    /// It ended in a trap: a panic, an unreachable instruction, a stack overflow, a host function misused.
    #[error("it trapped: {0}")]
    Trap(String),
    /// It did not end in its time.
    #[error("it ran longer than {} ms (plugins.timeout)", .0.as_millis())]
    Timeout(Duration),
    /// It wanted more memory than a call may have.
    #[error("it wanted more than {0} bytes of memory (plugins.memory)")]
    Memory(usize),
    /// It answered what it must not.
    #[error("its answer breaks the rules: {0}")]
    Rules(String),
    /// It has broken nothing: it goes on when these have been fetched.
    #[error("it needs keys from {}", .0.request.url)]
    KeysNeeded(Box<KeyNeed>),
    /// Its body is kept outside memory and cannot be read: the plugin is not to blame.
    #[error("the body could not be read while it ran: {0}")]
    Body(String),
    /// It was not called: other calls had all its turns for too long.
    #[error("it has not had a turn for {} s (plugins.concurrency)", limits::PLUGIN_TURN_TIME_MAX.as_secs())]
    NoTurn,
    /// It has no such function.
    #[error("it cannot sign: it does not export hookgate:provider/sender")]
    NoSender,
}

impl Broken {
    /// One word for metrics.
    pub fn cause(&self) -> &'static str {
        self.into()
    }
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

/// The custom sections in which a component carries its conformance vectors.
const VECTORS: &str = "hookgate:vectors";
/// How much longer a guest with WASI may wait than it may compute.
const WASI_WAIT: u32 = 8;
const SENDER: &str = "hookgate:provider/sender@0.1.0";

/// Where the functions of a component are. Each call looks at its own one only: the generated bindings look up and check the
/// types of all of them, each time (docs/benchmarks.md).
struct Exported {
    verify: ComponentExportIndex,
    transform: ComponentExportIndex,
    sign: Option<ComponentExportIndex>,
}

impl Exported {
    fn by(component: &Component) -> wasmtime::Result<Self> {
        let function = |name: &str| {
            let index = component.get_export_index(None, name);
            index.ok_or_else(|| wasmtime::format_err!("it exports no function {name}"))
        };
        let sender = component.get_export_index(None, SENDER);
        Ok(Exported {
            verify: function("verify")?,
            transform: function("transform")?,
            sign: sender.and_then(|sender| component.get_export_index(Some(&sender), "sign")),
        })
    }
}

impl Sandbox {
    /// Sets up the engine and opens the directory of compiled artifacts.
    pub fn new(limits: SandboxLimits, artifacts: &Path, first_calls: FirstCalls) -> Result<Arc<Self>, SandboxError> {
        let artifacts = ArtifactStore::open(artifacts)?;
        let set_up = || {
            let engine = engine::engine(&limits)?;
            let mut linker = Linker::new(&engine);
            call::add_to_linker(&mut linker)?;
            wasi::add_to_linker(&mut linker)?;
            wasmtime::Result::Ok((engine, linker))
        };
        let (engine, linker) = set_up().map_err(SandboxError::Engine)?;
        let turns = Turns::new(limits.concurrency);
        let ticker = Ticker::start(engine.weak());
        Ok(Arc::new(Sandbox { engine, ticker, linker, limits, turns, artifacts, first_calls }))
    }

    /// Compiles a component (or takes its artifact), links it and asks it what it is. One that is not bundled is tried in a
    /// process of its own before ([`child`]), once for each directory of artifacts.
    ///
    /// Compiling blocks for up to some seconds; call it where that is allowed.
    pub async fn load(self: &Arc<Self>, bytes: &[u8]) -> Result<Plugin, LoadError> {
        if bytes.len() as u64 > limits::PLUGIN_FILE_BYTES_MAX {
            return Err(LoadError::Compile(format!("it has {} bytes", bytes.len())));
        }
        size::check(bytes).map_err(LoadError::Size)?;
        let hash = hex::encode(Sha256::digest(bytes));
        if !hookgate_bundled::is_bundled(bytes) {
            self.try_elsewhere(bytes, &hash)?;
        }
        let compiled = self.artifacts.component(&self.engine, bytes, &hash);
        let component = compiled.map_err(|error| LoadError::Compile(tame(&format!("{error:#}"))))?;
        let world = |error: wasmtime::Error| LoadError::World(tame(&format!("{error:#}")));
        let provider = self.linker.instantiate_pre(&component).and_then(ProviderPre::new).map_err(world)?;
        let imports = imports(&component, &self.engine);
        let kind = component.component_type();
        let exports = kind.exports(&self.engine).map(|(name, _)| tame(name)).take(limits::PLUGIN_EXPORTS_MAX).collect();
        let mut loaded = Loaded {
            sandbox: self.clone(),
            hash,
            descriptor: Descriptor {
                name: String::new(),
                version: String::new(),
                summary: String::new(),
                documentation: Vec::new(),
                secrets: Vec::new(),
                settings: Vec::new(),
                headers: Vec::new(),
                key_urls: Vec::new(),
                confirm_urls: Vec::new(),
            },
            prefixes: Arc::default(),
            metrics: PluginMetrics::none(),
            share: self.turns.share(),
            needs_wasi: imports.iter().any(|name| name.starts_with("wasi:")),
            imports,
            exports,
            size_bytes: bytes.len(),
            vectors: vectors_of(bytes),
            bundled: hookgate_bundled::is_bundled(bytes),
            signed_by: component_signature::claimed_keys(bytes),
            provider,
            exported: Exported::by(&component).map_err(world)?,
        };
        loaded.descriptor = loaded.describe().await?;
        loaded.prefixes = Arc::new(Prefixes::of(&loaded.descriptor.secrets));
        loaded.metrics = PluginMetrics::new(&loaded.descriptor.name);
        Ok(Plugin(Arc::new(loaded), Counting::Counted))
    }
}

impl Sandbox {
    /// Has a component tried in a process of its own, unless it has passed before.
    fn try_elsewhere(&self, bytes: &[u8], hash: &str) -> Result<(), LoadError> {
        if matches!(self.first_calls, FirstCalls::InThisProcess) || self.artifacts.has_passed(&self.engine, hash) {
            return Ok(());
        }
        let tried = self.first_calls.run(bytes, &self.limits, self.artifacts.directory());
        tried.map_err(|harm| LoadError::Trial(tame(&harm.to_string())))?;
        self.artifacts.note_passed(&self.engine, hash);
        Ok(())
    }

    /// As [`Sandbox::load`], on a thread that may be held up.
    pub async fn load_aside(self: &Arc<Self>, bytes: Vec<u8>) -> Result<Plugin, LoadError> {
        let (sandbox, handle) = (self.clone(), tokio::runtime::Handle::current());
        let loading = tokio::task::spawn_blocking(move || handle.block_on(sandbox.load(&bytes)));
        loading.await.unwrap_or_else(|error| Err(LoadError::Compile(error.to_string())))
    }
}

fn imports(component: &Component, engine: &Engine) -> Vec<String> {
    let names = component.component_type().imports(engine).map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    // Those without a namespace are types that the world itself uses.
    names.into_iter().filter(|name| name.contains(':')).collect()
}

/// The conformance vectors that a component carries: its custom sections `hookgate:vectors`.
fn vectors_of(bytes: &[u8]) -> Vec<String> {
    let sections = wasmparser::Parser::new(0).parse_all(bytes).filter_map(|payload| match payload {
        Ok(wasmparser::Payload::CustomSection(section)) if section.name() == VECTORS => {
            String::from_utf8(section.data().to_vec()).ok()
        }
        _ => None,
    });
    sections.collect()
}

impl Plugin {
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

impl Loaded {
    async fn describe(&self) -> Result<Descriptor, Broken> {
        let request = Request {
            method: "POST".into(),
            url: "http://localhost/".into(),
            headers: Vec::new(),
            received_at: 0,
            body: bytes::Bytes::new(),
        };
        let nothing = Delivery::without_secrets(Arc::new(request), Default::default());
        // Through the generated bindings: they check the types of all functions, once for all calls.
        let answer = self
            .call(nothing, None, async |loaded, store| {
                let plugin = loaded.provider.instantiate_async(&mut *store).await?;
                plugin.call_describe(store).await
            })
            .await?;
        let descriptor = convert::descriptor(answer);
        rules::descriptor(&descriptor).map_err(broken_rule)?;
        Ok(descriptor)
    }

    /// Runs one call in a store of its own and puts a name to what went wrong.
    async fn call<R>(
        &self,
        delivery: Delivery,
        event: Option<Event>,
        run: impl AsyncFnOnce(&Loaded, &mut Store<Call>) -> wasmtime::Result<R>,
    ) -> Result<R, Broken> {
        let sandbox = &self.sandbox;
        let _turn = self.turn(event.is_none()).await?;
        let _ticking = sandbox.ticker.during_call();
        let is_large = delivery.body_length() >= limits::PLUGIN_WORKER_BODY_BYTES_MAX || delivery.is_stored();
        let time = sandbox.limits.time + time_to_read(&delivery);
        let meter = Meter::new();
        let delivery = delivery.with_prefixes(self.prefixes.clone());
        let call = Call::new(delivery, event, CallTime::at_most(time), sandbox.limits.memory_bytes);
        let mut store = self.store(call, meter.clone());
        let running = meter.of(run(self, &mut store));
        let outcome = match (self.needs_wasi, is_large) {
            // A guest that waits for a WASI clock computes nothing, so the epochs do not see it. One that waits for its turn
            // behind others does not either, and is given some more time.
            (true, _) => match timeout(WASI_WAIT * time, running).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Trap::Interrupt.into()),
            },
            (false, true) => beside_the_workers(running).await,
            (false, false) => running.await,
        };
        if let Some(wasi) = &store.data().wasi {
            let printed = wasi.printed();
            if !printed.is_empty() {
                tracing::info!(plugin = self.descriptor.name, printed, "the plugin printed");
            }
        }
        outcome.map_err(|error| self.name(error, store.data(), time))
    }

    /// Waits for a turn. A provider waits for the answer to its delivery, and not for long; an event can wait.
    async fn turn(&self, is_delivery: bool) -> Result<Turn<'_>, Broken> {
        let turn = self.sandbox.turns.turn(&self.share);
        let turn = if is_delivery {
            timeout(limits::PLUGIN_TURN_TIME_MAX, turn).await.map_err(|_| Broken::NoTurn)?
        } else {
            turn.await
        };
        turn.map_err(|closed| Broken::Trap(closed.to_string()))
    }

    fn store(&self, call: Call, meter: Meter) -> Store<Call> {
        let mut store = Store::new(&self.sandbox.engine, call);
        store.limiter(|call| &mut call.memory);
        self.lend_fuel(&mut store);
        store.set_max_component_handles(limits::PLUGIN_HANDLES_MAX);
        // The deadline is a tick away; each time it has passed, the guest yields to other deliveries, until its time is up.
        // A long call of the host passes many ticks at once: the clock counts, not the ticks.
        // A call that reads a body from outside memory takes its time with good reason, and mostly waits.
        let long = (!store.data().delivery.is_stored()).then(|| self.sandbox.turns.long());
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |mut context| {
            let time = &mut context.data_mut().time;
            time.used += meter.lap();
            let is_long = time.used > limits::PLUGIN_SHORT_TIME && !time.is_short;
            match long.as_ref().filter(|_| is_long).and_then(LongTurn::wanted) {
                _ if time.used >= time.max => Ok(UpdateDeadline::Interrupt),
                Some(turn) => Ok(UpdateDeadline::YieldCustom(1, turn)),
                None => Ok(UpdateDeadline::Yield(1)),
            }
        });
        store
    }

    /// Lets a call pass bytes to the host. A plugin may hand back what it made of the whole body, unless that is not to be in
    /// memory.
    fn lend_fuel(&self, store: &mut Store<Call>) {
        let delivery = &store.data().delivery;
        let body = if delivery.is_stored() { 0 } else { usize::try_from(delivery.body_length()).unwrap_or(usize::MAX) };
        store.set_hostcall_fuel(limits::PLUGIN_PASSED_BYTES_MAX.saturating_add(body));
    }

    fn name(&self, error: wasmtime::Error, call: &Call, time: Duration) -> Broken {
        let limits = &self.sandbox.limits;
        let error = match error.downcast::<BrokenRule>() {
            Ok(BrokenRule(rule)) => return broken_rule(rule),
            Err(error) => error,
        };
        if let Some(CapabilityError::KeysNeeded(need)) = error.downcast_ref() {
            return Broken::KeysNeeded(need.clone());
        }
        if let Some(CapabilityError::Unreadable(why)) = error.downcast_ref::<CapabilityError>() {
            return Broken::Body(why.clone());
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => Broken::Timeout(time),
            _ if call.memory.exhausted => Broken::Memory(limits.memory_bytes),
            Some(trap) => Broken::Trap(trap.to_string()),
            None => Broken::Trap(tame(&format!("{:#}", error.root_cause()))),
        }
    }
}

/// The rule that an answer breaks, on its way out of a call.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct BrokenRule(String);

/// Calls a function of an instance that takes one handle.
async fn run<H: 'static, R>(
    instance: &Instance,
    store: &mut Store<Call>,
    function: &ComponentExportIndex,
    handle: Resource<H>,
) -> wasmtime::Result<R>
where
    (Resource<H>,): ComponentNamedList + Lower + Send + Sync,
    (R,): ComponentNamedList + Lift + Send + Sync + 'static,
{
    let function = instance.get_typed_func::<(Resource<H>,), (R,)>(&mut *store, function)?;
    let (answer,) = function.call_async(store, (handle,)).await?;
    Ok(answer)
}

/// The rule names what the plugin has answered.
fn broken_rule(rule: String) -> Broken {
    Broken::Rules(tame(&rule))
}

/// What a call may take longer for its body, which the host reads and hashes within the call. One that is not in memory has
/// to be fetched as well: it has whole seconds.
fn time_to_read(delivery: &Delivery) -> Duration {
    let time = Duration::from_millis(delivery.body_length().saturating_mul(1000) / limits::PLUGIN_BODY_BYTES_A_SECOND);
    if delivery.is_stored() { Duration::from_secs(time.as_secs() + 1) } else { time }
}

/// Runs a call that may have the host hash megabytes, which nothing interrupts, where it holds up no other delivery.
async fn beside_the_workers<T>(call: impl Future<Output = T>) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    let handle = Handle::current();
    match handle.runtime_flavor() {
        // No other call is there to be held up, as in tests.
        RuntimeFlavor::CurrentThread => call.await,
        _ => tokio::task::block_in_place(|| handle.block_on(call)),
    }
}
