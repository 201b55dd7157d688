//! One HTTP request from a provider, as plain data.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// One HTTP request from a provider, byte for byte where a signature may depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Upper case, as received.
    pub method: String,
    /// Absolute, as the provider saw it: public URL, then path and query as received.
    pub url: String,
    /// Names in lower case, values as received; in order, doubles kept.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Milliseconds since the epoch.
    pub received_at: u64,
    /// The exact bytes.
    pub body: Bytes,
}
