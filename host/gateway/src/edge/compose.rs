//! Composes components.

use hookgate_bundled::{CAPABILITIES, CAPABILITIES_WITH_PUBLIC_KEYS, EDGE, EDGE_WITH_CONTENT_CODINGS};
use wac_graph::{
    CompositionGraph, EncodeOptions, NodeId, PackageId,
    types::{ItemKind, Package},
};
use wasmparser::{Parser, Payload};

use super::{
    ContentCodings, Platform,
    offered::{HANDLER, IMPORTS, is_offered},
};

/// What a plugin's world exports, and the edge imports.
const OF_THE_PLUGIN: [&str; 3] = ["describe", "verify", "transform"];
/// The capabilities' own interface.
const GATE: &str = "hookgate:edge/gate@0.1.0";
/// The package of the contract.
const CONTRACT: &str = "hookgate:provider/";
/// A component for the edge.
#[derive(Clone, Debug)]
pub struct Composed {
    /// Its bytes.
    pub component: Vec<u8>,
    /// What it imports, by name.
    pub imports: Vec<String>,
}

/// Why a plugin cannot run at the edge.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// It is not a component.
    #[error("it is not a component: {0}")]
    NoComponent(String),
    /// It is not a provider plugin, or of another version of the contract.
    #[error("it does not fit the edge: {0}; the edge takes plugins of hookgate:provider@0.1.0")]
    Unfit(String),
    /// It needs an import that the platform does not offer.
    #[error(
        "{platform} does not offer {import}; a plugin in Rust imports nothing but hookgate's interfaces when it is built with \
         `hookgate plugin build`"
    )]
    NotOffered {
        /// The platform.
        platform: Platform,
        /// The import.
        import: String,
    },
}

/// Composes a plugin with the edge and the capabilities.
///
/// The plugin and the edge are instantiated over one instance of the capabilities, so that a delivery is the same handle to
/// both.
///
/// # Errors
/// The plugin does not fit, or imports what the platform does not offer.
pub fn compose(plugin: &[u8], platform: Platform, codings: ContentCodings) -> Result<Composed, ComposeError> {
    let edge = match codings {
        ContentCodings::Refused => EDGE,
        ContentCodings::Decoded => EDGE_WITH_CONTENT_CODINGS,
    };
    let mut graph = CompositionGraph::new();
    let capabilities = if imports_public_keys(plugin)? { CAPABILITIES_WITH_PUBLIC_KEYS } else { CAPABILITIES };
    let [capabilities, edge, plugin] = [("capabilities", capabilities), ("edge", edge), ("plugin", plugin)]
        .map(|(name, bytes)| add(&mut graph, name, &without_notes(bytes)?));
    let (capabilities, edge, plugin) = (capabilities?, edge?, plugin?);

    let lent = graph.instantiate(capabilities);
    let [judging, receiving] = [plugin, edge].map(|package| graph.instantiate(package));
    for (package, instance) in [(plugin, judging), (edge, receiving)] {
        for (import, kind) in imports(&graph, package) {
            if import.starts_with(CONTRACT) || import == GATE {
                connect(&mut graph, (lent, &import), (instance, &import))?;
            } else if matches!(kind, ItemKind::Type(_)) {
                let interface = graph.alias_instance_export(lent, interface_of(&import)).map_err(unfit)?;
                connect(&mut graph, (interface, &import), (instance, &import))?;
            }
        }
    }
    for function in OF_THE_PLUGIN {
        connect(&mut graph, (judging, function), (receiving, function))?;
    }
    for names in IMPORTS.iter().filter(|names| names.built != names.on(platform)) {
        import_as(&mut graph, edge, receiving, names.built, names.on(platform))?;
    }
    let handler = graph.alias_instance_export(receiving, HANDLER.built).map_err(unfit)?;
    graph.export(handler, HANDLER.on(platform)).map_err(unfit)?;

    let imports: Vec<String> = graph.imports().map(|(name, ..)| name.to_owned()).collect();
    if let Some(import) = imports.iter().find(|import| !is_offered(platform, import)) {
        return Err(ComposeError::NotOffered { platform, import: import.clone() });
    }
    let component = graph.encode(EncodeOptions::default()).map_err(unfit)?;
    Ok(Composed { component, imports })
}

