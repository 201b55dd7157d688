//! Dropped duplicates and their admission.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Payload, Request, Time};

/// A page of dropped duplicates.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DuplicateList {
    /// The duplicates; a page may be empty although more pages follow.
    pub duplicates: Vec<DuplicateSummary>,
    /// Where the next page begins; none on the last one.
    pub next_page: Option<String>,
}

/// A dropped duplicate in a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DuplicateSummary {
    /// Its own id.
    pub id: String,
    /// The original event.
    pub duplicate_of: String,
    /// The source that dropped it.
    pub source: String,
    /// When it was dropped.
    pub dropped_at: Time,
    /// Until when it is kept.
    pub kept_until: Time,
    /// How it was recognised.
    pub known_by: KnownBy,
    /// Whether its key was new but its delivery's signatures were known, on a source with `replay`.
    pub replayed: bool,
    /// The provider's own id.
    pub provider_id: Option<String>,
    /// What happened, in the provider's words.
    pub kind: Option<String>,
    /// The trace id of its delivery.
    pub trace: String,
    /// Bytes of its payload.
    pub payload_bytes: u64,
    /// The SHA-256 of its payload, in hex.
    pub payload_sha256: String,
    /// Where its content is.
    pub content: DuplicateContent,
    /// The event as which an operator admitted it; none before that.
    pub admitted_as: Option<String>,
}

/// How a duplicate was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KnownBy {
    /// By the provider's id.
    Id,
    /// By the bytes of its payload.
    Payload,
    /// By a value that the provider generates for each delivery, together with the payload.
    Delivery,
    /// By the bytes of its payload, because the plugin does not declare what identifies it.
    Undeclared,
    /// By the signatures of its delivery.
    Signature,
}

/// Where the content of a dropped duplicate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateContent {
    /// Kept with it.
    Own,
    /// The same as that of the original event, and kept there.
    First,
    /// Not kept, because it was too large; the duplicate cannot be admitted.
    NotKept,
}

/// A dropped duplicate with its content.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Duplicate {
    /// The duplicate as in a list.
    #[serde(flatten)]
    pub summary: DuplicateSummary,
    /// Its delivery, or that of the original event if the content is the same; none if it is not kept.
    pub request: Option<Request>,
    /// Its payload, unless that is in the object store or not kept.
    pub payload: Option<Payload>,
}

/// Which duplicates to admit.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdmitOrder {
    /// Their own ids; at least 1, at most 100.
    pub ids: Vec<String>,
}

/// The events that the duplicates became.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AdmittedList {
    /// Each of them, in the order of the ids.
    pub admitted: Vec<AdmittedDuplicate>,
}

/// A duplicate that is an event now.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AdmittedDuplicate {
    /// The id under which it was dropped.
    pub duplicate: String,
    /// The event that it is now.
    pub event: String,
    /// Whether it had been admitted before; then nothing was done this time.
    pub before: bool,
}

/// How often an event came again and was dropped.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Recurrences {
    /// How often.
    pub count: u64,
    /// The last time.
    pub last_at: Time,
    /// The duplicates that can be shown and admitted, oldest first; further ones are only counted.
    pub recorded: Vec<String>,
}

/// The origin of an event that had been dropped as a duplicate and was admitted by an operator.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AdmittedByHand {
    /// The original event.
    pub duplicate_of: String,
    /// The id under which this one had been dropped.
    pub duplicate: String,
    /// When it was admitted.
    pub at: Time,
}
