//! What a plugin may say: the rules of `wit/provider.wit` for its answers, checked before anything acts on them. Those
//! for cloud events are in `cloudevents`.

use crate::{
    Accepted, Admission, Confirmation, Descriptor, Enrollment, Identity, KnownBy, Payload, Refusal, Reply, SecretSpec,
    UrlPattern, Verdict, limits,
};

/// The rule that an answer breaks, in words for the plugin's author.
pub type Broken = String;

/// Checks a plugin's verdict on a delivery whose body has that length.
pub fn verdict(verdict: &Verdict, body_length: u64, plugin: &Descriptor) -> Result<(), Broken> {
    match verdict {
        Verdict::Answer(answer) => reply(answer, 100..=599),
        Verdict::Confirm(Confirmation { url, reply: answer }) => {
            at_most("bytes of a URL", url.len(), limits::FETCHED_URL_BYTES_MAX)?;
            reply(answer, 200..=299)
        }
        Verdict::Enroll(given) => enrollment(given, plugin),
        Verdict::Admit(Accepted { events, reply: answer }) => {
            if events.is_empty() {
                return Err("an accepted delivery must bring at least one event; use answer for a handshake".into());
            }
            at_most("events", events.len(), limits::PLUGIN_EVENTS_MAX)?;
            events.iter().try_for_each(|event| admission(event, body_length))?;
            answer.as_ref().map_or(Ok(()), |answer| reply(answer, 200..=299))
        }
    }
}

/// Cuts a text that a plugin may have had a hand in to what is kept of it, and takes control characters out: it goes to
/// logs, and with an event into the store.
pub fn tame(text: &str) -> String {
    let end = text.floor_char_boundary(limits::PLUGIN_TEXT_BYTES_MAX);
    text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// As [`tame`], of a refusal.
pub fn refusal(refusal: Refusal) -> Refusal {
    let tame = |text: String| tame(&text);
    match refusal {
        Refusal::Unauthenticated(text) => Refusal::Unauthenticated(tame(text)),
        Refusal::Stale(text) => Refusal::Stale(tame(text)),
        Refusal::Malformed(text) => Refusal::Malformed(tame(text)),
        Refusal::Unsupported(text) => Refusal::Unsupported(tame(text)),
        Refusal::Misconfigured(text) => Refusal::Misconfigured(tame(text)),
    }
}

/// Checks what a plugin says of itself.
pub fn descriptor(descriptor: &Descriptor) -> Result<(), Broken> {
    name("the plugin's name", &descriptor.name)?;
    descriptor_texts(descriptor)?;
    at_most("secrets", descriptor.secrets.len(), 64)?;
    at_most("settings", descriptor.settings.len(), 256)?;
    at_most("headers", descriptor.headers.len(), 256)?;
    descriptor.secrets.iter().try_for_each(secret_spec)?;
    descriptor.settings.iter().try_for_each(|spec| name("the name of a setting", &spec.name))?;
    at_most("key-urls", descriptor.key_urls.len(), limits::PLUGIN_URLS_MAX)?;
    at_most("confirm-urls", descriptor.confirm_urls.len(), limits::PLUGIN_URLS_MAX)?;
    for url in descriptor.key_urls.iter().chain(&descriptor.confirm_urls) {
        UrlPattern::new(url).map_err(|why| format!("the URL pattern {url:?} {why}"))?;
    }
    let is_name = |header: &String| is_header_name(header) && *header == header.to_ascii_lowercase();
    match descriptor.headers.iter().find(|header| !is_name(header)) {
        Some(header) => Err(format!("{header:?} among the headers is not a header name in lower case")),
        None => Ok(()),
    }
}

fn secret_spec(spec: &SecretSpec) -> Result<(), Broken> {
    name("the name of a secret", &spec.name)?;
    at_most("prefixes of a secret", spec.prefixes.len(), limits::SECRET_PREFIXES_MAX)?;
    let fits = |prefix: &String| (1..=limits::SECRET_PREFIX_BYTES_MAX).contains(&prefix.len());
    match spec.prefixes.iter().find(|prefix| !fits(prefix)) {
        Some(prefix) => {
            let max = limits::SECRET_PREFIX_BYTES_MAX;
            Err(format!("a prefix of the secret {:?} must have 1 to {max} bytes, not {}", spec.name, prefix.len()))
        }
        None => Ok(()),
    }
}

/// The host keeps them for as long as the plugin is loaded.
fn descriptor_texts(descriptor: &Descriptor) -> Result<(), Broken> {
    at_most("bytes of the version", descriptor.version.len(), limits::PLUGIN_VERSION_BYTES_MAX)?;
    at_most("bytes of the summary", descriptor.summary.len(), limits::PLUGIN_TEXT_BYTES_MAX)?;
    at_most("pages of documentation", descriptor.documentation.len(), limits::PLUGIN_DOCUMENTATION_MAX)?;
    let secrets = descriptor.secrets.iter().map(|spec| ("a secret's description", &spec.description));
    let settings = descriptor.settings.iter().flat_map(|spec| {
        let default = spec.default.iter().map(|text| ("a setting's default", text));
        default.chain([("a setting's description", &spec.description)])
    });
    let pages = descriptor.documentation.iter().map(|page| ("the URL of a page of documentation", page));
    let headers = descriptor.headers.iter().map(|header| ("the name of a header", header));
    let mut texts = secrets.chain(settings).chain(pages).chain(headers);
    texts.try_for_each(|(what, text)| at_most(&format!("bytes of {what}"), text.len(), limits::PLUGIN_TEXT_BYTES_MAX))
}

fn name(what: &str, name: &str) -> Result<(), Broken> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        Err(format!("{what} must be 1 to 64 lower-case letters, digits and dashes, not {name:?}"))
    } else {
        Ok(())
    }
}

