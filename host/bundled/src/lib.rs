//! What is embedded in the binary: the provider plugins, the parts of the edge, and the sources that `hookgate plugin new`
//! writes. The only crate of the host that needs the wasm target.

include!(concat!(env!("OUT_DIR"), "/bundled.rs"));
include!(concat!(env!("OUT_DIR"), "/edge.rs"));
include!(concat!(env!("OUT_DIR"), "/author.rs"));

/// Components that stand for a scheme and not for a provider.
pub const GENERIC: [&str; 5] = ["cloudevents", "edge", "hmac", "raw", "standard-webhooks"];

struct Bundled {
    name: &'static str,
    title: &'static str,
    component: &'static [u8],
}

/// The names of the embedded plugins, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    PLUGINS.iter().map(|plugin| plugin.name)
}

/// The names of the embedded plugins with what their providers call themselves, sorted.
pub fn titles() -> impl Iterator<Item = (&'static str, &'static str)> {
    PLUGINS.iter().map(|plugin| (plugin.name, plugin.title))
}

/// The embedded component of that name.
pub fn component(name: &str) -> Option<&'static [u8]> {
    PLUGINS.iter().find(|plugin| plugin.name == name).map(|plugin| plugin.component)
}

/// Whether these bytes are one of the embedded plugins.
pub fn is_bundled(bytes: &[u8]) -> bool {
    PLUGINS.iter().any(|plugin| plugin.component == bytes)
}
