//! X (Twitter): an HMAC over the body, and challenge-response checks (CRC), hourly and on demand, that want one of a token.
//! <https://docs.x.com/x-api/webhooks/quickstart>

use hookgate_plugin_sdk::{
    CloudEvent, Delivery, Descriptor, Digest, Encoding, Event, Identity, KnownBy, Ordering, Outgoing, Part, Position,
    Provider, Refusal, Verdict,
    answer::{self, attribute, cloud_event, forged},
    challenge,
    encoding::{from_base64, part, to_base64},
    export, fields, header, json_text,
    sending::Body,
    setting,
};

/// The plugin.
pub struct X;

export!(X);

const SIGNATURE: &str = "x-twitter-webhooks-signature";

/// What a signature begins with.
const PREFIX: &str = "sha256=";

impl Provider for X {
    fn describe() -> Descriptor {
        Descriptor {
            secrets: vec![answer::secret("signing", "the app's consumer secret (API key secret)")],
            headers: answer::headers(&[SIGNATURE, "content-type"]),
            ..answer::descriptor(
                "x",
                env!("CARGO_PKG_VERSION"),
                "X: account activity and filtered stream, HMAC-SHA256; answers challenge-response checks",
                &[
                    "https://docs.x.com/x-api/webhooks/quickstart",
                    "https://docs.x.com/x-api/account-activity/introduction",
                ],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        if delivery.method() == "GET"
            && let Some(token) = challenge::of_query(delivery, "crc_token")?
        {
            return answer_check(delivery, &token);
        }
        authenticate(delivery)?;
        let [user] = fields::if_json(delivery, ["/for_user_id"])?;
        let (kind, id) = described(delivery)?;
        let user = user.id();
        Ok(answer::admit(Identity {
            known_by: answer::id_or(id, KnownBy::Undeclared),
            kind,
            occurred_at: None,
            ordering: user.clone().map(|key| Ordering { key, position: Position::Arrival }),
            attributes: answer::attributes([("user", user)]),
        }))
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let kind = format!("com.x.{}", identity.kind.as_deref().unwrap_or("event"));
        let delivery = event.delivery();
        Ok(vec![CloudEvent {
            subject: attribute(&identity, "user"),
            time: Some(delivery.received_at()),
            data_content_type: header::first(&delivery, "content-type"),
            ..cloud_event(
                answer::provider_id(&identity).unwrap_or_else(|| event.id()),
                "https://x.com".to_owned(),
                kind,
            )
        }])
    }

    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        let secret = setting::signing_secret(delivery, "signing", Encoding::Utf8, None)?;
        let body = Body::of(delivery, || {
            include_str!("../example.json").replace("1700000000000", &delivery.received_at().to_string())
        });
        let signature = PREFIX.to_owned() + &to_base64(&secret.mac(Digest::Sha256, &[body.part()]));
        Ok(body.with_headers([(SIGNATURE, signature), ("content-type", "application/json".to_owned())]))
    }
}

/// Anybody can ask for the signature of a token, so that only what no delivery is made of is signed.
fn answer_check(delivery: &Delivery, token: &str) -> Result<Verdict, Refusal> {
    if !challenge::is_token(token.as_bytes()) {
        return Err(Refusal::Malformed("crc_token is no token of letters, digits, - and _".to_owned()));
    }
    let secret = setting::secret(delivery, "signing", Encoding::Utf8, None)?;
    let signature = to_base64(&secret.mac(Digest::Sha256, &[part(token)]));
    Ok(challenge::json(format!(r#"{{"response_token":"{PREFIX}{signature}"}}"#)))
}

fn authenticate(delivery: &Delivery) -> Result<(), Refusal> {
    let signature = header::required(delivery, SIGNATURE)?;
    let tag = signature.strip_prefix(PREFIX).and_then(from_base64);
    let tag = tag.ok_or_else(|| forged("x-twitter-webhooks-signature is not sha256= and base64"))?;
    if challenge::is_body_token(delivery) {
        return Err(forged("the body could be the token of a check, whose signature anybody can have"));
    }
    let secret = setting::secret(delivery, "signing", Encoding::Utf8, None)?;
    match secret.verify_mac(Digest::Sha256, &[Part::Body], &tag) {
        true => Ok(()),
        false => Err(forged("x-twitter-webhooks-signature does not fit the body")),
    }
}

/// The kind is the name of the array that holds what happened (`tweet_create_events`), or the type within `data`. Where
/// one thing happened, its own id is the event's.
fn described(delivery: &Delivery) -> Result<(Option<String>, Option<String>), Refusal> {
    let [uuid, kind] = fields::if_json(delivery, ["/data/event_uuid", "/data/event_type"])?;
    if let Some(kind) = kind.kind() {
        return Ok((Some(kind), uuid.id()));
    }
    let body = fields::body_text(delivery)?;
    let names = json_text::names(&body).unwrap_or_default();
    let Some(name) = names.into_iter().find(|name| name.ends_with("_events")) else { return Ok((None, None)) };
    let id = match json_text::items(&body, &format!("/{name}")).as_deref() {
        Some([one]) => json_text::fields(one.text, ["/id_str", "/id"]).and_then(|[text, id]| text.id().or(id.id())),
        _ => None,
    };
    let id = answer::id(id.map(|id| format!("{name}:{id}")));
    Ok((answer::kind(Some(name)), id))
}
