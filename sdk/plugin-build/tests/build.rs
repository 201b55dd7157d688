//! Builds a real plugin crate.

use std::{path::Path, process::Command};

use hookgate_plugin_build::{Messages, VECTORS_SECTION, build};
use wasmparser::{Parser, Payload, Validator};

#[test]
fn a_plugin_crate_becomes_a_valid_component_with_its_vectors_inside() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let stripe = workspace.join("guest-plugins/stripe");
    let built = build(&stripe, &workspace.join("target/plugins"), Messages::Kept).unwrap();
    assert_eq!(built.name, "stripe");
    Validator::new().validate_all(&built.component).unwrap();

    let sections: Vec<_> = Parser::new(0)
        .parse_all(&built.component)
        .filter_map(|payload| match payload.unwrap() {
            Payload::CustomSection(section) if section.name() == VECTORS_SECTION => Some(section.data().to_owned()),
            _ => None,
        })
        .collect();
    let [vectors] = &sections[..] else { panic!("{} sections of vectors", sections.len()) };
    let vectors: Vec<serde_json::Value> = serde_json::from_slice(vectors).unwrap();
    assert!(vectors.iter().any(|vector| vector["id"] == "stripe-01"));
}

#[test]
fn a_directory_without_a_crate_is_named_in_the_error() {
    let error = build(Path::new("/nowhere/at-all"), Path::new("target"), Messages::Kept).unwrap_err();
    assert!(error.to_string().contains("/nowhere/at-all"), "{error:#}");
}

#[test]
fn called_wrongly_the_builder_tells_its_usage_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, told) in
        [(&["target", "out"][..], "usage:"), (&["target", "out", "nowhere"][..], "no crate nowhere")]
    {
        let mut builder = Command::new(env!("CARGO_BIN_EXE_hookgate-plugin-build"));
        let output = builder.current_dir(directory.path()).args(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(told), "{arguments:?}: {error}");
        assert_eq!(directory.path().read_dir().unwrap().count(), 0, "{arguments:?}");
    }
}
