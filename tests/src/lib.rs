//! Drives the real `hookgate` binary over HTTP, with a real receiver behind it.
//!
//! A test writes a [`Config`], starts a [`Gateway`] on it, sends [`Delivery`]s that [`sign`] has made, and waits for what
//! reaches a [`Receiver`]. Everything has its own ports and its own directory, so tests run side by side. Whatever goes
//! wrong panics with a text that says what was expected; the gateway's log is shown with it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

mod bucket;
mod client;
pub mod coding;
mod config;
mod gateway;
pub mod issuer;
mod peer;
pub mod raw;
mod receiver;
pub mod sign;
mod wait;

pub use bucket::Bucket;
pub use client::{Delivery, Reply, get, send, try_send};
pub use config::{Config, SECRET};
pub use gateway::{Finished, Gateway, binary, directory, run};
pub use peer::Peer;
pub use receiver::{Answer, Received, Receiver, WEBHOOK_SECRET, verified_event};
pub use wait::{PATIENCE, eventually, within};

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in seconds since the epoch.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
