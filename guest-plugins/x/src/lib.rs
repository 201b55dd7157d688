//! X (Twitter): an HMAC over the body, and challenge-response checks (CRC), hourly and on demand, that want one of a token.
//! <https://docs.x.com/x-api/webhooks/quickstart>
//!
//! What identifies an event is said beside `described` and `known_by`.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | account activity | id, the array's name, `for_user_id`, the item's time; where there is no single id the bytes, which hold times | all of them | a post that mentions two subscribed users comes once for each of them | docs.x.com, Account Activity API | in part: what a retry repeats is not documented |
//! | X Activity API | event_uuid, tag and user of the subscription | all of them | has a different uuid | docs.x.com, X Activity API | in part: whether two subscriptions share a uuid is not documented |

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

/// What a webhook of the filtered stream is called; X gives it no name of its own.
const FILTERED: &str = "filtered_stream";

/// The one activity whose name does not end in `_events`: a user has withdrawn their leave.
const USER_EVENT: &str = "user_event";

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
                env!("CARGO_PKG_DESCRIPTION"),
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
        let user = user.id();
        let (kind, known_by) = described(delivery, user.as_deref().unwrap_or_default())?;
        Ok(answer::admit(Identity {
            known_by,
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

/// Anyone can request the signature of a token, so a text that could be a delivery is not signed.
fn answer_check(delivery: &Delivery, token: &str) -> Result<Verdict, Refusal> {
    if !challenge::is_token(token.as_bytes()) {
        return Err(Refusal::Malformed("crc_token is not a token of letters, digits, - and _".to_owned()));
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
        return Err(forged("the body could be the token of a check, whose signature anyone can request"));
    }
    let secret = setting::secret(delivery, "signing", Encoding::Utf8, None)?;
    if secret.verify_mac(Digest::Sha256, &[Part::Body], &tag) {
        Ok(())
    } else {
        Err(forged("x-twitter-webhooks-signature does not fit the body"))
    }
}

/// The kind, and what tells the event apart.
fn described(delivery: &Delivery, user: &str) -> Result<(Option<String>, KnownBy), Refusal> {
    let [uuid, kind, tag, of, post, rules] = fields::if_json(
        delivery,
        ["/data/event_uuid", "/data/event_type", "/data/tag", "/data/filter/user_id", "/data/id", "/matching_rules"],
    )?;
    if let Some(kind) = kind.kind() {
        let subscription = [tag, of].map(|field| field.id().unwrap_or_default());
        let id = uuid.id().and_then(|uuid| answer::joined(&[&uuid, &subscription[0], &subscription[1]]));
        return Ok((Some(kind), answer::id_or(id, KnownBy::Undeclared)));
    }
    if rules.composite().is_some() {
        let id = post.id().and_then(|id| answer::joined(&[&id, FILTERED]));
        return Ok((Some(FILTERED.to_owned()), answer::id_or(id, KnownBy::Undeclared)));
    }
    let body = fields::body_text(delivery)?;
    let names = json_text::names(&body).unwrap_or_default();
    let activities: Vec<_> = names.into_iter().filter(|name| name.ends_with("_events") || name == USER_EVENT).collect();
    match &activities[..] {
        [] => Ok((None, KnownBy::Undeclared)),
        [name] => Ok((answer::kind(Some(name.clone())), known_by(&body, name, user))),
        [first, ..] => Ok((answer::kind(Some(first.clone())), KnownBy::Payload)),
    }
}

/// Account activity: the kind is the name of the array that holds what happened (`tweet_create_events`).
///
/// Where one thing happened its own id is the event's, with the user it was sent for and its time: a post that mentions two
/// subscribed users comes for each of them, and a second like of the same post may have the id of the first one. Everything else
/// holds ids or times, and is known by its bytes.
fn known_by(body: &str, name: &str, user: &str) -> KnownBy {
    let items = json_text::items(body, &format!("/{name}")).unwrap_or_default();
    let [item] = &items[..] else { return KnownBy::Payload };
    let pointers = ["/id_str", "/id", "/timestamp_ms", "/created_timestamp"];
    let found = json_text::fields(item.text, pointers).unwrap_or_default();
    let [text, id, time, created] = found.map(fields::Field::id);
    let time = time.or(created).unwrap_or_default();
    let id = text.or(id).and_then(|id| answer::joined(&[&id, name, user, &time]));
    answer::id_or(id, KnownBy::Payload)
}
