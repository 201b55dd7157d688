//! A core module into a component.

use std::{
    borrow::Cow,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::value::RawValue;
use wasm_encoder::{CustomSection, RawSection};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// The custom section that holds a plugin's conformance vectors: a JSON array.
pub const VECTORS_SECTION: &str = "hookgate:vectors";

/// Makes a component of a core module that wit-bindgen has described, with its vectors (a JSON array) inside.
///
/// # Errors
/// The module is not a module, or does not fit the world that it says it fits.
pub fn encode(module: &[u8], vectors: &str) -> Result<Vec<u8>> {
    Ok(with_vectors(encode_part(module)?, vectors))
}

/// Makes a component of a core module that wit-bindgen has described.
///
/// # Errors
/// As [`encode`].
pub(crate) fn encode_part(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default().module(&stripped(module)?)?.validate(true).encode()
}

/// As [`encode`], of what another language's tools have made: where it is a component already, only the vectors go in.
///
/// # Errors
/// As [`encode`].
pub fn encode_foreign(wasm: Vec<u8>, vectors: &str) -> Result<Vec<u8>> {
    if Parser::is_component(&wasm) { Ok(with_vectors(wasm, vectors)) } else { encode(&wasm, vectors) }
}

fn with_vectors(mut component: Vec<u8>, vectors: &str) -> Vec<u8> {
    let section = CustomSection { name: VECTORS_SECTION.into(), data: Cow::Borrowed(vectors.as_bytes()) };
    wasm_encoder::ComponentSection::append_to_component(&section, &mut component);
    component
}

/// The module without the custom sections that only people read (names, debug information, who made it).
fn stripped(module: &[u8]) -> Result<Vec<u8>> {
    let mut kept = wasm_encoder::Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        let described = match &payload {
            Payload::CustomSection(section) => section.name().starts_with("component-type"),
            _ => true,
        };
        if let (true, Some((id, range))) = (described, payload.as_section()) {
            let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
            let data = module.get(range).context("a section reaches beyond the module")?;
            kept.section(&RawSection { id, data });
        }
    }
    Ok(kept.finish())
}

/// The vectors of a crate as one JSON array: those of all files of `vectors/`.
pub(crate) fn vectors(crate_dir: &Path) -> Result<String> {
    vectors_of(&json_files(&crate_dir.join("vectors"))?)
}

/// The vectors of some files as one JSON array; each file holds one vector or an array of them.
///
/// # Errors
/// A file cannot be read, or is not of that form.
pub fn vectors_of(files: &[PathBuf]) -> Result<String> {
    let mut all: Vec<Box<RawValue>> = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let no_vectors =
            || format!("{} holds no vectors: it must be a JSON object, or an array of them", file.display());
        if text.trim_start().starts_with('[') {
            all.extend(serde_json::from_str::<Vec<Box<RawValue>>>(&text).with_context(no_vectors)?)
        } else {
            all.push(serde_json::from_str(&text).with_context(no_vectors)?)
        }
    }
    Ok(serde_json::to_string(&all)?)
}

fn json_files(directory: &Path) -> Result<Vec<PathBuf>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_all_files_become_one_array_in_the_order_of_the_names() {
        let crate_dir = tempfile::tempdir().unwrap();
        let directory = crate_dir.path().join("vectors");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("b.json"), r#" {"id": 3}"#).unwrap();
        fs::write(directory.join("a.json"), r#"[{"id":1}, {"id":2}]"#).unwrap();
        fs::write(directory.join("notes.txt"), "not looked at").unwrap();
        assert_eq!(vectors(crate_dir.path()).unwrap(), r#"[{"id":1},{"id":2},{"id": 3}]"#);
    }

    #[test]
    fn what_is_a_component_already_gets_its_vectors_only() {
        let component = wasm_encoder::Component::new().finish();
        let finished = encode_foreign(component.clone(), "[1]").unwrap();
        assert!(finished.starts_with(&component) && finished.ends_with(b"hookgate:vectors[1]"));
        assert!(encode_foreign(b"no wasm".to_vec(), "[]").is_err());
    }

    #[test]
    fn a_crate_without_vectors_has_an_empty_array() {
        assert_eq!(vectors(tempfile::tempdir().unwrap().path()).unwrap(), "[]");
    }

    #[test]
    fn names_and_debug_sections_are_stripped_and_descriptions_kept() {
        let mut module = wasm_encoder::Module::new();
        for name in ["name", ".debug_info", "producers", "component-type:x"] {
            module.section(&CustomSection { name: name.into(), data: Cow::Borrowed(b"data") });
        }
        let stripped = stripped(&module.finish()).unwrap();
        let names: Vec<_> = Parser::new(0)
            .parse_all(&stripped)
            .filter_map(|payload| match payload.unwrap() {
                Payload::CustomSection(section) => Some(section.name().to_owned()),
                _ => None,
            })
            .collect();
        assert_eq!(names, ["component-type:x"]);
    }
}
