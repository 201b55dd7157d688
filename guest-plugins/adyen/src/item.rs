//! One item of a standard notification, and the text that Adyen signs of it.
//!
//! <https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures>; what the page leaves
//! open is as in Adyen's libraries (<https://github.com/Adyen/adyen-node-api-library>, `src/utils/hmacValidator.ts`).

use std::{borrow::Cow, collections::BTreeMap};

use hookgate_plugin_sdk::{
    Identity, KnownBy, Ordering, Position, Refusal, answer,
    borders::{self, Ambiguous, Piece},
    form, time,
};
use serde::Deserialize;
use serde_json::value::RawValue;

const MERCHANT_REFERENCE: &str = "merchantReference";

/// Where a form has its signature.
pub const SIGNATURE_FIELD: &str = "additionalData.hmacSignature";

/// The fields of an item that tell who it is; a field that is missing or null is empty.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Item<'a> {
    #[serde(borrow)]
    psp_reference: Scalar<'a>,
    #[serde(borrow)]
    original_reference: Scalar<'a>,
    #[serde(borrow)]
    merchant_account_code: Scalar<'a>,
    #[serde(borrow)]
    merchant_reference: Scalar<'a>,
    #[serde(borrow, deserialize_with = "object")]
    amount: Option<Amount<'a>>,
    #[serde(borrow)]
    event_code: Scalar<'a>,
    #[serde(borrow)]
    success: Scalar<'a>,
    #[serde(borrow, deserialize_with = "unsigned")]
    event_date: Scalar<'a>,
    #[serde(borrow, deserialize_with = "object")]
    additional_data: Option<AdditionalData<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Amount<'a> {
    #[serde(borrow)]
    value: Scalar<'a>,
    #[serde(borrow)]
    currency: Scalar<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AdditionalData<'a> {
    #[serde(borrow)]
    hmac_signature: Scalar<'a>,
}

/// Text, or a number or boolean as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Scalar<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = <&RawValue>::deserialize(deserializer)?.get();
        let text = match written.as_bytes().first() {
            Some(b'"') => Cow::Owned(serde_json::from_str(written).map_err(serde::de::Error::custom)?),
            Some(b'{' | b'[') => return Err(serde::de::Error::custom("text expected, not an object or array")),
            _ if written == "null" => Cow::Borrowed(""),
            _ => Cow::Borrowed(written),
        };
        Ok(Scalar(text))
    }
}

/// A field that is not signed. One that cannot be read is empty: it is not a reason to turn an authentic item away.
fn unsigned<'de: 'a, 'a, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Scalar<'a>, D::Error> {
    let written = <&'a RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(written.get()).unwrap_or_default())
}

/// An object or null. Serde by itself takes arrays for structs, so that a signed item could be given another shape.
fn object<'de: 'a, 'a, T: Deserialize<'a>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let written = <&'a RawValue>::deserialize(deserializer)?.get();
    match written.as_bytes().first() {
        Some(b'{' | b'n') => serde_json::from_str(written).map_err(serde::de::Error::custom),
        _ => Err(serde::de::Error::custom("object expected")),
    }
}

impl<'a> Item<'a> {
    /// Reads the fields of a form (the format `http`), where amount and additional data are flat.
    ///
    /// # Errors
    /// Malformed: a field stands there twice, so that one of both would be signed and the other one read.
    pub fn of_form(form: &'a str) -> Result<Self, Refusal> {
        let mut fields = BTreeMap::new();
        for (name, value) in form::pairs(form) {
            if fields.insert(name, Scalar(value)).is_some() {
                return Err(Refusal::Malformed("a field of the form stands there twice".to_owned()));
            }
        }
        let mut field = |name: &str| fields.remove(name).unwrap_or_default();
        Ok(Item {
            psp_reference: field("pspReference"),
            original_reference: field("originalReference"),
            merchant_account_code: field("merchantAccountCode"),
            merchant_reference: field(MERCHANT_REFERENCE),
            amount: Some(Amount { value: field("value"), currency: field("currency") }),
            event_code: field("eventCode"),
            success: field("success"),
            event_date: field("eventDate"),
            additional_data: Some(AdditionalData { hmac_signature: field(SIGNATURE_FIELD) }),
        })
    }

