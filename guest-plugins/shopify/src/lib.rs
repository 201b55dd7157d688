//! Shopify: an HMAC over the body; webhooks (`X-Shopify-…`) and events (`shopify-…`, no `x-`).
//! <https://shopify.dev/docs/apps/build/webhooks/verify-deliveries>,
//! <https://shopify.dev/docs/apps/build/events/verify-deliveries>
//!
//! `X-Shopify-Webhook-Id` is the id of a delivery and the same on every retry; the event id is shared by several
//! topics.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | all | X-Shopify-Webhook-Id (events: Shopify-Webhook-Id) | the header | has a different one; one action of a merchant causes several deliveries with the same event id, so the event id is not a key | shopify.dev, Verify webhook deliveries | yes |

use hookgate_plugin_sdk::{
    CloudEvent, Delivery, Descriptor, Digest, Encoding, Event, Identity, KnownBy, Ordering, Outgoing, Part, Position,
    Provider, Refusal, Verdict,
    answer::{self, attribute, cloud_event, forged},
    encoding::{from_base64, to_base64},
    export, fields, header,
    sending::{self, Body},
    setting, time,
};

/// The plugin.
pub struct Shopify;

export!(Shopify);

/// What the headers of a delivery begin with. An event's come first: a delivery that has both kinds is an event, as in
/// Shopify's own library.
const EVENTS: &str = "shopify-";
const WEBHOOKS: &str = "x-shopify-";

impl Provider for Shopify {
    fn describe() -> Descriptor {
        let names = ["hmac-sha256", "topic", "shop-domain", "webhook-id", "event-id", "triggered-at", "api-version"];
        let both = names.iter().flat_map(|name| [WEBHOOKS, EVENTS].map(|prefix| format!("{prefix}{name}")));
        let events_only = ["shopify-action", "shopify-resource-id", "content-type"].map(str::to_owned);
        Descriptor {
            secrets: vec![answer::secret(
                "signing",
                "the app's client secret, or the secret below the shop's webhooks; after a rotation keep the old one for a day",
            )],
            headers: both.chain(events_only).collect(),
            ..answer::descriptor(
                "shopify",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &[
                    "https://shopify.dev/docs/apps/build/webhooks",
                    "https://shopify.dev/docs/apps/build/webhooks/delivery-structure",
                    "https://shopify.dev/docs/apps/build/events/delivery-structure",
                ],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        let prefix = authenticate(delivery)?;
        let read = |name: &str| header::optional(delivery, &format!("{prefix}{name}"));
        // The id of the delivery, the same on every retry. The event id is not a key: one act of a merchant makes several
        // deliveries, of several topics, that share it.
        let id = answer::id(read("webhook-id")?);
        let (topic, shop) = (read("topic")?, answer::id(read("shop-domain")?));
        let triggered_at = read("triggered-at")?.and_then(|text| time::rfc3339(&text));
        let (action, resource) = match prefix {
            EVENTS => (read("action")?, read("resource-id")?),
            _ => (None, None),
        };
        let [gid, number, updated_at] = fields::if_json(delivery, ["/admin_graphql_api_id", "/id", "/updated_at"])?;
        let resource = answer::id(resource).or(gid.id()).or(number.id());
        let kind = match (topic, action) {
            (Some(topic), Some(action)) => Some(format!("{topic}/{action}")),
            (topic, _) => topic,
        };
        Ok(answer::admit(Identity {
            known_by: answer::id_or(id, KnownBy::Undeclared),
            kind: answer::kind(kind),
            occurred_at: triggered_at,
            ordering: ordering(&shop, &resource, updated_at.time().or(triggered_at)),
            attributes: answer::attributes([("shop", shop), ("resource", resource)]),
        }))
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let source = match attribute(&identity, "shop") {
            Some(shop) => format!("https://{shop}"),
            None => "https://shopify.com".to_owned(),
        };
        let kind = identity.kind.as_deref().unwrap_or("event").replace('/', ".").to_lowercase();
        let delivery = event.delivery();
        let media = header::first(&delivery, "content-type").unwrap_or_else(|| "application/json".to_owned());
        Ok(vec![CloudEvent {
            subject: attribute(&identity, "resource"),
            time: Some(identity.occurred_at.unwrap_or_else(|| delivery.received_at())),
            data_content_type: Some(media),
            ..cloud_event(
                answer::provider_id(&identity).unwrap_or_else(|| event.id()),
                source,
                format!("com.shopify.{kind}"),
            )
        }])
    }

    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        let secret = setting::signing_secret(delivery, "signing", Encoding::Utf8, None)?;
        let body = Body::of(delivery, || include_str!("../example.json").to_owned());
        let signature = to_base64(&secret.mac(Digest::Sha256, &[body.part()]));
        let given = |name: &str, otherwise: &str| header::first(delivery, name).unwrap_or_else(|| otherwise.to_owned());
        let id = sending::uuid(delivery);
        Ok(body.with_headers([
            ("x-shopify-hmac-sha256", signature),
            ("x-shopify-topic", given("x-shopify-topic", "orders/create")),
            ("x-shopify-shop-domain", given("x-shopify-shop-domain", "example.myshopify.com")),
            ("x-shopify-api-version", given("x-shopify-api-version", "2026-07")),
            ("x-shopify-webhook-id", given("x-shopify-webhook-id", &id)),
            ("x-shopify-event-id", given("x-shopify-event-id", &id)),
            ("x-shopify-triggered-at", given("x-shopify-triggered-at", &time::to_rfc3339(delivery.received_at()))),
            ("content-type", given("content-type", "application/json")),
        ]))
    }
}

/// The prefix of the headers that the delivery has.
fn authenticate(delivery: &Delivery) -> Result<&'static str, Refusal> {
    let (prefix, signature) = match header::optional(delivery, "shopify-hmac-sha256")? {
        Some(signature) => (EVENTS, signature),
        None => (WEBHOOKS, header::required(delivery, "x-shopify-hmac-sha256")?),
    };
    let tag = from_base64(&signature).ok_or_else(|| forged("the signature is not base64"))?;
    let secret = setting::secret(delivery, "signing", Encoding::Utf8, None)?;
    if secret.verify_mac(Digest::Sha256, &[Part::Body], &tag) {
        Ok(prefix)
    } else {
        Err(forged("the signature does not fit the body"))
    }
}

/// Each resource of a shop has an order of its own.
fn ordering(shop: &Option<String>, resource: &Option<String>, at: Option<u64>) -> Option<Ordering> {
    let key = format!("{}/{}", shop.as_deref().unwrap_or_default(), resource.as_deref()?);
    let position = at.map_or(Position::Arrival, Position::Timestamp);
    Some(Ordering { key, position }).filter(|ordering| ordering.key.len() <= fields::ID_MAX)
}
