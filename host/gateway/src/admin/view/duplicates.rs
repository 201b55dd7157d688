//! Dropped duplicates and what is done with them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Payload, Request, Time};

/// A page of dropped duplicates.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DuplicateList {
    /// The duplicates; may be none although more pages follow.
    pub duplicates: Vec<DuplicateSummary>,
    /// Where the next page begins; none on the last one.
    pub next_page: Option<String>,
}

/// A dropped duplicate in a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DuplicateSummary {
    /// Its own id.
    pub id: String,
    /// The event that came first.
    pub duplicate_of: String,
    /// The source that dropped it.
    pub source: String,
    /// When it was dropped.
    pub dropped_at: Time,
    /// Until when it is kept.
    pub kept_until: Time,
    /// By what it was known.
    pub known_by: KnownBy,
    /// Its key was new, but the signatures of its delivery had come before: the source has `replay`.
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
    /// The event that an operator made of it; absent until then.
    pub admitted_as: Option<String>,
}

/// By what an event was known that had come before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KnownBy {
    /// The provider's id of it.
    Id,
    /// The bytes of its payload.
    Payload,
    /// What the provider makes anew for each delivery, together with the payload.
    Delivery,
    /// The bytes of its payload, because nothing declares what identifies it.
    Undeclared,
    /// The signatures of its delivery.
    Signature,
}

/// Where the content of a dropped duplicate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateContent {
    /// Kept with it.
    Own,
    /// The same as that of the event that came first, and kept there.
    First,
    /// It was too large to be kept; the duplicate cannot be admitted.
    NotKept,
}

/// A dropped duplicate with what it brought.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Duplicate {
    /// What is known of it.
    #[serde(flatten)]
    pub summary: DuplicateSummary,
    /// Its delivery, or that of the event that came first where the content is the same; none where it is not kept.
    pub request: Option<Request>,
    /// Its bytes, when they were asked for and are not in the object store.
    pub payload: Option<Payload>,
}

/// Which duplicates to admit.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdmitOrder {
    /// Their own ids; at least 1, at most 100.
    pub ids: Vec<String>,
}

/// What was made of the duplicates.
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
    /// It had been admitted before: nothing was done this time.
    pub before: bool,
}

/// How often an event came again and was dropped.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Recurrences {
    /// So many times.
    pub count: u64,
    /// The last time.
    pub last_at: Time,
    /// The duplicates that can be shown and admitted, oldest first; further ones are only counted.
    pub recorded: Vec<String>,
}

/// That an operator had an event admitted which had been dropped as a duplicate.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AdmittedByHand {
    /// The event that came first.
    pub duplicate_of: String,
    /// The id under which this one had been dropped.
    pub duplicate: String,
    /// When it was admitted.
    pub at: Time,
}
