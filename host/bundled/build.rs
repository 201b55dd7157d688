//! Builds the first-party plugins and the parts of the edge, and writes the lists by which they are embedded in the binary,
//! and that of what `hookgate plugin new` writes.

mod author;

use std::{
    env,
    error::Error,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use hookgate_plugin_build::{Messages, Target};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", root.join("wit").display());
    for input in ["guest-plugins", "sdk", "edge", "host/capabilities", "host/known-providers"] {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }

    let plugins = plugins(&root.join("guest-plugins"))?;
    let crates: Vec<&Path> = plugins.iter().map(|(_, folder)| folder.as_path()).collect();
    // A directory of its own, shared by all profiles of the host: the components do not depend on them.
    let target = out.ancestors().nth(4).ok_or("OUT_DIR is not where cargo puts it")?.join("plugins");
    let built = hookgate_plugin_build::build_all(&crates, &target, Messages::Kept)?;

    let mut list = String::from("static PLUGINS: &[Bundled] = &[\n");
    for ((name, folder), component) in plugins.iter().zip(built) {
        let file = out.join(format!("{name}.wasm"));
        fs::write(&file, &component.component)?;
        let (file, title) = (file.display().to_string(), title(folder)?);
        writeln!(list, "    Bundled {{ name: {name:?}, title: {title:?}, component: include_bytes!({file:?}) }},")?;
    }
    list.push_str("];\n");
    fs::write(out.join("bundled.rs"), list)?;

    edge(&root, &target, &out)?;

    for input in author::inputs(&root) {
        println!("cargo::rerun-if-changed={}", input.display());
    }
    fs::write(out.join("author.rs"), author::embedded(&root)?)?;
    Ok(())
}

/// The plugins that come with the binary, sorted by name: each folder of `guest-plugins/`.
fn plugins(directory: &Path) -> Result<Vec<(String, PathBuf)>, Box<dyn Error>> {
    let mut plugins = Vec::new();
    for entry in fs::read_dir(directory)? {
        let folder = entry?.path();
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if folder.join("Cargo.toml").is_file() {
            plugins.push((name, folder));
        }
    }
    plugins.sort();
    Ok(plugins)
}

/// What the provider calls itself: its crate's description, which is the summary of its descriptor, up to the colon.
fn title(folder: &Path) -> Result<String, Box<dyn Error>> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml"))?;
    let described = manifest.lines().find_map(|line| line.strip_prefix("description = \"")?.split_once(':'));
    let (title, _) = described.ok_or_else(|| {
        format!("{}: write description = \"PROVIDER: what the plugin takes\"", folder.join("Cargo.toml").display())
    })?;
    Ok(title.to_owned())
}

/// What `hookgate edge build` composes with a plugin.
fn edge(root: &Path, target: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let parts = [
        ("EDGE", "The edge: takes requests, and asks the plugin.", "edge", Target::Wasip2, None),
        (
            "EDGE_WITH_CONTENT_CODINGS",
            "The same, with decoders of content codings.",
            "edge",
            Target::Wasip2,
            Some("content-codings"),
        ),
        ("CAPABILITIES", "What plugins are lent at the edge.", "edge/capabilities", Target::Pure, None),
        (
            "CAPABILITIES_WITH_PUBLIC_KEYS",
            "The same, with signatures by public keys.",
            "edge/capabilities",
            Target::Pure,
            Some("public-keys"),
        ),
    ];
    let mut list = String::new();
    for (name, text, crate_dir, platform, feature) in parts {
        let component = hookgate_plugin_build::build_part(&root.join(crate_dir), target, platform, feature)?;
        let file = out.join(format!("{name}.wasm"));
        fs::write(&file, component)?;
        writeln!(list, "/// {text}\npub static {name}: &[u8] = include_bytes!({:?});", file.display().to_string())?;
    }
    fs::write(out.join("edge.rs"), list)?;
    Ok(())
}
