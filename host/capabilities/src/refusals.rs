//! The ways to turn a delivery away that the gateway and the edge have in common: what the sender reads, and when it should
//! come back. Their own ways are beside the enums `Refused` of both.

/// What a refusal means to the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The status of the reply.
    pub status: u16,
    /// The problem document's `title`.
    pub title: &'static str,
    /// Seconds for `retry-after`, where the case itself does not know better.
    pub retry_after_seconds: Option<u64>,
}

/// A row.
pub const fn row(status: u16, title: &'static str, retry_after_seconds: Option<u64>) -> Row {
    Row { status, title, retry_after_seconds }
}

/// No source has this name.
pub const UNKNOWN_SOURCE: Row = row(404, "There is no source of this name", None);
/// The content coding of the body is not known.
pub const UNSUPPORTED_CODING: Row = row(415, "The body has a content coding that is not supported", None);
/// The body has more bytes than the source takes.
pub const TOO_LARGE: Row = row(413, "The body is larger than this source takes", None);
/// The body did not come in time.
pub const TOO_SLOW: Row = row(408, "The body did not arrive in time", None);
/// The body ended early, or its framing is broken.
pub const TRUNCATED: Row = row(400, "The body ended before it was complete", None);
/// The body is not in the content coding that its header names.
pub const UNDECODABLE: Row = row(400, "The body is not in the content coding that its header names", None);
/// The decoded body has more bytes than the source takes.
pub const DECODED_TOO_LARGE: Row = row(413, "The decoded body is larger than this source takes", None);
/// The plugin found no valid signature.
pub const UNAUTHENTICATED: Row = row(401, "The delivery carries no valid signature", None);
/// The plugin found a signature outside its time.
pub const STALE: Row = row(401, "The signature is outside its time", None);
/// The plugin cannot read the delivery.
pub const MALFORMED: Row = row(400, "The delivery cannot be read", None);
/// The plugin does not know this kind of delivery.
pub const UNSUPPORTED: Row = row(422, "Deliveries of this kind are not supported", None);
/// The configuration does not let the plugin judge.
pub const MISCONFIGURED: Row = row(503, "This source cannot verify deliveries now", Some(60));
/// The plugin broke the rules.
pub const PLUGIN_BROKEN: Row = row(503, "This source cannot verify deliveries now", Some(10));
/// Keys that the plugin needs cannot be fetched now.
pub const KEYS_UNAVAILABLE: Row = row(503, "This source cannot verify deliveries now", Some(10));
/// A subscription that an authentic delivery announces cannot be confirmed now.
pub const CONFIRMATION_FAILED: Row = row(503, "The subscription cannot be confirmed now", Some(30));
/// The delivery hands a secret over, and none is expected.
pub const HANDOVER_CLOSED: Row = row(403, "No secret is expected to be handed over here", None);
