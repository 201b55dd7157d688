//! End-to-end tests: the real binary, driven over HTTP, with real receivers. One program, so that it is linked once and its
//! tests run beside each other.
#![allow(clippy::unwrap_used, missing_docs)]

mod authoring;
mod bad_input;
mod claims;
mod content_codings;
mod crash;
mod diagnosis;
mod dispatch;
mod duplicates;
mod edge;
mod event_identity;
mod fetched_keys;
mod field;
mod filters;
mod handshakes;
mod hostile;
mod hostile_peers;
mod identity;
mod json;
mod known_providers;
mod languages;
mod metrics;
mod newcomers;
mod operations;
mod ordered_delivery;
mod ordering;
mod provider_tables;
mod providers;
mod read_again;
mod replay;
mod spin_manifest;
mod store;
mod swap;
mod trial;
