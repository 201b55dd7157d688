//! Components for the edge: a provider plugin, unchanged, between the two that come with the gateway
//! (`edge/wit/edge.wit`), composed into one that imports only the interfaces of a platform.

mod compose;
mod manifest;
mod offered;

use std::fmt;

pub use compose::{ComposeError, Composed, compose};
pub use manifest::{Application, manifest};

/// The platform of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Platform {
    /// Spin 4, and platforms based on it: Fermyon's and Akamai's clouds, SpinKube
    Spin,
    /// wasmtime serve, wasmCloud, and others with WASI 0.3 HTTP, wasi:keyvalue and wasi:config
    Wasi,
}

/// What a component does with a body that has a content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentCodings {
    /// It refuses the delivery. Hardly any provider compresses its deliveries, and the decoders are large.
    Refused,
    /// It decodes the body, as the gateway does.
    Decoded,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Platform::Spin => "Spin",
            Platform::Wasi => "WASI",
        })
    }
}
