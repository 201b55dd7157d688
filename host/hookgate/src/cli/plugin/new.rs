//! `hookgate plugin new`

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::template::{self, Sdk, plugin_name};
use crate::cli::{Exit, output};

/// Create a plugin of your own: a crate that builds, tests and runs immediately
///
/// It verifies an HMAC-SHA256 with a timestamp, answers a handshake, orders its events, and has vectors: adapt it to your
/// provider. The SDK is copied into it, so that only cargo is needed; with --sdk, the SDK of a checkout is used.
///
/// Examples:
///   hookgate plugin new acme && cd acme && hookgate plugin test
///   hookgate plugin new acme --path plugins/acme --sdk ~/src/hookgate
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct New {
    /// The plugin's name: lower-case letters, digits and dashes
    #[arg(value_name = "NAME", value_parser = plugin_name)]
    name: String,
    /// The directory to create instead of ./NAME; it must be empty or not exist
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// A checkout of hookgate, whose SDK to use instead of a copy
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

impl New {
    pub fn run(self) -> Result<Exit> {
        let directory = self.path.unwrap_or_else(|| PathBuf::from(&self.name));
        if is_in_use(&directory)? {
            bail!("{} is not empty; name another directory with --path", directory.display());
        }
        let checkout = self.sdk.as_deref().map(checkout).transpose()?;
        let sdk = checkout.as_deref().map_or(Sdk::Copied, Sdk::Checkout);
        for (path, text) in template::files(&self.name, sdk) {
            write(&directory.join(path), &text)?;
        }
        let name = &self.name;
        output::line(format_args!(
            "made {}\n\nnext:\n  cd {}\n  hookgate plugin test     # its vectors, natively and in the sandbox\n  \
             hookgate plugin dev      # a gateway with it, built again on every change\n\n\
             src/lib.rs is the plugin, vectors/own.json what it must answer; sources name it: plugin = {name:?}",
            directory.display(),
            directory.display()
        ))?;
        Ok(Exit::Ok)
    }
}

/// Whether there is something that must not be written over.
fn is_in_use(directory: &Path) -> Result<bool> {
    if !directory.exists() {
        return Ok(false);
    }
    let entries = fs::read_dir(directory).with_context(|| format!("{} is not a directory", directory.display()))?;
    Ok(entries.count() > 0)
}

fn checkout(directory: &Path) -> Result<PathBuf> {
    let found = directory.canonicalize().with_context(|| format!("there is no {}", directory.display()))?;
    if !found.join("sdk/Cargo.toml").is_file() {
        bail!("{} is not a checkout of hookgate: there is no crate sdk/ in it", found.display());
    }
    Ok(found)
}

fn write(path: &Path, text: &str) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
