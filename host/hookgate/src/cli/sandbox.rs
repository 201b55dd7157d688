//! Plugins for commands that run without a gateway.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use hookgate_config::{duration_ms, size_bytes};
use hookgate_known_providers::{COMPONENT, KnownProvider, find, presets};
use hookgate_model::{
    human::did_you_mean,
    limits::{PLUGIN_MEMORY_BYTES, PLUGIN_TIMEOUT_MS, Range},
};
use hookgate_sandbox::{
    ArtifactError, Catalog, Origin, Plugin, Sandbox, SandboxError, SandboxLimits, child::FirstCalls, read_component,
};

/// A command has a call or two in flight.
const CALLS_AT_ONCE: u32 = 4;

/// The directory of plugins, and the limits of a call.
#[derive(Args, Debug)]
pub struct Directory {
    /// A directory of further plugins, `NAME.wasm` each; they take precedence over bundled ones of the same name
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    #[command(flatten)]
    limits: Limits,
}

/// The limits of a plugin call.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Memory of a call, as in plugins.memory; for interpreted languages
    #[arg(long = "memory", value_name = "SIZE", value_parser = memory)]
    pub memory_bytes: Option<u64>,
    /// Computing time of a call, as in plugins.timeout
    #[arg(long = "timeout", value_name = "DURATION", value_parser = timeout)]
    pub timeout_ms: Option<u64>,
}

fn memory(text: &str) -> Result<u64, String> {
    let bytes = size_bytes(text).map_err(|why| format!("it {why}; write 128MiB"))?;
    within(bytes, PLUGIN_MEMORY_BYTES).ok_or_else(|| "it must be from 1MiB to 1GiB".to_owned())
}

fn timeout(text: &str) -> Result<u64, String> {
    let ms = duration_ms(text).map_err(|why| format!("it {why}; write 500ms or 2s"))?;
    within(ms, PLUGIN_TIMEOUT_MS).ok_or_else(|| "it must be from 1ms to 10s".to_owned())
}

fn within(value: u64, range: Range) -> Option<u64> {
    (range.min..=range.max).contains(&value).then_some(value)
}

/// A plugin, with where it comes from.
pub struct Found {
    pub plugin: Plugin,
    pub origin: Origin,
    /// The known provider, if one was named instead of a plugin.
    pub provider: Option<&'static KnownProvider>,
}

impl Limits {
    /// A sandbox with these limits, which keeps compiled plugins in the user's cache directory.
    pub fn sandbox(&self) -> Result<Arc<Sandbox>> {
        let mut limits = default_limits(CALLS_AT_ONCE);
        if let Some(bytes) = self.memory_bytes {
            limits.memory_bytes = usize::try_from(bytes)?;
        }
        if let Some(ms) = self.timeout_ms {
            limits.time = Duration::from_millis(ms);
        }
        match Sandbox::new(limits, &cache_directory()?, FirstCalls::in_child()) {
            Err(SandboxError::Artifacts(error @ ArtifactError::Io(..))) => {
                bail!("{error}; set XDG_CACHE_HOME to a directory that this user can write to")
            }
            sandbox => Ok(sandbox?),
        }
    }
}

impl Directory {
    /// One that no argument has named.
    pub fn of(directory: PathBuf, limits: Limits) -> Self {
        Directory { directory: Some(directory), limits }
    }

    /// The limits that were given.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A sandbox for its plugins.
    pub fn sandbox(&self) -> Result<Arc<Sandbox>> {
        self.limits.sandbox()
    }

    /// The directory, if given.
    pub fn path(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// The bundled plugins and those of the directory.
    pub fn catalog(&self) -> Result<Catalog> {
        Ok(Catalog::new(self.directory.as_deref())?)
    }
}

/// The default limits of a plugin call.
pub fn default_limits(concurrency: u32) -> SandboxLimits {
    SandboxLimits {
        concurrency,
        memory_bytes: PLUGIN_MEMORY_BYTES.default as usize,
        time: Duration::from_millis(PLUGIN_TIMEOUT_MS.default),
    }
}

/// A sandbox with the default limits and its own directory for compiled plugins.
#[cfg(test)]
pub fn new_in(cache: &Path) -> Result<Arc<Sandbox>> {
    Ok(Sandbox::new(default_limits(CALLS_AT_ONCE), cache, FirstCalls::InThisProcess)?)
}

/// The known provider of that name, unless a plugin has it.
pub fn known_provider(name: &str, catalog: &Catalog) -> Option<&'static KnownProvider> {
    find(name).filter(|_| catalog.origin(name).is_none())
}

/// The error that neither a plugin nor a known provider has that name, with a similar name as a suggestion.
pub fn unknown(name: &str, catalog: &Catalog) -> String {
    let known = catalog.list().map(|(name, _)| name).chain(presets().iter().map(|(name, _)| *name));
    let near = did_you_mean(name, known);
    let separator = if near.is_empty() { ";" } else { "" };
    format!(
        "there is no plugin {name:?}{near}{separator} `hookgate plugin list` shows the plugins, and `hookgate providers \
         list` the providers that are known by name"
    )
}

/// Loads a plugin by its name, the name of a known provider, or the file of its component.
pub async fn load(name: &str, catalog: &Catalog, sandbox: &Arc<Sandbox>) -> Result<Found> {
    let provider = known_provider(name, catalog);
    let component = provider.map_or(name, |_| COMPONENT);
    match catalog.origin(component) {
        Some(origin) => Ok(Found { plugin: catalog.load(component, sandbox).await?, origin: origin.clone(), provider }),
        None if is_file(name) => {
            let path = PathBuf::from(name);
            let bytes = read_component(&path)?;
            let plugin = sandbox.load(&bytes).await.with_context(|| format!("{name} is not a plugin"))?;
            Ok(Found { plugin, origin: Origin::File(path), provider })
        }
        None => bail!("{}", unknown(name, catalog)),
    }
}

/// Whether it names a file rather than a plugin.
pub fn is_file(name: &str) -> bool {
    name.contains(std::path::MAIN_SEPARATOR) || name.ends_with(".wasm") || Path::new(name).is_file()
}

/// The cache directory of the XDG Base Directory Specification, which ignores relative paths in the variable.
/// <https://specifications.freedesktop.org/basedir-spec/latest/>
pub fn cache_directory() -> Result<PathBuf> {
    let variable = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    let base =
        base.context("neither XDG_CACHE_HOME nor HOME names a directory; set one, compiled plugins are kept there")?;
    Ok(base.join("hookgate").join("plugins"))
}
