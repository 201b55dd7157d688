//! Standard Webhooks: an HMAC or Ed25519 signature over `{id}.{timestamp}.{body}`.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
//!
//! Followers differ in the names of the headers (Svix: `svix-…`), the form of the secret and how the signatures are
//! listed; what the delivery does not show has a setting.
//!
//! `webhook-id` identifies a message and is signed; a retry repeats it under a new timestamp.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | all | webhook-id | the id, with a new timestamp | has a different id | the specification, "Webhook headers" | yes |

mod keys;
mod names;

use hookgate_plugin_sdk::{
    CloudEvent, Delivery, Descriptor, Event, Identity, KnownBy, Ordering, Outgoing, Part, Position, Provider, Refusal,
    Verdict,
    answer::{self, attribute, cloud_event, forged, setting as spec},
    encoding::part,
    export, fields, header,
    sending::{self, Body},
    setting,
    time::{self, Window},
};
use keys::Keys;
use names::Names;

/// The plugin.
pub struct StandardWebhooks;

export!(StandardWebhooks);

impl Provider for StandardWebhooks {
    fn describe() -> Descriptor {
        let secrets = [
            (
                "signing",
                "the endpoint's secret, whsec_… as a rule; needed unless there is a public key",
                &keys::PREFIXES[..],
            ),
            ("public-key", "the provider's Ed25519 public key, whpk_…, where it signs with v1a", &["whpk_"]),
            ("private-key", "an Ed25519 secret key, whsk_…; only `hookgate send` uses it", &["whsk_"]),
        ];
        Descriptor {
            secrets: secrets
                .map(|(name, description, prefixes)| {
                    answer::with_prefixes(answer::optional_secret(name, description), prefixes)
                })
                .into(),
            settings: vec![
                spec("tolerance", Some("300"), "seconds that a signature may be old or ahead; 0: for ever"),
                spec("header-prefix", None, "what the three headers begin with; webhook- and svix- are known"),
                spec("id-header", None, "the header of the id, where it is not the prefix and id"),
                spec("timestamp-header", None, "the header of the time, where it is not the prefix and timestamp"),
                spec(
                    "signature-header",
                    None,
                    "the header of the signatures, where it is not the prefix and signature",
                ),
                spec(
                    "key-form",
                    Some("auto"),
                    "of secrets.signing: base64 (whsec_ before it or not), utf8 (all of it as it stands), hex, or auto: \
                     base64 where it can be that, and utf8",
                ),
                spec("type-pointer", Some("/type"), "JSON Pointer to the event's type"),
                spec("type-header", None, "the header of the event's type, where it is not in the body"),
                spec("time-pointer", Some("/timestamp"), "JSON Pointer to the event's time: RFC 3339 or unix seconds"),
                spec("subject-pointer", Some("/data/id"), "JSON Pointer to what the event is about; orders events too"),
                spec("type-prefix", Some("com.standardwebhooks."), "what the type of a CloudEvent begins with"),
                spec(
                    "source",
                    None,
                    "the source of a CloudEvent, a URI reference; /in/ and the source's name otherwise",
                ),
            ],
            headers: names::KNOWN.into_iter().flat_map(names::of).chain(["content-type".to_owned()]).collect(),
            ..answer::descriptor(
                "standard-webhooks",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &["https://www.standardwebhooks.com", "https://docs.svix.com/receiving/verifying-payloads/how-manual"],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        let (id, signed_at) = authenticate(delivery)?;
        time::check(delivery, signed_at, setting::whole(delivery, "tolerance", 300)?, Window::Both)?;
        let [kind, time, subject] = described(delivery)?;
        let kind = match delivery.setting("type-header") {
            Some(name) => header::optional(delivery, &name)?,
            None => kind.kind(),
        };
        let (occurred_at, subject) = (time.time(), subject.id());
        let position = occurred_at.map_or(Position::Arrival, Position::Timestamp);
        Ok(answer::admit(Identity {
            known_by: answer::id_or(Some(id), KnownBy::Undeclared),
            kind: answer::kind(kind),
            occurred_at,
            ordering: subject.clone().map(|key| Ordering { key, position }),
            attributes: answer::attributes([("subject", subject)]),
        }))
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let delivery = event.delivery();
        let source = delivery.setting("source").unwrap_or_else(|| format!("/in/{}", event.source()));
        let prefix = delivery.setting("type-prefix").unwrap_or_else(|| "com.standardwebhooks.".to_owned());
        let kind = format!("{prefix}{}", identity.kind.as_deref().unwrap_or("event"));
        let media = header::first(&delivery, "content-type").unwrap_or_else(|| "application/json".to_owned());
        Ok(vec![CloudEvent {
            subject: attribute(&identity, "subject"),
            time: Some(identity.occurred_at.unwrap_or_else(|| delivery.received_at())),
            data_content_type: Some(media),
            ..cloud_event(answer::provider_id(&identity).unwrap_or_else(|| event.id()), source, kind)
        }])
    }

    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        let [id_header, timestamp_header, signature_header] = names::to_send(delivery);
        let id = header::first(delivery, &id_header).unwrap_or_else(|| format!("msg_{}", sending::uuid(delivery)));
        let seconds = (delivery.received_at() / 1000).to_string();
        let body = Body::of(delivery, || example(delivery.received_at()));
        let message = [part(&id), part("."), part(&seconds), part("."), body.part()];
        let signatures = keys::sign(delivery, &message)?;
        Ok(body.with_headers([
            (&id_header, id.clone()),
            (&timestamp_header, seconds.clone()),
            (&signature_header, signatures),
            ("content-type", "application/json".to_owned()),
        ]))
    }
}

/// The id, and when it was signed in milliseconds. One signature that fits one key will do.
fn authenticate(delivery: &Delivery) -> Result<(String, u64), Refusal> {
    let Names { id, timestamp, signatures } = names::read(delivery)?;
    let signed_at = time::unix_seconds(&timestamp).ok_or_else(|| forged("the timestamp is not a Unix timestamp"))?;
    if could_end_earlier(&id) {
        return Err(forged("the id has a number behind a dot, so its end is ambiguous"));
    }
    let keys = Keys::of(delivery)?;
    let message = [part(&id), part("."), part(&timestamp), part("."), Part::Body];
    if keys.any_fits(&message, &signatures)? {
        Ok((id, signed_at))
    } else {
        Err(forged("no signature fits the body under the source's keys"))
    }
}

/// Whether what is signed could be taken apart in another way. The standard forbids dots in ids, but there are ids with
/// dots; none has a part behind one that could be the timestamp, and so the first such part is it.
fn could_end_earlier(id: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    id.split('.').skip(1).any(is_number)
}

/// Kind, time and subject, where the settings say they are.
fn described(delivery: &Delivery) -> Result<[fields::Field; 3], Refusal> {
    let defaults = [("type-pointer", "/type"), ("time-pointer", "/timestamp"), ("subject-pointer", "/data/id")];
    let pointers = defaults.map(|(name, default)| (name, delivery.setting(name).unwrap_or_else(|| default.to_owned())));
    if let Some((name, text)) = pointers.iter().find(|(_, text)| !fields::is_pointer(text)) {
        return Err(Refusal::Misconfigured(format!("settings.{name} is not a JSON Pointer (like /data/id): {text:?}")));
    }
    let [kind, time, subject] = &pointers;
    fields::if_json(delivery, [&kind.1, &time.1, &subject.1])
}

fn example(millis: u64) -> String {
    include_str!("../example.json").replace("2023-11-14T22:13:20.000Z", &time::to_rfc3339(millis))
}

#[cfg(test)]
mod tests {
    use super::could_end_earlier;

    #[test]
    fn an_id_with_a_number_behind_a_dot_is_told() {
        for id in ["msg_1", "1700000000", "evt.created.a1", "a.", "a..b", ".a", ""] {
            assert!(!could_end_earlier(id), "{id}");
        }
        for id in ["msg_1.1700000000.hello", "a.1", ".1", "a.b.007", "a..1.b"] {
            assert!(could_end_earlier(id), "{id}");
        }
    }
}
