//! What `hookgate plugin new` writes: the template, and a copy of the SDK that builds on its own.
//!
//! The SDK is on no registry. A crate made by the binary must build where there is nothing but the binary and cargo, so
//! the binary carries the sources: three crates and the contract, laid out as they are here.

use std::{
    error::Error,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The crates of the SDK, and what they stand on.
const CRATES: [&str; 3] = ["host/capabilities", "sdk", "sdk/conformance"];

const TEMPLATE: &str = "sdk/template";

/// The source of two lists of files, `TEMPLATE` and `SDK`: pairs of a path and a text.
pub fn embedded(root: &Path) -> Outcome<String> {
    let mut template = Files::default();
    for file in files_below(&root.join(TEMPLATE))? {
        template.file(&root.join(TEMPLATE), &file)?;
    }
    let mut sdk = Files::default();
    sdk.text("Cargo.toml", &workspace_manifest(&fs::read_to_string(root.join("Cargo.toml"))?));
    for name in ["LICENSE", "wit/provider.wit"] {
        sdk.file(root, &root.join(name))?;
    }
    for name in CRATES {
        let manifest = fs::read_to_string(root.join(name).join("Cargo.toml"))?;
        sdk.text(&format!("{name}/Cargo.toml"), &without_tests(&manifest));
        for file in files_below(&root.join(name).join("src"))? {
            sdk.file(root, &file)?;
        }
    }
    // The versions that all of this was tested with.
    let lock = root.join("Cargo.lock").display().to_string();
    Ok(format!(
        "/// The template: paths and texts.\npub static TEMPLATE: &[(&str, &str)] = &[\n{}];\n\
         /// The SDK and what it stands on: paths and texts.\npub static SDK: &[(&str, &str)] = &[\n{}];\n\
         /// The versions that all of this was tested with.\npub static LOCK: &str = include_str!({lock:?});\n",
        template.0, sdk.0
    ))
}

/// What all of it depends on, for `rerun-if-changed`; beside what `build.rs` names itself.
pub fn inputs(root: &Path) -> Vec<PathBuf> {
    ["Cargo.toml", "Cargo.lock", "LICENSE", "host/capabilities", "host/bundled"].map(|name| root.join(name)).into()
}

#[derive(Default)]
struct Files(String);

impl Files {
    /// A file as it is.
    fn file(&mut self, below: &Path, file: &Path) -> Outcome<()> {
        let name = file.strip_prefix(below)?.to_str().ok_or("a file's name is not UTF-8")?;
        writeln!(self.0, "    ({name:?}, include_str!({:?})),", file.display().to_string())?;
        Ok(())
    }

    /// A file that is another one here.
    fn text(&mut self, name: &str, text: &str) {
        self.0.push_str(&format!("    ({name:?}, {text:?}),\n"));
    }
}

/// All files, in the order of their names; what is built or ignored is left out.
fn files_below(directory: &Path) -> Outcome<Vec<PathBuf>> {
    let mut entries = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<Outcome<Vec<_>>>()?;
    entries.sort();
    let mut files = Vec::new();
    for path in entries {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with('.') || ["target", "plugins", "hookgate", "Cargo.lock"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

/// The workspace of the copy: what its crates inherit, and no other member.
fn workspace_manifest(manifest: &str) -> String {
    let members = CRATES.map(|name| format!("    {name:?},\n")).concat();
    let mut text = format!("[workspace]\nresolver = \"3\"\nmembers = [\n{members}]\n");
    for section in sections(manifest).filter(|section| section.starts_with("[workspace.")) {
        // Crates that are not among them.
        let lines = section
            .lines()
            .filter(|line| !line.contains("path = ") || CRATES.iter().any(|name| line.contains(&format!("{name:?}"))));
        text.push('\n');
        text.push_str(&lines.collect::<Vec<_>>().join("\n"));
        text.push('\n');
    }
    text
}

/// A crate's manifest without what only its own tests need.
fn without_tests(manifest: &str) -> String {
    let kept = sections(manifest).filter(|section| !section.starts_with("[dev-dependencies]"));
    kept.collect::<Vec<_>>().join("\n") + "\n"
}

/// The tables of a manifest, each from its heading on, without what is said of the next one.
fn sections(manifest: &str) -> impl Iterator<Item = &str> {
    let starts: Vec<usize> = manifest.match_indices("\n[").map(|(at, _)| at + 1).collect();
    let bounds = [0].into_iter().chain(starts.clone()).zip(starts.into_iter().chain([manifest.len()]));
    bounds.filter_map(|(from, to)| manifest.get(from..to)).map(without_last_comment)
}

fn without_last_comment(section: &str) -> &str {
    let mut kept = section.trim_end();
    while let Some((before, last)) = kept.rsplit_once('\n')
        && last.starts_with('#')
    {
        kept = before.trim_end();
    }
    kept
}
