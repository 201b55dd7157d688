//! What can go wrong with the sandbox, with a component, and in a call.

use std::time::Duration;

use hookgate_capabilities::KeyNeed;
use hookgate_model::limits;
use strum::IntoStaticStr;

use crate::artifact::ArtifactError;

/// Why the sandbox cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The artifacts' directory.
    #[error(transparent)]
    Artifacts(#[from] ArtifactError),
    /// wasmtime refuses the limits.
    #[error("the plugin sandbox cannot be set up: {0:#}; lower plugins.concurrency or plugins.memory")]
    Engine(wasmtime::Error),
}

/// Why a component is not a plugin.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Not a component, or too large to be one.
    #[error("it cannot be compiled: {0}; it must be a WebAssembly component (not a core module) of at most 64 MiB")]
    Compile(String),
    /// It would take too long to compile.
    #[error("it is too large to be compiled: {0}")]
    Size(String),
    /// It asks for what is not lent, or does not export what a plugin must.
    #[error("it does not fit the world hookgate:provider/provider@0.1.0: {0}")]
    World(String),
    /// `describe` broke a rule.
    #[error("its describe function is broken: {0}")]
    Describe(#[from] Broken),
    /// It was tried in a process of its own, and did not pass.
    #[error("{0}")]
    Trial(String),
}

/// How a call of a plugin broke the rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Broken {
    /// It ended in a trap: a panic, an unreachable instruction, a stack overflow, a host function misused.
    #[error("it trapped: {0}")]
    Trap(String),
    /// It did not end in its time.
    #[error("it ran longer than {} ms (plugins.timeout)", .0.as_millis())]
    Timeout(Duration),
    /// It wanted more memory than a call may have.
    #[error("it wanted more than {0} bytes of memory (plugins.memory)")]
    Memory(usize),
    /// It answered what it must not.
    #[error("its answer breaks the rules: {0}")]
    Rules(String),
    /// It has broken nothing: it goes on when these have been fetched.
    #[error("it needs keys from {}", .0.request.url)]
    KeysNeeded(Box<KeyNeed>),
    /// Its body is kept outside memory and cannot be read: the plugin is not to blame.
    #[error("the body could not be read while it ran: {0}")]
    Body(String),
    /// It was not called: other calls had all its turns for too long.
    #[error("it has not had a turn for {} s (plugins.concurrency)", limits::PLUGIN_TURN_TIME_MAX.as_secs())]
    NoTurn,
    /// It has no such function.
    #[error("it cannot sign: it does not export hookgate:provider/sender")]
    NoSender,
}

impl Broken {
    /// One word for metrics.
    pub fn cause(&self) -> &'static str {
        self.into()
    }
}
