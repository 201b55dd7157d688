//! hookgate: a webhook gateway whose provider rules are sandboxed WebAssembly components.
//!
//! The modules follow the way of a delivery; each knows the interface of the next one and nothing behind it.

pub mod process;

pub mod auth;
pub mod diagnosis;
pub mod duplicates;
pub mod gateway;
pub mod handed_over;
pub mod ingress;
pub mod keys;
pub mod refused_deliveries;
pub mod replay;
pub mod sources;
pub mod trial;
pub mod versions;

pub mod fanout;
pub mod release;
pub mod route;
pub mod tasks;

pub mod claim_links;
pub mod claims;
pub mod cloudevents;
pub mod dispatch;
pub mod pipeline;

pub mod descriptors;
pub mod live;
pub mod logs;

pub mod serve;

pub mod admin;
pub mod cli;
pub mod edge;