fn admission(admission: &Admission, body_length: u64) -> Result<(), Broken> {
    let Identity { known_by, kind, ordering, attributes, occurred_at: _ } = &admission.identity;
    recognition(known_by)?;
    at_most("bytes of an event's kind", kind.as_ref().map_or(0, String::len), limits::EVENT_KIND_BYTES_MAX)?;
    let key = ordering.as_ref().map_or(0, |ordering| ordering.key.len());
    at_most("bytes of an ordering key", key, limits::ORDERING_KEY_BYTES_MAX)?;
    at_most("attributes of an event", attributes.len(), limits::EVENT_ATTRIBUTES_MAX)?;
    let attribute_bytes = attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    at_most("bytes of an event's attributes", attribute_bytes, limits::EVENT_ATTRIBUTES_BYTES_MAX)?;
    match &admission.payload {
        Payload::BodyRange(range) if range.offset.checked_add(range.length).is_none_or(|end| end > body_length) => Err(
            format!("the payload range {}+{} lies outside the body of {body_length} bytes", range.offset, range.length),
        ),
        _ => Ok(()),
    }
}

fn recognition(known_by: &KnownBy) -> Result<(), Broken> {
    match known_by {
        KnownBy::Id(id) if id.is_empty() => {
            Err("an event's id must not be empty; where the provider has none, use another case of known-by".into())
        }
        KnownBy::Id(id) => at_most("bytes of an event's id", id.len(), limits::EVENT_ID_BYTES_MAX),
        KnownBy::Delivery(Some(fresh)) => {
            at_most("bytes of what each delivery has anew", fresh.len(), limits::EVENT_ID_BYTES_MAX)
        }
        KnownBy::Payload | KnownBy::Delivery(None) | KnownBy::Undeclared => Ok(()),
    }
}

/// The messages leave the value out: it is a secret.
fn enrollment(given: &Enrollment, plugin: &Descriptor) -> Result<(), Broken> {
    let Enrollment { secret, value, reply: answer } = given;
    if !plugin.secrets.iter().any(|spec| spec.handed_over && spec.name == *secret) {
        return Err(format!("{secret:?} is none of its secrets that are handed over"));
    }
    at_most("bytes of a secret that is handed over", value.len(), limits::ENROLLED_SECRET_BYTES_MAX)?;
    if value.is_empty() || value.chars().any(char::is_control) {
        return Err("a secret that is handed over must not be empty, nor hold control characters".into());
    }
    reply(answer, 200..=299)
}

