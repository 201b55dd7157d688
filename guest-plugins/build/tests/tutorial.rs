//! The plugin of `docs/writing-a-plugin.md`, built and tested as its reader would: what the document shows works.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use hookgate_plugin_build::{VECTORS_SECTION, build};
use wasmparser::{Parser, Payload};

const FILES: [&str; 6] =
    ["Cargo.toml", "src/lib.rs", "example.json", "tests/vectors.rs", "vectors/own.json", "vectors/rotation.json"];

#[test]
fn the_tutorials_plugin_passes_its_vectors_and_becomes_a_component() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let crate_dir = tempfile::tempdir().unwrap();
    write_crate(workspace, crate_dir.path());

    let target = workspace.join("target/plugins");
    let mut tests = Command::new(env!("CARGO"));
    tests.current_dir(crate_dir.path()).args(["test", "--quiet", "--tests", "--target-dir"]).arg(&target);
    tests.envs([("CARGO_INCREMENTAL", "0"), ("CARGO_PROFILE_DEV_DEBUG", "0")]);
    let output = tests.output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );

    let built = build(crate_dir.path(), &target).unwrap();
    assert_eq!(built.name, "parcelbird");
    let vectors: Vec<serde_json::Value> = serde_json::from_slice(&vectors(&built.component)).unwrap();
    assert_eq!(vectors.len(), 5);
}

/// A crate outside the workspace, with the workspace's versions of all dependencies.
fn write_crate(workspace: &Path, crate_dir: &Path) {
    let document = fs::read_to_string(workspace.join("docs/writing-a-plugin.md")).unwrap();
    let files = files(&document);
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, FILES);
    for (name, text) in &files {
        let path: PathBuf = crate_dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // The document's clone of hookgate stands beside the crate.
        fs::write(path, text.replace("../hookgate", workspace.to_str().unwrap())).unwrap();
    }
    fs::copy(workspace.join("Cargo.lock"), crate_dir.join("Cargo.lock")).unwrap();
}

/// The files that a document shows: a paragraph that begins with the file's name in backticks, then a block of code.
fn files(document: &str) -> Vec<(&str, String)> {
    let mut files = Vec::new();
    let mut name = None;
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let code: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            files.extend(name.take().map(|name| (name, code.join("\n") + "\n")));
        } else if let Some((first, _)) = line.strip_prefix('`').and_then(|rest| rest.split_once('`'))
            && [".toml", ".rs", ".json"].iter().any(|extension| first.ends_with(extension))
        {
            name = Some(first);
        }
    }
    files
}

fn vectors(component: &[u8]) -> Vec<u8> {
    let mut sections = Parser::new(0).parse_all(component).filter_map(|payload| match payload.unwrap() {
        Payload::CustomSection(section) if section.name() == VECTORS_SECTION => Some(section.data().to_owned()),
        _ => None,
    });
    sections.next().unwrap()
}
