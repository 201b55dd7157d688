//! The layers of the code, held by a test: crates import crates below them only, so do the modules of the gateway, and in
//! no crate do modules import each other in a circle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::chore;

/// The crates of the host, from bottom to top, each with its folder.
const CRATES: [(&str, &str); 16] = [
    ("hookgate-capabilities", "host/capabilities"),
    ("hookgate-model", "host/model"),
    ("hookgate-telemetry", "host/telemetry"),
    ("hookgate-net", "host/net"),
    ("hookgate-filter", "host/filter"),
    ("hookgate-cloudevents", "host/cloudevents"),
    ("hookgate-settings", "host/settings"),
    ("hookgate-auth", "host/auth"),
    ("hookgate-sinks", "host/sinks"),
    ("hookgate-known-providers", "host/known-providers"),
    ("hookgate-config", "host/config"),
    ("hookgate-journal", "host/journal"),
    ("hookgate-bundled", "host/bundled"),
    ("hookgate-sandbox", "host/sandbox"),
    ("hookgate-gateway", "host/gateway"),
    ("hookgate", "host/hookgate"),
];

/// The modules of the crate `hookgate-gateway`, from bottom to top.
const MODULES: [&str; 26] = [
    // Tools.
    "tasks",
    "process",
    "descriptors",
    "logs",
    // The door.
    "claims",
    "ingress",
    // What judges a delivery.
    "fetched_keys",
    "enrollment",
    "replay_protection",
    "duplicates",
    "refused_deliveries",
    // Behind the commit.
    "route",
    "fanout",
    "dispatch",
    "pipeline",
    // What is in force.
    "sources",
    "live",
    "release",
    "diagnosis",
    "trial",
    "versions",
    // The way of a delivery.
    "claim_links",
    "delivery",
    // Everything put together.
    "admin",
    "serve",
    "edge",
];

/// Circles that have a reason. What `wasmtime` generates from the contract names the host's types, and these are made of
/// what is generated.
const CIRCLES: [(&str, &[&str]); 1] = [("host/sandbox", &["bindings", "call", "convert", "wasi"])];

/// The path of a module in its crate: `["ingress", "listener"]`, and nothing for the root.
type Module = Vec<String>;

/// The modules of a crate with their sources, without tests and comments.
fn modules(source: &Path) -> BTreeMap<Module, String> {
    let mut found = BTreeMap::new();
    collect(source, &mut Vec::new(), &mut found);
    found
}

fn collect(directory: &Path, below: &mut Module, found: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(directory).expect("a folder of sources can be read") {
        let path = entry.expect("a folder of sources can be listed").path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if name == "tests" {
            continue;
        }
        if path.is_dir() {
            below.push(name);
            collect(&path, below, found);
            below.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let own = (!["mod", "lib", "main"].contains(&name.as_str())).then_some(name);
            let module: Module = below.iter().cloned().chain(own).collect();
            let text = fs::read_to_string(&path).expect("a source can be read");
            found.entry(module).or_default().push_str(&production(&text));
        }
    }
}

/// A source without its tests, which stand at its end, and without comments.
fn production(text: &str) -> String {
    let end = text
        .match_indices("#[cfg(test)]")
        .map(|(at, _)| at)
        .find(|at| text[*at..].lines().take(3).any(|line| line.starts_with("mod ") && line.ends_with('{')));
    let lines = text[..end.unwrap_or(text.len())].lines();
    lines.map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The paths that a source names, each from where it begins (`crate`, `self` or a number of `super`s).
fn paths(text: &str) -> Vec<Vec<String>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for root in ["crate::", "self::", "super::"] {
        for (at, _) in text.match_indices(root) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| is_word(c) || c == ':' || c == '$') {
                continue;
            }
            let mut rest = &text[at..];
            tree(&mut rest, &mut Vec::new(), &mut found);
        }
    }
    found
}

/// Reads a path, or the paths of a tree in braces.
fn tree(rest: &mut &str, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    *rest = rest.trim_start();
    if let Some(inner) = rest.strip_prefix('{') {
        *rest = inner;
        loop {
            *rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            if let Some(behind) = rest.strip_prefix('}') {
                *rest = behind;
                return;
            }
            if rest.is_empty() {
                return;
            }
            tree(rest, &mut path.clone(), found);
        }
    }
    let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    if length == 0 {
        // A star, or what is not a path.
        *rest = rest.get(1..).unwrap_or_default();
        found.push(path.clone());
        return;
    }
    path.push(rest[..length].to_owned());
    *rest = &rest[length..];
    match rest.strip_prefix("::") {
        Some(inner) => {
            *rest = inner;
            tree(rest, path, found);
        }
        None => {
            if let Some(renamed) = rest.strip_prefix(" as ") {
                *rest = renamed.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
            }
            found.push(path.clone());
        }
    }
}

