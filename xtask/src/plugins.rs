//! `cargo xtask plugins`

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

use crate::chore;

/// Builds every first-party plugin into `target/plugins-out/NAME.wasm`.
pub fn run() -> Result<()> {
    chore::need_wasm_targets()?;
    let target = chore::target_directory()?;
    let mut build = chore::cargo();
    build.args(["run", "--quiet", "--package", "hookgate-plugin-build", "--"]);
    // The directory that the gateway's own build uses: nothing is compiled twice.
    build.arg(target.join("plugins")).arg(target.join("plugins-out")).args(folders()?);
    chore::run(&mut build)
}

/// The folders of the plugins, as `host/bundled/build.rs` finds them.
fn folders() -> Result<Vec<PathBuf>> {
    let directory = chore::workspace().join("guest-plugins");
    let entries = fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut folders = Vec::new();
    for entry in entries {
        let folder = entry?.path();
        if folder.join("Cargo.toml").is_file() {
            folders.push(folder);
        }
    }
    folders.sort();
    Ok(folders)
}

/// The names of their packages.
pub fn packages() -> Result<Vec<String>> {
    let name = |folder: PathBuf| Some(format!("hookgate-plugin-{}", folder.file_name()?.to_str()?));
    Ok(folders()?.into_iter().filter_map(name).collect())
}
