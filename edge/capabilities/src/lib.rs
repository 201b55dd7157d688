//! What a provider plugin is lent at the edge: `hookgate-capabilities` behind the WIT interface, as a component, and what
//! else of the edge needs no platform (`edge/wit/edge.wit`).
//!
//! A leaf: it imports nothing. The plugin and the edge share one instance of it, so that the handles of one are those of
//! the other.

// What stands behind the generated exports has no meaning on another machine.
#[cfg(target_family = "wasm")]
#[allow(missing_docs, unsafe_code, clippy::unwrap_used)]
mod bindings;
#[cfg(target_family = "wasm")]
mod convert;
#[cfg(target_family = "wasm")]
mod gate;
#[cfg(target_family = "wasm")]
mod keys;
#[cfg(target_family = "wasm")]
mod lent;
#[cfg(any(target_family = "wasm", test))]
mod pack;
#[cfg(target_family = "wasm")]
mod render;

/// The component.
#[cfg(target_family = "wasm")]
struct Capabilities;
