//! The differences between the answers of two plugin versions to one delivery.

use std::collections::BTreeSet;

use hookgate_capabilities::{CloudEvent, EventData, ExtensionValue};
use hookgate_cloudevents::without_marks;
use hookgate_model::{
    human::printable,
    limits, rfc3339,
    trial::{Difference, Part},
};

use super::answer::{ABSENT, Answer, EventSummary, Fields, Outputs, digested};

/// The differences between two answers to one delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// The parts in which they differ.
    pub parts: BTreeSet<Part>,
    /// The first differences, a bounded number.
    pub list: Vec<Difference>,
}

/// The differences of the second answer from the first.
pub fn compare(before: &Answer, after: &Answer) -> Differences {
    let mut found = Differences::default();
    if before.verdict.what != after.verdict.what {
        // Nothing else can be compared.
        found.add(Part::Verdict, "verdict", &before.verdict.shown(), &after.verdict.shown());
        return found;
    }
    found.of_fields(Part::Verdict, "", &before.verdict.fields, &after.verdict.fields);
    if !before.is_partial && before.events.len() != after.events.len() {
        let counts = [before, after].map(|answer| answer.events.len().to_string());
        found.add(Part::Identity, "number of events", &counts[0], &counts[1]);
    }
    for (place, event) in &before.events {
        match after.events.get(place) {
            Some(other) => found.of_event(&format!("event {place}: "), event, other, before.is_partial),
            None if before.is_partial => found.add(Part::Identity, &format!("event {place}"), "there", ABSENT),
            // The number of events shows this already.
            None => {}
        }
    }
    if let (Some(before), Some(after)) = (before.reply.fields(), after.reply.fields()) {
        found.of_fields(Part::Reply, "reply: ", &before, &after);
    }
    found
}

impl Differences {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    fn add(&mut self, part: Part, what: &str, before: &str, after: &str) {
        self.parts.insert(part);
        if self.list.len() < limits::TRIAL_DIFFERENCES_OF_DELIVERY_MAX {
            let [what, before, after] = [what, before, after].map(short);
            self.list.push(Difference { part, what, before, after });
        }
    }

    fn of_fields(&mut self, part: Part, prefix: &str, before: &Fields, after: &Fields) {
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            let [one, other] = [before, after].map(|fields| fields.get(name).map_or(ABSENT, String::as_str));
            if one != other {
                self.add(part, &format!("{prefix}{name}"), one, other);
            }
        }
    }

    /// `is_kept`: the first answer is the recorded one.
    fn of_event(&mut self, prefix: &str, before: &EventSummary, after: &EventSummary, is_kept: bool) {
        self.of_fields(Part::Identity, prefix, &before.identity, &after.identity);
        self.of_fields(Part::Ordering, prefix, &before.ordering, &after.ordering);
        if before.payload != after.payload {
            self.add(Part::Payload, &format!("{prefix}payload"), &before.payload, &after.payload);
        }
        match (&before.outputs, &after.outputs) {
            (Outputs::Unknown, _) | (_, Outputs::Unknown) | (Outputs::Failed(_), Outputs::Failed(_)) => {}
            // Recorded outputs of an ordered source contain the position of the event.
            (Outputs::Made(before), Outputs::Made(after)) if is_kept => {
                let [before, after] =
                    [before, after].map(|outputs| outputs.iter().map(without_marks).collect::<Vec<_>>());
                self.of_outputs(prefix, &before, &after);
            }
            (Outputs::Made(before), Outputs::Made(after)) => self.of_outputs(prefix, before, after),
            (before, after) => {
                let [before, after] = [before, after].map(Outputs::shown);
                self.add(Part::Output, &format!("{prefix}outputs"), &before, &after);
            }
        }
    }

    fn of_outputs(&mut self, prefix: &str, before: &[CloudEvent], after: &[CloudEvent]) {
        if before.len() != after.len() {
            let counts = [before, after].map(|outputs| outputs.len().to_string());
            self.add(Part::Output, &format!("{prefix}number of outputs"), &counts[0], &counts[1]);
        }
        for (number, (before, after)) in before.iter().zip(after).enumerate() {
            if before != after {
                let prefix = format!("{prefix}output {number}: ");
                self.of_fields(Part::Output, &prefix, &output_fields(before), &output_fields(after));
            }
        }
    }
}

fn output_fields(output: &CloudEvent) -> Fields {
    let some = [
        ("id", Some(output.id.clone())),
        ("source", Some(output.source.clone())),
        ("type", Some(output.type_.clone())),
        ("subject", output.subject.clone()),
        ("time", output.time.map(rfc3339::write)),
        ("dataschema", output.data_schema.clone()),
        ("datacontenttype", output.data_content_type.clone()),
        ("data", Some(shown_data(&output.data))),
    ];
    let mut fields: Fields = some.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    for (name, value) in &output.extensions {
        let value = match value {
            ExtensionValue::Text(text) => text.clone(),
            ExtensionValue::Integer(number) => format!("the number {number}"),
            ExtensionValue::Boolean(yes) => format!("the truth value {yes}"),
        };
        fields.insert(format!("extension {name}"), value);
    }
    fields
}

