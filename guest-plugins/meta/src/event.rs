//! The events of a delivery: one for each change or message.

use hookgate_plugin_sdk::{
    Admission, Identity, KnownBy, Ordering, Payload, Position, Refusal,
    answer::{self, identity},
    batch::EVENTS_MAX,
    fields::Field,
    json_text,
};

/// The arrays of an entry whose items are events: changes of pages, Instagram and WhatsApp, and messages of Messenger.
const ARRAYS: [&str; 3] = ["changes", "messaging", "standby"];

/// What one message of Messenger is, by the member that it has
/// (<https://developers.facebook.com/docs/messenger-platform/reference/webhook-events>).
const MESSAGES: [&str; 12] = [
    "message",
    "message_edit",
    "postback",
    "reaction",
    "read",
    "delivery",
    "optin",
    "referral",
    "pass_thread_control",
    "take_thread_control",
    "request_thread_control",
    "account_linking",
];

/// What all events of an entry share.
struct Entry<'b> {
    /// As it is written.
    object: &'b str,
    name: Option<String>,
    id: Option<String>,
    time: Option<u64>,
    members: Vec<(String, &'b str)>,
}

/// The events of a body, which is known to be JSON. More than a delivery may bring stay together as one, under the name
/// of their object.
///
/// # Errors
/// Malformed: it is none of Meta's.
pub fn of_body(body: &str) -> Result<Vec<Admission>, Refusal> {
    let malformed = |what: &str| Refusal::Malformed(what.to_owned());
    let members = json_text::members(body).ok_or_else(|| malformed("the body is no JSON object"))?;
    let object = last(&members, "object").ok_or_else(|| malformed("/object is missing"))?;
    let entries = json_text::items(body, "/entry").ok_or_else(|| malformed("/entry is no array"))?;
    let mut events = Vec::new();
    for entry in &entries {
        let entry = Entry::read(object, entry.text).ok_or_else(|| malformed("an entry is no JSON object"))?;
        entry.events(&mut events);
    }
    match events.len() {
        1..=EVENTS_MAX => Ok(events),
        _ => Ok(vec![Admission {
            identity: Identity {
                kind: json_text::field(object).kind(),
                attributes: answer::attributes([("object", json_text::field(object).kind())]),
                ..identity()
            },
            payload: Payload::Body,
        }]),
    }
}

impl<'b> Entry<'b> {
    fn read(object: &'b str, text: &'b str) -> Option<Self> {
        let members = json_text::members(text)?;
        let [id, time] = json_text::fields(text, ["/id", "/time"])?;
        let name = json_text::field(object).kind();
        Some(Entry { object, name, id: id.id(), time: millis(&time), members })
    }

    fn events(&self, events: &mut Vec<Admission>) {
        let before = events.len();
        for array in ARRAYS {
            let items = last(&self.members, array).and_then(|text| json_text::items(text, ""));
            for item in items.unwrap_or_default() {
                events.push(self.event(array, item.text));
            }
        }
        // Older subscriptions name changed fields in the entry itself.
        if events.len() == before {
            events.push(self.whole());
        }
    }

    /// A delivery of this entry with nothing in it but the item.
    fn event(&self, array: &str, item: &str) -> Admission {
        let others = self.members.iter().filter(|(name, _)| !ARRAYS.contains(&name.as_str()));
        let mut members: Vec<String> =
            others.map(|(name, text)| format!("{}:{text}", json_text::quote(name))).collect();
        members.push(format!("\"{array}\":[{item}]"));
        let told = if array == "changes" { of_change(item) } else { of_message(item) };
        Admission { identity: self.identity(told), payload: self.payload(&members) }
    }

    fn whole(&self) -> Admission {
        let members: Vec<String> =
            self.members.iter().map(|(name, text)| format!("{}:{text}", json_text::quote(name))).collect();
        Admission { identity: self.identity(Told::default()), payload: self.payload(&members) }
    }

