//! Which plugins there are: those embedded in the binary, and the files of the plugin directory.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::{StreamExt, stream};
use hookgate_model::{
    component_signature::{self, SignatureError, TrustedKey},
    human::did_you_mean,
    limits,
};

use super::{LoadError, Plugin, Sandbox};

/// Where a plugin's component comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Embedded in this binary.
    Bundled,
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Bundled => f.write_str("bundled"),
            Origin::File(path) => path.display().fmt(f),
        }
    }
}

/// The plugins that can be named in a configuration, not loaded yet.
#[derive(Debug, Default)]
pub struct Catalog {
    origins: BTreeMap<String, Origin>,
    /// The keys that files must be signed with; empty: unsigned files are accepted.
    trusted: Vec<TrustedKey>,
}

/// Why a plugin cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The plugin directory cannot be listed.
    #[error("the plugin directory {} cannot be read: {}; set plugins.directory to one that can", .0.display(), .1)]
    Directory(PathBuf, io::Error),
    /// A component's file cannot be read.
    #[error("the plugin file {} cannot be read: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
    /// No plugin of that name.
    #[error("{0}")]
    Unknown(String),
    /// It is not a plugin.
    #[error("the plugin {0:?} cannot be used: {1}")]
    Load(String, LoadError),
    /// It has no trusted signature.
    #[error("the plugin {0:?} is not trusted: {1}")]
    Untrusted(String, SignatureError),
}

impl Catalog {
    /// The embedded plugins and, over them, each `NAME.wasm` of the directory.
    pub fn new(directory: Option<&Path>) -> Result<Self, CatalogError> {
        let mut origins: BTreeMap<String, Origin> =
            hookgate_bundled::names().map(|name| (name.to_owned(), Origin::Bundled)).collect();
        if let Some(directory) = directory {
            for file in wasm_files(directory).map_err(|error| CatalogError::Directory(directory.to_owned(), error))? {
                if let Some(name) = file.file_stem().and_then(|name| name.to_str()) {
                    origins.insert(name.to_owned(), Origin::File(file.clone()));
                }
            }
        }
        Ok(Catalog { origins, trusted: Vec::new() })
    }

    /// With files taken only when one of these keys has signed them; any, where there are none.
    pub fn trusting(self, keys: &[TrustedKey]) -> Self {
        Catalog { trusted: keys.to_vec(), ..self }
    }

    /// Names and origins, by name.
    pub fn list(&self) -> impl Iterator<Item = (&str, &Origin)> {
        self.origins.iter().map(|(name, origin)| (name.as_str(), origin))
    }

    /// Where the plugin of that name comes from.
    pub fn origin(&self, name: &str) -> Option<&Origin> {
        self.origins.get(name)
    }

    /// The message that no plugin has that name. It suggests a similar name, or else lists all.
    pub fn unknown(&self, name: &str) -> String {
        let names = || self.origins.keys().map(String::as_str);
        match did_you_mean(name, names()) {
            none if none.is_empty() => {
                format!("there is no plugin {name:?}; there are: {}", names().collect::<Vec<_>>().join(", "))
            }
            near => format!("there is no plugin {name:?}{near} `hookgate plugin list` shows all"),
        }
    }

    /// Compiles and links a plugin.
    pub async fn load(&self, name: &str, sandbox: &Arc<Sandbox>) -> Result<Plugin, CatalogError> {
        let bytes = match self.origins.get(name) {
            Some(Origin::File(path)) => {
                let bytes = read(path)?;
                if !self.trusted.is_empty() {
                    let untrusted = |error| CatalogError::Untrusted(name.to_owned(), error);
                    component_signature::verify(&bytes, &self.trusted).map_err(untrusted)?;
                }
                bytes
            }
            Some(Origin::Bundled) => hookgate_bundled::component(name).unwrap_or_default().to_vec(),
            None => {
                return Err(CatalogError::Unknown(self.unknown(name)));
            }
        };
        let loaded = sandbox.load_aside(bytes).await;
        loaded.map_err(|error| CatalogError::Load(name.to_owned(), error))
    }

    /// As [`Catalog::load`], for several plugins, a bounded number at once, in the order of the names.
    pub async fn load_all(
        &self,
        names: impl IntoIterator<Item = &str>,
        sandbox: &Arc<Sandbox>,
        at_once: usize,
    ) -> Vec<(String, Result<Plugin, CatalogError>)> {
        let load = |name: &str| {
            let name = name.to_owned();
            async move {
                let loaded = self.load(&name, sandbox).await;
                (name, loaded)
            }
        };
        let loads: Vec<_> = names.into_iter().map(load).collect();
        stream::iter(loads).buffered(at_once).collect().await
    }
}

/// The bytes of a component file, bounded.
pub fn read(path: &Path) -> Result<Vec<u8>, CatalogError> {
    let failed = |error| CatalogError::File(path.to_owned(), error);
    // A pipe would be waited for, and a device has no end.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is not a file")));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(limits::PLUGIN_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limits::PLUGIN_FILE_BYTES_MAX {
        Err(failed(io::Error::other("it has more than 64 MiB")))
    } else {
        Ok(bytes)
    }
}

fn wasm_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
