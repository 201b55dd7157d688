//! The tables of providers in README.md and docs/, which come from what the plugins say of themselves.

use std::{collections::BTreeMap, fs, process::Command};

use hookgate_golden::check_docs_part;
use hookgate_tests::{binary, directory, run};
use serde_json::Value;

/// The answer of a command that prints JSON.
fn ask(arguments: &[&str]) -> Value {
    let answer = run(Command::new(binary()).args(arguments).arg("--json")).ok();
    serde_json::from_str(&answer).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The descriptors of the bundled plugins, by name.
fn descriptors() -> BTreeMap<String, Value> {
    let plugins = ask(&["plugin", "list"]);
    let names = plugins.as_array().unwrap().iter().map(|plugin| text(plugin, "name").to_owned());
    names.map(|name| (name.clone(), ask(&["plugin", "inspect", &name]))).collect()
}

/// The first page that a plugin documents itself with.
fn page(descriptor: &Value) -> &str {
    descriptor["documentation"][0].as_str().unwrap()
}

/// The pages of the known providers, by name.
fn pages() -> BTreeMap<String, String> {
    let data = fs::read_to_string(directory("guest-plugins/hmac/providers.toml")).unwrap();
    let data: toml::Table = data.parse().unwrap();
    let rows = data["provider"].as_array().unwrap().iter();
    rows.map(|row| ["name", "documentation"].map(|key| row[key].as_str().unwrap().to_owned()))
        .map(|[name, page]| (name, page))
        .collect()
}

#[test]
fn every_plugin_is_listed_with_what_its_descriptor_says() {
    let mut table = String::from("| plugin | provider | what it takes |\n|---|---|---|\n");
    for (name, descriptor) in descriptors() {
        let (title, takes) = text(&descriptor, "summary").split_once(": ").unwrap();
        table += &format!("| `{name}` | [{title}]({}) | {takes} |\n", page(&descriptor));
    }
    check_docs_part("../README.md", "plugins", &table);
}

#[test]
fn every_name_that_works_as_a_plugin_is_listed() {
    let (descriptors, pages) = (descriptors(), pages());
    let mut table = String::from("| Name | Provider | Confidence | Plugin |\n|---|---|---|---|\n");
    for provider in ask(&["providers", "list"]).as_array().unwrap() {
        let (name, title, plugin) = (text(provider, "name"), text(provider, "title"), text(provider, "plugin"));
        let page = if plugin == name { page(&descriptors[name]) } else { &pages[name] };
        let confidence = provider["confidence"].as_str().unwrap_or("a component of its own");
        table += &format!("| `{name}` | [{title}]({page}) | {confidence} | `{plugin}` |\n");
    }
    check_docs_part("providers.md", "providers", &table);
}

/// Each plugin's crate documentation has a section `# Identity` with rows of this table.
#[test]
fn what_identifies_an_event_is_listed_for_each_plugin() {
    const HEADING: &str =
        "| events | identified by | a retry repeats | a second genuine event | checked against | found |";
    let mut table = format!("{}\n|{}\n", HEADING.replacen("events", "plugin", 1), "---|".repeat(6));
    let mut crates: Vec<_> =
        fs::read_dir(directory("guest-plugins")).unwrap().map(|entry| entry.unwrap().path()).collect();
    crates.sort();
    for path in crates {
        let name = path.file_name().unwrap().to_str().unwrap();
        let source = fs::read_to_string(path.join("src/lib.rs")).unwrap();
        // Its rows are providers, which have their own: `hookgate providers show NAME`.
        if name == "hmac" {
            continue;
        }
        let documentation = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
        let rows: Vec<&str> = documentation.skip_while(|line| *line != HEADING).skip(2).collect();
        assert!(!rows.is_empty(), "{}: the crate's documentation has no table `{HEADING}`", path.display());
        for row in rows.into_iter().take_while(|line| line.starts_with('|')) {
            let (events, rest) = row.trim_start_matches("| ").split_once(" | ").unwrap();
            let events = if events == "all" { String::new() } else { format!(", {events}") };
            table += &format!("| `{name}`{events} | {rest}\n");
        }
    }
    check_docs_part("identity.md", "identity", &table);
}
