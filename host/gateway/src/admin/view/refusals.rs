//! Deliveries that were refused.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Header, Time};

/// Refused deliveries.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RefusalList {
    /// Newest first.
    pub refusals: Vec<Refusal>,
    /// The number of refusals since the start that are no longer kept: the number per source and address is limited.
    pub left_out: u64,
}

/// A refused delivery.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    /// The trace id, as in the reply to the sender (`hookgate-trace`) and in the log.
    pub trace: String,
    /// The source's name.
    pub source: String,
    /// When it was refused.
    pub at: Time,
    /// The address of its sender; missing if it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The cause, as in the metrics and in the reply.
    pub cause: String,
    /// The reason, in words.
    pub reason: String,
    /// The changes that would make it authentic; empty if none was found.
    pub findings: Vec<Finding>,
    /// The state of the diagnosis.
    pub diagnosis: Diagnosis,
    /// The request; missing if it was refused before its plugin saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RefusedRequest>,
}

/// A change that would make a delivery authentic.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// One of `clock`, `other-source`, `secret-of-other-source`, `other-secret`, `trimmed-secret`, `rewritten-body`,
    /// `url`.
    pub cause: String,
    /// An explanation, with what to do.
    pub text: String,
}

/// The state of the diagnosis of a refused delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Diagnosis {
    /// It has not finished yet.
    Pending,
    /// It has finished.
    Done,
    /// It is not possible: the signature was not the reason, or the body is too large.
    NotPossible,
    /// It was skipped, because too many deliveries were refused at the same time.
    TooMany,
}

/// The request of a refused delivery.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RefusedRequest {
    /// The method.
    pub method: String,
    /// As the provider saw it; credentials are masked.
    pub url: String,
    /// In order, the first 4 KiB. Credentials are masked.
    pub headers: Vec<Header>,
    /// Bytes of the body.
    pub body_bytes: u64,
    /// The body, if `diagnosis.bodies` keeps it and it is text. Credentials are masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}
