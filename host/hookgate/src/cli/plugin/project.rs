//! A plugin's crate, as the commands for its author use it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use hookgate_plugin_build::{Built, Messages};

/// The default directory for builds.
const TARGET: &str = "target";

/// The default directory for components, for use with `--directory` and `plugins.directory`.
pub const OUT: &str = "plugins";

/// The directory for builds.
#[derive(Args, Debug)]
pub struct Target {
    /// The directory for builds; by default `target` in the crate
    #[arg(long, value_name = "DIR", env = "CARGO_TARGET_DIR")]
    target_dir: Option<PathBuf>,
}

/// A crate and where it is built.
#[derive(Clone, Debug)]
pub struct Project {
    directory: PathBuf,
    target: PathBuf,
}

impl Project {
    /// The crate in a directory.
    pub fn open(directory: &Path, target: &Target) -> Result<Self> {
        if !is_crate(directory) {
            let there = directory.display();
            bail!("{there} is not a crate: it has no Cargo.toml; `hookgate plugin new NAME` makes one");
        }
        let target = target.target_dir.clone().unwrap_or_else(|| directory.join(TARGET));
        Ok(Project { directory: directory.to_owned(), target })
    }

    /// The crate's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory for its component.
    pub fn out(&self) -> PathBuf {
        self.directory.join(OUT)
    }

    /// Whether a path is generated, not written by the author.
    pub fn is_made(&self, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_hidden = name.starts_with('.');
        is_hidden || path == self.out() || path == self.directory.join(TARGET) || path == self.target
    }

    /// Builds it and shows cargo's messages.
    pub fn build(&self) -> Result<Built> {
        hookgate_plugin_build::build(&self.directory, &self.target, Messages::Shown)
    }

    /// Runs its own tests, and returns whether they passed. They print to standard error unless `stdout_is_free`.
    pub fn test(&self, stdout_is_free: bool) -> Result<bool> {
        let stdout = if stdout_is_free { Stdio::inherit() } else { io::stderr().into() };
        hookgate_plugin_build::test(&self.directory, &self.target, stdout)
    }
}

/// Whether there is a crate in this directory.
pub fn is_crate(directory: &Path) -> bool {
    directory.join("Cargo.toml").is_file()
}

/// Writes a component as `NAME.wasm`, atomically: readers see the previous file or the whole new one.
pub fn put(built: &Built, directory: &Path) -> Result<PathBuf> {
    let failed = || format!("cannot write to {}", directory.display());
    fs::create_dir_all(directory).with_context(failed)?;
    let file = directory.join(format!("{}.wasm", built.name));
    let temporary = tempfile::NamedTempFile::new_in(directory).with_context(failed)?;
    fs::write(temporary.path(), &built.component).with_context(failed)?;
    readable_by_all(temporary.path()).with_context(failed)?;
    temporary.persist(&file).with_context(failed)?;
    Ok(file)
}

/// Temporary files are private, but a gateway may run as another user.
fn readable_by_all(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o644))?;
    }
    let _ = path;
    Ok(())
}

/// A path as a user types it: relative if it is below the current directory.
pub fn shown(path: &Path) -> String {
    let path = path.strip_prefix(".").unwrap_or(path);
    let here = env::current_dir().ok();
    let below = here.and_then(|here| Some(path.strip_prefix(here).ok()?.display().to_string()));
    below.unwrap_or_else(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_takes_the_place_of_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("plugins");
        let built = |bytes: &[u8]| Built { name: "acme".to_owned(), component: bytes.to_vec() };
        assert_eq!(put(&built(b"one"), &out).unwrap(), out.join("acme.wasm"));
        put(&built(b"two"), &out).unwrap();
        assert_eq!(fs::read(out.join("acme.wasm")).unwrap(), b"two");
        assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_without_a_crate_is_reported() {
        let directory = tempfile::tempdir().unwrap();
        let error = Project::open(directory.path(), &Target { target_dir: None }).unwrap_err();
        assert!(error.to_string().contains("hookgate plugin new"), "{error}");
    }
}
