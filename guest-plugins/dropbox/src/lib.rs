//! Dropbox: an HMAC over the body; a challenge in the query before anything is sent.
//! <https://www.dropbox.com/developers/reference/webhooks>
//!
//! Nothing identifies a notification: the next one has the same bytes.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | all | nothing: each delivery is an event | the payload | has the same payload and the same signature: only the accounts are named | dropbox.com/developers, Webhooks | yes |

use hookgate_plugin_sdk::{
    CloudEvent, Delivery, Descriptor, Digest, Encoding, Event, Identity, KnownBy, Outgoing, Part, Provider, Refusal,
    Verdict,
    answer::{self, cloud_event, forged},
    challenge,
    encoding::{from_hex, to_hex},
    export, fields, header,
    sending::Body,
    setting,
};

/// The plugin.
pub struct Dropbox;

export!(Dropbox);

const SIGNATURE: &str = "x-dropbox-signature";

impl Provider for Dropbox {
    fn describe() -> Descriptor {
        Descriptor {
            secrets: vec![answer::secret("signing", "the app's secret, from the App Console")],
            headers: answer::headers(&[SIGNATURE, "content-type"]),
            ..answer::descriptor(
                "dropbox",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &["https://www.dropbox.com/developers/reference/webhooks"],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        if delivery.method() == "GET"
            && let Some(challenge) = challenge::of_query(delivery, "challenge")?
        {
            return Ok(challenge::echo(challenge));
        }
        authenticate(delivery)?;
        let [accounts] = fields::of(delivery, ["/list_folder/accounts"])?;
        Ok(answer::admit(Identity {
            // A notification says which accounts have changed and nothing else: the next one of the same accounts has the
            // same bytes and the same signature.
            known_by: KnownBy::Delivery(None),
            kind: accounts.composite().map(|_| "list_folder".to_owned()),
            occurred_at: Some(delivery.received_at()),
            ..answer::identity()
        }))
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let kind = format!("com.dropbox.{}", identity.kind.as_deref().unwrap_or("notification"));
        Ok(vec![CloudEvent {
            time: identity.occurred_at,
            ..cloud_event(event.id(), "https://www.dropbox.com".to_owned(), kind)
        }])
    }

    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        let secret = setting::signing_secret(delivery, "signing", Encoding::Utf8, None)?;
        let body = Body::of(delivery, || include_str!("../example.json").to_owned());
        let signature = to_hex(&secret.mac(Digest::Sha256, &[body.part()]));
        Ok(body.with_headers([(SIGNATURE, signature), ("content-type", "application/json".to_owned())]))
    }
}

fn authenticate(delivery: &Delivery) -> Result<(), Refusal> {
    let signature = header::required(delivery, SIGNATURE)?;
    let tag = from_hex(&signature).ok_or_else(|| forged("x-dropbox-signature is not hex"))?;
    let secret = setting::secret(delivery, "signing", Encoding::Utf8, None)?;
    if secret.verify_mac(Digest::Sha256, &[Part::Body], &tag) {
        Ok(())
    } else {
        Err(forged("x-dropbox-signature does not fit the body"))
    }
}
