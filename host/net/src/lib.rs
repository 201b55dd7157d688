//! Connections: whose they are, which addresses may be connected to, the client that asks them, documents that are fetched
//! and kept for a while, signatures as JOSE has them, and TLS.

pub mod client;
pub mod egress;
pub mod fetch;
pub mod jose;
pub mod tls;
