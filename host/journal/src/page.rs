//! Lists in parts.

use serde::Serialize;

/// Deliveries that one page looks at when most do not match, so that a page always comes soon.
pub(super) const PAGE_EFFORT: usize = 10_000;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page<T, C> {
    /// What was found; may be empty although more follows.
    pub items: Vec<T>,
    /// Where the next page starts; none at the end of the list.
    pub next: Option<C>,
}
