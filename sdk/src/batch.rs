//! Deliveries that bring several events, each an item of an array in the body.

use crate::{
    Accepted, Admission, Delivery, Identity, Payload, Refusal, Reply, Verdict, fields,
    json_text::{self, Item},
};

/// Events that one delivery may bring, by the plugin contract.
pub const EVENTS_MAX: usize = 1000;

/// Admits each item of the array at a pointer (through objects; empty for the body itself) as an event whose payload it
/// is. `identity` reads the item, which is JSON as it is written. The body is known to be JSON: a plugin reads fields of it
/// before.
///
/// # Errors
/// Malformed: there is no array, or `identity` says so. Unsupported: it has more items than a delivery may bring, or none.
pub fn admit(
    delivery: &Delivery,
    pointer: &str,
    identity: impl Fn(&Item<'_>) -> Result<Identity, Refusal>,
) -> Result<Vec<Admission>, Refusal> {
    let body = fields::body_text(delivery)?;
    let Some(items) = json_text::items(&body, pointer) else {
        let name = if pointer.is_empty() { "the body" } else { pointer };
        return Err(Refusal::Malformed(format!("{name} is not an array")));
    };
    match items.len() {
        0 => Err(Refusal::Unsupported("a batch without events".to_owned())),
        1..=EVENTS_MAX => items
            .iter()
            .map(|item| Ok(Admission { identity: identity(item)?, payload: Payload::BodyRange(item.range()) }))
            .collect(),
        more => Err(Refusal::Unsupported(format!("a batch of {more} events; at most {EVENTS_MAX} are taken"))),
    }
}

/// A verdict that admits these events and answers so.
pub fn admitted(events: Vec<Admission>, status: u16) -> Verdict {
    let reply = Reply { status, headers: Vec::new(), body: Vec::new() };
    Verdict::Admit(Accepted { events, reply: Some(reply) })
}
