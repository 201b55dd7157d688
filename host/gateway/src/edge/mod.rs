//! Components for the edge: a provider plugin, unchanged, between the two that come with the gateway
//! (`edge/wit/edge.wit`), composed into one that imports nothing but what a platform offers.

mod compose;
mod manifest;
mod offered;

use std::fmt;

pub use compose::{ComposeError, Composed, compose};
pub use manifest::{Application, manifest};

/// Where a component is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Platform {
    /// Spin 4, and what is made of it: Fermyon's and Akamai's clouds, SpinKube
    Spin,
    /// wasmtime serve, wasmCloud, and others with WASI 0.3 HTTP, wasi:keyvalue and wasi:config
    Wasi,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Platform::Spin => "Spin",
            Platform::Wasi => "WASI",
        })
    }
}