    /// Reads a `NotificationRequestItem`.
    ///
    /// # Errors
    /// Malformed: it is not an object, or a field of it is not of its type.
    pub fn read(item: &'a RawValue) -> Result<Self, Refusal> {
        object(&mut serde_json::Deserializer::from_str(item.get()))
            .map(Option::unwrap_or_default)
            .map_err(|error| Refusal::Malformed(format!("a notification item cannot be read: {error}")))
    }

    /// As Adyen wrote it: base64, or empty.
    pub fn signature(&self) -> &str {
        self.additional_data.as_ref().map_or("", |data| &data.hmac_signature.0)
    }

    /// What is signed: eight fields with colons between them. Nothing is escaped.
    pub fn signed_text(&self) -> String {
        self.signed_fields().map(|(_, text)| text).join(":")
    }

    /// Checks that the signed text has no other split. The merchant's own reference may hold colons; no other field of
    /// Adyen's does.
    ///
    /// # Errors
    /// A field holds a colon, so that its words could be moved between the fields.
    pub fn check_borders(&self) -> Result<(), Ambiguous> {
        let piece = |(name, text)| match name {
            MERCHANT_REFERENCE => Piece::anything(str::as_bytes(text)),
            name => Piece::until(b':', name, text),
        };
        let mut pieces: Vec<_> =
            self.signed_fields().map(piece).into_iter().flat_map(|p| [p, Piece::Fixed(":")]).collect();
        pieces.pop();
        borders::check(&pieces)
    }

