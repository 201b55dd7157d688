//! Everyone who signs in a plain way: what a signature looks like, what it covers and where the event's name stands are
//! settings, or come with the name of a provider that is described in [`providers`].
//!
//! A delivery is read in the order of the modules below: settings, places, the template grammar and what is built with
//! it (the look of the signature, the signed content), the key, the timestamp; then the scheme that checks it all, the
//! handshake, and the event's identity.

pub mod providers;

mod body;
mod challenge;
mod content;
mod digest;
mod encoding;
mod format;
mod identity;
mod key;
mod moment;
mod place;
mod scheme;
mod settings;
mod sign;
mod template;

use hookgate_plugin_sdk::{
    Accepted, Admission, CloudEvent, Delivery, Descriptor, Event, Outgoing, Payload, Provider, Refusal, Reply,
    SettingSpec, Verdict,
    answer::{self, attribute, cloud_event, setting},
    export, header,
};

use crate::{
    challenge::Stage,
    place::Reader,
    scheme::Scheme,
    settings::{Settings, wrong},
};

/// The plugin.
pub struct Hmac;

export!(Hmac);

impl Provider for Hmac {
    fn describe() -> Descriptor {
        Descriptor {
            secrets: vec![
                answer::with_prefixes(
                    answer::secret(
                        key::SECRET,
                        "the secret as the provider shows it; user:password for scheme = \"basic\"",
                    ),
                    &providers::prefixes(),
                ),
                answer::optional_secret(challenge::TOKEN_SECRET, "the token that the provider repeats in a handshake"),
            ],
            settings: settings_described(),
            headers: providers::headers(),
            ..answer::descriptor(
                "hmac",
                env!("CARGO_PKG_VERSION"),
                "Everyone who signs in a plain way: HMAC over the body, with timestamp, id and more, or a token",
                &["https://www.rfc-editor.org/rfc/rfc2104", "https://www.standardwebhooks.com"],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        let settings = Settings::of(delivery)?;
        let reader = Reader::new(delivery);
        if let Some(answer) = challenge::answer(Stage::Unsigned, &settings, &reader)? {
            return Ok(answer);
        }
        let scheme = Scheme::of(&settings)?;
        scheme.authenticate(&reader)?;
        if let Some(answer) = challenge::answer(Stage::Authentic, &settings, &reader)? {
            return Ok(answer);
        }
        let identity = identity::of(&settings, &reader)?;
        // Where there is no body the query is all there is to tell events apart by, if it is the provider's.
        let payload = match (delivery.body_length(), delivery.url().split_once('?')) {
            (0, Some((_, query))) if scheme.vouches_for_query() => Payload::Bytes(query.as_bytes().to_vec()),
            _ => Payload::Body,
        };
        let events = vec![Admission { identity, payload }];
        Ok(Verdict::Admit(Accepted { events, reply: reply(&settings)? }))
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let delivery = event.delivery();
        let settings = Settings::of(&delivery).map_err(sign::in_words)?;
        let identity = event.identity();
        let provider = settings.get("provider").map(|name| format!("com.{name}"));
        let prefix = settings.get("type-prefix").or(provider).unwrap_or_else(|| "webhook".to_owned());
        let source = settings.get("source").unwrap_or_else(|| format!("urn:hookgate:source:{}", event.source()));
        let kind = format!("{prefix}.{}", identity.kind.as_deref().unwrap_or("event"));
        Ok(vec![CloudEvent {
            subject: attribute(&identity, "subject"),
            time: identity.occurred_at,
            data_content_type: Some(header::first(&delivery, "content-type").unwrap_or_else(|| guessed(event))),
            ..cloud_event(answer::provider_id(&identity).unwrap_or_else(|| event.id()), source, kind)
        }])
    }

    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        sign::outgoing(delivery)
    }
}

/// What a payload is that nobody has named.
fn guessed(event: &Event) -> String {
    let is_json = event.json(&[]).is_ok();
    if is_json { "application/json" } else { "application/octet-stream" }.to_owned()
}

fn reply(settings: &Settings<'_>) -> Result<Option<Reply>, Refusal> {
    let status = settings.parsed("reply-status", |text| match text.parse::<u16>() {
        Ok(status @ 200..=299) => Ok(status),
        _ => Err(format!("{text:?} is no status from 200 to 299")),
    })?;
    let body = settings.get("reply-body");
    if status.is_none() && body.is_none() {
        return Ok(None);
    }
    let body = body.unwrap_or_default();
    if status == Some(204) && !body.is_empty() {
        return Err(wrong(
            "reply-body",
            "a reply with status 204 has no body: leave it out, or set reply-status to 200",
        ));
    }
    let content_type = if body.starts_with('{') { "application/json" } else { "text/plain; charset=utf-8" };
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    Ok(Some(Reply { status: status.unwrap_or(200), headers, body: body.into_bytes() }))
}

/// Each setting, in the order in which it is best thought of.
fn settings_described() -> Vec<SettingSpec> {
    vec![
        setting(
            "provider",
            None,
            "a provider whose settings are known, such as linear, or reported by others, such as meta; each can \
             still be set otherwise",
        ),
        setting(
            "scheme",
            Some("hmac"),
            "hmac; digest: a plain digest of content with {secret}; token or basic: the secret \
                                         itself, which binds nothing",
        ),
        setting(
            "signature",
            None,
            "where the signature is: header:NAME (a * for numbers behind), query:NAME, json:/POINTER \
                                    or form:NAME; an array where it may be in several places",
        ),
        setting(
            "format",
            Some("{signature}"),
            "what stands there: sha256={signature}, t={timestamp},v1={signature}; other \
                                                names make {field:NAME} for the content; {digest} is the digest's name",
        ),
        setting(
            "separator",
            None,
            "makes the format a list: what stands between its items, which may then repeat and come \
                                    in any order",
        ),
        setting("group-separator", None, "what stands between several such lists"),
        setting("strongest", Some("false"), "true: only the first item of the format that is there counts"),
        setting("digest", Some("sha256"), "md5, sha1, sha256, sha384 or sha512; an array where each may be used"),
        setting("encoding", Some("hex"), "hex, hex-upper, base64, base64url, base64url-padded or base64-of-hex"),
        setting(
            "key",
            Some("utf8"),
            "from secret to key: strip:PREFIX with a prefix that `plugin inspect hmac` lists, then utf8, hex, base64 or base64url, then digests \
                                      or suffix:TEXT; alternatives between |",
        ),
        setting(
            "content",
            Some("{body}"),
            "what is signed: {timestamp}.{body}; [parts] are left out when a slot in them \
                                            has no value; an array where each may be signed, or each by its own \
                                            signature of the format",
        ),
        setting(
            "app-id",
            None,
            "what {app-id} in the content stands for: a public name of yours that the provider signs",
        ),
        setting("timestamp", None, "where the timestamp is, if not in the format: header:NAME, json:/POINTER, ..."),
        setting("timestamp-unit", Some("auto"), "s, ms, iso, or auto: by its look"),
        setting("tolerance", Some("300"), "seconds that a signature lives; 0: for ever"),
        setting("tolerance-future", None, "seconds that it may be in the future, or any; else as tolerance"),
        setting(
            "id",
            None,
            "where the event's id is: header:NAME, json:/POINTER, query:NAME or form:NAME; joined with \
                             ' + ', alternatives after ' | '; else the payload tells events apart",
        ),
        setting("kind", None, "where the event's kind is, as id"),
        setting("time", None, "where the event's time is, as id; in any notation"),
        setting("subject", None, "where the name of what the event is about is, as id"),
        setting("ordering-key", None, "where the name is of what events are ordered by, as id"),
        setting(
            "sequence",
            None,
            "where the event's number within its ordering key is, as id; else its time orders it",
        ),
        setting("type-prefix", None, "what stands in front of the kind in CloudEvents; else com.PROVIDER or webhook"),
        setting("source", None, "the source in CloudEvents; else the name of hookgate's source"),
        setting(
            "challenge",
            None,
            "where a handshake's challenge is: query:NAME is answered at once, header:NAME and \
                                    json:/POINTER of authentic deliveries only",
        ),
        setting("challenge-token", None, "where the provider repeats secrets.verify-token in a handshake"),
        setting(
            "challenge-reply",
            Some("{challenge}"),
            "what a handshake is answered: {challenge}, {challenge:json} and \
                                                         {hmac:ENCODING} of it",
        ),
        setting("reply-status", None, "what deliveries are answered, 200 to 299; else hookgate's own 200"),
        setting("reply-body", None, "what deliveries are answered; JSON where it begins with a brace"),
    ]
}
