//! Okta event hooks: a token in a header, a challenge in another before anything is sent.
//! <https://developer.okta.com/docs/concepts/event-hooks/>
//!
//! Each entry of the log has a uuid of its own, which a retry repeats.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | all | uuid of the log entry | the uuid | has a different one | developer.okta.com, Event hooks | yes |

use hookgate_plugin_sdk::{
    CloudEvent, Delivery, Descriptor, Encoding, Event, Identity, KnownBy, Ordering, Position, Provider, Refusal,
    Verdict,
    answer::{self, attribute, cloud_event, forged},
    batch, challenge, export, fields, header,
    json_text::{self, Item},
    setting,
};

/// The plugin.
pub struct Okta;

export!(Okta, vectors_only);

const CHALLENGE: &str = "x-okta-verification-challenge";

impl Provider for Okta {
    fn describe() -> Descriptor {
        Descriptor {
            secrets: vec![answer::secret(
                "token",
                "the event hook's authentication secret: the whole value of the header, as it was typed in at Okta",
            )],
            settings: vec![answer::setting(
                "header",
                Some("authorization"),
                "the header that holds the secret: the event hook's authentication field",
            )],
            // The header with the secret is not named, so that it is not kept.
            headers: answer::headers(&[CHALLENGE, "content-type"]),
            ..answer::descriptor(
                "okta",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &[
                    "https://developer.okta.com/docs/concepts/event-hooks/",
                    "https://developer.okta.com/docs/api/openapi/okta-management/management/tag/EventHook/",
                ],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        if delivery.method() == "GET"
            && let Some(text) = header::optional(delivery, CHALLENGE)?
        {
            return verification(&text);
        }
        authenticate(delivery)?;
        let [origin, events] = fields::of(delivery, ["/source", "/data/events"])?;
        if events.composite().is_none() {
            return Err(Refusal::Malformed("/data/events is not an array".to_owned()));
        }
        let origin = origin.id();
        let identity = |item: &Item<'_>| identity(item, &origin);
        Ok(batch::admitted(batch::admit(delivery, "/data/events", identity)?, 200))
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let source = attribute(&identity, "origin").unwrap_or_else(|| "https://okta.com".to_owned());
        let kind = format!("com.okta.{}", identity.kind.as_deref().unwrap_or("event"));
        Ok(vec![CloudEvent {
            subject: attribute(&identity, "target"),
            time: identity.occurred_at,
            ..cloud_event(answer::provider_id(&identity).unwrap_or_else(|| event.id()), source, kind)
        }])
    }
}

fn verification(challenge: &str) -> Result<Verdict, Refusal> {
    if challenge.len() <= challenge::LENGTH_MAX {
        Ok(challenge::json(json_text::object([("verification", challenge)])))
    } else {
        Err(Refusal::Malformed(format!("{CHALLENGE} is longer than {} bytes", challenge::LENGTH_MAX)))
    }
}

fn authenticate(delivery: &Delivery) -> Result<(), Refusal> {
    let name = delivery.setting("header").unwrap_or_else(|| "authorization".to_owned());
    let given = header::required(delivery, &name)?;
    let secret = setting::secret(delivery, "token", Encoding::Utf8, None)?;
    if secret.equals(given.as_bytes()) { Ok(()) } else { Err(forged(&format!("header {name} is not secrets.token"))) }
}

/// Entries of the system log; what one user does is in order.
fn identity(item: &Item<'_>, origin: &Option<String>) -> Result<Identity, Refusal> {
    let found = json_text::fields(item.text, ["/uuid", "/eventType", "/published", "/actor/id"]);
    let Some([uuid, kind, published, actor]) = found else {
        return Err(Refusal::Malformed("an event is not a JSON object".to_owned()));
    };
    let target = json_text::items(item.text, "/target").unwrap_or_default();
    let target = target.first().and_then(|first| json_text::fields(first.text, ["/id"]));
    let occurred_at = published.time();
    let position = occurred_at.map_or(Position::Arrival, Position::Timestamp);
    Ok(Identity {
        known_by: answer::id_or(uuid.id(), KnownBy::Undeclared),
        kind: kind.kind(),
        occurred_at,
        ordering: actor.id().map(|key| Ordering { key, position }),
        attributes: answer::attributes([("origin", origin.clone()), ("target", target.and_then(|[id]| id.id()))]),
    })
}
