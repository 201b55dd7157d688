//! The answer of a plugin version to one delivery, and the differences between two answers.
//!
//! Only what can be shown is kept of an answer: the length and digest of bodies and data, and nothing of credentials.

use std::collections::{BTreeMap, BTreeSet};

use hookgate_capabilities::{
    Admission, Body, CapabilityError, CloudEvent, EventData, ExtensionValue, Identity, KnownBy, Payload, Position,
    Refusal, Reply, Verdict,
};
use hookgate_model::{
    human::printable,
    limits, redact, rfc3339,
    trial::{Difference, Part},
};
use hookgate_sandbox::Broken;
use sha2::{Digest, Sha256};

use hookgate_cloudevents::without_marks;

/// The differences between two answers to one delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// The parts in which they differ.
    pub parts: BTreeSet<Part>,
    /// The first differences, a bounded number.
    pub list: Vec<Difference>,
}

/// The result of `verify`.
pub type Judgement = Result<Result<Verdict, Refusal>, Broken>;

/// Names and values to show.
type Fields = BTreeMap<String, String>;

/// The answer of a version to one delivery, as far as it can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    verdict: Said,
    /// By their places in the delivery.
    events: BTreeMap<u16, EventSaid>,
    reply: ReplySaid,
    /// There may have been more events than these.
    is_partial: bool,
}

/// A verdict without its contents.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    /// `admitted`, or `refused as stale`.
    what: String,
    /// An explanation for people. It is not compared, because versions may word it differently.
    text: Option<String>,
    /// Details that are compared.
    fields: Fields,
}

/// The part of an answer about one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSaid {
    identity: Fields,
    ordering: Fields,
    payload: String,
    outputs: Outputs,
}

/// The outputs that `transform` made of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// The event was not transformed.
    Unknown,
    /// The outputs.
    Made(Vec<CloudEvent>),
    /// There are none for this reason.
    Failed(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ReplySaid {
    Unknown,
    /// The host's own.
    Own,
    Given(Fields),
}

const ADMITTED: &str = "admitted";

impl Answer {
    /// The answer of a judgement without transformation: of admitted events only their ids and kinds.
    pub fn of(judged: &Judgement) -> Answer {
        match judged {
            Err(broken) => Answer::broken(broken),
            Ok(Err(refusal)) => Answer::refused(refusal),
            Ok(Ok(Verdict::Admit(accepted))) => Answer::named((0..).zip(&accepted.events)),
            Ok(Ok(Verdict::Answer(reply))) => Answer::answered(reply),
            Ok(Ok(Verdict::Confirm(confirmation))) => Answer::confirmed(&confirmation.url, &confirmation.reply),
            Ok(Ok(Verdict::Enroll(handed_over))) => Answer::enrolled(&handed_over.secret),
        }
    }

    /// It admits these events, of which only the ids and kinds count.
    pub fn named<'a>(events: impl Iterator<Item = (u16, &'a Admission)>) -> Answer {
        let said = |(place, event): (u16, &Admission)| {
            let Identity { known_by, kind, .. } = event.identity.clone();
            let (identity, ordering) = fields_of(&Identity { known_by, kind, ..Identity::default() });
            (place, EventSaid { identity, ordering, payload: String::new(), outputs: Outputs::Unknown })
        };
        Answer::kept(events.map(said).collect())
    }

    /// It admits these events.
    pub fn admitted(events: BTreeMap<u16, EventSaid>, reply: Option<&Reply>) -> Answer {
        let reply = reply.map_or(ReplySaid::Own, |reply| ReplySaid::of(reply, true));
        Answer { verdict: Said::new(ADMITTED), events, reply, is_partial: false }
    }

    /// The recorded answer of an admitted delivery: the events that were new. The reply is not known.
    pub fn kept(events: BTreeMap<u16, EventSaid>) -> Answer {
        Answer { verdict: Said::new(ADMITTED), events, reply: ReplySaid::Unknown, is_partial: true }
    }

    /// It answers a handshake.
    fn answered(reply: &Reply) -> Answer {
        Answer::without_events(Said::new("answered"), ReplySaid::of(reply, false))
    }

    /// It has a subscription confirmed at a URL.
    fn confirmed(url: &str, reply: &Reply) -> Answer {
        // The query is a credential, so only its digest is kept.
        let shown = redact::url(url.split('?').next().unwrap_or_default());
        let fields = Fields::from([("URL to get".to_owned(), format!("{shown} ({})", digested(url.as_bytes())))]);
        Answer::without_events(Said { fields, ..Said::new("confirmed") }, ReplySaid::of(reply, false))
    }

    /// It takes a secret over. Only the name of the secret is kept, and nothing of the reply, which repeats it.
    fn enrolled(secret: &str) -> Answer {
        let fields = Fields::from([("secret handed over".to_owned(), secret.to_owned())]);
        Answer::without_events(Said { fields, ..Said::new("enrolled") }, ReplySaid::Unknown)
    }

    /// It turns the delivery away.
    fn refused(refusal: &Refusal) -> Answer {
        let (kind, text) = match refusal {
            Refusal::Unauthenticated(text) => ("unauthenticated", text),
            Refusal::Stale(text) => ("stale", text),
            Refusal::Malformed(text) => ("malformed", text),
            Refusal::Unsupported(text) => ("unsupported", text),
            Refusal::Misconfigured(text) => ("misconfigured", text),
        };
        let said = Said { text: Some(text.clone()), ..Said::new(&format!("refused as {kind}")) };
        Answer::without_events(said, ReplySaid::Unknown)
    }

    /// It broke the rules.
    fn broken(broken: &Broken) -> Answer {
        let said = Said { text: Some(broken.to_string()), ..Said::new(&format!("broken: {}", broken.cause())) };
        Answer::without_events(said, ReplySaid::Unknown)
    }

    fn without_events(verdict: Said, reply: ReplySaid) -> Answer {
        Answer { verdict, events: BTreeMap::new(), reply, is_partial: false }
    }

    /// Whether it admits the delivery.
    pub fn is_admitted(&self) -> bool {
        self.verdict.what == ADMITTED
    }

    /// Whether both have the same verdict. Their events may differ.
    pub fn has_same_verdict(&self, other: &Answer) -> bool {
        self.verdict.what == other.verdict.what
    }
}

