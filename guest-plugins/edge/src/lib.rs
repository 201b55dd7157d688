//! CloudEvents that an edge of hookgate (`edge/`) has made of a provider's deliveries and forwards. They are trusted by a
//! Standard Webhooks signature of the edge.
//!
//! Each event keeps the identity and the order that the provider's plugin gave it at the edge, so that duplicates are found
//! as if the delivery had come here. It leaves as that plugin has made it.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | all | what the plugin at the edge declared, in the extension `hookgateidentity`; else source and id | both | as the plugin at the edge says | docs/edge.md | yes |

mod identity;

use hookgate_plugin_sdk::{
    Accepted, Admission, CloudEvent, Delivery, Descriptor, Event, Outgoing, Payload, Provider, Refusal, Verdict,
    answer, batch,
    cloudevents::{self, Mode},
    export, fields,
    sending::{self, Body},
    setting, standard_webhooks, time,
};

/// The plugin.
pub struct Edge;

export!(Edge);

impl Provider for Edge {
    fn describe() -> Descriptor {
        let headers: Vec<&str> = ["content-type"].into_iter().chain(standard_webhooks::HEADERS).collect();
        Descriptor {
            secrets: vec![standard_webhooks::spec(answer::secret(
                "signing",
                "the edge's origin_secret: whsec_ and base64",
            ))],
            settings: vec![answer::setting("tolerance", Some("300"), "seconds that a signature lives; 0: for ever")],
            headers: answer::headers(&headers),
            ..answer::descriptor(
                "edge",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &["https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        let secret = standard_webhooks::secret(delivery, "signing");
        let secret = secret.map_err(|error| Refusal::Misconfigured(setting::explain("signing", error)))?;
        standard_webhooks::verify(delivery, &secret)?;
        let events = match cloudevents::mode(delivery)? {
            Mode::Structured => {
                fields::check_json(delivery)?;
                let identity = identity::of_json(&fields::body_text(delivery)?)?;
                vec![Admission { identity, payload: Payload::Body }]
            }
            Mode::Batched => {
                fields::check_json(delivery)?;
                batch::admit(delivery, "", |item| identity::of_json(item.text))?
            }
            Mode::Binary => return Err(Refusal::Unsupported("an edge forwards JSON".to_owned())),
        };
        Ok(Verdict::Admit(Accepted { events, reply: None }))
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let mut output = cloudevents::of_event(event)?;
        output.extensions.retain(|(name, _)| name != identity::EXTENSION);
        Ok(vec![output])
    }

    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        let secret = standard_webhooks::secret(delivery, "signing");
        let secret = secret.map_err(|error| setting::explain("signing", error))?;
        let body = Body::of(delivery, || example(delivery));
        Ok(standard_webhooks::sign(delivery, &secret, body, "application/cloudevents+json"))
    }
}

fn example(delivery: &Delivery) -> String {
    include_str!("../example.json")
        .replace("evt_1NG8Du2eZvKYlo2CUI79vXWy", &sending::uuid(delivery))
        .replace("2023-06-12T12:00:00Z", &time::to_rfc3339(delivery.received_at()))
}
