use std::{io, net::SocketAddr};

use hookgate_journal::{JournalError, OpenError};
use hookgate_net::tls::TlsError;
use hookgate_sandbox::{ArtifactError, SandboxError};

use super::build::BuildError;
use crate::{claims::ClaimError, enrollment::EnrollmentsError};

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The sandbox.
    #[error(transparent)]
    Sandbox(SandboxError),
    /// The directory of compiled plugins, and the configuration key that sets it.
    #[error("{0}; set {1} to a directory that the gateway's user can write to")]
    Artifacts(ArtifactError, &'static str),
    /// Plugins, sources or destinations of the configuration.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The journal's records of plugin versions.
    #[error("the versions of plugins cannot be read: {0}")]
    Versions(#[from] JournalError),
    /// The secrets that providers have handed over.
    #[error(transparent)]
    Enrollments(#[from] EnrollmentsError),
    /// The directory of claims, or the bucket.
    #[error(transparent)]
    Claims(#[from] ClaimError),
    /// A listener.
    #[error("cannot listen at {0}: {1}; set {2} to an address that is free")]
    Listen(SocketAddr, io::Error, &'static str),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Metrics.
    #[error("{0}; a process can run one gateway")]
    Metrics(#[from] hookgate_telemetry::metrics::AlreadyInstalled),
    /// Signals.
    #[error("the operating system does not let the gateway wait for signals: {0}")]
    Signals(io::Error),
}
