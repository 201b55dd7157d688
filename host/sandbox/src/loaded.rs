//! A loaded component and one call of it: in a store of its own, with a turn, a bounded time and a name for what went wrong.

use std::{future::Future, sync::Arc, time::Duration};

use hookgate_capabilities::{CapabilityError, Delivery, Descriptor, Event, Prefixes, Request, rules, rules::tame};
use hookgate_model::{component_signature, limits};
use hookgate_telemetry::PluginMetrics;
use tokio::time::timeout;
use wasmtime::{
    Store, Trap, UpdateDeadline,
    component::{Component, ComponentExportIndex, ComponentNamedList, Instance, Lift, Lower, Resource},
};

use crate::{
    Sandbox,
    bindings::ProviderPre,
    call::{Call, CallTime},
    convert,
    error::Broken,
    time::Meter,
    turns::{LongTurn, Share, Turn},
};

/// How much longer a guest with WASI may wait than it may compute.
pub(crate) const WASI_WAIT: u32 = 8;
const SENDER: &str = "hookgate:provider/sender@0.1.0";

/// A component that was compiled, linked and asked what it is.
pub(crate) struct Loaded {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) hash: String,
    pub(crate) descriptor: Descriptor,
    pub(crate) prefixes: Arc<Prefixes>,
    pub(crate) metrics: PluginMetrics,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    pub(crate) size_bytes: usize,
    pub(crate) vectors: Vec<String>,
    pub(crate) bundled: bool,
    pub(crate) signed_by: Vec<component_signature::KeyId>,
    pub(crate) provider: ProviderPre<Call>,
    pub(crate) exported: Exported,
    pub(crate) needs_wasi: bool,
    pub(crate) share: Share,
}

/// Where the functions of a component are. Each call looks at its own one only: the generated bindings look up and check the
/// types of all of them, each time (docs/benchmarks.md).
pub(crate) struct Exported {
    pub(crate) verify: ComponentExportIndex,
    pub(crate) transform: ComponentExportIndex,
    pub(crate) sign: Option<ComponentExportIndex>,
}

impl Exported {
    pub(crate) fn by(component: &Component) -> wasmtime::Result<Self> {
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

impl Loaded {
    pub(crate) async fn describe(&self) -> Result<Descriptor, Broken> {
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
    pub(crate) async fn call<R>(
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
    pub(crate) fn lend_fuel(&self, store: &mut Store<Call>) {
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
pub(crate) struct BrokenRule(pub(crate) String);

/// Calls a function of an instance that takes one handle.
pub(crate) async fn run<H: 'static, R>(
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The host reads and hashes it within the call, which is no fault of the plugin.
    #[test]
    fn a_call_has_more_time_for_a_larger_body() {
        let time = |bytes: usize| {
            let request = Request {
                method: "POST".into(),
                url: "http://localhost/".into(),
                headers: Vec::new(),
                received_at: 0,
                body: vec![0; bytes].into(),
            };
            time_to_read(&Delivery::without_secrets(Arc::new(request), Default::default()))
        };
        assert_eq!([0, 1024, 2 << 20, 8 << 20].map(time), [0, 0, 500, 2000].map(Duration::from_millis));
    }
}
