//! Filters of routes: EventBridge event patterns over CloudEvents.
//!
//! The language is that of Amazon EventBridge
//! (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>), with the rules for arrays
//! of its open matcher (<https://github.com/aws/event-ruler>); `docs/operating/filters.md` has the table of operators and the
//! few differences. A pattern is read once (`parse`), and all patterns together become one [`Matcher`]. For an event it looks
//! up each field that some pattern names once, in an index of everything that is wanted of that field, and counts for
//! each pattern how many of its fields are right. So a further pattern costs an event only what it has in common with it.

mod decimal;
mod explain;
mod index;
mod matcher;
mod parse;
mod pattern;
#[cfg(test)]
mod tests;
mod value;
mod wildcard;

pub use explain::why_not;
pub use matcher::{Matcher, Wanted};
pub use parse::{Mistake, Step, parse, parse_text};
pub use pattern::{Pattern, Size};
pub use value::{Json, NotJson, Scalar, Seen};

pub use decimal::Decimal;