impl Said {
    fn new(what: &str) -> Said {
        Said { what: what.to_owned(), text: None, fields: Fields::new() }
    }

    fn shown(&self) -> String {
        match &self.text {
            Some(text) => format!("{} ({text})", self.what),
            None => self.what.clone(),
        }
    }
}

impl EventSaid {
    /// An event out of that body.
    ///
    /// # Errors
    /// Its payload lies outside the body.
    pub fn new(identity: &Identity, payload: &Payload, body: &Body, outputs: Outputs) -> Result<Self, CapabilityError> {
        let (identity, ordering) = fields_of(identity);
        Ok(EventSaid { identity, ordering, payload: shown_payload(payload, body)?, outputs })
    }
}

impl ReplySaid {
    fn of(reply: &Reply, with_text: bool) -> ReplySaid {
        let mut fields = Fields::from([("status".to_owned(), reply.status.to_string())]);
        for (name, value) in &reply.headers {
            // A credential is compared by its digest and never shown.
            let shown = match redact::header(name, value.as_bytes()) {
                shown if shown == *value => shown,
                masked => format!("{masked} ({})", digested(value.as_bytes())),
            };
            let values = fields.entry(format!("header {name}")).or_default();
            *values = if values.is_empty() { shown } else { format!("{values}, {shown}") };
        }
        let text = Some(&reply.body).filter(|_| with_text).and_then(|body| std::str::from_utf8(body).ok());
        // Replies to handshakes may contain secrets of the provider.
        fields.insert("body".to_owned(), text.map_or_else(|| digested(&reply.body), str::to_owned));
        ReplySaid::Given(fields)
    }

    fn fields(&self) -> Option<Fields> {
        match self {
            ReplySaid::Unknown => None,
            ReplySaid::Own => Some(Fields::from([("status".to_owned(), "the gateway's own 200".to_owned())])),
            ReplySaid::Given(fields) => Some(fields.clone()),
        }
    }
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

/// Shown in place of a missing value.
const ABSENT: &str = "-";

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
    fn of_event(&mut self, prefix: &str, before: &EventSaid, after: &EventSaid, is_kept: bool) {
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

impl Outputs {
    fn shown(&self) -> String {
        match self {
            Outputs::Unknown => ABSENT.to_owned(),
            Outputs::Made(outputs) => outputs.len().to_string(),
            Outputs::Failed(why) => format!("failed: {why}"),
        }
    }
}

/// Who an event is, and how it is ordered.
fn fields_of(identity: &Identity) -> (Fields, Fields) {
    let Identity { known_by, kind, occurred_at, ordering, attributes } = identity;
    let time = occurred_at.map(rfc3339::write);
    let recognised = match known_by {
        KnownBy::Id(id) => ("id", Some(id.clone())),
        KnownBy::Delivery(fresh) => ("known by", Some(format!("delivery {}", fresh.as_deref().unwrap_or_default()))),
        KnownBy::Payload | KnownBy::Undeclared => ("known by", Some(known_by.name().to_owned())),
    };
    let named = [recognised, ("kind", kind.clone()), ("occurred-at", time)];
    let mut who: Fields = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    for (name, value) in attributes {
        who.entry(format!("attribute {name}")).or_insert_with(|| value.clone());
    }
    let order = ordering.as_ref().map_or_else(Fields::new, |ordering| {
        let position = match ordering.position {
            Position::Arrival => "by arrival".to_owned(),
            Position::Sequence(number) => format!("number {number}"),
            Position::Timestamp(at) => format!("time {}", rfc3339::write(at)),
        };
        Fields::from([("ordering key".to_owned(), ordering.key.clone()), ("ordering position".to_owned(), position)])
    });
    (who, order)
}

/// Bytes in memory are compared by their digest, others by their range only.
fn shown_payload(payload: &Payload, body: &Body) -> Result<String, CapabilityError> {
    let own = payload.within(body)?;
    Ok(match (own.in_memory(), payload) {
        (Some(bytes), _) => digested(bytes),
        (None, Payload::BodyRange(range)) => format!("{} bytes from {} on", range.length, range.offset),
        (None, _) => format!("the whole body, {} bytes", own.length()),
    })
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

/// The number of bytes, and the beginning of their SHA-256.
fn digested(bytes: &[u8]) -> String {
    let hash = hex::encode(Sha256::digest(bytes));
    format!("{} bytes, SHA-256 {}...", bytes.len(), hash.get(..16).unwrap_or_default())
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
    use bytes::Bytes;
    use hookgate_capabilities::{ByteRange, Ordering};

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

    fn event(identity: &Identity, payload: &Payload, outputs: Outputs) -> EventSaid {
        EventSaid::new(identity, payload, &body(), outputs).unwrap()
    }

    fn admitted(events: impl IntoIterator<Item = EventSaid>, reply: Option<&Reply>) -> Answer {
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
