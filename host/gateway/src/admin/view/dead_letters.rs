//! Dead letters, redriven or discarded.

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use utoipa::ToSchema;

use super::{Attempt, Event, Handoff, Time};

/// A page of dead letters.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterList {
    /// The dead letters.
    pub dead_letters: Vec<DeadLetterSummary>,
    /// Where the next page begins; none on the last one.
    pub next_page: Option<String>,
}

/// The id of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetterId {
    /// The destination; `transform` for events that could not be transformed.
    pub destination: String,
    /// The event's id.
    pub event: String,
    /// Which of the event's outputs, from 0.
    #[serde(default, deserialize_with = "output")]
    #[schema(maximum = 65535)]
    pub output: u16,
}

/// The message for an invalid number of an output.
pub const NOT_AN_OUTPUT: &str = "is not the number of an output: write 0 to 65535";

fn output<'de, D: Deserializer<'de>>(from: D) -> Result<u16, D::Error> {
    let number = serde_json::Number::deserialize(from)?;
    let output = number.as_u64().and_then(|number| u16::try_from(number).ok());
    output.ok_or_else(|| Error::custom(format_args!("{number} {NOT_AN_OUTPUT}")))
}

/// A dead letter in a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterSummary {
    /// The destination; `transform` for events that could not be transformed.
    pub destination: String,
    /// The event's id.
    pub event: String,
    /// Which of the event's outputs, from 0.
    pub output: u16,
    /// When it died.
    pub died_at: Time,
    /// Attempts since it was last queued or redriven.
    pub tries: u32,
    /// The last attempt.
    pub last_attempt: Option<Attempt>,
    /// The number of handoffs of its ordering key that wait until it is redriven or discarded; none if it does not block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<u64>,
}

/// A dead letter with its event's whole story.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// The handoff, with every attempt.
    pub handoff: Handoff,
    /// The event.
    pub event: Event,
}

/// Which dead letters to redrive or discard: exactly one of the three.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedriveOrder {
    /// These.
    pub ids: Vec<DeadLetterId>,
    /// All of this destination.
    pub destination: Option<String>,
    /// All there are.
    pub all: bool,
}

/// The result of redriving dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Redriven {
    /// How many were redriven; ids that are not dead letters are not counted.
    pub redriven: usize,
}

/// The result of discarding dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Discarded {
    /// How many were discarded; ids that are not dead letters are not counted.
    pub discarded: usize,
}