    fn payload(&self, members: &[String]) -> Payload {
        Payload::Bytes(format!("{{\"object\":{},\"entry\":[{{{}}}]}}", self.object, members.join(",")).into_bytes())
    }

    fn identity(&self, told: Told) -> Identity {
        let kind = match (&self.name, told.kind) {
            (Some(object), Some(kind)) => Some(format!("{object}.{kind}")),
            (object, kind) => kind.or(object.clone()),
        };
        let occurred_at = told.time.or(self.time);
        let position = occurred_at.map_or(Position::Arrival, Position::Timestamp);
        let key = match (&self.id, &told.sender) {
            (Some(id), Some(sender)) => Some(format!("{id}/{sender}")),
            (id, sender) => id.clone().or(sender.clone()),
        };
        Identity {
            known_by: answer::id_or(told.id, KnownBy::Undeclared),
            kind: answer::kind(kind),
            occurred_at,
            ordering: answer::id(key).map(|key| Ordering { key, position }),
            attributes: answer::attributes([
                ("object", self.name.clone()),
                ("entry", self.id.clone()),
                ("subject", told.sender),
            ]),
        }
    }
}

/// What an item tells of itself.
#[derive(Default)]
struct Told {
    id: Option<String>,
    kind: Option<String>,
    time: Option<u64>,
    /// Whom it is about: who wrote a message, or whom a status is for.
    sender: Option<String>,
}

/// A change. Of WhatsApp's, a single message or a single status has an id; the statuses of a message share its id.
fn of_change(item: &str) -> Told {
    let Some([field, lead]) = json_text::fields(item, ["/field", "/value/leadgen_id"]) else { return Told::default() };
    let kind = field.kind();
    let single = |array: &str| match json_text::items(item, array).as_deref() {
        Some([one]) => json_text::fields(one.text, ["/id", "/status", "/timestamp", "/from", "/recipient_id"]),
        _ => None,
    };
    match (single("/value/messages"), single("/value/statuses")) {
        (Some([id, _, time, from, _]), None) => Told { id: id.id(), kind, time: seconds(time), sender: from.id() },
        (None, Some([id, status, time, _, recipient])) => {
            let id = id.id().zip(status.kind()).map(|(id, status)| format!("{id}:{status}"));
            Told { id, kind, time: seconds(time), sender: recipient.id() }
        }
        _ => Told { id: lead.id().map(|id| format!("leadgen:{id}")), kind, ..Told::default() },
    }
}

/// A message of Messenger or Instagram. Only a message itself and a postback have an id of their own.
fn of_message(item: &str) -> Told {
    let pointers = ["/sender/id", "/timestamp", "/message/mid", "/postback/mid"];
    let Some([sender, time, message, postback]) = json_text::fields(item, pointers) else { return Told::default() };
    let names = json_text::names(item).unwrap_or_default();
    let kind = MESSAGES.iter().find(|kind| names.iter().any(|name| name == *kind));
    Told {
        id: message.id().or(postback.id().map(|id| format!("postback:{id}"))),
        kind: kind.map(|kind| (*kind).to_owned()),
        time: millis(&time),
        sender: sender.id(),
    }
}

fn last<'b>(members: &[(String, &'b str)], name: &str) -> Option<&'b str> {
    members.iter().rev().find(|(n, _)| n == name).map(|(_, text)| *text)
}

/// Unix seconds in a text, as WhatsApp writes them.
fn seconds(time: Field) -> Option<u64> {
    time.text_or_number()?.parse::<u64>().ok()?.checked_mul(1000)
}

/// Meta writes seconds in some places and milliseconds in others; seconds of the year 5138 are milliseconds of 1973.
fn millis(time: &Field) -> Option<u64> {
    match time.whole()? {
        seconds @ 0..100_000_000_000 => Some(seconds * 1000),
        millis => Some(millis),
    }
}
