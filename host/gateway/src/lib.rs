//! The gateway: what happens to a delivery, and everything that runs while hookgate serves.
//!
//! The groups of modules stand here from bottom to top: a module imports modules of its own group and of those before it.
//! `xtask/src/layers.rs` has the exact order, and a test that holds it. The way of a delivery is in [`delivery`].

// Tools.
pub mod descriptors;
pub mod logs;
pub mod process;
pub mod tasks;

// Connections, large bodies and messages.
pub mod claims;
pub mod ingress;

// What judges a delivery.
pub mod duplicates;
pub mod enrollment;
pub mod fetched_keys;
pub mod refused_deliveries;
pub mod replay_protection;

// Behind the commit.
pub mod dispatch;
pub mod fanout;
pub mod pipeline;
pub mod route;

// What is in force, and what watches it.
pub mod diagnosis;
pub mod live;
pub mod release;
pub mod sources;
pub mod trial;
pub mod versions;

// The way of a delivery.
pub mod claim_links;
pub mod delivery;

// Everything put together, and what operators see.
pub mod admin;
pub mod edge;
pub mod serve;
