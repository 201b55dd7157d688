//! Standard notifications: several items in one body, each signed for itself; as a form (the format `http`) but one.

use hookgate_plugin_sdk::{
    Admission, ByteRange, Digest, Payload, Refusal, Secret,
    answer::forged,
    encoding::{from_base64, part, to_base64},
    form,
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::item::{Item, SIGNATURE_FIELD};

/// What a delivery may bring at most, by the plugin contract.
const ITEMS_MAX: usize = 1000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification<'a> {
    #[serde(default, deserialize_with = "live")]
    live: bool,
    #[serde(borrow)]
    notification_items: Vec<Wrapped<'a>>,
}

#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow, rename = "NotificationRequestItem")]
    item: &'a RawValue,
}

/// Adyen writes the flag as text. It is not signed, so no other content of it is a reason to turn an item away.
fn live<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let written = <&RawValue>::deserialize(deserializer)?.get();
    Ok(matches!(written, "true" | "\"true\""))
}

/// The events of a notification, once every item has proved to be Adyen's.
///
/// # Errors
/// Malformed: no notification, or an item that cannot be read. Unauthenticated: an item without a signature, or with
/// one that does not fit. Unsupported: more items than the host takes.
pub fn events(body: &[u8], secret: &Secret) -> Result<Vec<Admission>, Refusal> {
    let json = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let notification: Notification = serde_json::from_slice(json)
        .map_err(|error| Refusal::Malformed(format!("the body is not a notification: {error}")))?;
    let items = notification.notification_items;
    if items.len() > ITEMS_MAX {
        return Err(Refusal::Unsupported(format!("{} items in one notification; {ITEMS_MAX} are taken", items.len())));
    }
    if items.is_empty() {
        // Nothing in such a body is signed, so there is nothing to know its sender by.
        return Err(forged("the notification has no items, so no signature"));
    }
    let live = notification.live;
    let read = items.iter().map(|wrapped| Item::read(wrapped.item)).collect::<Result<Vec<_>, _>>()?;
    for (index, item) in read.iter().enumerate() {
        authenticate(item, &format!("item {index}"), secret)?;
    }
    let admissions = items.iter().zip(&read).map(|(wrapped, item)| Admission {
        identity: item.identity(live),
        payload: Payload::BodyRange(range(body, wrapped.item)),
    });
    Ok(admissions.collect())
}

/// The event of a notification that is a form, once it has proved to be Adyen's.
///
/// # Errors
/// As for [`events`].
pub fn event_of_form(form: &str, secret: &Secret) -> Result<Admission, Refusal> {
    let item = Item::of_form(form)?;
    authenticate(&item, "the form", secret)?;
    let live = form::value(form, "live").as_deref() == Some("true");
    Ok(Admission { identity: item.identity(live), payload: Payload::Body })
}

fn authenticate(item: &Item<'_>, called: &str, secret: &Secret) -> Result<(), Refusal> {
    if item.signature().is_empty() {
        return Err(forged(&format!("{called} has no {SIGNATURE_FIELD}")));
    }
    item.check_borders().map_err(|why| forged(&format!("{called}: {why}")))?;
    let fits = |tag: Vec<u8>| secret.verify_mac(Digest::Sha256, &[part(&item.signed_text())], &tag);
    if from_base64(item.signature()).is_some_and(fits) {
        Ok(())
    } else {
        Err(forged(&format!("{SIGNATURE_FIELD} of {called} does not fit it")))
    }
}

/// Where in the body an item lies.
fn range(body: &[u8], item: &RawValue) -> ByteRange {
    let offset = item.get().as_ptr() as usize - body.as_ptr() as usize;
    ByteRange { offset: offset as u64, length: item.get().len() as u64 }
}

/// Puts a signature behind the other fields of a form.
///
/// # Errors
/// In words for the operator: the form cannot be read.
pub fn signed_form(form: &str, secret: &Secret) -> Result<Vec<u8>, String> {
    let item = Item::of_form(form).map_err(|_| "a field of the form stands there twice".to_owned())?;
    let mac = to_base64(&secret.mac(Digest::Sha256, &[part(&item.signed_text())]));
    Ok(format!("{form}&{SIGNATURE_FIELD}={}", form::encode(&mac)).into_bytes())
}

/// Puts a signature into each item; none where the body is not a notification.
pub fn signed(body: &[u8], secret: &Secret) -> Option<Vec<u8>> {
    let mut notification: Value = serde_json::from_slice(body).ok()?;
    for wrapped in notification.get_mut("notificationItems")?.as_array_mut()? {
        let item = wrapped.get_mut("NotificationRequestItem")?;
        let raw = RawValue::from_string(item.to_string()).ok()?;
        let text = Item::read(&raw).ok()?.signed_text();
        let data = item.as_object_mut()?.entry("additionalData").or_insert_with(|| Value::Object(Default::default()));
        let mac = to_base64(&secret.mac(Digest::Sha256, &[part(&text)]));
        data.as_object_mut()?.insert("hmacSignature".to_owned(), Value::from(mac));
    }
    serde_json::to_vec(&notification).ok()
}
