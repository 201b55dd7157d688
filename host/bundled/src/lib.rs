//! What is embedded in the binary: the provider plugins, the parts of the edge, and the sources that `hookgate plugin new`
//! writes. The only crate of the host that needs the wasm target.

include!(concat!(env!("OUT_DIR"), "/bundled.rs"));
include!(concat!(env!("OUT_DIR"), "/edge.rs"));
include!(concat!(env!("OUT_DIR"), "/author.rs"));

/// Components that stand for a scheme and not for a provider.
pub const GENERIC: [&str; 5] = ["cloudevents", "edge", "hmac", "raw", "standard-webhooks"];

/// The names of the embedded plugins, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    PLUGINS.iter().map(|(name, _)| *name)
}

/// The embedded component of that name.
pub fn component(name: &str) -> Option<&'static [u8]> {
    PLUGINS.iter().find(|(bundled, _)| *bundled == name).map(|(_, bytes)| *bytes)
}

/// Whether these bytes are one of the embedded plugins.
pub fn is_bundled(bytes: &[u8]) -> bool {
    PLUGINS.iter().any(|(_, bundled)| *bundled == bytes)
}
