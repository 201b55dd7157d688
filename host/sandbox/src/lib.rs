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
mod error;
mod loaded;
#[cfg(feature = "native-twin")]
mod native;
mod plugin;
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

use std::{path::Path, sync::Arc};

pub use hookgate_capabilities::rules::tame;
use hookgate_capabilities::{Descriptor, Prefixes};
use hookgate_model::{component_signature, limits};
use hookgate_telemetry::PluginMetrics;
use sha2::{Digest, Sha256};
use wasmtime::{
    Engine,
    component::{Component, Linker},
};

#[cfg(feature = "native-twin")]
pub use self::native::NativeTwin;
pub use self::{
    artifact::ArtifactError,
    breaker::{Breakers, Function},
    catalog::{Catalog, CatalogError, Origin, read as read_component},
    child::FirstCalls,
    engine::SandboxLimits,
    error::{Broken, LoadError, SandboxError},
    plugin::{EventsOf, Judged, Plugin},
    provider::Provider,
    slot::{Running, Slot, Trial},
};
use self::{
    artifact::ArtifactStore,
    bindings::ProviderPre,
    call::Call,
    loaded::{Exported, Loaded},
    ticker::Ticker,
    turns::Turns,
};

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

/// The custom sections in which a component carries its conformance vectors.
const VECTORS: &str = "hookgate:vectors";

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
        Ok(Plugin::new(loaded))
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
