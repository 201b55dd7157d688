//! Deliveries that were refused.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Header, Time};

/// Refused deliveries.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RefusalList {
    /// Newest first.
    pub refusals: Vec<Refusal>,
    /// How many are not kept any more, since the gateway started: so many are kept of a source and of an address.
    pub left_out: u64,
}

/// A refused delivery.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    /// By which the reply to the sender (`hookgate-trace`) and the log name it.
    pub trace: String,
    /// The source's name.
    pub source: String,
    /// When it was refused.
    pub at: Time,
    /// The address of its sender; missing where it cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Why, as in the metrics and in the reply.
    pub cause: String,
    /// Why, in words.
    pub reason: String,
    /// What would have to be different for it to be authentic; empty where nothing was found.
    pub findings: Vec<Finding>,
    /// Whether that was looked for.
    pub diagnosis: Diagnosis,
    /// What it looked like; missing where it was refused before its plugin saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RefusedRequest>,
}

/// What would have to be different for a delivery to be authentic.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// In a word: `clock`, `other-source`, `secret-of-other-source`, `other-secret`, `trimmed-secret`, `rewritten-body`,
    /// `url`.
    pub cause: String,
    /// In a sentence, with what to do.
    pub text: String,
}

/// Whether a refused delivery was looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Diagnosis {
    /// It will be, in a moment.
    Pending,
    /// It was.
    Done,
    /// It was refused for another reason than its signature, or its body is too large.
    NotPossible,
    /// Too many were refused at the same time.
    TooMany,
}

/// What a refused delivery looked like.
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
    /// The body as text, where `diagnosis.bodies` keeps it and it is text. Credentials are masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}