/// The module that a path leads to, as far as it names modules.
fn target(from: &Module, path: &[String], all: &BTreeMap<Module, String>) -> Module {
    let mut module = from.clone();
    for name in path {
        match name.as_str() {
            "crate" => module.clear(),
            "self" => {}
            "super" => drop(module.pop()),
            name => {
                let mut inner = module.clone();
                inner.push(name.to_owned());
                if !all.keys().any(|known| known.starts_with(&inner)) {
                    break;
                }
                module = inner;
            }
        }
    }
    module
}

/// Which modules beside each other name which, by the folder in which they stand.
fn imports(all: &BTreeMap<Module, String>) -> BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> {
    let mut imports: BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (from, text) in all {
        for path in paths(text) {
            let to = target(from, &path, all);
            let common = from.iter().zip(&to).take_while(|(from, to)| from == to).count();
            if let (Some(from_part), Some(to_part)) = (from.get(common), to.get(common)) {
                let beside = imports.entry(from[..common].to_vec()).or_default();
                beside.entry(from_part.clone()).or_default().insert(to_part.clone());
            }
        }
    }
    imports
}

/// The modules that reach themselves.
fn in_circles(imports: &BTreeMap<String, BTreeSet<String>>) -> Vec<&str> {
    let reaches_itself = |start: &&String| {
        let (mut seen, mut left) = (BTreeSet::new(), vec![*start]);
        while let Some(next) = left.pop() {
            left.extend(imports.get(next).into_iter().flatten().filter(|module| seen.insert(*module)));
        }
        seen.contains(start)
    };
    imports.keys().filter(reaches_itself).map(String::as_str).collect()
}

#[test]
fn crates_depend_on_crates_below_them_only() {
    for (place, (name, folder)) in CRATES.iter().enumerate() {
        let manifest = fs::read_to_string(chore::workspace().join(folder).join("Cargo.toml")).expect("a manifest");
        let production = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        for (above, _) in &CRATES[place..] {
            let depends = production
                .lines()
                .any(|line| line.strip_prefix(above).is_some_and(|rest| rest.starts_with(['.', ' '])));
            assert!(!depends, "{name} depends on {above}, which does not stand below it in xtask/src/layers.rs");
        }
    }
}

#[test]
fn modules_of_the_gateway_import_modules_below_them_only() {
    let all = modules(&chore::workspace().join("host/gateway/src"));
    let imports = imports(&all).remove(&Module::new()).unwrap_or_default();
    let top: BTreeSet<&str> = all.keys().filter_map(|module| module.first()).map(String::as_str).collect();
    assert_eq!(
        top,
        MODULES.into_iter().collect(),
        "the list of modules in xtask/src/layers.rs is not that of host/gateway/src"
    );
    for (place, module) in MODULES.iter().enumerate() {
        for above in &MODULES[place + 1..] {
            let names = imports.get(*module).is_some_and(|imports| imports.contains(*above));
            assert!(!names, "{module} imports {above}, which stands above it in xtask/src/layers.rs");
        }
    }
}

#[test]
fn modules_import_each_other_in_no_circle() {
    for (_, folder) in CRATES.iter().chain(&[("hookgate-edge", "edge")]) {
        for (below, imports) in imports(&modules(&chore::workspace().join(folder).join("src"))) {
            let allowed = CIRCLES.iter().find(|(of, _)| of == folder).map_or(&[][..], |(_, modules)| modules);
            let circle: Vec<_> = in_circles(&imports).into_iter().filter(|module| !allowed.contains(module)).collect();
            assert!(circle.is_empty(), "{folder}/src/{}: a circle among {circle:?}", below.join("/"));
        }
    }
}

#[test]
fn paths_are_read_with_their_trees() {
    let text = "use crate::{a::{self, B}, c};\nuse super::d::E as F;\nlet x = $crate::g; self::h()";
    let read: Vec<String> = paths(text).iter().map(|path| path.join("::")).collect();
    assert_eq!(read, ["crate::a::self", "crate::a::B", "crate::c", "self::h", "super::d::E"]);
}
