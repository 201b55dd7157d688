//! Parcelbird: HMAC-SHA256 over `{timestamp}.{body}`, in the header
//! `parcelbird-signature: t=...,v1=...`.

use hookgate_plugin_sdk::{
    CloudEvent, Delivery, Descriptor, Digest, Encoding, Event, Identity, KnownBy, Ordering, Outgoing, Part,
    Position, Provider, Refusal, Verdict,
    answer::{self, attribute, cloud_event, forged},
    encoding::{from_hex, part, to_hex},
    export, fields, header,
    sending::Body,
    setting, signatures,
    time::{self, Window},
};

/// The plugin.
pub struct Plugin;

export!(Plugin);

const SIGNATURE: &str = "parcelbird-signature";
const SOURCE: &str = "https://parcelbird.example";

impl Provider for Plugin {
    /// What operators see, and what a source of this plugin takes in the configuration.
    fn describe() -> Descriptor {
        Descriptor {
            secrets: vec![answer::secret(
                "signing",
                "the webhook's secret, from Settings > Webhooks",
            )],
            settings: vec![answer::setting(
                "tolerance",
                Some("300"),
                "seconds that a signature lives; 0: for ever",
            )],
            headers: answer::headers(&[SIGNATURE]),
            ..answer::descriptor(
                "parcelbird",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &["https://parcelbird.example/docs/webhooks"],
            )
        }
    }

    /// Before the reply: is it authentic, and what does it bring?
    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        authenticate(delivery)?;
        // One call: the host reads the JSON where it lies and hands over what these pointers name.
        let [version, id, kind, time, parcel, step, challenge] = fields::of(
            delivery,
            [
                "/version",
                "/id",
                "/type",
                "/time",
                "/parcel/id",
                "/parcel/step",
                "/challenge",
            ],
        )?;
        if version.whole() != Some(1) {
            return Err(Refusal::Unsupported(
                "the body's version is not 1".to_owned(),
            ));
        }
        let kind = kind.kind();
        // A handshake: answered at once, and no event.
        if kind.as_deref() == Some("ping") {
            let challenge = challenge
                .text()
                .ok_or_else(|| Refusal::Malformed("a ping without challenge".to_owned()))?;
            return Ok(answer::answer(200, "text/plain", challenge));
        }
        let parcel = parcel.id();
        let position = step.whole().map_or(Position::Arrival, Position::Sequence);
        Ok(answer::admit(Identity {
            // The same on every retry: duplicates are known by it.
            known_by: answer::id_or(id.id(), KnownBy::Undeclared),
            kind,
            occurred_at: time.time(),
            // The steps of a parcel are in order among themselves.
            ordering: parcel.clone().map(|key| Ordering { key, position }),
            attributes: answer::attributes([("parcel", parcel)]),
        }))
    }

    /// What the event means to its receivers.
    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let kind = identity.kind.as_deref().unwrap_or("event");
        let kind = format!("example.parcelbird.{kind}");
        Ok(vec![CloudEvent {
            subject: attribute(&identity, "parcel"),
            time: identity.occurred_at,
            ..cloud_event(
                answer::provider_id(&identity).unwrap_or_else(|| event.id()),
                SOURCE.to_owned(),
                kind,
            )
        }])
    }

    /// Plays the provider, for `hookgate send`. An empty body stands for the example.
    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        let secret = setting::signing_secret(delivery, "signing", Encoding::Utf8, None)?;
        let seconds = delivery.received_at() / 1000;
        let body = Body::of(delivery, || {
            include_str!("../example.json").replace("1700000000", &seconds.to_string())
        });
        let timestamp = format!("{seconds}.");
        let message = [part(&timestamp), body.part()];
        let tag = to_hex(&secret.mac(Digest::Sha256, &message));
        Ok(body.with_headers([
            (SIGNATURE, format!("t={seconds},v1={tag}")),
            ("content-type", "application/json".to_owned()),
        ]))
    }
}

/// One `v1` that fits under any live secret is enough: two are sent while a secret is being rotated.
/// The secret's bytes stay with the host, and so does the body.
fn authenticate(delivery: &Delivery) -> Result<(), Refusal> {
    let list = header::required(delivery, SIGNATURE)?;
    let timestamp = signatures::value(&list, ',', "t")
        .ok_or_else(|| forged("parcelbird-signature has no t="))?;
    let signed_at = time::unix_seconds(timestamp).ok_or_else(|| forged("t= is not a Unix timestamp"))?;
    let secret = setting::secret(delivery, "signing", Encoding::Utf8, None)?;
    let message = [part(timestamp), part("."), Part::Body];
    let mut tags = signatures::values(&list, ',', "v1").filter_map(from_hex);
    if !tags.any(|tag| secret.verify_mac(Digest::Sha256, &message, &tag)) {
        return Err(forged("no v1= of parcelbird-signature fits the body"));
    }
    // A timestamp is worth something once its signature is right.
    let tolerance = setting::whole(delivery, "tolerance", 300)?;
    time::check(delivery, signed_at, tolerance, Window::Both)
}
