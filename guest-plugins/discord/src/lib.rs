//! Discord: webhook events and interactions, signed with the application's Ed25519 key over `{timestamp}{body}`.
//! <https://docs.discord.com/developers/events/webhook-events> and
//! <https://docs.discord.com/developers/interactions/receiving-and-responding>.
//!
//! An interaction has an id and is not sent again; what identifies a webhook event is said beside `webhook_event`.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | interactions | id | not sent again | has a different id | docs.discord.com, Receiving and responding | yes |
//! | webhook events | the payload, with `event.timestamp` | the payload | has a different time | docs.discord.com, Webhook events | in part: there is no id; that a retry repeats the body is not documented |

mod interaction;

use hookgate_plugin_sdk::{
    Accepted, Admission, CloudEvent, Delivery, Descriptor, Encoding, Event, ExtensionValue, Identity, KnownBy,
    Ordering, Outgoing, Part, Payload, Position, Provider, Refusal, Reply, Scheme, Secret, Verdict,
    answer::{self, attribute, cloud_event, forged},
    borders::{self, Piece},
    encoding::{from_hex, part, to_hex},
    export,
    fields::{self, Field},
    header, setting,
    time::{self, Window},
};

/// The plugin.
pub struct Discord;

// Signing takes the private key and verifying the public one: src/tests.rs has a pair.
export!(Discord, vectors_only);

const SIGNATURE: &str = "x-signature-ed25519";
const TIMESTAMP: &str = "x-signature-timestamp";

