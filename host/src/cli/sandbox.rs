//! Plugins for commands that run without a gateway.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::plugin::{Catalog, Origin, Plugin, Sandbox, read_component};

/// A command has a call or two in flight.
const CALLS_AT_ONCE: u32 = 4;

/// Where plugins are looked for.
#[derive(Args, Debug)]
pub struct Directory {
    /// A directory of further plugins, `NAME.wasm` each; they go before bundled ones of the same name
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// A plugin, with where it comes from.
pub struct Found {
    pub plugin: Plugin,
    pub origin: Origin,
}

impl Directory {
    /// The directory, where one is named.
    pub fn path(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// The bundled plugins and those of the directory.
    pub fn catalog(&self) -> Result<Catalog> {
        Ok(Catalog::new(self.directory.as_deref())?)
    }
}

/// A sandbox with the default limits; what it compiles is kept in the user's cache directory.
pub fn new() -> Result<Arc<Sandbox>> {
    new_in(&cache_directory()?)
}

/// As [`new`], with another directory.
pub fn new_in(cache: &Path) -> Result<Arc<Sandbox>> {
    Ok(Sandbox::new(super::configuration::default_limits(CALLS_AT_ONCE), cache)?)
}

/// Loads what the user has named: a plugin, or a component's file.
pub async fn load(name: &str, catalog: &Catalog, sandbox: &Arc<Sandbox>) -> Result<Found> {
    let known = catalog.list().find(|(known, _)| *known == name);
    match known {
        Some((_, origin)) => Ok(Found { plugin: catalog.load(name, sandbox).await?, origin: origin.clone() }),
        None if is_file(name) => {
            let path = PathBuf::from(name);
            let bytes = read_component(&path)?;
            let plugin = sandbox.load(&bytes).await.with_context(|| format!("{name} is no plugin"))?;
            Ok(Found { plugin, origin: Origin::File(path) })
        }
        None => {
            let names: Vec<&str> = catalog.list().map(|(name, _)| name).collect();
            bail!("there is no plugin {name:?}, and no such file; there are: {}", names.join(", "))
        }
    }
}

/// Whether it names a file rather than a plugin.
pub fn is_file(name: &str) -> bool {
    name.contains(std::path::MAIN_SEPARATOR) || name.ends_with(".wasm") || Path::new(name).is_file()
}

/// As the XDG Base Directory Specification has it; relative paths in the variable are to be ignored.
/// <https://specifications.freedesktop.org/basedir-spec/latest/>
pub fn cache_directory() -> Result<PathBuf> {
    let variable = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    let base =
        base.context("neither XDG_CACHE_HOME nor HOME names a directory; set one, compiled plugins are kept there")?;
    Ok(base.join("hookgate").join("plugins"))
}