fn add(graph: &mut CompositionGraph, name: &str, bytes: &[u8]) -> Result<PackageId, ComposeError> {
    let package = Package::from_bytes(name, None, bytes, graph.types_mut());
    let package = package.map_err(|error| ComposeError::NoComponent(format!("{error:#}")))?;
    graph.register_package(package).map_err(unfit)
}

fn imports(graph: &CompositionGraph, package: PackageId) -> Vec<(String, ItemKind)> {
    graph.types()[graph[package].ty()].imports.iter().map(|(name, kind)| (name.clone(), *kind)).collect()
}

/// The origin of a type that a world names itself, for its functions.
fn interface_of(type_name: &str) -> &'static str {
    match type_name {
        "delivery" | "event" => "hookgate:provider/capabilities@0.1.0",
        _ => "hookgate:provider/types@0.1.0",
    }
}

/// Passes the exports of one instance to another.
fn connect(
    graph: &mut CompositionGraph,
    (from, export): (NodeId, &str),
    (to, import): (NodeId, &str),
) -> Result<(), ComposeError> {
    let export = graph.alias_instance_export(from, export).map_err(unfit)?;
    graph.set_instantiation_argument(to, import, export).map_err(unfit)
}

/// Takes an instance's import from outside, under its name there.
fn import_as(
    graph: &mut CompositionGraph,
    package: PackageId,
    instance: NodeId,
    name: &str,
    outside: &str,
) -> Result<(), ComposeError> {
    let kind: Option<ItemKind> = graph.types()[graph[package].ty()].imports.get(name).copied();
    let kind = kind.ok_or_else(|| ComposeError::Unfit(format!("the edge does not import {name}")))?;
    let import = graph.import(outside, kind).map_err(unfit)?;
    graph.set_instantiation_argument(instance, name, import).map_err(unfit)
}

fn unfit(error: impl std::fmt::Display) -> ComposeError {
    ComposeError::Unfit(error.to_string())
}

/// A component without its custom sections: vectors, signatures and names are of no use there.
fn without_notes(component: &[u8]) -> Result<Vec<u8>, ComposeError> {
    const HEAD: usize = 8;
    let broken = || ComposeError::NoComponent("it ends in the middle of a section".to_owned());
    let mut kept = component.get(..HEAD).ok_or_else(broken)?.to_vec();
    let mut rest = &component[HEAD..];
    while let Some((id, after)) = rest.split_first() {
        let (length, bytes) = length(after).ok_or_else(broken)?;
        let section = rest.get(..1 + bytes + length).ok_or_else(broken)?;
        if *id != 0 {
            kept.extend_from_slice(section);
        }
        rest = &rest[section.len()..];
    }
    Ok(kept)
}

/// A number in LEB128, and its length in bytes.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0usize;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

/// The functions for public keys, by the ends of their names.
const OF_PUBLIC_KEYS: [&str; 3] = ["verify-signature", "fetched-keys", "secret.sign"];

/// Whether a plugin may ask for a public-key signature. A component names the functions that it uses in the modules inside.
fn imports_public_keys(plugin: &[u8]) -> Result<bool, ComposeError> {
    let broken = |error: wasmparser::BinaryReaderError| ComposeError::NoComponent(error.to_string());
    for payload in Parser::new(0).parse_all(plugin) {
        if let Payload::ImportSection(section) = payload.map_err(broken)? {
            for import in section.into_imports() {
                let name = import.map_err(broken)?.name;
                if OF_PUBLIC_KEYS.iter().any(|end| name.ends_with(end)) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}
