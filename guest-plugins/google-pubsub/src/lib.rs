//! Google Cloud Pub/Sub push: an OpenID Connect token of a service account. It identifies the sender of a message and does not
//! cover its content, which only TLS protects.
//! <https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions>
//!
//! What identifies a message is said beside `identity`.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | all | messageId, subscription | both | has another message id, or a different subscription: an id is unique only within a topic | cloud.google.com, PubsubMessage and push subscriptions | yes |

use hookgate_plugin_sdk::{
    CloudEvent, Delivery, Descriptor, Event, EventData, Identity, JsonValue, KeyFormat, KnownBy, Ordering, Position,
    Provider, Refusal, Verdict,
    answer::{self, attribute, cloud_event, forged},
    encoding::from_base64,
    export, fields, header,
    jwt::{self, Algorithm, Token},
    time,
};

/// The plugin.
pub struct GooglePubsub;

export!(GooglePubsub, vectors_only);

/// Google's keys. <https://accounts.google.com/.well-known/openid-configuration> names them.
const KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";

/// How Google calls itself.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

/// Headers of a message that is pushed without its envelope.
/// <https://cloud.google.com/pubsub/docs/payload-unwrapping>
const MESSAGE_ID: &str = "x-goog-pubsub-message-id";
const SUBSCRIPTION: &str = "x-goog-pubsub-subscription-name";
const PUBLISH_TIME: &str = "x-goog-pubsub-publish-time";
const ORDERING_KEY: &str = "x-goog-pubsub-ordering-key";

/// As Eventarc has it; the data is the whole body of a push.
/// <https://github.com/googleapis/google-cloudevents/blob/main/proto/google/events/cloud/pubsub/v1/events.proto>
const KIND: &str = "google.cloud.pubsub.topic.v1.messagePublished";

/// What the event is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Data {
    /// The body as it came.
    Envelope,
    /// The message's own data.
    Message,
}

