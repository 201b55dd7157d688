//! Trying a version of a plugin: beside the active one (shadow), and on deliveries of the past (replay).
//!
//! ```text
//! a delivery ─┬─> the active version ─> reply, journal, destinations
//!             └─> the candidate ─> compared ─> counts and the last differences, in the journal
//! ```
//!
//! Nothing that a candidate says here has an effect: no signature is noted, no key is fetched, no rate is spent, nothing is
//! admitted and nothing reaches a destination; and no delivery waits for it.

mod case;
mod compare;
mod replay;
mod shadow;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use self::{
    case::Case,
    compare::{Answer, Judgement, compare},
    replay::{Against, Agreement, Bounds, Found, Report, Unjudged, recorded},
    shadow::{Beside, Trials},
};
