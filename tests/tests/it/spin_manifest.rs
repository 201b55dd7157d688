//! Spin manifests, checked against the schema of version 2, as Spin 4 reads it
//! (<https://github.com/spinframework/spin/blob/main/crates/manifest/src/schema/v2.rs>): every field by name and type, what is
//! unknown is an error; names as Spin spells them.

#![allow(dead_code, reason = "fields are there to be read")]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use hookgate_tests::{binary, directory, run};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    spin_manifest_version: u32,
    application: Application,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
    trigger: Triggers,
    component: BTreeMap<String, Component>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    name: String,
    version: String,
    description: String,
    #[serde(default)]
    authors: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    description: Option<String>,
    #[serde(default)]
    required: bool,
    default: Option<String>,
    #[serde(default)]
    secret: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Triggers {
    http: Vec<Http>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    route: String,
    component: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    source: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    #[serde(default)]
    key_value_stores: Vec<String>,
    #[serde(default)]
    allowed_outbound_hosts: Vec<String>,
    build: Build,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Build {
    command: String,
    workdir: Option<String>,
    #[serde(default)]
    watch: Vec<String>,
}

/// Words of a letter and letters or digits, lower case, with this between them.
fn is_id(text: &str, between: char) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    text.split(between).all(is_word)
}

/// The variables that a template names.
fn named(template: &str) -> Vec<String> {
    template.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap().trim().to_owned()).collect()
}

fn check(text: &str) -> Manifest {
    let manifest: Manifest = toml::from_str(text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(manifest.spin_manifest_version, 2);
    for (name, variable) in &manifest.variables {
        assert!(is_id(name, '_'), "the variable {name}");
        assert!(variable.required != variable.default.is_some(), "{name} is required, or has a default");
    }
    let routed: BTreeSet<&String> = manifest.trigger.http.iter().map(|trigger| &trigger.component).collect();
    assert_eq!(routed, manifest.component.keys().collect(), "each component has its route");
    for (name, component) in &manifest.component {
        assert!(is_id(name, '-'), "the component {name}");
        assert_eq!(component.key_value_stores, ["default"]);
        let templates = component.variables.values().chain(&component.allowed_outbound_hosts);
        for variable in templates.flat_map(|template| named(template)) {
            assert!(manifest.variables.contains_key(&variable), "{name} names {variable}, which is not there");
        }
        for variable in component.variables.keys() {
            assert!(is_id(variable, '_'), "the variable {variable} of {name}");
        }
        for host in &component.allowed_outbound_hosts {
            let fits = host.starts_with("{{") || host.starts_with("https://");
            // A star stands for the first labels, and there is no path.
            let wild = host.trim_start_matches("https://").trim_start_matches('*');
            assert!(fits && !wild.contains(['*', '/']), "{name} may connect to {host}");
        }
    }
    manifest
}

#[test]
fn the_manifest_at_the_top_is_one() {
    let manifest = check(&std::fs::read_to_string(directory("spin.toml")).unwrap());
    let secrets: Vec<_> =
        manifest.variables.iter().filter(|(_, variable)| variable.secret).map(|(name, _)| name).collect();
    assert!(
        secrets.iter().any(|name| *name == "stripe_signing") && secrets.iter().any(|name| *name == "origin_secret")
    );
    assert_eq!(manifest.trigger.http[0].route, "/in/stripe");
    assert_eq!(manifest.component["stripe"].source, "target/edge/stripe.wasm");
}

#[test]
fn every_bundled_plugin_can_be_in_one() {
    let listed = run(Command::new(binary()).args(["plugin", "list", "--json"])).ok();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|plugin| plugin["name"].as_str().unwrap()).collect();
    let mut command = Command::new(binary());
    command.args(["edge", "manifest"]).args(names.iter().flat_map(|name| ["--plugin", name]));
    let manifest = check(&run(&mut command).ok());
    assert_eq!(manifest.component.len(), names.len());
    assert!(manifest.component["aws-sns"].allowed_outbound_hosts.iter().any(|host| host.ends_with(".amazonaws.com")));
}

/// The variables of each command in a document that starts the application of `spin.toml`, by name.
fn commands(document: &str) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(directory(document)).unwrap().replace("\\\n", " ");
    let starts = |line: &&str| line.contains("spin up") && line.contains('=') && !line.contains(" -f ");
    let set = |line: &str| {
        let assignments = line.split("SPIN_VARIABLE_").skip(1).filter_map(|part| part.split_once('='));
        assignments.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect()
    };
    text.lines().filter(starts).map(set).collect()
}

#[test]
fn the_commands_of_the_documents_start_the_application() {
    let manifest = check(&std::fs::read_to_string(directory("spin.toml")).unwrap());
    let required: BTreeSet<&String> =
        manifest.variables.iter().filter(|(_, variable)| variable.required).map(|(name, _)| name).collect();
    for document in ["README.md", "docs/edge.md"] {
        let commands = commands(document);
        assert!(!commands.is_empty(), "{document} does not tell how to start it");
        for set in commands {
            assert_eq!(set.keys().collect::<BTreeSet<_>>(), required, "{document}");
            // A secret that is published there is a live one.
            let unused = &set["github_signing"];
            assert!(unused.starts_with("$(openssl rand"), "{document}: {unused}");
        }
    }
}

#[test]
fn what_spin_writes_is_not_in_the_repository() {
    let ignored = std::fs::read_to_string(directory(".gitignore")).unwrap();
    assert!(ignored.lines().any(|line| line == ".spin/"));
}
