//! Stripe: an HMAC over `{timestamp}.{body}`, several signatures during a rotation.
//! <https://docs.stripe.com/webhooks#verify-manually>; the tolerance and what it bounds as in stripe-node.
//!
//! An event has an id, which a retry repeats under a new timestamp, also for connected accounts and thin events.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | all | id | the id, with a new timestamp | has a different id, also for connected accounts and thin events | docs.stripe.com, Webhooks | yes |

use hookgate_plugin_sdk::{
    CloudEvent, Delivery, Descriptor, Digest, Encoding, Event, Identity, KnownBy, Ordering, Outgoing, Part, Position,
    Provider, Refusal, Verdict,
    answer::{self, attribute, cloud_event, forged},
    encoding::{from_hex, part, to_hex},
    export, fields, header,
    sending::Body,
    setting, signatures,
    time::{self, Window},
};

/// The plugin.
pub struct Stripe;

export!(Stripe);

const SIGNATURE: &str = "stripe-signature";

impl Provider for Stripe {
    fn describe() -> Descriptor {
        Descriptor {
            secrets: vec![answer::secret("signing", "the endpoint's signing secret, whsec_…, from the webhook's page")],
            settings: vec![answer::setting("tolerance", Some("300"), "seconds that a signature lives; 0: for ever")],
            headers: answer::headers(&[SIGNATURE]),
            ..answer::descriptor(
                "stripe",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &["https://docs.stripe.com/webhooks", "https://docs.stripe.com/event-destinations"],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        authenticate(delivery)?;
        let [id, kind, created, object, related, account, context] = fields::of(
            delivery,
            ["/id", "/type", "/created", "/data/object/id", "/related_object/id", "/account", "/context"],
        )?;
        // Snapshot events carry their object and unix seconds, thin events (v2) a reference and RFC 3339.
        let occurred_at = created.time();
        let object = object.id().or(related.id());
        let ordering =
            object.clone().zip(occurred_at).map(|(key, at)| Ordering { key, position: Position::Timestamp(at) });
        Ok(answer::admit(Identity {
            known_by: answer::id_or(id.id(), KnownBy::Undeclared),
            kind: kind.kind(),
            occurred_at,
            ordering,
            attributes: answer::attributes([("object", object), ("account", account.id().or(context.id()))]),
        }))
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let source = match attribute(&identity, "account") {
            Some(account) => format!("https://api.stripe.com/{account}"),
            None => "https://api.stripe.com".to_owned(),
        };
        let kind = format!("com.stripe.{}", identity.kind.as_deref().unwrap_or("event"));
        Ok(vec![CloudEvent {
            subject: attribute(&identity, "object"),
            time: identity.occurred_at,
            ..cloud_event(answer::provider_id(&identity).unwrap_or_else(|| event.id()), source, kind)
        }])
    }

    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        let secret = setting::signing_secret(delivery, "signing", Encoding::Utf8, None)?;
        let seconds = delivery.received_at() / 1000;
        let body = Body::of(delivery, || example(seconds));
        let signature = to_hex(&secret.mac(Digest::Sha256, &[part(&format!("{seconds}.")), body.part()]));
        Ok(body.with_headers([
            (SIGNATURE, format!("t={seconds},v1={signature}")),
            ("content-type", "application/json; charset=utf-8".to_owned()),
        ]))
    }
}

/// One valid `v1` signature under any live secret is enough; `v0` and other items are ignored.
fn authenticate(delivery: &Delivery) -> Result<(), Refusal> {
    let list = header::required(delivery, SIGNATURE)?;
    let timestamp = signatures::value(&list, ',', "t").ok_or_else(|| forged("stripe-signature has no t="))?;
    let signed_at =
        time::unix_seconds(timestamp).ok_or_else(|| forged("t= of stripe-signature is not a Unix timestamp"))?;
    let secret = setting::secret(delivery, "signing", Encoding::Utf8, None)?;
    let message = [part(timestamp), part("."), Part::Body];
    let mut tags = signatures::values(&list, ',', "v1").filter_map(from_hex);
    if !tags.any(|tag| secret.verify_mac(Digest::Sha256, &message, &tag)) {
        return Err(forged("no v1= of stripe-signature fits the body"));
    }
    time::check(delivery, signed_at, setting::whole(delivery, "tolerance", 300)?, Window::Past)
}

/// A paid invoice, new with each second.
fn example(seconds: u64) -> String {
    include_str!("../example.json").replace("1700000000", &seconds.to_string())
}
