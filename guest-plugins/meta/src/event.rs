//! The events of a delivery: one for each change or message.

use hookgate_plugin_sdk::{
    Admission, Identity, JsonValue, KnownBy, Ordering, Payload, Position, Refusal,
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
    let members = json_text::members(body).ok_or_else(|| malformed("the body is not a JSON object"))?;
    let object = last(&members, "object").ok_or_else(|| malformed("/object is missing"))?;
    let entries = json_text::items(body, "/entry").ok_or_else(|| malformed("/entry is not an array"))?;
    let mut events = Vec::new();
    for entry in &entries {
        let entry = Entry::read(object, entry.text).ok_or_else(|| malformed("an entry is not a JSON object"))?;
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
        Admission { identity: self.identity(array, told), payload: self.payload(&members) }
    }

    fn whole(&self) -> Admission {
        let members: Vec<String> =
            self.members.iter().map(|(name, text)| format!("{}:{text}", json_text::quote(name))).collect();
        Admission { identity: self.identity("", Told::default()), payload: self.payload(&members) }
    }

    fn payload(&self, members: &[String]) -> Payload {
        Payload::Bytes(format!("{{\"object\":{},\"entry\":[{{{}}}]}}", self.object, members.join(",")).into_bytes())
    }

    /// What Meta has no id for holds a time, its own or the entry's: it is known by its bytes.
    fn known_by(&self, array: &str, told: &Told) -> KnownBy {
        let by_bytes = if told.is_dated || self.time.is_some() { KnownBy::Payload } else { KnownBy::Undeclared };
        let Some(own) = &told.id else { return by_bytes };
        let mut values: Vec<&str> = own.iter().map(String::as_str).collect();
        values.extend([self.id.as_deref().unwrap_or_default(), array]);
        answer::id_or(answer::joined(&values), by_bytes)
    }

    fn identity(&self, array: &str, told: Told) -> Identity {
        let known_by = self.known_by(array, &told);
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
            known_by,
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
    /// The values that identify it, with Meta's own id first. Account and array are added to them.
    id: Option<Vec<String>>,
    kind: Option<String>,
    time: Option<u64>,
    /// Whether a time stands in it, so that two of its kind never have equal bytes.
    is_dated: bool,
    /// Whom it is about: who wrote a message, or whom a status is for.
    sender: Option<String>,
}

/// A change of a field: of a page, an Instagram or WhatsApp account.
fn of_change(item: &str) -> Told {
    let Some([field, lead, created]) = json_text::fields(item, ["/field", "/value/leadgen_id", "/value/created_time"])
    else {
        return Told::default();
    };
    let field = field.kind();
    let arrays = ["/value/messages", "/value/statuses"].map(|array| json_text::items(item, array).unwrap_or_default());
    match arrays.each_ref().map(Vec::as_slice) {
        [[], []] => {
            let is_dated = created.0.is_some();
            let id = lead.id().map(|id| vec![id, field.clone().unwrap_or_default()]);
            Told { id, kind: field, is_dated, ..Told::default() }
        }
        [[message], []] => of_whatsapp_message(field, message.text),
        [[], [status]] => of_whatsapp_status(field, status.text),
        // Their ids and times are part of the payload.
        [[], _] => Told { kind: statuses(field), is_dated: true, ..Told::default() },
        _ => Told { kind: field, is_dated: true, ..Told::default() },
    }
}

/// A message to a WhatsApp account. One that its sender edits or takes back may come under the same id.
fn of_whatsapp_message(field: Option<String>, message: &str) -> Told {
    let found = json_text::fields(message, ["/id", "/type", "/timestamp", "/from"]).unwrap_or_default();
    let [id, kind, time, from] = found.map(Field::text_or_number);
    let values = |id| {
        let others = [&field, &kind, &time].map(|value| value.clone().unwrap_or_default());
        [vec![id], others.into()].concat()
    };
    Told {
        id: answer::id(id).map(values),
        is_dated: time.is_some(),
        time: seconds(time),
        sender: answer::id(from),
        kind: field,
    }
}

/// What became of a message from a WhatsApp account. Its statuses share its id, and in a group each member has its own.
fn of_whatsapp_status(field: Option<String>, status: &str) -> Told {
    let pointers = ["/id", "/status", "/timestamp", "/recipient_id", "/recipient_participant_id"];
    let found = json_text::fields(status, pointers).unwrap_or_default();
    let [id, status, time, recipient, member] = found.map(Field::text_or_number);
    let values = |(id, status)| {
        let others = [&time, &recipient, &member].map(|value| value.clone().unwrap_or_default());
        [vec![id, status], others.into()].concat()
    };
    Told {
        id: answer::id(id).zip(answer::kind(status)).map(values),
        is_dated: time.is_some(),
        time: seconds(time),
        sender: answer::id(recipient),
        kind: statuses(field),
    }
}

/// Messages and their statuses come under one field.
fn statuses(field: Option<String>) -> Option<String> {
    field.map(|field| format!("{field}.statuses"))
}

/// A message of Messenger or Instagram. Only a message, its edits and a postback have an id: the message's, which it keeps
/// when its sender takes it back.
fn of_message(item: &str) -> Told {
    let pointers = [
        "/sender/id",
        "/timestamp",
        "/message/mid",
        "/postback/mid",
        "/message_edit/mid",
        "/message_edit/num_edit",
        "/message/is_deleted",
        "/message/is_echo",
    ];
    let Some([sender, at, message, postback, edit, edits, deleted, echo]) = json_text::fields(item, pointers) else {
        return Told::default();
    };
    let is_true = |field: &Field| field.0 == Some(JsonValue::Boolean(true));
    let names = json_text::names(item).unwrap_or_default();
    let kind = MESSAGES.iter().find(|kind| names.iter().any(|name| name == *kind)).map(|kind| match *kind {
        "message" if is_true(&deleted) => "message.deleted",
        "message" if is_true(&echo) => "message.echo",
        kind => kind,
    });
    let time = millis(&at);
    let values = |id| {
        let others = [kind.map(str::to_owned), at.text_or_number(), edits.text_or_number()];
        [vec![id], others.map(Option::unwrap_or_default).into()].concat()
    };
    Told {
        id: message.id().or(postback.id()).or(edit.id()).map(values),
        kind: kind.map(str::to_owned),
        time,
        is_dated: time.is_some(),
        sender: sender.id(),
    }
}

fn last<'b>(members: &[(String, &'b str)], name: &str) -> Option<&'b str> {
    members.iter().rev().find(|(n, _)| n == name).map(|(_, text)| *text)
}

/// Unix seconds, as WhatsApp writes them.
fn seconds(time: Option<String>) -> Option<u64> {
    time?.parse::<u64>().ok()?.checked_mul(1000)
}

/// Meta writes seconds in some places and milliseconds in others; seconds of the year 5138 are milliseconds of 1973.
fn millis(time: &Field) -> Option<u64> {
    match time.whole()? {
        seconds @ 0..100_000_000_000 => Some(seconds * 1000),
        millis => Some(millis),
    }
}
