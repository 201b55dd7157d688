//! The answer of a plugin version to one delivery.
//!
//! Only what can be shown is kept of an answer: the length and digest of bodies and data, and nothing of credentials.

use std::collections::BTreeMap;

use hookgate_capabilities::{
    Admission, Body, CapabilityError, CloudEvent, Identity, KnownBy, Payload, Position, Refusal, Reply, Verdict,
};
use hookgate_model::{redact, rfc3339};
use hookgate_sandbox::Broken;
use sha2::{Digest, Sha256};

/// The result of `verify`.
pub type Judgement = Result<Result<Verdict, Refusal>, Broken>;

/// Names and values to show.
pub(super) type Fields = BTreeMap<String, String>;

/// The answer of a version to one delivery, as far as it can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub(super) verdict: VerdictSummary,
    /// By their places in the delivery.
    pub(super) events: BTreeMap<u16, EventSummary>,
    pub(super) reply: ReplySummary,
    /// There may have been more events than these.
    pub(super) is_partial: bool,
}

/// A verdict without its contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VerdictSummary {
    /// `admitted`, or `refused as stale`.
    pub(super) what: String,
    /// An explanation for people. It is not compared, because versions may word it differently.
    pub(super) text: Option<String>,
    /// Details that are compared.
    pub(super) fields: Fields,
}

/// The part of an answer about one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSummary {
    pub(super) identity: Fields,
    pub(super) ordering: Fields,
    pub(super) payload: String,
    pub(super) outputs: Outputs,
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
pub(super) enum ReplySummary {
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
            (place, EventSummary { identity, ordering, payload: String::new(), outputs: Outputs::Unknown })
        };
        Answer::kept(events.map(said).collect())
    }

    /// It admits these events.
    pub fn admitted(events: BTreeMap<u16, EventSummary>, reply: Option<&Reply>) -> Answer {
        let reply = reply.map_or(ReplySummary::Own, |reply| ReplySummary::of(reply, true));
        Answer { verdict: VerdictSummary::new(ADMITTED), events, reply, is_partial: false }
    }

    /// The recorded answer of an admitted delivery: the events that were new. The reply is not known.
    pub fn kept(events: BTreeMap<u16, EventSummary>) -> Answer {
        Answer { verdict: VerdictSummary::new(ADMITTED), events, reply: ReplySummary::Unknown, is_partial: true }
    }

    /// It answers a handshake.
    pub(super) fn answered(reply: &Reply) -> Answer {
        Answer::without_events(VerdictSummary::new("answered"), ReplySummary::of(reply, false))
    }

    /// It has a subscription confirmed at a URL.
    pub(super) fn confirmed(url: &str, reply: &Reply) -> Answer {
        // The query is a credential, so only its digest is kept.
        let shown = redact::url(url.split('?').next().unwrap_or_default());
        let fields = Fields::from([("URL to get".to_owned(), format!("{shown} ({})", digested(url.as_bytes())))]);
        Answer::without_events(
            VerdictSummary { fields, ..VerdictSummary::new("confirmed") },
            ReplySummary::of(reply, false),
        )
    }

    /// It takes a secret over. Only the name of the secret is kept, and nothing of the reply, which repeats it.
    pub(super) fn enrolled(secret: &str) -> Answer {
        let fields = Fields::from([("secret handed over".to_owned(), secret.to_owned())]);
        Answer::without_events(VerdictSummary { fields, ..VerdictSummary::new("enrolled") }, ReplySummary::Unknown)
    }

    /// It turns the delivery away.
    pub(super) fn refused(refusal: &Refusal) -> Answer {
        let (kind, text) = match refusal {
            Refusal::Unauthenticated(text) => ("unauthenticated", text),
            Refusal::Stale(text) => ("stale", text),
            Refusal::Malformed(text) => ("malformed", text),
            Refusal::Unsupported(text) => ("unsupported", text),
            Refusal::Misconfigured(text) => ("misconfigured", text),
        };
        let said = VerdictSummary { text: Some(text.clone()), ..VerdictSummary::new(&format!("refused as {kind}")) };
        Answer::without_events(said, ReplySummary::Unknown)
    }

    /// It broke the rules.
    pub(super) fn broken(broken: &Broken) -> Answer {
        let said = VerdictSummary {
            text: Some(broken.to_string()),
            ..VerdictSummary::new(&format!("broken: {}", broken.cause()))
        };
        Answer::without_events(said, ReplySummary::Unknown)
    }

    fn without_events(verdict: VerdictSummary, reply: ReplySummary) -> Answer {
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

impl VerdictSummary {
    fn new(what: &str) -> VerdictSummary {
        VerdictSummary { what: what.to_owned(), text: None, fields: Fields::new() }
    }

    pub(super) fn shown(&self) -> String {
        match &self.text {
            Some(text) => format!("{} ({text})", self.what),
            None => self.what.clone(),
        }
    }
}

impl EventSummary {
    /// An event out of that body.
    ///
    /// # Errors
    /// Its payload lies outside the body.
    pub fn new(identity: &Identity, payload: &Payload, body: &Body, outputs: Outputs) -> Result<Self, CapabilityError> {
        let (identity, ordering) = fields_of(identity);
        Ok(EventSummary { identity, ordering, payload: shown_payload(payload, body)?, outputs })
    }
}

impl ReplySummary {
    fn of(reply: &Reply, with_text: bool) -> ReplySummary {
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
        ReplySummary::Given(fields)
    }

    pub(super) fn fields(&self) -> Option<Fields> {
        match self {
            ReplySummary::Unknown => None,
            ReplySummary::Own => Some(Fields::from([("status".to_owned(), "the gateway's own 200".to_owned())])),
            ReplySummary::Given(fields) => Some(fields.clone()),
        }
    }
}

/// Shown in place of a missing value.
pub(super) const ABSENT: &str = "-";

impl Outputs {
    pub(super) fn shown(&self) -> String {
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

/// The number of bytes, and the beginning of their SHA-256.
pub(super) fn digested(bytes: &[u8]) -> String {
    let hash = hex::encode(Sha256::digest(bytes));
    format!("{} bytes, SHA-256 {}...", bytes.len(), hash.get(..16).unwrap_or_default())
}
