//! What all parts of the gateway talk about: events, handoffs, ordering, trials, and the limits of everything.
//!
//! Nothing here reads or writes a file of the gateway's, opens a connection or knows a plugin.

pub mod claim;
pub mod clock;
pub mod component_signature;
pub mod event;
pub mod handoff;
pub mod human;
pub mod limits;
pub mod ordering;
pub mod private;
pub mod redact;
pub mod rfc3339;
pub mod trace;
pub mod trial;
