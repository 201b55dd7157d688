//! A host for edge components, where neither Spin nor another platform is at hand: wasmtime with what its published crates
//! have of WASI, a fresh instance for each request.
//!
//! It offers what Spin does of that (HTTP 0.3 under both of its names, and the key-value store and variables under Spin's names), and what others
//! call the same (`wasmtime-wasi-keyvalue`, `wasmtime-wasi-config`). It is for tests, the demo and a first try; it does not
//! interrupt a guest that spins.

mod calls;
mod candidate;
mod log;
mod outgoing;
mod platform;
mod server;
mod state;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
pub use calls::Calls;
use http::{Request, Response};
use http_body_util::BodyExt as _;
pub use log::Log;
pub use outgoing::Documents;
pub use platform::{Fault, Store as KeyValue};
pub use server::serve;
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result, Store, bail,
    component::{Component, Linker},
    error::Context as _,
    format_err,
};
use wasmtime_wasi_http::{
    WasiHttpView as _,
    p3::{self, bindings::ServicePre},
};

use crate::state::State;

/// How a component is run.
#[derive(Clone, Default)]
pub struct Options {
    /// Variables, as the component names them.
    pub variables: BTreeMap<String, String>,
    /// The key-value store: what it holds outlives a request, and can be shared.
    pub store: KeyValue,
    /// What the clock says, in milliseconds since the epoch; the real time when it is not said.
    pub now: Option<u64>,
    /// What is answered in place of servers outside.
    pub documents: Documents,
    /// Where standard error goes; to that of this process when it is not said.
    pub log: Option<Log>,
    /// Where calls for variables and the key-value store are noted.
    pub calls: Option<Calls>,
}

/// A component that is ready to take requests.
#[derive(Clone)]
pub struct Edge {
    pre: ServicePre<State>,
    options: Arc<Options>,
}

/// Settings like those of a platform: a pool of instances.
pub fn engine() -> Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(128).total_core_instances(128 * 16).total_memories(512).total_tables(512);
    pool.max_memory_size(64 << 20).max_core_instances_per_component(16).max_memories_per_component(8);
    pool.max_tables_per_component(8).max_component_instance_size(2 << 20).max_core_instance_size(2 << 20);
    pool.linear_memory_keep_resident(1 << 20);
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// Compiles a component, whichever of its two names it has for WASI 0.3.
///
/// # Errors
/// It is not a component.
pub fn compile(engine: &Engine, component: &[u8]) -> Result<Component> {
    Component::new(engine, candidate::renamed(component))
}

impl Edge {
    /// Compiles a component.
    ///
    /// # Errors
    /// It is not a component, or imports what is not offered.
    pub fn new(engine: &Engine, component: &[u8], options: Options) -> Result<Edge> {
        Edge::of(&compile(engine, component)?, options)
    }

    /// Links a compiled component.
    ///
    /// # Errors
    /// It imports what is not offered.
    pub fn of(component: &Component, options: Options) -> Result<Edge> {
        let mut linker = Linker::new(component.engine());
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        p3::add_to_linker(&mut linker)?;
        platform::add_to_linker(&mut linker)?;
        let pre = linker.instantiate_pre(component).context("it imports what this host does not offer")?;
        Ok(Edge { pre: ServicePre::new(pre)?, options: Arc::new(options) })
    }

    /// Makes an instance and drops it.
    ///
    /// # Errors
    /// It traps at the start.
    pub async fn instantiate(&self) -> Result<()> {
        let mut store = self.store();
        self.pre.instantiate_async(&mut store).await?;
        Ok(())
    }

    /// Has a fresh instance answer a request.
    ///
    /// # Errors
    /// It traps, or answers with an error: a platform makes it a 500.
    pub async fn handle<B>(&self, request: Request<B>) -> Result<Response<Bytes>>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<wasmtime_wasi_http::Error>,
    {
        let mut store = self.store();
        let (request, sent) = p3::Request::from_http(store.data_mut().http().hooks, request);
        let service = self.pre.instantiate_async(&mut store).await?;
        let answer = store.run_concurrent(async |accessor| -> Result<Response<Bytes>> {
            let response = match service.handle(accessor, request).await? {
                Ok(response) => response,
                Err(code) => bail!("the component answered with an error: {code:?}"),
            };
            let response = accessor.with(|store| response.into_http(store, async { Ok(()) }))?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| format_err!("the body broke off: {error:?}"))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        });
        let answer = answer.await?;
        drop(sent);
        answer
    }

    fn store(&self) -> Store<State> {
        Store::new(self.pre.engine(), State::new(&self.options))
    }
}
