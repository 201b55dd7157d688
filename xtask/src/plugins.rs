//! `cargo xtask plugins`

use std::fs;

use anyhow::{Context, Result};

use crate::chore;

/// Builds every first-party plugin into `target/plugins-out/NAME.wasm`.
pub fn run() -> Result<()> {
    chore::need_wasm_targets()?;
    let directory = chore::workspace().join("guest-plugins");
    let mut crates = Vec::new();
    for entry in fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry?.path();
        // As `host/bundled/build.rs` finds them.
        if path.join("Cargo.toml").is_file() {
            crates.push(path);
        }
    }
    crates.sort();
    let target = chore::target_directory()?;
    let mut build = chore::cargo();
    build.args(["run", "--quiet", "--package", "hookgate-plugin-build", "--"]);
    // The directory that the gateway's own build uses: nothing is compiled twice.
    build.arg(target.join("plugins")).arg(target.join("plugins-out")).args(crates);
    chore::run(&mut build)
}
