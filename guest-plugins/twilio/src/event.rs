//! What a webhook of form parameters tells: which resource it is about, what happened, and when.
//!
//! Twilio has no common envelope. Each product names its resource and its state in fields of its own
//! (<https://www.twilio.com/docs/usage/webhooks>); the table below distinguishes them.

use hookgate_plugin_sdk::{Identity, KnownBy, Ordering, Position, answer, time};

use crate::form::Form;

/// How one kind of webhook is recognised.
struct Product {
    /// The field that tells what happened; the first product whose field is there wins.
    state: &'static str,
    /// What stands in front of the state in the kind; empty where the state says it all.
    noun: &'static str,
    /// The fields that may name the resource, the most particular first.
    sids: &'static [&'static str],
    /// Whether a resource passes through each state but once, so that both together name the event.
    passes_once: bool,
}

const PRODUCTS: &[Product] = &[
    Product { state: "RecordingStatus", noun: "recording", sids: &["RecordingSid"], passes_once: true },
    Product { state: "TranscriptionEvent", noun: "", sids: &["TranscriptionSid"], passes_once: false },
    Product { state: "TranscriptionStatus", noun: "transcription", sids: &["TranscriptionSid"], passes_once: true },
    Product { state: "FaxStatus", noun: "fax", sids: &["FaxSid"], passes_once: true },
    Product { state: "MessageStatus", noun: "message", sids: &["MessageSid", "SmsSid"], passes_once: true },
    Product { state: "SmsStatus", noun: "message", sids: &["MessageSid", "SmsSid"], passes_once: true },
    Product {
        state: "EventType",
        noun: "",
        sids: &["MessageSid", "ParticipantSid", "ConversationSid", "TaskSid", "WorkerSid", "Sid"],
        passes_once: false,
    },
    Product {
        state: "StatusCallbackEvent",
        noun: "",
        sids: &["ConferenceSid", "RoomSid", "CompositionSid", "CallSid"],
        passes_once: false,
    },
    Product { state: "CallStatus", noun: "call", sids: &["CallSid"], passes_once: false },
    Product { state: "Level", noun: "debugger", sids: &["Sid"], passes_once: true },
];

/// Who the event is. `token` is Twilio's idempotency token: the same on each attempt at one request, but not signed, so
/// that it counts only where the parameters do not name the event. Without both each delivery is an event: a caller may
/// press the same key twice, and Twilio asks what to do next with the same parameters.
pub fn identity(form: &Form<'_>, token: Option<String>) -> Identity {
    let product = PRODUCTS.iter().find(|product| form.get(product.state).is_some());
    let state = product.and_then(|product| form.get(product.state));
    let sid = product.and_then(|product| product.sids.iter().find_map(|name| form.get(name)));
    let occurred_at = ["Timestamp", "DateUpdated", "DateCreated"].iter().find_map(|name| moment(form.get(name)?));
    let sequence = form.get("SequenceNumber").and_then(|number| number.parse().ok());
    let attributes = [("account", form.get("AccountSid")), ("subject", sid)];
    Identity {
        known_by: answer::id_or(
            product.zip(sid).zip(state).and_then(|((product, sid), state)| id(product, sid, state, sequence)).or(token),
            KnownBy::Delivery(None),
        ),
        kind: answer::kind(product.zip(state).map(|(product, state)| kind(product.noun, state))),
        occurred_at,
        ordering: answer::id(sid.map(str::to_owned))
            .map(|key| Ordering { key, position: occurred_at.map_or(Position::Arrival, Position::Timestamp) }),
        attributes: answer::attributes(attributes.map(|(name, value)| (name, answer::id(value.map(str::to_owned))))),
    }
}

/// A name for the event; none where two events would share it, or where it is too long for one.
fn id(product: &Product, sid: &str, state: &str, sequence: Option<u64>) -> Option<String> {
    answer::id(match sequence {
        Some(sequence) => Some(format!("{sid}:{state}:{sequence}")),
        None => product.passes_once.then(|| format!("{sid}:{state}")),
    })
}

