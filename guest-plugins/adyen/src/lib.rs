//! Adyen: standard notifications, whose items each hold an HMAC over eight of their fields, and the webhooks of its
//! platforms, management and balance products, signed as a whole in a header. Of the three formats of standard
//! notifications (`communicationFormat` in Adyen's Management API) it takes `json` and `http`, a form; not `soap`.
//! <https://docs.adyen.com/development-resources/webhooks>
//!
//! What identifies an item is said beside `Item::identity`, and a webhook of a platform beside `of_platform`.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | standard notifications | pspReference, eventCode, success, merchant account, eventDate | all of them | differs in the account (reports of two accounts share a file name), the outcome (a payment that fails and then succeeds keeps its reference), or the date (a report that is generated again) | docs.adyen.com, Handle webhook events; wvanbergen/adyen#115; Adyen/adyen-commercetools#1324 | in part: Adyen names eventCode and pspReference; that a retry keeps eventDate is not documented |
//! | platforms and management | the payload, which has a time | the payload | has a different time | docs.adyen.com, Webhook structure and types | in part: retries are not documented |

mod batch;
mod item;

use hookgate_plugin_sdk::{
    Accepted, Admission, CloudEvent, Delivery, Descriptor, Digest, Encoding, Event, EventData, ExtensionValue,
    Identity, KnownBy, Ordering, Outgoing, Part, Payload, Position, Provider, Refusal, Reply, Secret, SecretError,
    Verdict,
    answer::{self, attribute, cloud_event, forged},
    encoding::{from_base64, to_base64},
    export, fields, form, header, json_text, setting, time,
};

/// The plugin.
pub struct Adyen;

// Adyen signs some fields of each item, not the whole body: src/tests.rs checks what is signed.
export!(Adyen, vectors_only);

const SIGNATURE: &str = "hmacsignature";

