//! Zoom: an HMAC over `v0:{timestamp}:{body}`; the endpoint's validation, when it is set up and every 72 hours.
//! <https://developers.zoom.us/docs/api/webhooks/>
//!
//! There is no id: an event is known by its body, which holds a time to the millisecond and which a retry repeats.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | all | the payload, with `event_ts` to the millisecond | the payload | has a different time | developers.zoom.us, Using webhooks; devforum.zoom.us/t/53977 and /128602 | in part: there is no id; x-zm-trackingid differs for each delivery |

use hookgate_plugin_sdk::{
    CloudEvent, Delivery, Descriptor, Digest, Encoding, Event, Identity, KnownBy, Ordering, Outgoing, Part, Position,
    Provider, Refusal, Verdict,
    answer::{self, attribute, cloud_event, forged},
    challenge,
    encoding::{from_hex, part, to_hex},
    export, fields, header, json_text,
    sending::Body,
    setting,
    time::{self, Window},
};

/// The plugin.
pub struct Zoom;

export!(Zoom);

const SIGNATURE: &str = "x-zm-signature";
const TIMESTAMP: &str = "x-zm-request-timestamp";

/// Zoom documents no tolerance. It tries again 5, 20 and 60 minutes later, and does not say whether with a new timestamp.
const TOLERANCE: u64 = 7200;

impl Provider for Zoom {
    fn describe() -> Descriptor {
        Descriptor {
            secrets: vec![answer::secret("signing", "the app's webhook secret token, from its Feature page")],
            settings: vec![answer::setting(
                "tolerance",
                Some("7200"),
                "seconds that a signature lives; 0: for ever. Zoom's own retries come within 85 minutes",
            )],
            headers: answer::headers(&[SIGNATURE, TIMESTAMP, "content-type"]),
            ..answer::descriptor(
                "zoom",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &["https://developers.zoom.us/docs/api/webhooks/"],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        authenticate(delivery)?;
        let [kind, at, account, object_id, object_uuid, token] = fields::of(
            delivery,
            [
                "/event",
                "/event_ts",
                "/payload/account_id",
                "/payload/object/id",
                "/payload/object/uuid",
                "/payload/plainToken",
            ],
        )?;
        let kind = kind.kind();
        if kind.as_deref() == Some("endpoint.url_validation") {
            return validate(delivery, token.text());
        }
        let (account, object) = (account.id(), object_id.id().or(object_uuid.id()));
        let occurred_at = at.whole();
        // There is no id. The time to the millisecond is part of the body, which a retry repeats.
        let known_by = match occurred_at {
            Some(_) => KnownBy::Payload,
            None => KnownBy::Delivery(header::first(delivery, TIMESTAMP)),
        };
        Ok(answer::admit(Identity {
            known_by,
            kind,
            occurred_at,
            ordering: ordering(&account, &object, occurred_at),
            attributes: answer::attributes([("account", account), ("object", object)]),
        }))
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let source = match attribute(&identity, "account") {
            Some(account) => format!("https://zoom.us/account/{account}"),
            None => "https://zoom.us".to_owned(),
        };
        let kind = format!("us.zoom.{}", identity.kind.as_deref().unwrap_or("event"));
        Ok(vec![CloudEvent {
            subject: attribute(&identity, "object"),
            time: Some(identity.occurred_at.unwrap_or_else(|| event.delivery().received_at())),
            ..cloud_event(event.id(), source, kind)
        }])
    }

    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        let secret = setting::signing_secret(delivery, "signing", Encoding::Utf8, None)?;
        let seconds = (delivery.received_at() / 1000).to_string();
        let body = Body::of(delivery, || {
            include_str!("../example.json").replace("1700000000000", &delivery.received_at().to_string())
        });
        let tag = secret.mac(Digest::Sha256, &[part("v0:"), part(&seconds), part(":"), body.part()]);
        Ok(body.with_headers([
            (SIGNATURE, format!("v0={}", to_hex(&tag))),
            (TIMESTAMP, seconds),
            ("content-type", "application/json".to_owned()),
        ]))
    }
}

fn authenticate(delivery: &Delivery) -> Result<(), Refusal> {
    let signature = header::required(delivery, SIGNATURE)?;
    let timestamp = header::required(delivery, TIMESTAMP)?;
    let signed_at =
        time::unix_seconds(&timestamp).ok_or_else(|| forged("x-zm-request-timestamp is not a Unix timestamp"))?;
    let tag = signature.strip_prefix("v0=").and_then(from_hex);
    let tag = tag.ok_or_else(|| forged("x-zm-signature is not v0= and hex"))?;
    let secret = setting::secret(delivery, "signing", Encoding::Utf8, None)?;
    if !secret.verify_mac(Digest::Sha256, &[part("v0:"), part(&timestamp), part(":"), Part::Body], &tag) {
        return Err(forged("x-zm-signature does not fit the body"));
    }
    time::check(delivery, signed_at, setting::whole(delivery, "tolerance", TOLERANCE)?, Window::Both)
}

/// The request is signed as any other; the text that is signed in the answer cannot be a delivery, which has colons.
fn validate(delivery: &Delivery, token: Option<String>) -> Result<Verdict, Refusal> {
    let token = token.filter(|token| challenge::is_token(token.as_bytes()));
    let token =
        token.ok_or_else(|| Refusal::Malformed("plainToken is not a token of letters, digits, - and _".to_owned()))?;
    let secret = setting::secret(delivery, "signing", Encoding::Utf8, None)?;
    let encrypted = to_hex(&secret.mac(Digest::Sha256, &[part(&token)]));
    Ok(challenge::json(json_text::object([("plainToken", token.as_str()), ("encryptedToken", &encrypted)])))
}

/// What happens to one meeting, user or recording of an account.
fn ordering(account: &Option<String>, object: &Option<String>, occurred_at: Option<u64>) -> Option<Ordering> {
    let key = match (account, object) {
        (Some(account), Some(object)) => format!("{account}/{object}"),
        (account, object) => object.clone().or(account.clone())?,
    };
    let position = occurred_at.map_or(Position::Arrival, Position::Timestamp);
    Some(Ordering { key, position }).filter(|ordering| ordering.key.len() <= fields::ID_MAX)
}