fn shown_data(data: &EventData) -> String {
    match data {
        EventData::None => "none".to_owned(),
        EventData::Payload => "the payload".to_owned(),
        EventData::Json(json) => format!("JSON, {}", digested(json.as_bytes())),
        EventData::Text(text) => format!("text, {}", digested(text.as_bytes())),
        EventData::Bytes(bytes) => digested(bytes),
    }
}

/// A printable, bounded text. If it is cut, its digest is added.
fn short(text: &str) -> String {
    let most = limits::TRIAL_TEXT_BYTES_MAX;
    if text.len() > most {
        let cut = text.get(..text.floor_char_boundary(most)).unwrap_or_default();
        format!("{}... ({})", printable(cut), digested(text.as_bytes()))
    } else {
        printable(text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use hookgate_capabilities::{Body, ByteRange, Identity, KnownBy, Ordering, Payload, Position, Refusal, Reply};
    use hookgate_sandbox::Broken;

    use super::*;

    fn identity() -> Identity {
        Identity {
            known_by: KnownBy::Id("evt_1".to_owned()),
            kind: Some("paid".to_owned()),
            occurred_at: Some(5),
            ordering: Some(Ordering { key: "order-1".to_owned(), position: Position::Sequence(3) }),
            attributes: vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())],
        }
    }

    fn output() -> CloudEvent {
        CloudEvent {
            id: "1".to_owned(),
            source: "/shop".to_owned(),
            type_: "com.example.paid".to_owned(),
            subject: None,
            time: None,
            data_schema: None,
            data_content_type: None,
            data: EventData::Payload,
            extensions: Vec::new(),
        }
    }

    fn body() -> Body {
        Body::Memory(Bytes::from_static(b"a secret body"))
    }

    fn event(identity: &Identity, payload: &Payload, outputs: Outputs) -> EventSummary {
        EventSummary::new(identity, payload, &body(), outputs).unwrap()
    }

    fn admitted(events: impl IntoIterator<Item = EventSummary>, reply: Option<&Reply>) -> Answer {
        Answer::admitted((0..).zip(events).collect(), reply)
    }

    fn one(identity: &Identity) -> Answer {
        admitted([event(identity, &Payload::Body, Outputs::Made(vec![output()]))], None)
    }

    fn whats(differences: &Differences) -> Vec<(Part, &str)> {
        differences.list.iter().map(|difference| (difference.part, difference.what.as_str())).collect()
    }

    #[test]
    fn an_answer_differs_from_itself_in_nothing() {
        let attributes = identity().attributes.into_iter().rev().collect();
        assert!(compare(&one(&identity()), &one(&Identity { attributes, ..identity() })).is_empty());
    }

    #[test]
    fn a_forged_delivery_that_is_admitted_is_one_difference_of_the_verdict() {
        let refused = Answer::refused(&Refusal::Unauthenticated("the signature does not fit".to_owned()));
        let found = compare(&refused, &one(&identity()));
        assert_eq!(found.parts, BTreeSet::from([Part::Verdict]));
        let [Difference { before, after, .. }] = &found.list[..] else { panic!("{found:?}") };
        assert_eq!(before, "refused as unauthenticated (the signature does not fit)");
        assert_eq!(after, "admitted");
        // How it is worded is not a difference.
        let other = Answer::refused(&Refusal::Unauthenticated("forged".to_owned()));
        assert!(compare(&refused, &other).is_empty());
        assert!(!compare(&refused, &Answer::refused(&Refusal::Stale(String::new()))).is_empty());
        assert!(!compare(&refused, &Answer::broken(&Broken::Trap("x".to_owned()))).is_empty());
    }

    #[test]
    fn identity_order_payload_and_outputs_are_told_apart() {
        let other = Identity {
            known_by: KnownBy::Id("evt_2".to_owned()),
            ordering: Some(Ordering { key: "order-1".to_owned(), position: Position::Arrival }),
            attributes: vec![("a".to_owned(), "1".to_owned()), ("c".to_owned(), "2".to_owned())],
            ..identity()
        };
        let changed = CloudEvent {
            type_: "com.example.refunded".to_owned(),
            data: EventData::Json("{\"secret\":1}".to_owned()),
            extensions: vec![("live".to_owned(), ExtensionValue::Boolean(true))],
            ..output()
        };
        let range = Payload::BodyRange(ByteRange { offset: 2, length: 6 });
        let found = compare(&one(&identity()), &admitted([event(&other, &range, Outputs::Made(vec![changed]))], None));
        let expected = [
            (Part::Identity, "event 0: attribute b"),
            (Part::Identity, "event 0: attribute c"),
            (Part::Identity, "event 0: id"),
            (Part::Ordering, "event 0: ordering position"),
            (Part::Payload, "event 0: payload"),
            (Part::Output, "event 0: output 0: data"),
            (Part::Output, "event 0: output 0: extension live"),
            (Part::Output, "event 0: output 0: type"),
        ];
        assert_eq!(whats(&found), expected);
        assert!(!format!("{found:?}").contains("secret"), "{found:?}");
    }

    /// The same bytes are the same payload, however the plugin has put it.
    #[test]
    fn payloads_are_their_bytes() {
        let copied = Payload::Bytes(b"a secret body".to_vec());
        let one = admitted([event(&identity(), &Payload::Body, Outputs::Unknown)], None);
        let other = admitted([event(&identity(), &copied, Outputs::Unknown)], None);
        assert!(compare(&one, &other).is_empty());
    }

    #[test]
    fn numbers_of_events_and_outputs_and_failures_are_differences() {
        let said = |outputs| event(&identity(), &Payload::Body, outputs);
        let none = admitted([said(Outputs::Made(Vec::new()))], None);
        let failed = admitted([said(Outputs::Failed("no".to_owned()))], None);
        let two = admitted([said(Outputs::Unknown), said(Outputs::Unknown)], None);
        assert_eq!(whats(&compare(&one(&identity()), &none)), [(Part::Output, "event 0: number of outputs")]);
        assert_eq!(whats(&compare(&none, &failed)), [(Part::Output, "event 0: outputs")]);
        assert_eq!(whats(&compare(&none, &two)), [(Part::Identity, "number of events")]);
    }

    /// Of a delivery only those events are kept that were new.
    #[test]
    fn what_was_not_kept_is_no_difference() {
        let said = || event(&identity(), &Payload::Body, Outputs::Unknown);
        let kept = Answer::kept(BTreeMap::from([(1, said())]));
        assert!(compare(&kept, &admitted([said(), said(), said()], None)).is_empty());
        assert_eq!(whats(&compare(&kept, &admitted([said()], None))), [(Part::Identity, "event 1")]);
    }

    /// An ordered source's outputs say where they stand; the plugin does not.
    #[test]
    fn what_the_host_adds_to_outputs_is_no_difference() {
        let ordered = CloudEvent {
            extensions: vec![
                ("sequence".to_owned(), ExtensionValue::Text("00000000000000000007".to_owned())),
                ("hookgatelate".to_owned(), ExtensionValue::Boolean(true)),
            ],
            ..output()
        };
        let said = |output| event(&identity(), &Payload::Body, Outputs::Made(vec![output]));
        let kept = Answer::kept(BTreeMap::from([(0, said(ordered.clone()))]));
        assert!(compare(&kept, &admitted([said(output())], None)).is_empty());
        assert!(!compare(&admitted([said(ordered)], None), &admitted([said(output())], None)).is_empty());
    }

    #[test]
    fn of_credentials_in_replies_nothing_is_kept() {
        let reply = |cookie: &str, body: &str| Reply {
            status: 200,
            headers: vec![("set-cookie".to_owned(), cookie.to_owned()), ("content-type".to_owned(), "a/b".to_owned())],
            body: body.as_bytes().to_vec(),
        };
        let found =
            compare(&Answer::answered(&reply("hush=1", "hush-a")), &Answer::answered(&reply("hush=2", "hush-b")));
        assert_eq!(whats(&found), [(Part::Reply, "reply: body"), (Part::Reply, "reply: header set-cookie")]);
        assert!(!format!("{found:?}").contains("hush"), "{found:?}");
        let confirmed = |token: &str| Answer::confirmed(&format!("https://sns.example/?t={token}"), &reply("", ""));
        let found = compare(&confirmed("hush-a"), &confirmed("hush-b"));
        assert_eq!(whats(&found), [(Part::Verdict, "URL to get")]);
        assert!(!format!("{found:?}").contains("hush"), "{found:?}");
        assert!(compare(&Answer::enrolled("signing"), &Answer::enrolled("signing")).is_empty());
        // Replies to admitted deliveries contain no secrets.
        let own = admitted([], None);
        let found = compare(&own, &admitted([], Some(&reply("", "thanks"))));
        assert!(found.list.iter().any(|difference| difference.after == "thanks"), "{found:?}");
    }

    #[test]
    fn what_is_long_is_cut_and_still_told_apart() {
        let long = |end: &str| Identity { kind: Some("ä".repeat(2_000) + end), ..identity() };
        let found = compare(&one(&long("1")), &one(&long("2")));
        let [Difference { before, after, .. }] = &found.list[..] else { panic!("{found:?}") };
        assert_ne!(before, after);
        assert!(before.len() < 2 * limits::TRIAL_TEXT_BYTES_MAX);
    }

    #[test]
    fn of_many_differences_the_first_are_kept_and_all_parts_are_known() {
        let events = |kind: &str, key: &str| {
            let identity = Identity {
                kind: Some(kind.to_owned()),
                ordering: Some(Ordering { key: key.to_owned(), position: Position::Arrival }),
                ..identity()
            };
            admitted((0..100).map(|_| event(&identity, &Payload::Body, Outputs::Unknown)).collect::<Vec<_>>(), None)
        };
        let found = compare(&events("a", "x"), &events("b", "y"));
        assert_eq!(found.list.len(), limits::TRIAL_DIFFERENCES_OF_DELIVERY_MAX);
        assert_eq!(found.parts, BTreeSet::from([Part::Identity, Part::Ordering]));
    }
}
