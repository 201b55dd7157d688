//! GitHub: an HMAC over the body.
//! <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>
//!
//! `X-GitHub-Delivery` is the id of an event, also after Redeliver; two webhooks that subscribe to one
//! event share it.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | all | X-GitHub-Delivery | the header, also after Redeliver | has a different one. Two webhooks that subscribe to one event share it | GitHub's OpenAPI, `hook-delivery.guid`; github/docs#32822 | yes |

mod events;

use hookgate_plugin_sdk::{
    CloudEvent, Delivery, Descriptor, Digest, Encoding, Event, Identity, KnownBy, Ordering, Outgoing, Part, Position,
    Provider, Refusal, Verdict,
    answer::{self, cloud_event, forged},
    encoding::{from_hex, to_hex},
    export, fields, form, header, json_text,
    sending::{self, Body},
    setting,
};

/// The plugin.
pub struct GitHub;

export!(GitHub);

const SHA256: &str = "x-hub-signature-256";
const SHA1: &str = "x-hub-signature";
const EVENT: &str = "x-github-event";
const DELIVERY: &str = "x-github-delivery";

/// The only field of a form.
const FORM: &str = "payload";

impl Provider for GitHub {
    fn describe() -> Descriptor {
        Descriptor {
            secrets: vec![answer::secret("signing", "the webhook's secret, from the settings of the webhook or app")],
            settings: vec![answer::setting(
                "allow-sha1",
                Some("false"),
                "whether a delivery without X-Hub-Signature-256 may be signed with SHA-1 (old GitHub Enterprise Server)",
            )],
            headers: answer::headers(&[SHA256, SHA1, EVENT, DELIVERY, "content-type"]),
            ..answer::descriptor(
                "github",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &[
                    "https://docs.github.com/en/webhooks",
                    "https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
                ],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        authenticate(delivery)?;
        let name = answer::kind(header::optional(delivery, EVENT)?);
        // Sent once when the webhook is made; tells nothing.
        if name.as_deref() == Some("ping") {
            return Ok(answer::answer(200, "text/plain", "pong"));
        }
        let id = answer::id(header::optional(delivery, DELIVERY)?);
        let json = json_of_form(delivery)?;
        let identity =
            Identity { known_by: answer::id_or(id, KnownBy::Undeclared), ..identity(delivery, json.as_deref(), name)? };
        Ok(match json {
            Some(json) => answer::admit_bytes(identity, json.into_bytes()),
            None => answer::admit(identity),
        })
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let kind = identity.kind.clone().unwrap_or_else(|| "event".to_owned());
        let row = events::row(kind.split('.').next().unwrap_or_default());
        let [source, detail, organization, sender, subject, first, second] = fields::of_event(
            event,
            [
                row.source,
                "/comment/commit_id",
                "/organization/url",
                "/sender/url",
                pointer(row.subject),
                pointer(row.times[0]),
                pointer(row.times[1]),
            ],
        );
        let anywhere = || organization.text().or(sender.text()).unwrap_or_else(|| "https://api.github.com".to_owned());
        let mut source = source.text().unwrap_or_else(anywhere);
        if let ("commit_comment", Some(commit)) = (row.event, detail.text()) {
            source = format!("{source}/{commit}");
        }
        let time = first.time().or(second.time()).unwrap_or_else(|| event.delivery().received_at());
        Ok(vec![CloudEvent {
            subject: subject.text_or_number().filter(|text| !text.is_empty()),
            time: Some(time),
            ..cloud_event(
                answer::provider_id(&identity).unwrap_or_else(|| event.id()),
                source,
                format!("com.github.{kind}"),
            )
        }])
    }

    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        let secret = setting::signing_secret(delivery, "signing", Encoding::Utf8, None)?;
        let body = Body::of(delivery, || include_str!("../example.json").to_owned());
        let sha256 = to_hex(&secret.mac(Digest::Sha256, &[body.part()]));
        let sha1 = to_hex(&secret.mac(Digest::Sha1, &[body.part()]));
        Ok(body.with_headers([
            (SHA256, format!("sha256={sha256}")),
            (SHA1, format!("sha1={sha1}")),
            (EVENT, header::first(delivery, EVENT).unwrap_or_else(|| "push".to_owned())),
            (DELIVERY, header::first(delivery, DELIVERY).unwrap_or_else(|| sending::uuid(delivery))),
            ("content-type", header::first(delivery, "content-type").unwrap_or_else(|| "application/json".to_owned())),
        ]))
    }
}

/// SHA-256 where there is such a header; SHA-1 in its stead only where the operator allows it.
fn authenticate(delivery: &Delivery) -> Result<(), Refusal> {
    let (digest, prefix, signature) = match header::optional(delivery, SHA256)? {
        Some(signature) => (Digest::Sha256, "sha256=", signature),
        None if setting::flag(delivery, "allow-sha1", false)? => {
            (Digest::Sha1, "sha1=", header::required(delivery, SHA1)?)
        }
        None => return Err(forged("no header x-hub-signature-256: has the webhook a secret?")),
    };
    let secret = setting::secret(delivery, "signing", Encoding::Utf8, None)?;
    match signature.strip_prefix(prefix).and_then(from_hex) {
        Some(tag) if secret.verify_mac(digest, &[Part::Body], &tag) => Ok(()),
        Some(_) => Err(forged("the signature does not fit the body")),
        None => Err(forged("the signature is not hex behind its prefix")),
    }
}

/// The JSON of a body that is a form, `payload=…`: that is the event, for each content type of the webhook. The signed
/// bytes tell which of both a body is: its content type is not signed.
fn json_of_form(delivery: &Delivery) -> Result<Option<String>, Refusal> {
    if delivery.body(0, FORM.len() as u64 + 1) == format!("{FORM}=").as_bytes() {
        return Ok(form::first_value(delivery.body(0, delivery.body_length()), FORM));
    }
    if header::says_form(delivery) && !fields::begins_as_json(delivery) {
        Err(Refusal::Malformed("a form that does not begin with the field payload".to_owned()))
    } else {
        Ok(None)
    }
}

/// Who the event is, read from the JSON of a form or else from the body. The order of arrival is all there is: GitHub
/// numbers nothing.
fn identity(delivery: &Delivery, json: Option<&str>, name: Option<String>) -> Result<Identity, Refusal> {
    let row = events::row(name.as_deref().unwrap_or_default());
    let detail = |at: usize| pointer(row.kind.get(at).copied().unwrap_or_default());
    let [first, second] = row.times.map(pointer);
    let pointers = [detail(0), detail(1), "/repository/full_name", first, second];
    let [detail, further, repository, time, earlier] = match json {
        Some(json) => json_text::fields(json, pointers)
            .ok_or_else(|| Refusal::Malformed("the field payload is not a JSON object".to_owned()))?,
        None => fields::if_json(delivery, pointers)?,
    };
    let details = [detail, further].into_iter().filter_map(fields::Field::kind);
    let kind = name.map(|name| details.fold(name, |kind, detail| kind + "." + &detail));
    Ok(Identity {
        kind: answer::kind(kind),
        occurred_at: time.time().or(earlier.time()),
        ordering: repository.id().map(|key| Ordering { key, position: Position::Arrival }),
        ..answer::identity()
    })
}

/// A pointer to nothing where there is none.
fn pointer(pointer: &'static str) -> &'static str {
    if pointer.is_empty() { "/-" } else { pointer }
}
