//! Asana: each webhook hands its secret over when it is made; an HMAC over the body from then on.
//! <https://developers.asana.com/docs/webhooks-guide>
//!
//! What identifies an event is said beside `identity`.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | all | each item of `events`: its bytes, with `created_at` to the millisecond | the items | has a different time | developers.asana.com, Webhooks guide (at most once; tried again for 24 hours) | in part: there is no id |

use hookgate_plugin_sdk::{
    CloudEvent, Delivery, Descriptor, Digest, Encoding, Enrollment, Event, Identity, KnownBy, Ordering, Outgoing, Part,
    Position, Provider, Refusal, Verdict,
    answer::{self, attribute, cloud_event, forged},
    batch,
    encoding::{from_hex, to_hex},
    export, fields, header,
    json_text::{self, Item},
    sending::Body,
    setting, time,
};

/// The plugin.
pub struct Asana;

export!(Asana);

const SIGNATURE: &str = "x-hook-signature";
const SECRET: &str = "x-hook-secret";

/// Bytes of a secret that is handed over; Asana's have 32 or 64.
const SECRET_MAX: usize = 1024;

/// The name of the secret.
const SIGNING: &str = "signing";

impl Provider for Asana {
    fn describe() -> Descriptor {
        Descriptor {
            secrets: vec![answer::handed_over_secret(
                SIGNING,
                "the webhook's X-Hook-Secret, which Asana hands over in the handshake: write { handed-over = true }",
            )],
            headers: answer::headers(&[SIGNATURE, SECRET, "content-type"]),
            ..answer::descriptor(
                "asana",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &[
                    "https://developers.asana.com/docs/webhooks-guide",
                    "https://developers.asana.com/reference/webhooks",
                ],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        if let Some(secret) = header::optional(delivery, SECRET)? {
            return take_over(secret);
        }
        authenticate(delivery)?;
        let [events] = fields::of(delivery, ["/events"])?;
        match events.composite().as_deref().and_then(|events| json_text::items(events, "")) {
            None => Err(Refusal::Malformed("/events is not an array".to_owned())),
            // A heartbeat, every eight hours, and once after the handshake.
            Some(events) if events.is_empty() => Ok(answer::answer(200, "text/plain", "")),
            Some(_) => Ok(batch::admitted(batch::admit(delivery, "/events", identity)?, 200)),
        }
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let kind = format!("com.asana.{}", identity.kind.as_deref().unwrap_or("event"));
        Ok(vec![CloudEvent {
            subject: attribute(&identity, "resource"),
            time: identity.occurred_at,
            ..cloud_event(event.id(), "https://app.asana.com".to_owned(), kind)
        }])
    }

    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        let secret = setting::signing_secret(delivery, SIGNING, Encoding::Utf8, None)?;
        let body = Body::of(delivery, || {
            include_str!("../example.json")
                .replace("2023-11-14T22:13:20.000Z", &time::to_rfc3339(delivery.received_at()))
        });
        let signature = to_hex(&secret.mac(Digest::Sha256, &[body.part()]));
        Ok(body.with_headers([(SIGNATURE, signature), ("content-type", "application/json".to_owned())]))
    }
}

/// The handshake: Asana waits for the same header before it creates the webhook.
fn take_over(secret: String) -> Result<Verdict, Refusal> {
    let is_plain = secret.bytes().all(|byte| byte.is_ascii_graphic());
    if secret.is_empty() || secret.len() > SECRET_MAX || !is_plain {
        return Err(Refusal::Malformed(format!("{SECRET} is not 1 to {SECRET_MAX} printable characters")));
    }
    Ok(Verdict::Enroll(Enrollment {
        secret: SIGNING.to_owned(),
        reply: answer::answer_with(200, [(SECRET, secret.clone())]),
        value: secret,
    }))
}

fn authenticate(delivery: &Delivery) -> Result<(), Refusal> {
    let signature = header::required(delivery, SIGNATURE)?;
    let tag = from_hex(&signature).ok_or_else(|| forged("x-hook-signature is not hex"))?;
    let secret = setting::secret(delivery, SIGNING, Encoding::Utf8, None)?;
    if secret.verify_mac(Digest::Sha256, &[Part::Body], &tag) {
        Ok(())
    } else {
        Err(forged("x-hook-signature does not fit the body"))
    }
}

/// Asana gives an event no id; what it is, with its time to the millisecond, tells it from every other. A retry repeats it.
fn identity(item: &Item<'_>) -> Result<Identity, Refusal> {
    let found =
        json_text::fields(item.text, ["/action", "/created_at", "/resource/gid", "/resource/resource_type", "/type"]);
    let Some([action, created_at, resource, kind, older]) = found else {
        return Err(Refusal::Malformed("an event is not a JSON object".to_owned()));
    };
    let (action, resource, kind) = (action.kind(), resource.id(), kind.kind().or(older.kind()));
    let occurred_at = created_at.time();
    let kind = match (kind, action) {
        (Some(kind), Some(action)) => Some(format!("{kind}.{action}")),
        (kind, action) => kind.or(action),
    };
    let position = occurred_at.map_or(Position::Arrival, Position::Timestamp);
    Ok(Identity {
        known_by: if occurred_at.is_some() { KnownBy::Payload } else { KnownBy::Undeclared },
        kind: answer::kind(kind),
        occurred_at,
        ordering: resource.clone().map(|key| Ordering { key, position }),
        attributes: answer::attributes([("resource", resource)]),
    })
}