    fn signed_fields(&self) -> [(&'static str, &str); 8] {
        let (value, currency) = self.amount.as_ref().map_or(("", ""), |amount| (&*amount.value.0, &*amount.currency.0));
        [
            ("pspReference", &*self.psp_reference.0),
            ("originalReference", &*self.original_reference.0),
            ("merchantAccountCode", &*self.merchant_account_code.0),
            (MERCHANT_REFERENCE, &*self.merchant_reference.0),
            ("value", value),
            ("currency", currency),
            ("eventCode", &*self.event_code.0),
            ("success", &*self.success.0),
        ]
    }

    /// Who the event is. The reference alone does not tell: it is a file's name for a report, which each merchant account has
    /// one of, and a payment that fails and then succeeds keeps it. The date tells a report that is made again.
    ///
    /// All events of a payment have its reference as their ordering key: a capture or refund has it as its
    /// `originalReference`.
    pub fn identity(&self, live: bool) -> Identity {
        let occurred_at = time::iso8601(&self.event_date.0);
        let (reference, original) = (self.psp_reference.0.as_ref(), self.original_reference.0.as_ref());
        let payment = if original.is_empty() { reference } else { original };
        let position = occurred_at.map_or(Position::Arrival, Position::Timestamp);
        let (account, date) = (self.merchant_account_code.0.as_ref(), self.event_date.0.as_ref());
        let id = || answer::joined(&[reference, &self.event_code.0, &self.success.0, account, date]);
        let otherwise = if date.is_empty() { KnownBy::Undeclared } else { KnownBy::Payload };
        let attributes = [
            ("account", account),
            ("subject", reference),
            ("reference", self.merchant_reference.0.as_ref()),
            ("success", self.success.0.as_ref()),
            ("live", if live { "true" } else { "false" }),
        ];
        Identity {
            known_by: answer::id_or((!reference.is_empty()).then(id).flatten(), otherwise),
            kind: answer::kind(Some(self.event_code.0.to_string())),
            occurred_at,
            ordering: answer::id(Some(payment.to_owned())).map(|key| Ordering { key, position }),
            attributes: answer::attributes(attributes.map(|(name, value)| (name, answer::id(Some(value.to_owned()))))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn signed(item: &str) -> String {
        Item::read(&RawValue::from_string(item.to_owned()).unwrap()).unwrap().signed_text()
    }

    #[test]
    fn fields_are_joined_in_adyens_order() {
        let item = r#"{"pspReference":"P","originalReference":"O","merchantAccountCode":"M","merchantReference":"R",
            "amount":{"currency":"EUR","value":1000},"eventCode":"E","success":"true"}"#;
        assert_eq!(signed(item), "P:O:M:R:1000:EUR:E:true");
    }

    #[test]
    fn what_is_missing_or_null_is_empty() {
        assert_eq!(signed("{}"), ":::::::");
        assert_eq!(signed(r#"{"pspReference":null,"amount":null,"success":null}"#), ":::::::");
        assert_eq!(signed(r#"{"amount":{"currency":null}}"#), ":::::::");
    }

    #[test]
    fn numbers_and_booleans_are_taken_as_written() {
        assert_eq!(signed(r#"{"amount":{"value":90071992547409931},"success":true}"#), "::::90071992547409931:::true");
        assert_eq!(signed(r#"{"amount":{"value":"10"},"success":"false"}"#), "::::10:::false");
    }

    #[test]
    fn colons_backslashes_and_escapes_stay_what_they_mean() {
        assert_eq!(signed(r#"{"merchantReference":"a:b\\c\/d\u00e9"}"#), ":::a:b\\c/dé::::");
    }

    #[test]
    fn a_form_is_signed_as_an_item_is() {
        let form = "pspReference=P&originalReference=&merchantAccountCode=M&merchantReference=a%3Ab+c&value=1000&\
                    currency=EUR&eventCode=E&success=true&live=false&additionalData.hmacSignature=AA%3D%3D";
        let item = Item::of_form(form).unwrap();
        assert_eq!((item.signed_text().as_str(), item.signature()), ("P::M:a:b c:1000:EUR:E:true", "AA=="));
        assert!(matches!(Item::of_form("success=true&success=false"), Err(Refusal::Malformed(_))));
        assert_eq!(Item::of_form("").unwrap().signed_text(), ":::::::");
    }

    #[test]
    fn a_colon_is_told_wherever_it_is_not_the_merchants() {
        let form = |name: &str| format!("{name}=a:b");
        for name in
            ["pspReference", "originalReference", "merchantAccountCode", "value", "currency", "eventCode", "success"]
        {
            let why = Item::of_form(&form(name)).unwrap().check_borders().unwrap_err().to_string();
            assert!(why.starts_with(name), "{why}");
        }
        assert_eq!(Item::of_form(&form(MERCHANT_REFERENCE)).unwrap().check_borders(), Ok(()));
    }

    #[test]
    fn objects_where_text_belongs_are_refused() {
        for item in [r#"{"pspReference":{}}"#, r#"{"amount":[1]}"#, r#"{"amount":{"value":[1]}}"#, "[]", "1"] {
            let raw = RawValue::from_string(item.to_owned()).unwrap();
            assert!(matches!(Item::read(&raw), Err(Refusal::Malformed(_))), "{item}");
        }
    }

    #[test]
    fn a_field_that_is_not_signed_does_not_matter() {
        let item = r#"{"pspReference":"P","eventDate":{"day":1},"reason":["x"],"additionalData":null}"#;
        let raw = RawValue::from_string(item.to_owned()).unwrap();
        assert_eq!(Item::read(&raw).unwrap().identity(false).occurred_at, None);
    }

    #[test]
    fn account_state_and_date_belong_to_the_identity() {
        let known = |account: &str, success: &str, date: &str| {
            let form =
                format!("pspReference=P&eventCode=E&merchantAccountCode={account}&success={success}&eventDate={date}");
            Item::of_form(&form).unwrap().identity(false).known_by
        };
        let first = known("DE", "true", "2026-09-15T10:00:00Z");
        assert_eq!(first, known("DE", "true", "2026-09-15T10:00:00Z"));
        assert_ne!(first, known("FR", "true", "2026-09-15T10:00:00Z"));
        assert_ne!(first, known("DE", "false", "2026-09-15T10:00:00Z"));
        assert_ne!(first, known("DE", "true", "2026-09-16T10:00:00Z"));
        let of = |form: &str| Item::of_form(form).unwrap().identity(false).known_by;
        assert_eq!(of("eventCode=E&eventDate=2026-09-15"), KnownBy::Payload);
        assert_eq!(of("eventCode=E"), KnownBy::Undeclared);
    }

    #[test]
    fn a_capture_is_ordered_with_its_payment() {
        let item = r#"{"pspReference":"CAP","originalReference":"PAY","eventCode":"CAPTURE","success":"true",
            "eventDate":"2017-01-25T18:08:19+01:00"}"#;
        let raw = RawValue::from_string(item.to_owned()).unwrap();
        let identity = Item::read(&raw).unwrap().identity(false);
        assert_eq!(identity.known_by.id(), Some("CAP|CAPTURE|true||2017-01-25T18:08:19+01:00"));
        let ordering = identity.ordering.unwrap();
        assert_eq!((ordering.key.as_str(), ordering.position), ("PAY", Position::Timestamp(1_485_364_099_000)));
    }
}