impl Provider for GooglePubsub {
    fn describe() -> Descriptor {
        Descriptor {
            settings: vec![
                answer::setting("service-account", None, "the e-mail address of the subscription's service account"),
                answer::setting("audience", None, "the subscription's audience; without it the URL of the source"),
                answer::setting("data", Some("envelope"), "what is the event: envelope, or message (its decoded data)"),
                answer::setting("keys-url", Some(KEYS), "other keys than Google's; it must be in keys.allow then"),
            ],
            // `authorization` is read and not named: the token is not to be kept with the event.
            headers: answer::headers(&[MESSAGE_ID, SUBSCRIPTION, PUBLISH_TIME, ORDERING_KEY]),
            key_urls: answer::urls(&[KEYS]),
            ..answer::descriptor(
                "google-pubsub",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &[
                    "https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions",
                    "https://cloud.google.com/pubsub/docs/push",
                    "https://cloud.google.com/pubsub/docs/payload-unwrapping",
                ],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        let account = delivery.setting("service-account").filter(|account| !account.is_empty());
        let account =
            account.ok_or_else(|| Refusal::Misconfigured("settings.service-account is not set".to_owned()))?;
        let data = data(delivery)?;
        authenticate(delivery, &account)?;
        match header::optional(delivery, MESSAGE_ID)? {
            Some(id) => admit_unwrapped(delivery, id),
            None => admit_message(delivery, data),
        }
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let subscription = attribute(&identity, "subscription").unwrap_or_default();
        let is_json = event.json(&[]).is_ok();
        let media = if is_json { "application/json" } else { "application/octet-stream" };
        let is_empty = event.payload_length() == 0;
        Ok(vec![CloudEvent {
            time: identity.occurred_at,
            data_content_type: (!is_empty).then(|| media.to_owned()),
            data: if is_empty { EventData::None } else { EventData::Payload },
            ..cloud_event(
                attribute(&identity, "id").unwrap_or_else(|| event.id()),
                format!("//pubsub.googleapis.com/{subscription}"),
                KIND.to_owned(),
            )
        }])
    }
}

fn data(delivery: &Delivery) -> Result<Data, Refusal> {
    match delivery.setting("data").as_deref() {
        None | Some("envelope") => Ok(Data::Envelope),
        Some("message") => Ok(Data::Message),
        Some(other) => Err(Refusal::Misconfigured(format!("settings.data is neither envelope nor message: {other:?}"))),
    }
}

/// The token must be Google's, for this endpoint, and of the one service account: any Google customer can get tokens for
/// any audience.
fn authenticate(delivery: &Delivery, account: &str) -> Result<(), Refusal> {
    let authorization = header::required(delivery, "authorization")?;
    let (scheme, token) = authorization.split_once(' ').unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(forged("authorization is not a bearer token"));
    }
    let token = Token::read(token.trim(), Algorithm::Rs256)?;
    let key_id = token.key_id()?;
    let url = delivery.setting("keys-url").unwrap_or_else(|| KEYS.to_owned());
    let keys = delivery.fetched_keys(&url, KeyFormat::Jwk, &[], "");
    let keys = keys.map_err(|error| jwt::refusal(error, "the keys of Google"))?;
    token.verify(&keys, &key_id, Algorithm::Rs256)?;
    let [issuer, audience, email, verified] = token.claims(["/iss", "/aud", "/email", "/email_verified"]);
    if !issuer.text().is_some_and(|issuer| ISSUERS.contains(&issuer.as_str())) {
        return Err(forged("the token is not of Google (iss)"));
    }
    if audience.text() != Some(delivery.setting("audience").unwrap_or_else(|| delivery.url())) {
        return Err(forged("the token is for another audience (aud) than settings.audience"));
    }
    if email.text().as_deref() != Some(account) || verified.0 != Some(JsonValue::Boolean(true)) {
        return Err(forged("the token is of another account (email) than settings.service-account"));
    }
    token.check_times(delivery)
}

fn admit_message(delivery: &Delivery, data: Data) -> Result<Verdict, Refusal> {
    let [id, publish_time, key, subscription, encoded] = fields::of(
        delivery,
        ["/message/messageId", "/message/publishTime", "/message/orderingKey", "/subscription", "/message/data"],
    )?;
    let id = id.id().ok_or_else(|| Refusal::Malformed("a push without message.messageId".to_owned()))?;
    let identity = identity(id, publish_time.text(), key.id(), subscription.id());
    if data == Data::Envelope {
        return Ok(answer::admit(identity));
    }
    // A message may consist of attributes alone.
    let bytes = from_base64(&encoded.text().unwrap_or_default());
    let bytes = bytes.ok_or_else(|| Refusal::Malformed("message.data is not base64".to_owned()))?;
    Ok(answer::admit_bytes(identity, bytes))
}

/// A subscription with payload unwrapping, and with metadata in headers.
fn admit_unwrapped(delivery: &Delivery, id: String) -> Result<Verdict, Refusal> {
    let id = answer::id(Some(id)).ok_or_else(|| Refusal::Malformed(format!("{MESSAGE_ID} is empty or too long")))?;
    let other = |name: &str| header::first(delivery, name);
    let (key, subscription) = (answer::id(other(ORDERING_KEY)), answer::id(other(SUBSCRIPTION)));
    Ok(answer::admit(identity(id, other(PUBLISH_TIME), key, subscription)))
}

/// A message's id is unique within its topic, and stays the same when it is pushed again. Several subscriptions may push to
/// one source, also subscriptions of one topic, each with messages of its own.
///
/// Messages of one ordering key are published in order; others in none.
fn identity(id: String, publish_time: Option<String>, key: Option<String>, subscription: Option<String>) -> Identity {
    let joined = answer::joined(&[&id, subscription.as_deref().unwrap_or_default()]);
    let occurred_at = publish_time.and_then(|time| time::rfc3339(&time));
    let position = occurred_at.map_or(Position::Arrival, Position::Timestamp);
    Identity {
        known_by: answer::id_or(joined, KnownBy::Undeclared),
        kind: Some("messagePublished".to_owned()),
        occurred_at,
        ordering: key.map(|key| Ordering { key, position }),
        attributes: answer::attributes([("id", Some(id)), ("subscription", subscription)]),
    }
}
