//! What a plugin answers, in short.

use crate::{
    Accepted, Admission, CloudEvent, Descriptor, EventData, Identity, KnownBy, Payload, Refusal, Reply, SecretSpec,
    SettingSpec, Verdict, fields,
};

/// Admits the whole body as one event.
pub fn admit(identity: Identity) -> Verdict {
    Verdict::Admit(Accepted { events: vec![Admission { identity, payload: Payload::Body }], reply: None })
}

/// Admits bytes that the plugin has made as one event.
pub fn admit_bytes(identity: Identity, bytes: Vec<u8>) -> Verdict {
    Verdict::Admit(Accepted { events: vec![Admission { identity, payload: Payload::Bytes(bytes) }], reply: None })
}

/// An admission that is answered with an empty 200, for providers that show a body to their users.
pub fn silently(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Admit(accepted) => {
            let reply = Reply { status: 200, headers: Vec::new(), body: Vec::new() };
            Verdict::Admit(Accepted { reply: Some(reply), ..accepted })
        }
        answer => answer,
    }
}

/// Answers a handshake.
pub fn answer(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Verdict {
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    Verdict::Answer(Reply { status, headers, body: body.into() })
}

/// Answers a handshake with an empty body and these headers.
pub fn answer_with<const N: usize>(status: u16, headers: [(&str, String); N]) -> Reply {
    Reply {
        status,
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        body: Vec::new(),
    }
}

/// No valid signature.
pub fn forged(why: &str) -> Refusal {
    Refusal::Unauthenticated(why.to_owned())
}

/// The identity of an event of which nothing is known.
pub fn identity() -> Identity {
    let known_by = KnownBy::Undeclared;
    Identity { known_by, kind: None, occurred_at: None, ordering: None, attributes: Vec::new() }
}

/// The provider's own id where it can be one; else what tells events apart without it.
pub fn id_or(text: Option<String>, otherwise: KnownBy) -> KnownBy {
    id(text).map_or(otherwise, KnownBy::Id)
}

/// One id out of values that identify an event only together, the most particular first, with `|` between them. None where
/// all are empty, or where they are too long for an id.
pub fn joined(values: &[&str]) -> Option<String> {
    let escaped = |value: &&str| value.replace('\\', "\\\\").replace('|', "\\|");
    let is_empty = values.iter().all(|value| value.is_empty());
    id(Some(values.iter().map(escaped).collect::<Vec<_>>().join("|")).filter(|_| !is_empty))
}

/// The provider's own id of an event, if it has one.
pub fn provider_id(identity: &Identity) -> Option<String> {
    match &identity.known_by {
        KnownBy::Id(id) => Some(id.clone()),
        _ => None,
    }
}

/// A header's value that can be an id: not empty, and not longer than the host takes.
pub fn id(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty() && text.len() <= fields::ID_MAX)
}

/// A header's value that can be a kind: not empty, and not longer than the host takes.
pub fn kind(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty() && text.len() <= fields::KIND_MAX)
}

/// Attributes for `transform`, without the pairs that have no value.
pub fn attributes<const N: usize>(pairs: [(&str, Option<String>); N]) -> Vec<(String, String)> {
    pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// The value of an attribute that `verify` noted.
pub fn attribute(identity: &Identity, name: &str) -> Option<String> {
    identity.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone())
}

/// A CloudEvent that carries the event's payload; the rest is set with struct update syntax. What no URI may hold is
/// percent-encoded in `source`, which is often made of names that the provider's customers choose.
pub fn cloud_event(id: String, source: String, kind: String) -> CloudEvent {
    CloudEvent {
        id,
        source: uri(&source),
        type_: kind,
        subject: None,
        time: None,
        data_schema: None,
        data_content_type: Some("application/json".to_owned()),
        data: EventData::Payload,
        extensions: Vec::new(),
    }
}

/// A text in which everything that no URI may hold is percent-encoded (RFC 3986, 2.1).
fn uri(text: &str) -> String {
    let mut uri = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte) {
            uri.push(char::from(byte))
        } else {
            uri.push_str(&format!("%{byte:02X}"))
        }
    }
    uri
}

/// A descriptor without secrets, settings and headers; they are set with struct update syntax.
pub fn descriptor(name: &str, version: &str, summary: &str, documentation: &[&str]) -> Descriptor {
    Descriptor {
        name: name.to_owned(),
        version: version.to_owned(),
        summary: summary.to_owned(),
        documentation: documentation.iter().map(|url| (*url).to_owned()).collect(),
        secrets: Vec::new(),
        settings: Vec::new(),
        headers: Vec::new(),
        key_urls: Vec::new(),
        confirm_urls: Vec::new(),
    }
}

/// A secret that the source must have.
pub fn secret(name: &str, description: &str) -> SecretSpec {
    SecretSpec {
        name: name.to_owned(),
        required: true,
        handed_over: false,
        prefixes: Vec::new(),
        description: description.to_owned(),
    }
}

/// A secret that the source may have.
pub fn optional_secret(name: &str, description: &str) -> SecretSpec {
    SecretSpec { required: false, ..secret(name, description) }
}

/// The same secret, in whose text one of these may stand in front of the key.
pub fn with_prefixes(spec: SecretSpec, prefixes: &[&str]) -> SecretSpec {
    SecretSpec { prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(), ..spec }
}

/// A secret that the source must have, and that the provider hands over.
pub fn handed_over_secret(name: &str, description: &str) -> SecretSpec {
    SecretSpec { handed_over: true, ..secret(name, description) }
}

/// A setting with its default.
pub fn setting(name: &str, default: Option<&str>, description: &str) -> SettingSpec {
    SettingSpec { name: name.to_owned(), default: default.map(str::to_owned), description: description.to_owned() }
}

/// Patterns of URLs.
pub fn urls(patterns: &[&str]) -> Vec<String> {
    patterns.iter().map(|pattern| (*pattern).to_owned()).collect()
}

/// Header names, lower case.
pub fn headers(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_values_cannot_be_taken_for_other_ones() {
        assert_eq!(joined(&["P1", "CAPTURE", ""]).as_deref(), Some("P1|CAPTURE|"));
        assert_eq!(joined(&["a|b", "c"]).as_deref(), Some("a\\|b|c"));
        assert_ne!(joined(&["a|b", "c"]), joined(&["a", "b|c"]));
        assert_ne!(joined(&["a\\", "c"]), joined(&["a", "\\c"]));
        assert_eq!(joined(&["", ""]), None);
        assert_eq!(joined(&["x", &"y".repeat(fields::ID_MAX)]), None);
    }

    #[test]
    fn a_source_holds_only_what_a_uri_may() {
        let source = |text: &str| cloud_event(String::new(), text.to_owned(), String::new()).source;
        assert_eq!(source("https://a.example/b?c=%20#d"), "https://a.example/b?c=%20#d");
        assert_eq!(source("https://a.example/Shop\\EU ré"), "https://a.example/Shop%5CEU%20r%C3%A9");
    }
}
