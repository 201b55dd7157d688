//! Builds plugin crates into components: `hookgate-plugin-build TARGET_DIRECTORY OUT_DIRECTORY CRATE...`

use std::{env, fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use hookgate_plugin_build::Messages;

const USAGE: &str = "usage: hookgate-plugin-build TARGET_DIRECTORY OUT_DIRECTORY CRATE...";

fn main() -> Result<()> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (target, out) = (arguments.next().context(USAGE)?, arguments.next().context(USAGE)?);
    let crates: Vec<PathBuf> = arguments.collect();
    if crates.is_empty() {
        bail!(USAGE);
    }
    let all = hookgate_plugin_build::build_all(&crates, &target, Messages::Kept)?;
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    for built in all {
        let file = out.join(format!("{}.wasm", built.name));
        fs::write(&file, &built.component).with_context(|| format!("cannot write {}", file.display()))?;
        println!("{} ({} KiB)", file.display(), built.component.len() / 1024);
    }
    Ok(())
}