impl Provider for Adyen {
    fn describe() -> Descriptor {
        Descriptor {
            secrets: vec![
                answer::secret("hmac", "the webhook's HMAC key, hex, from the Customer Area; both while it is changed"),
                answer::optional_secret("basic", "user:password, where the webhook has basic authentication as well"),
            ],
            headers: answer::headers(&[SIGNATURE, "protocol", "authorization", "content-type"]),
            ..answer::descriptor(
                "adyen",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &[
                    "https://docs.adyen.com/development-resources/webhooks",
                    "https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures",
                    "https://docs.adyen.com/development-resources/webhooks/handle-webhook-events",
                ],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        check_basic(delivery)?;
        let secret = setting::secret(delivery, "hmac", Encoding::Hex, None)?;
        let whole = header::optional(delivery, SIGNATURE)?;
        if let Some(signature) = &whole {
            authenticate(signature, &secret)?;
        }
        let events = match fields::first_byte(delivery) {
            Some(b'<') => return Err(Refusal::Unsupported("SOAP: choose JSON or HTTP POST at Adyen".to_owned())),
            Some(b'{' | b'[') => of_json(delivery, whole.is_some(), &secret)?,
            _ if header::says_form(delivery) => vec![batch::event_of_form(&fields::body_text(delivery)?, &secret)?],
            _ => of_json(delivery, whole.is_some(), &secret)?,
        };
        Ok(Verdict::Admit(Accepted { events, reply: Some(accepted()) }))
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let source = match attribute(&identity, "account") {
            Some(account) => format!("https://www.adyen.com/{account}"),
            None => "https://www.adyen.com".to_owned(),
        };
        let kind = format!("com.adyen.{}", identity.kind.as_deref().unwrap_or("webhook"));
        let live =
            attribute(&identity, "live").map(|live| ("live".to_owned(), ExtensionValue::Boolean(live == "true")));
        let success =
            attribute(&identity, "success").map(|done| ("success".to_owned(), ExtensionValue::Boolean(done == "true")));
        let reference =
            attribute(&identity, "reference").map(|text| ("merchantreference".to_owned(), ExtensionValue::Text(text)));
        Ok(vec![CloudEvent {
            subject: attribute(&identity, "subject"),
            time: identity.occurred_at,
            data: data(event)?,
            extensions: live.into_iter().chain(success).chain(reference).collect(),
            ..cloud_event(answer::provider_id(&identity).unwrap_or_else(|| event.id()), source, kind)
        }])
    }

    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        let secret = setting::signing_secret(delivery, "hmac", Encoding::Hex, None)?;
        let body = match delivery.body_length() {
            0 => example(delivery.received_at()).into_bytes(),
            length => delivery.body(0, length),
        };
        if header::says_form(delivery) && !fields::begins_as_json(delivery) && delivery.body_length() > 0 {
            let form = String::from_utf8(body).map_err(|error| error.to_string())?;
            return Ok(Outgoing { headers: Vec::new(), body: Some(batch::signed_form(&form, &secret)?) });
        }
        let content_type = ("content-type".to_owned(), "application/json".to_owned());
        if let Some(signed) = batch::signed(&body, &secret) {
            return Ok(Outgoing { headers: vec![content_type], body: Some(signed) });
        }
        let signature = to_base64(&secret.mac(Digest::Sha256, &[Part::Body]));
        let headers = [("hmacsignature", signature), ("protocol", "HmacSHA256".to_owned())]
            .map(|(n, value)| (n.to_owned(), value));
        Ok(Outgoing { headers: headers.into_iter().chain([content_type]).collect(), body: None })
    }
}

/// The events of a body of JSON, which has been seen to be signed as a whole or holds items with signatures.
fn of_json(delivery: &Delivery, is_signed: bool, secret: &Secret) -> Result<Vec<Admission>, Refusal> {
    // One item tells a notification; all of them would be copied twice.
    let [item] = fields::of(delivery, ["/notificationItems/0"])?;
    match (item.0, is_signed) {
        (Some(_), _) => batch::events(&delivery.body(0, delivery.body_length()), secret),
        (None, true) => Ok(vec![Admission { identity: of_platform(delivery)?, payload: Payload::Body }]),
        (None, false) => Err(forged("neither a header hmacsignature nor items with a signature")),
    }
}

/// A form becomes an object of its fields.
fn data(event: &Event) -> Result<EventData, String> {
    if !header::says_form(&event.delivery()) {
        return Ok(EventData::Payload);
    }
    let payload = event.payload(0, event.payload_length());
    // JSON whose content type was changed on its way.
    if payload.trim_ascii_start().starts_with(b"{") {
        return Ok(EventData::Payload);
    }
    let text = String::from_utf8(payload).map_err(|error| error.to_string())?;
    let pairs: Vec<_> = form::pairs(&text).collect();
    Ok(EventData::Json(json_text::object(pairs.iter().map(|(name, value)| (&**name, &**value)))))
}

/// Basic authentication, where the source asks for it.
fn check_basic(delivery: &Delivery) -> Result<(), Refusal> {
    let expected = match delivery.secret("basic", Encoding::Utf8, None) {
        Ok(expected) => expected,
        Err(SecretError::Missing) => return Ok(()),
        Err(_) => return Err(Refusal::Misconfigured("secrets.basic cannot be read: write it as user:password".into())),
    };
    let given = header::required(delivery, "authorization")?;
    let credentials = match given.split_once(' ') {
        Some((scheme, encoded)) if scheme.eq_ignore_ascii_case("basic") => from_base64(encoded.trim()),
        _ => None,
    };
    if credentials.is_some_and(|credentials| expected.equals(&credentials)) {
        Ok(())
    } else {
        Err(forged("header authorization does not hold the user and password of secrets.basic"))
    }
}

fn authenticate(signature: &str, secret: &Secret) -> Result<(), Refusal> {
    if from_base64(signature).is_some_and(|tag| secret.verify_mac(Digest::Sha256, &[Part::Body], &tag)) {
        Ok(())
    } else {
        Err(forged("hmacsignature does not fit the body"))
    }
}

/// These webhooks name the object that changed but not the event. A retry repeats the payload, whose time tells it from
/// every other event. Only transfers are numbered.
fn of_platform(delivery: &Delivery) -> Result<Identity, Refusal> {
    let [kind, timestamp, created, environment, object, sequence, account, merchant] = fields::of(
        delivery,
        [
            "/type",
            "/timestamp",
            "/createdAt",
            "/environment",
            "/data/id",
            "/data/sequenceNumber",
            "/data/balancePlatform",
            "/data/merchantAccount",
        ],
    )?;
    let occurred_at = [timestamp, created].into_iter().find_map(|at| time::iso8601(&at.text()?));
    let position = match (sequence.whole(), occurred_at) {
        (Some(sequence), _) => Position::Sequence(sequence),
        (None, Some(at)) => Position::Timestamp(at),
        (None, None) => Position::Arrival,
    };
    let object = object.id();
    let live = environment.text().map(|environment| (environment == "live").to_string());
    let attributes = [("account", account.id().or(merchant.id())), ("subject", object.clone()), ("live", live)];
    Ok(Identity {
        known_by: if occurred_at.is_some() { KnownBy::Payload } else { KnownBy::Undeclared },
        kind: kind.kind(),
        occurred_at,
        ordering: object.map(|key| Ordering { key, position }),
        attributes: answer::attributes(attributes),
    })
}

/// The answer that Adyen has always asked for; every 2xx will do.
fn accepted() -> Reply {
    Reply {
        status: 200,
        headers: vec![("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())],
        body: b"[accepted]".to_vec(),
    }
}

/// An authorised payment, new with each millisecond.
fn example(received_at: u64) -> String {
    include_str!("../example.json").replace("8825408195409505", &format!("{received_at:0>16}"))
}

#[cfg(test)]
mod tests;
