//! CloudEvents 1.0 over HTTP, from any sender: structured, batched and binary mode, and the handshake before them. Events
//! leave as they came.
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md>
//!
//! Source and id identify an event, as the specification says (3.1.1).
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | all | source and id | both | has a different pair | CloudEvents 1.0.2, 3.1.1 | yes |

mod sender;

use hookgate_plugin_sdk::{
    Accepted, Admission, CloudEvent, Delivery, Descriptor, Event, Outgoing, Payload, Provider, Refusal, Reply, Verdict,
    answer, batch,
    cloudevents::{self, Mode},
    export, fields, json_text, standard_webhooks,
};

/// The plugin.
pub struct CloudEvents;

export!(CloudEvents);

impl Provider for CloudEvents {
    fn describe() -> Descriptor {
        let setting = answer::setting;
        Descriptor {
            secrets: vec![
                standard_webhooks::spec(answer::optional_secret(
                    "signing",
                    "where the sender signs as Standard Webhooks say: whsec_ and base64, as in a destination's secret",
                )),
                answer::optional_secret(
                    "token",
                    "where the sender has a token: in authorization behind Bearer, or in the query as access_token",
                ),
            ],
            settings: vec![
                setting(
                    "origins",
                    None,
                    "who may send, as they name themselves in the handshake: a name, a list of names, or * for all; \
                     without it no handshake is answered",
                ),
                setting("rate", Some("*"), "deliveries a minute that the handshake allows; * for any number"),
                setting("tolerance", Some("300"), "seconds that a signature lives; 0: for ever"),
            ],
            // `authorization` is read and not named, so that it is not kept.
            headers: answer::headers(&[
                "content-type",
                "webhook-id",
                "webhook-timestamp",
                "webhook-signature",
                "webhook-request-origin",
                "webhook-request-rate",
                "webhook-request-callback",
                "ce-specversion",
                "ce-id",
                "ce-source",
                "ce-type",
                "ce-subject",
                "ce-time",
                "ce-dataschema",
            ]),
            ..answer::descriptor(
                "cloudevents",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &[
                    "https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md",
                    "https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md",
                ],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        if delivery.method() == "OPTIONS" {
            return cloudevents::permission(delivery, "").map(Verdict::Answer);
        }
        sender::authenticate(delivery)?;
        cloudevents::check_delivered_origin(delivery)?;
        let events = events(delivery)?;
        let reply = reply(delivery);
        if events.is_empty() {
            Ok(Verdict::Answer(reply))
        } else {
            Ok(Verdict::Admit(Accepted { events, reply: Some(reply) }))
        }
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        Ok(vec![cloudevents::of_event(event)?])
    }

    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        sender::sign(delivery)
    }
}

/// None for an empty batch.
fn events(delivery: &Delivery) -> Result<Vec<Admission>, Refusal> {
    let event = match cloudevents::mode(delivery)? {
        Mode::Batched => {
            fields::check_json(delivery)?;
            let is_empty = json_text::items(&fields::body_text(delivery)?, "").is_some_and(|items| items.is_empty());
            return if is_empty { Ok(Vec::new()) } else { batch::admit(delivery, "", cloudevents::identity_of) };
        }
        Mode::Structured => {
            fields::check_json(delivery)?;
            cloudevents::of_json(&fields::body_text(delivery)?)
        }
        Mode::Binary => cloudevents::of_headers(delivery),
    };
    let event = event.map_err(Refusal::Malformed)?;
    Ok(vec![Admission { identity: cloudevents::identity(&event), payload: Payload::Body }])
}

/// Accepted, and not processed yet (HTTP webhooks, 2.2). A reply to a request with a token in the URL must not be cached (3.2).
fn reply(delivery: &Delivery) -> Reply {
    match delivery.query("access_token") {
        Some(_) => answer::answer_with(202, [("cache-control", "private".to_owned())]),
        None => answer::answer_with(202, []),
    }
}
