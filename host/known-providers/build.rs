//! Turns `guest-plugins/hmac/providers.toml` into static tables. A mistake in it ends the build at its line.

#[path = "src/place.rs"]
#[allow(dead_code)]
mod place;
#[path = "build/read.rs"]
mod read;
#[path = "src/settings.rs"]
#[allow(dead_code)]
mod settings;
#[path = "src/template.rs"]
#[allow(dead_code)]
mod template;
#[path = "build/write.rs"]
mod write;

use std::{env, error::Error, fs, path::PathBuf};

const DATA: &str = "../../guest-plugins/hmac/providers.toml";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={DATA}");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src");
    let text = fs::read_to_string(DATA)?;
    match read::rows(&text) {
        Ok(rows) => {
            let out = PathBuf::from(env::var("OUT_DIR")?).join("providers.rs");
            fs::write(out, write::tables(&rows))?;
        }
        Err(mistakes) => {
            for mistake in mistakes {
                println!("cargo::error=guest-plugins/hmac/providers.toml:{mistake}");
            }
        }
    }
    Ok(())
}
