//! Microsoft Graph change notifications: a token of ours in each (`clientState`), and another one asked back before
//! anything is sent (`validationToken`).
//! <https://learn.microsoft.com/graph/change-notifications-delivery-webhooks>
//!
//! Rich notifications, those with resource data, bring tokens of Microsoft's besides (`tokens`).
//!
//! What identifies a notification is said beside `identity`.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | with an id | id, subscription | both | has a different id | learn.microsoft.com, changeNotification | in part: "optional"; who generates it is not documented |
//! | with an etag or encrypted content | the bytes | the bytes | has a different version, or other ciphertext | as above | in part |
//! | neither (drives, lists, lifecycle) | nothing: each delivery is an event | the bytes | has the same bytes | OneDrive API, webhookNotification; OneDrive/onedrive-api-docs#270 | yes |

mod tokens;

use hookgate_plugin_sdk::{
    CloudEvent, Delivery, Descriptor, Encoding, Event, Identity, KnownBy, Ordering, Position, Provider, Refusal,
    Secret, Verdict,
    answer::{self, attribute, cloud_event, forged},
    batch, challenge, export, fields,
    json_text::{self, Item},
    setting,
};

/// The plugin.
pub struct MicrosoftGraph;

export!(MicrosoftGraph, vectors_only);

impl Provider for MicrosoftGraph {
    fn describe() -> Descriptor {
        Descriptor {
            secrets: vec![answer::secret(
                "client-state",
                "the clientState of the subscriptions: a text of your own of at most 128 characters",
            )],
            settings: vec![
                answer::setting(
                    "app-id",
                    None,
                    "the id of the application that has subscribed: with it the tokens (validationTokens) of notifications \
                     with resource data are checked",
                ),
                answer::setting(
                    "keys-url",
                    Some(tokens::KEYS),
                    "other keys than those of Microsoft's global cloud; it must be in keys.allow then",
                ),
            ],
            headers: answer::headers(&["content-type"]),
            key_urls: answer::urls(&[tokens::KEYS]),
            ..answer::descriptor(
                "microsoft-graph",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &[
                    "https://learn.microsoft.com/graph/change-notifications-delivery-webhooks",
                    "https://learn.microsoft.com/graph/change-notifications-lifecycle-events",
                    "https://learn.microsoft.com/graph/change-notifications-with-resource-data",
                    "https://learn.microsoft.com/graph/api/resources/changenotification",
                ],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        // SharePoint, whose lists send the same notifications, writes the name in small letters.
        for name in ["validationToken", "validationtoken"] {
            if let Some(token) = challenge::of_query(delivery, name)? {
                return Ok(challenge::echo(token));
            }
        }
        let [notifications] = fields::of(delivery, ["/value"])?;
        if notifications.composite().is_none() {
            return Err(Refusal::Malformed("/value is not an array".to_owned()));
        }
        let secret = setting::secret(delivery, "client-state", Encoding::Utf8, None)?;
        let events = batch::admit(delivery, "/value", |item| identity(item, &secret))?;
        tokens::check(delivery)?;
        Ok(batch::admitted(events, 202))
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let source = match attribute(&identity, "subscription") {
            Some(id) => format!("https://graph.microsoft.com/subscriptions/{id}"),
            None => "https://graph.microsoft.com".to_owned(),
        };
        let kind = format!("com.microsoft.graph.{}", identity.kind.as_deref().unwrap_or("notification"));
        Ok(vec![CloudEvent {
            subject: attribute(&identity, "resource"),
            time: Some(event.delivery().received_at()),
            ..cloud_event(attribute(&identity, "id").unwrap_or_else(|| event.id()), source, kind)
        }])
    }
}

/// A notification, once its token has proved to be ours.
///
/// Most have no id. One that holds the version of what has changed, or its encrypted data, has bytes of its own. Of the
/// others the next change may have the same bytes, so that each delivery brings a new event.
fn identity(item: &Item<'_>, secret: &Secret) -> Result<Identity, Refusal> {
    let found = json_text::fields(
        item.text,
        [
            "/clientState",
            "/id",
            "/changeType",
            "/lifecycleEvent",
            "/subscriptionId",
            "/resource",
            "/resourceData/@odata.etag",
            "/encryptedContent/data",
        ],
    );
    let Some([state, id, change, lifecycle, subscription, resource, version, encrypted]) = found else {
        return Err(Refusal::Malformed("a notification is not a JSON object".to_owned()));
    };
    if !state.text().is_some_and(|state| secret.equals(state.as_bytes())) {
        return Err(forged("a notification has another clientState than secrets.client-state"));
    }
    let (subscription, resource) = (subscription.id(), resource.id());
    let has_own_bytes = version.text().is_some() || encrypted.text().is_some();
    let otherwise = if has_own_bytes { KnownBy::Payload } else { KnownBy::Delivery(None) };
    // Who makes the id, and for what it is unique, is not documented.
    let id = id.id();
    let joined = id.as_deref().and_then(|id| answer::joined(&[id, subscription.as_deref().unwrap_or_default()]));
    let key = subscription.as_ref().zip(resource.as_ref()).map(|(one, other)| format!("{one}/{other}"));
    Ok(Identity {
        known_by: answer::id_or(joined, otherwise),
        kind: change.kind().or(answer::kind(lifecycle.text().map(|event| format!("lifecycle.{event}")))),
        occurred_at: None,
        ordering: answer::id(key).map(|key| Ordering { key, position: Position::Arrival }),
        attributes: answer::attributes([("id", id), ("subscription", subscription), ("resource", resource)]),
    })
}
