//! How a part of the configuration is described and read: its keys, a cursor over one table of it, values, secrets, and
//! what is wrong, with its place and what to write instead.
//!
//! A part that can be added to (a sink, a method of authentication) has its keys and its reader beside its behaviour, made
//! of what is here.

mod egress;
mod environment;
mod json;
mod key;
mod problem;
pub mod secret;
mod table;
#[doc(hidden)]
pub mod testing;
pub mod value;

use std::{num::NonZeroU32, time::Duration};

pub use egress::{Egress, check_egress};
pub use environment::{Environment, ProcessEnvironment, SecretFile};
/// The text of a secret: zeroised when dropped, never printed.
pub use hookgate_capabilities::SecretText;
pub use json::{json, named};
pub use key::{Key, Kind, joined, key, required};
pub use problem::{ConfigErrors, Problem, Problems, Warning};
pub use table::{ANY_OTHER, Context, STRANGERS, Table, Value, did_you_mean, quoted};

/// A number per period, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many per period.
    pub count: NonZeroU32,
    /// The period.
    pub per: Duration,
    /// How many at once; the count where the configuration does not say.
    pub burst: NonZeroU32,
}
