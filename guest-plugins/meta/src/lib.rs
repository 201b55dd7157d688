//! Meta: Facebook pages, Messenger, Instagram and WhatsApp. An HMAC over the body; a challenge with a token of ours before
//! anything is sent.
//! <https://developers.facebook.com/docs/graph-api/webhooks/getting-started>
//!
//! A delivery holds a batch of entries, each with a batch of changes or messages. Each of these becomes an event, whose
//! payload is a delivery that holds only that one: code that reads Meta's deliveries reads the event.
//!
//! Meta has an id for some of them only. What identifies each kind is said beside `of_change` and `of_message`.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | messages | mid, what happened to the message (`message`, `message.deleted`, `message.echo`, `message_edit`, `postback`), timestamp, account, `messaging` or `standby` | all of them | an unsent message keeps its mid and says `is_deleted`; an edit keeps it and counts `num_edit` | developers.facebook.com, Instagram webhooks examples and Messenger webhook events; restfb/restfb#1183 | in part: what a retry repeats is not documented |
//! | WhatsApp messages and statuses | id, type or status, timestamp, recipient and group member, account | all of them | has a different status, member or type for the same message | developers.facebook.com, WhatsApp webhooks | in part, as above |
//! | leads | leadgen_id, field, account | all of them | has a different id | developers.facebook.com, Webhooks for leads | in part |
//! | everything else | the bytes of the change, with its time or the entry's | the bytes | has a different time | as above | in part: the entry's time is the time of sending, so a retry may count as a new event |

mod event;

use hookgate_plugin_sdk::{
    Accepted, CloudEvent, Delivery, Descriptor, Digest, Encoding, Event, Outgoing, Part, Provider, Refusal, Verdict,
    answer::{self, attribute, cloud_event, forged},
    challenge,
    encoding::{from_hex, to_hex},
    export, fields, header,
    sending::Body,
    setting,
};

/// The plugin.
pub struct Meta;

export!(Meta);

const SIGNATURE: &str = "x-hub-signature-256";

impl Provider for Meta {
    fn describe() -> Descriptor {
        Descriptor {
            secrets: vec![
                answer::secret("signing", "the app's secret, from App settings > Basic"),
                answer::secret("verify-token", "a text of your own, which is typed in at Meta beside the URL"),
            ],
            headers: answer::headers(&[SIGNATURE, "content-type"]),
            ..answer::descriptor(
                "meta",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &[
                    "https://developers.facebook.com/docs/graph-api/webhooks/getting-started",
                    "https://developers.facebook.com/docs/messenger-platform/webhooks",
                    "https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components",
                ],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        if delivery.method() == "GET"
            && let Some(challenge) = challenge::of_query(delivery, "hub.challenge")?
        {
            return answer_challenge(delivery, challenge);
        }
        authenticate(delivery)?;
        fields::check_json(delivery)?;
        let events = event::of_body(&fields::body_text(delivery)?)?;
        Ok(Verdict::Admit(Accepted { events, reply: None }))
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let object = attribute(&identity, "object").unwrap_or_else(|| "object".to_owned());
        let source = match attribute(&identity, "entry") {
            Some(entry) => format!("https://graph.facebook.com/{object}/{entry}"),
            None => format!("https://graph.facebook.com/{object}"),
        };
        let kind = format!("com.meta.{}", identity.kind.as_deref().unwrap_or(&object));
        Ok(vec![CloudEvent {
            subject: attribute(&identity, "subject"),
            time: Some(identity.occurred_at.unwrap_or_else(|| event.delivery().received_at())),
            ..cloud_event(answer::provider_id(&identity).unwrap_or_else(|| event.id()), source, kind)
        }])
    }

    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        let secret = setting::signing_secret(delivery, "signing", Encoding::Utf8, None)?;
        let body = Body::of(delivery, || {
            include_str!("../example.json").replace("1700000000", &(delivery.received_at() / 1000).to_string())
        });
        let signature = to_hex(&secret.mac(Digest::Sha256, &[body.part()]));
        Ok(body.with_headers([
            (SIGNATURE, format!("sha256={signature}")),
            ("content-type", "application/json".to_owned()),
        ]))
    }
}

fn answer_challenge(delivery: &Delivery, challenge: String) -> Result<Verdict, Refusal> {
    if delivery.query("hub.mode").as_deref() != Some("subscribe") {
        return Err(Refusal::Malformed("hub.mode is not subscribe".to_owned()));
    }
    let expected = setting::secret(delivery, "verify-token", Encoding::Utf8, None)?;
    if delivery.query("hub.verify_token").is_some_and(|token| expected.equals(token.as_bytes())) {
        Ok(challenge::echo(challenge))
    } else {
        Err(forged("hub.verify_token is not secrets.verify-token"))
    }
}

fn authenticate(delivery: &Delivery) -> Result<(), Refusal> {
    let signature = header::required(delivery, SIGNATURE)?;
    let tag = signature.strip_prefix("sha256=").and_then(from_hex);
    let tag = tag.ok_or_else(|| forged("x-hub-signature-256 is not sha256= and hex"))?;
    let secret = setting::secret(delivery, "signing", Encoding::Utf8, None)?;
    if secret.verify_mac(Digest::Sha256, &[Part::Body], &tag) {
        Ok(())
    } else {
        Err(forged("x-hub-signature-256 does not fit the body"))
    }
}
