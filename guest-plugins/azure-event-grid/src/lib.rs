//! Azure Event Grid: a key of ours in the subscription's URL or in a header, validation before anything is sent, and events
//! in Event Grid's own schema or as CloudEvents.
//! <https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema>,
//! <https://learn.microsoft.com/azure/event-grid/end-point-validation-cloud-events-schema>
//!
//! What identifies an event is said beside `identity`, and in `hookgate_plugin_sdk::cloudevents`.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | own schema | id, topic, eventType, eventTime | all of them | has a different id or topic; publishers choose the ids themselves | learn.microsoft.com, Event Grid event schema | in part: the docs say "unique identifier", but not within which scope |
//! | CloudEvents | source and id | both | has a different pair | CloudEvents 1.0.2, 3.1.1 | yes |

use hookgate_plugin_sdk::{
    Admission, CloudEvent, Delivery, Descriptor, Encoding, Event, EventData, Identity, KnownBy, Ordering, Payload,
    Position, Provider, Refusal, SecretError, Verdict,
    answer::{self, attribute, cloud_event, forged},
    batch, challenge,
    cloudevents::{self, Mode},
    export, fields, header,
    json_text::{self, Item},
    setting,
};

/// The plugin.
pub struct AzureEventGrid;

export!(AzureEventGrid, vectors_only);

/// What a request is, in Event Grid's own schema.
const TYPE: &str = "aeg-event-type";

/// The event that asks a code back.
const VALIDATION: &str = "Microsoft.EventGrid.SubscriptionValidationEvent";

