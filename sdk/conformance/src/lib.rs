//! Conformance vectors: deliveries with the verdict that a plugin must give them.
//!
//! A plugin crate keeps them in `vectors/*.json`, each file an object or an array of them; its component carries them as
//! a custom section. The host runs them in the sandbox ([`embedded`], [`parse`], [`compare`]), a plugin's own tests run them
//! natively ([`native`]). [`Vector`] is the format.

mod difference;
mod judge;
mod keys;
pub mod native;
mod section;
mod vector;

pub use difference::{Difference, side_by_side};
pub use judge::{compare, compare_cloud_events};
pub use section::embedded;
pub use vector::{
    Bytes, Expect, ExpectedCloudEvent, ExpectedEvent, ExpectedOutput, Header, NotVectors, RefusalKind, Texts, Vector,
    parse,
};