impl Provider for Discord {
    fn describe() -> Descriptor {
        Descriptor {
            secrets: vec![answer::secret(
                "public-key",
                "the application's public key, hex, from General Information in the developer portal",
            )],
            settings: vec![
                answer::setting(
                    "tolerance",
                    Some("0"),
                    "seconds that a signature lives; 0: for ever, since Discord documents no limit",
                ),
                answer::setting(
                    "interaction-reply",
                    Some("deferred"),
                    "deferred: the user waits for the destination's answer, seen by all; ephemeral: seen by the user only; \
                     or the JSON of an answer",
                ),
            ],
            headers: answer::headers(&[SIGNATURE, TIMESTAMP]),
            ..answer::descriptor(
                "discord",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &[
                    "https://docs.discord.com/developers/events/webhook-events",
                    "https://docs.discord.com/developers/interactions/overview",
                    "https://docs.discord.com/developers/interactions/receiving-and-responding",
                ],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        authenticate(delivery)?;
        let [kind, event] = fields::of(delivery, ["/type", "/event"])?;
        // Both products number their types from their own ping; only webhook events have an event within.
        match (kind.whole(), event.composite()) {
            (Some(0), None) => Ok(Verdict::Answer(no_content())),
            (Some(1), None) => Ok(interaction::pong()),
            (Some(1), Some(_)) => webhook_event(delivery),
            (Some(kind), None) => interaction::judge(delivery, kind),
            (Some(kind), Some(_)) => Err(Refusal::Unsupported(format!("webhook event of type {kind}"))),
            (None, _) => Err(Refusal::Malformed("the body has no number at /type".to_owned())),
        }
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let source = match attribute(&identity, "application") {
            Some(application) => format!("https://discord.com/applications/{application}"),
            None => "https://discord.com".to_owned(),
        };
        let kind = format!("com.discord.{}", identity.kind.as_deref().unwrap_or("event"));
        let named = |name: &str| Some((name.to_owned(), ExtensionValue::Text(attribute(&identity, name)?)));
        Ok(vec![CloudEvent {
            subject: attribute(&identity, "subject"),
            time: identity.occurred_at,
            extensions: ["guild", "channel", "user"].into_iter().filter_map(named).collect(),
            ..cloud_event(answer::provider_id(&identity).unwrap_or_else(|| event.id()), source, kind)
        }])
    }

    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        let secret = setting::signing_secret(delivery, "public-key", Encoding::Hex, None)?;
        let timestamp = (delivery.received_at() / 1000).to_string();
        let example = (delivery.body_length() == 0).then(|| example(delivery.received_at()));
        let body = example.as_deref().map_or(Part::Body, part);
        let signature = secret.sign(Scheme::Ed25519, &[part(&timestamp), body]).map_err(|why| {
            format!("secrets.public-key must hold the private key to sign with, 32 bytes as hex: {why}")
        })?;
        let headers =
            [(SIGNATURE, to_hex(&signature)), (TIMESTAMP, timestamp), ("content-type", "application/json".to_owned())];
        Ok(Outgoing {
            headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            body: example.map(String::into_bytes),
        })
    }
}

/// Everything that does not carry a right signature is answered 401, as Discord's probes with wrong ones demand.
fn authenticate(delivery: &Delivery) -> Result<(), Refusal> {
    let text = |name: &str| {
        header::required(delivery, name).map_err(|refusal| match refusal {
            Refusal::Malformed(why) => forged(&why),
            refusal => refusal,
        })
    };
    let (signature, timestamp) = (text(SIGNATURE)?, text(TIMESTAMP)?);
    let signed_at =
        time::unix_seconds(&timestamp).ok_or_else(|| forged("x-signature-timestamp is not a Unix timestamp"))?;
    let signature = from_hex(&signature)
        .filter(|bytes| bytes.len() == 64)
        .ok_or_else(|| forged("x-signature-ed25519 is not the hex of 64 bytes"))?;
    let body = Piece::Anything { first: delivery.body(0, 1).first().copied(), last: None };
    borders::check(&[Piece::digits(TIMESTAMP, &timestamp), body]).map_err(|why| forged(&why.to_string()))?;
    let key = setting::secret(delivery, "public-key", Encoding::Hex, None)?;
    if !key.verify_signature(Scheme::Ed25519, &[part(&timestamp), Part::Body], &signature) {
        return Err(why_none_fits(&key));
    }
    time::check(delivery, signed_at, setting::whole(delivery, "tolerance", 0)?, Window::Both)
}

/// A key of another length fits nothing, and that is the operator's to mend. Nothing tells a key's length, but an Ed25519
/// private key has the same 32 bytes: what cannot sign has not got them. The signature itself is of no use and is dropped.
fn why_none_fits(key: &Secret) -> Refusal {
    match key.sign(Scheme::Ed25519, &[]) {
        Ok(_) => forged("x-signature-ed25519 does not fit the timestamp and body"),
        Err(_) => Refusal::Misconfigured("secrets.public-key is not the hex of 32 bytes".to_owned()),
    }
}

/// Discord wants 204 and a content type for pings and events alike.
fn no_content() -> Reply {
    Reply { status: 204, headers: vec![("content-type".to_owned(), "application/json".to_owned())], body: Vec::new() }
}

/// An event has no id of its own. Its time to the microsecond is part of the body, which a retry repeats. Events of one
/// user, lobby or channel are ordered by their time.
fn webhook_event(delivery: &Delivery) -> Result<Verdict, Refusal> {
    let [application, kind, timestamp, user, user_id, lobby, channel, object, guild] = fields::of(
        delivery,
        [
            "/application_id",
            "/event/type",
            "/event/timestamp",
            "/event/data/user/id",
            "/event/data/user_id",
            "/event/data/lobby_id",
            "/event/data/channel_id",
            "/event/data/id",
            "/event/data/guild/id",
        ],
    )?;
    let (user, application) = (user.id().or(user_id.id()), application.id());
    let (lobby, channel) = (lobby.id(), channel.id());
    let key = [&user, &lobby, &channel, &application].into_iter().flatten().next().cloned();
    let attributes = [
        ("application", application),
        ("subject", object.id().or_else(|| user.clone())),
        ("user", user),
        ("channel", channel),
        ("guild", guild.id()),
    ];
    let event = identity(kind.kind(), timestamp, key, attributes);
    let events = vec![Admission { identity: event, payload: Payload::Body }];
    Ok(Verdict::Admit(Accepted { events, reply: Some(no_content()) }))
}

fn identity<const N: usize>(
    kind: Option<String>,
    timestamp: Field,
    key: Option<String>,
    attributes: [(&str, Option<String>); N],
) -> Identity {
    let occurred_at = timestamp.text().and_then(|text| time::iso8601(&text));
    let position = occurred_at.map_or(Position::Arrival, Position::Timestamp);
    Identity {
        known_by: if occurred_at.is_some() { KnownBy::Payload } else { KnownBy::Undeclared },
        kind,
        occurred_at,
        ordering: key.map(|key| Ordering { key, position }),
        attributes: answer::attributes(attributes),
    }
}

/// A purchase, new with each millisecond.
fn example(received_at: u64) -> String {
    include_str!("../example.json").replace("1234505980407808808", &(received_at << 22).to_string())
}

#[cfg(test)]
mod tests;