impl Provider for AzureEventGrid {
    fn describe() -> Descriptor {
        Descriptor {
            secrets: vec![answer::optional_secret(
                "key",
                "a key of your own, which the subscription's URL or a delivery header holds (openssl rand -hex 32); \
                 needed where the source has no auth",
            )],
            settings: vec![
                answer::setting(
                    "key",
                    Some("query:token"),
                    "where the key stands: query:NAME of the URL, or header:NAME",
                ),
                answer::setting(
                    "origins",
                    Some("eventgrid.azure.net"),
                    "who may send CloudEvents, as they name themselves in the handshake",
                ),
                answer::setting("rate", Some("*"), "deliveries a minute that the handshake allows; * for any number"),
            ],
            headers: answer::headers(&[
                TYPE,
                "aeg-subscription-name",
                "aeg-delivery-count",
                "content-type",
                "webhook-request-origin",
                "webhook-request-rate",
                "webhook-request-callback",
            ]),
            ..answer::descriptor(
                "azure-event-grid",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &[
                    "https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema",
                    "https://learn.microsoft.com/azure/event-grid/end-point-validation-cloud-events-schema",
                    "https://learn.microsoft.com/azure/event-grid/event-schema",
                    "https://learn.microsoft.com/azure/event-grid/secure-webhook-delivery",
                ],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        authenticate(delivery)?;
        if delivery.method() == "OPTIONS" {
            return cloudevents::permission(delivery, ORIGIN).map(Verdict::Answer);
        }
        let events = match header::optional(delivery, TYPE)?.as_deref() {
            Some("SubscriptionValidation") => return validate(delivery),
            _ if is_cloud_events(delivery) => of_cloud_events(delivery)?,
            _ => {
                fields::check_json(delivery)?;
                batch::admit(delivery, "", identity)?
            }
        };
        Ok(batch::admitted(events, 200))
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        if is_cloud_events(&event.delivery()) {
            Ok(vec![cloudevents::of_event(event)?])
        } else {
            Ok(vec![of_grid_event(event)?])
        }
    }
}

/// As Event Grid names itself.
const ORIGIN: &str = "eventgrid.azure.net";

/// By the key; by the source's `auth` alone where there is no key, as with Microsoft Entra ID, whose token comes with every
/// request, the validation included.
fn authenticate(delivery: &Delivery) -> Result<(), Refusal> {
    let secret = match delivery.secret("key", Encoding::Utf8, None) {
        Err(SecretError::Missing) if !delivery.authenticated_by().is_empty() => return Ok(()),
        Err(SecretError::Missing) => {
            let text = "neither secrets.key nor auth is set: anyone could send";
            return Err(Refusal::Misconfigured(text.to_owned()));
        }
        _ => setting::secret(delivery, "key", Encoding::Utf8, None)?,
    };
    let place = delivery.setting("key").unwrap_or_else(|| "query:token".to_owned());
    let given = match place.split_once(':') {
        Some(("query", name)) => delivery.query(name),
        Some(("header", name)) => header::optional(delivery, name)?,
        _ => {
            let text = format!("settings.key is neither query:NAME nor header:NAME: {place:?}");
            return Err(Refusal::Misconfigured(text));
        }
    };
    if given.is_some_and(|key| secret.equals(key.as_bytes())) {
        Ok(())
    } else {
        Err(forged(&format!("the key at {place} is not secrets.key")))
    }
}

/// Content types decide: both schemas come as JSON.
fn is_cloud_events(delivery: &Delivery) -> bool {
    header::media_type(delivery).starts_with("application/cloudevents")
}

/// An array with one event whose data holds the code.
fn validate(delivery: &Delivery) -> Result<Verdict, Refusal> {
    let [kind, code] = fields::of(delivery, ["/0/eventType", "/0/data/validationCode"])?;
    match (kind.text().as_deref(), code.text()) {
        (Some(VALIDATION), Some(code)) if code.len() <= challenge::LENGTH_MAX => {
            Ok(challenge::json(json_text::object([("validationResponse", code.as_str())])))
        }
        _ => Err(Refusal::Malformed("no SubscriptionValidationEvent with a validationCode".to_owned())),
    }
}

fn of_cloud_events(delivery: &Delivery) -> Result<Vec<Admission>, Refusal> {
    fields::check_json(delivery)?;
    match cloudevents::mode(delivery)? {
        Mode::Batched => batch::admit(delivery, "", cloudevents::identity_of),
        _ => {
            let event = cloudevents::of_json(&fields::body_text(delivery)?).map_err(Refusal::Malformed)?;
            Ok(vec![Admission { identity: cloudevents::identity(&event), payload: Payload::Body }])
        }
    }
}

/// An event in Event Grid's own schema. Publishers choose the ids of their events, and a topic has several publishers: the
/// topic, the type and the time belong to the identity. A retry repeats all of them.
fn identity(item: &Item<'_>) -> Result<Identity, Refusal> {
    let found = json_text::fields(item.text, ["/id", "/eventType", "/eventTime", "/subject", "/topic"]);
    let Some([id, kind, at, subject, topic]) = found else {
        return Err(Refusal::Malformed("an event is not a JSON object".to_owned()));
    };
    let told = [&kind, &topic, &at].map(|field| field.clone().text().unwrap_or_default());
    let [kind_name, topic_name, time_text] = told.each_ref().map(String::as_str);
    let (subject, occurred_at) = (subject.id(), at.time());
    let id = id.id();
    let joined = id.as_deref().and_then(|id| answer::joined(&[id, topic_name, kind_name, time_text]));
    let otherwise = if occurred_at.is_some() { KnownBy::Payload } else { KnownBy::Undeclared };
    let position = occurred_at.map_or(Position::Arrival, Position::Timestamp);
    Ok(Identity {
        known_by: answer::id_or(joined, otherwise),
        kind: kind.kind(),
        occurred_at,
        ordering: subject.clone().map(|key| Ordering { key, position }),
        attributes: answer::attributes([("id", id), ("subject", subject), ("topic", topic.id())]),
    })
}

/// As Event Grid itself puts its schema into CloudEvents.
fn of_grid_event(event: &Event) -> Result<CloudEvent, String> {
    let identity = event.identity();
    let source = attribute(&identity, "topic").unwrap_or_else(|| "https://eventgrid.azure.net".to_owned());
    let kind = identity.kind.clone().unwrap_or_else(|| "com.azure.eventgrid.event".to_owned());
    let payload = String::from_utf8(event.payload(0, event.payload_length())).map_err(|error| error.to_string())?;
    let members = json_text::members(&payload).unwrap_or_default();
    let data = members.into_iter().rev().find(|(name, _)| name == "data");
    Ok(CloudEvent {
        subject: attribute(&identity, "subject"),
        time: identity.occurred_at,
        data: data.map_or(EventData::None, |(_, data)| EventData::Json(data.to_owned())),
        ..cloud_event(attribute(&identity, "id").unwrap_or_else(|| event.id()), source, kind)
    })
}
