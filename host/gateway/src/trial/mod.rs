//! Trying a version of a plugin: beside the active one (shadow), and on stored deliveries (replay).
//!
//! ```text
//! a delivery ─┬─> the active version ─> reply, journal, destinations
//!             └─> the candidate ─> compared ─> counts and the last differences, in the journal
//! ```
//!
//! The answers of a candidate have no effect here: no signature is noted, no key is fetched, no rate is spent, nothing is
//! admitted, nothing reaches a destination, and no delivery waits for them.

mod answer;
mod case;
mod compare;
mod replay;
mod shadow;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use self::{
    answer::{Answer, Judgement},
    case::Case,
    compare::compare,
    replay::{Against, Agreement, Bounds, Found, Report, Unjudged, recorded},
    shadow::{ShadowTrial, Trials},
};
