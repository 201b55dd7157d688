//! Builds provider plugin crates into WebAssembly components.
//!
//! A crate is compiled for `wasm32-unknown-unknown` (profile `plugin` where its workspace has one, else `release`),
//! stripped, encoded as a component, and given its own conformance vectors (`vectors/*.json`) as the custom section
//! [`VECTORS_SECTION`]. The target is installed with rustup where it is missing.

mod cargo;
mod component;

use std::{path::Path, process::Stdio};

use anyhow::{Context as _, Result};

pub use cargo::{Messages, Target};
pub use component::{VECTORS_SECTION, encode, encode_foreign, vectors_of};

/// A component made of a crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The plugin's name: the package's, without `hookgate-plugin-` before it.
    pub name: String,
    /// The component's bytes.
    pub component: Vec<u8>,
}

/// Builds the plugin crate in `crate_dir`; what cargo makes on the way stays below `target_dir`.
///
/// # Errors
/// The target cannot be installed, cargo fails (its messages are part of the error, unless they were shown), the crate has
/// no `cdylib`, or its vectors are not JSON.
pub fn build(crate_dir: &Path, target_dir: &Path, messages: Messages) -> Result<Built> {
    let mut built = build_all(&[crate_dir], target_dir, messages)?;
    built.pop().with_context(|| format!("{} has been built into nothing", crate_dir.display()))
}

/// Builds several plugin crates, those of one workspace in one run of cargo; in the order given.
///
/// # Errors
/// As [`build`], for the first crate that fails.
pub fn build_all<P: AsRef<Path>>(crate_dirs: &[P], target_dir: &Path, messages: Messages) -> Result<Vec<Built>> {
    let options = cargo::Options { target_dir, target: Target::Pure, feature: None, profile: "plugin", messages };
    let modules = cargo::compile(crate_dirs, options)?;
    let encoded = modules.into_iter().map(|module| {
        let wasm = std::fs::read(&module.file).with_context(|| format!("cannot read {}", module.file.display()))?;
        let vectors = component::vectors(&module.crate_dir)?;
        let component =
            encode(&wasm, &vectors).with_context(|| format!("{} does not make a component", module.package))?;
        let name = module.package.strip_prefix("hookgate-plugin-").unwrap_or(&module.package).to_owned();
        Ok(Built { name, component })
    });
    encoded.collect()
}

/// Builds a crate that is not a plugin into a component (profile `edge`), with one more feature where one is named.
///
/// # Errors
/// As [`build`].
pub fn build_part(crate_dir: &Path, target_dir: &Path, target: Target, feature: Option<&str>) -> Result<Vec<u8>> {
    let options = cargo::Options { target_dir, target, feature, profile: "edge", messages: Messages::Kept };
    let built = cargo::compile(&[crate_dir], options)?;
    let module = built.first().with_context(|| format!("{} has been built into nothing", crate_dir.display()))?;
    let wasm = std::fs::read(&module.file).with_context(|| format!("cannot read {}", module.file.display()))?;
    match target {
        Target::Wasip2 => Ok(wasm),
        Target::Pure => {
            component::encode_part(&wasm).with_context(|| format!("{} does not make a component", module.package))
        }
    }
}

/// Runs the tests of the crate in `crate_dir` natively, with cargo; whether they have passed. What they print goes to
/// `stdout` and to standard error.
///
/// # Errors
/// Cargo cannot be run.
pub fn test(crate_dir: &Path, target_dir: &Path, stdout: Stdio) -> Result<bool> {
    cargo::test(crate_dir, target_dir, stdout)
}