fn kind(noun: &str, state: &str) -> String {
    if noun.is_empty() { state.to_owned() } else { format!("{noun}.{state}") }
}

/// Voice writes RFC 2822, newer products ISO 8601, TaskRouter seconds since the epoch.
pub(crate) fn moment(text: &str) -> Option<u64> {
    time::iso8601(text).or_else(|| time::rfc2822(text)).or_else(|| time::unix_seconds(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn of(form: &str) -> Identity {
        identity(&Form::parse(form).unwrap(), None)
    }

    #[test]
    fn each_product_is_told_apart() {
        for (form, kind, subject, id) in [
            ("MessageSid=SM1&SmsStatus=received", "message.received", "SM1", Some("SM1:received")),
            ("SmsSid=SM1&SmsStatus=sent&MessageSid=SM1&MessageStatus=sent", "message.sent", "SM1", Some("SM1:sent")),
            ("CallSid=CA1&CallStatus=ringing", "call.ringing", "CA1", None),
            ("CallSid=CA1&CallStatus=completed&SequenceNumber=3", "call.completed", "CA1", Some("CA1:completed:3")),
            (
                "CallSid=CA1&RecordingSid=RE1&RecordingStatus=completed",
                "recording.completed",
                "RE1",
                Some("RE1:completed"),
            ),
            ("ConferenceSid=CF1&StatusCallbackEvent=participant-join&CallSid=CA1", "participant-join", "CF1", None),
            ("EventType=onMessageAdded&ConversationSid=CH1&MessageSid=IM1", "onMessageAdded", "IM1", None),
            ("Sid=NO1&Level=ERROR", "debugger.ERROR", "NO1", Some("NO1:ERROR")),
        ] {
            let identity = of(form);
            assert_eq!(identity.kind.as_deref(), Some(kind), "{form}");
            assert_eq!(identity.known_by.id(), id, "{form}");
            assert_eq!(identity.ordering.unwrap().key, subject, "{form}");
        }
    }

    #[test]
    fn the_token_which_is_not_signed_comes_last() {
        let id = |form| identity(&Form::parse(form).unwrap(), Some("tok".into())).known_by.id().unwrap().to_owned();
        assert_eq!(id("MessageSid=SM1&SmsStatus=received"), "SM1:received");
        assert_eq!(id("CallSid=CA1&CallStatus=completed&SequenceNumber=3"), "CA1:completed:3");
        assert_eq!(id("CallSid=CA1&CallStatus=ringing"), "tok");
        assert_eq!(id("Foo=1"), "tok");
    }

    /// Numbers leave gaps where a source hears of some of the states only, and the first webhook of a call has none.
    #[test]
    fn the_time_orders_and_no_number_does() {
        let at =
            of("CallSid=CA1&CallStatus=ringing&SequenceNumber=1&Timestamp=Wed%2C+02+Aug+2017+14%3A00%3A00+%2B0000");
        assert_eq!(at.ordering.unwrap().position, Position::Timestamp(1_501_682_400_000));
        assert_eq!(at.occurred_at, Some(1_501_682_400_000));
        assert_eq!(of("CallSid=CA1&CallStatus=ringing&SequenceNumber=1").ordering.unwrap().position, Position::Arrival);
    }

    #[test]
    fn every_notation_of_time_is_read() {
        for text in ["Wed, 02 Aug 2017 14:00:00 +0000", "2017-08-02T14:00:00Z", "1501682400"] {
            assert_eq!(moment(text), Some(1_501_682_400_000), "{text}");
        }
        assert_eq!(moment("yesterday"), None);
    }

    #[test]
    fn what_is_unknown_has_no_name() {
        assert_eq!(of("Foo=1"), Identity { known_by: KnownBy::Delivery(None), ..answer::identity() });
        assert_eq!(of("CallSid=CA1&CallStatus=in-progress&Digits=1").known_by, KnownBy::Delivery(None));
    }
}