fn reply(reply: &Reply, statuses: std::ops::RangeInclusive<u16>) -> Result<(), Broken> {
    if !statuses.contains(&reply.status) {
        return Err(format!("a reply's status must lie in {statuses:?} here, not be {}", reply.status));
    }
    at_most("bytes of a reply's body", reply.body.len(), limits::PLUGIN_REPLY_BYTES_MAX)?;
    at_most("headers of a reply", reply.headers.len(), limits::PLUGIN_REPLY_HEADERS_MAX)?;
    reply.headers.iter().try_for_each(|(name, value)| reply_header(name, value))
}

/// Of the connection, or the host's own.
const HEADERS_OF_THE_HOST: [&str; 12] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "traceparent",
];

fn reply_header(name: &str, value: &str) -> Result<(), Broken> {
    let lower = name.to_ascii_lowercase();
    if !is_header_name(name) {
        return Err(format!("{name:?} is not a header name"));
    }
    if HEADERS_OF_THE_HOST.contains(&lower.as_str()) || lower.starts_with("hookgate-") {
        return Err(format!("the header {lower} is the host's to set"));
    }
    if value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        Ok(())
    } else {
        Err(format!("the value of the header {lower} holds control characters or is not ASCII"))
    }
}

/// A token (RFC 9110, 5.6.2).
fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn at_most(what: &str, count: usize, max: usize) -> Result<(), Broken> {
    if count > max { Err(format!("{count} {what}, where at most {max} are allowed")) } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{ByteRange, Ordering, Position, SecretSpec, SettingSpec};

    fn event(identity: Identity, payload: Payload) -> Verdict {
        Verdict::Admit(Accepted { events: vec![Admission { identity, payload }], reply: None })
    }

    fn answer(status: u16, headers: &[(&str, &str)], body: usize) -> Verdict {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Verdict::Answer(Reply { status, headers, body: vec![0; body] })
    }

    fn confirm(url: &str, status: u16) -> Verdict {
        let reply = Reply { status, headers: Vec::new(), body: Vec::new() };
        Verdict::Confirm(Confirmation { url: url.to_owned(), reply })
    }

    fn enroll(secret: &str, value: &str, status: u16) -> Verdict {
        let reply = Reply { status, headers: Vec::new(), body: Vec::new() };
        Verdict::Enroll(Enrollment { secret: secret.to_owned(), value: value.to_owned(), reply })
    }

    /// Of its secrets the first can be handed over.
    fn plugin() -> Descriptor {
        let secret = |name: &str, handed_over| SecretSpec {
            prefixes: Vec::new(),
            name: name.to_owned(),
            required: true,
            handed_over,
            description: String::new(),
        };
        Descriptor {
            name: "plugin".to_owned(),
            version: "1.0.0".to_owned(),
            summary: String::new(),
            documentation: Vec::new(),
            secrets: vec![secret("signing", true), secret("spare", false)],
            settings: Vec::new(),
            headers: Vec::new(),
            key_urls: Vec::new(),
            confirm_urls: Vec::new(),
        }
    }

    #[test]
    fn an_ordinary_verdict_passes() {
        let identity = Identity { known_by: KnownBy::Id("evt_1".into()), ..Identity::default() };
        let range = Payload::BodyRange(ByteRange { offset: 2, length: 8 });
        for payload in [Payload::Body, range, Payload::Bytes(vec![1])] {
            assert_eq!(verdict(&event(identity.clone(), payload), 10, &plugin()), Ok(()));
        }
        assert_eq!(verdict(&confirm("https://a.example/", 200), 0, &plugin()), Ok(()));
        assert_eq!(verdict(&answer(204, &[("Content-Type", "text/plain"), ("x-a", "b")], 0), 0, &plugin()), Ok(()));
        assert_eq!(verdict(&enroll("signing", "s3cret", 204), 0, &plugin()), Ok(()));
    }

    #[test]
    fn nonsense_is_named() {
        let id = |id: String| Identity { known_by: KnownBy::Id(id), ..Identity::default() };
        let key = Ordering { key: "k".repeat(513), position: Position::Arrival };
        let none = Verdict::Admit(Accepted { events: Vec::new(), reply: None });
        let redirect = Reply { status: 302, headers: Vec::new(), body: Vec::new() };
        let admission = Admission { identity: Identity::default(), payload: Payload::Body };
        let cases = [
            ("at least one event", none),
            ("1001 events", Verdict::Admit(Accepted { events: vec![admission.clone(); 1001], reply: None })),
            ("status", Verdict::Admit(Accepted { events: vec![admission], reply: Some(redirect) })),
            ("must not be empty", event(id(String::new()), Payload::Body)),
            ("bytes of an event's id", event(id("x".repeat(513)), Payload::Body)),
            ("ordering key", event(Identity { ordering: Some(key), ..Identity::default() }, Payload::Body)),
            ("outside the body", event(id("a".into()), Payload::BodyRange(ByteRange { offset: 3, length: 8 }))),
            ("outside the body", event(id("a".into()), Payload::BodyRange(ByteRange { offset: u64::MAX, length: 2 }))),
            ("status", answer(99, &[], 0)),
            ("reply's body", answer(200, &[], 65_537)),
            ("not a header name", answer(200, &[("a b", "c")], 0)),
            ("control characters", answer(200, &[("a", "b\r\nset-cookie: x")], 0)),
            ("the host's to set", answer(200, &[("Transfer-Encoding", "chunked")], 0)),
            ("the host's to set", answer(200, &[("hookgate-status", "accepted")], 0)),
            ("status", confirm("https://a.example/", 302)),
            ("bytes of a URL", confirm(&"x".repeat(2049), 200)),
            ("none of its secrets", enroll("spare", "s3cret", 200)),
            ("none of its secrets", enroll("other", "s3cret", 200)),
            ("must not be empty", enroll("signing", "", 200)),
            ("control characters", enroll("signing", "s3cret\n", 200)),
            ("1025 bytes", enroll("signing", &"s".repeat(1025), 200)),
            ("status", enroll("signing", "s3cret", 403)),
        ];
        for (expected, broken) in cases {
            let error = verdict(&broken, 10, &plugin()).unwrap_err();
            assert!(error.contains(expected), "{error:?} does not say {expected:?}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn no_text_of_a_descriptor_is_longer_than_it_may_be() {
        assert_eq!(descriptor(&plugin()), Ok(()));
        let long = || "x".repeat(limits::PLUGIN_TEXT_BYTES_MAX + 1);
        let setting = |default, description| SettingSpec { name: "a".to_owned(), default, description };
        let mut secret = plugin().secrets;
        secret[0].description = long();
        for (what, broken) in [
            ("the version", Descriptor { version: long(), ..plugin() }),
            ("the summary", Descriptor { summary: long(), ..plugin() }),
            ("pages", Descriptor { documentation: vec![String::new(); 17], ..plugin() }),
            ("a page", Descriptor { documentation: vec![long()], ..plugin() }),
            ("a secret's description", Descriptor { secrets: secret, ..plugin() }),
            ("a setting's description", Descriptor { settings: vec![setting(None, long())], ..plugin() }),
            ("a setting's default", Descriptor { settings: vec![setting(Some(long()), String::new())], ..plugin() }),
            ("the name of a header", Descriptor { headers: vec![long()], ..plugin() }),
        ] {
            let error = descriptor(&broken).unwrap_err();
            assert!(error.contains(what) && error.len() < 200, "{error}");
        }
    }

    #[test]
    fn a_refusal_cannot_forge_log_lines_or_flood_them() {
        let text = format!("a\nlevel=error{}é", "x".repeat(499));
        let Refusal::Stale(tamed) = refusal(Refusal::Stale(text)) else { panic!("the case has changed") };
        assert!(!tamed.contains('\n'));
        assert!(tamed.len() <= limits::PLUGIN_TEXT_BYTES_MAX && tamed.starts_with("a level=error"));
    }
}
