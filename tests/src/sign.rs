//! Signs deliveries as each provider documents it, written from the providers' pages and sharing nothing with the plugins.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::Delivery;

/// HMAC-SHA256 over the parts, one behind the other.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// HMAC-SHA1 over the parts, one behind the other.
pub fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// `Stripe-Signature: t=…,v1=…`. <https://docs.stripe.com/webhooks#verify-manually>
pub fn stripe(secret: &str, at: u64, body: impl AsRef<[u8]>) -> Delivery {
    let body = body.as_ref();
    let tag = hmac_sha256(secret.as_bytes(), &[at.to_string().as_bytes(), b".", body]);
    Delivery::post(&[JSON, ("Stripe-Signature", &format!("t={at},v1={}", hex::encode(tag)))], body)
}

/// A Stripe event of that id, signed now.
pub fn stripe_event(secret: &str, id: &str) -> Delivery {
    let at = crate::now();
    stripe(secret, at, stripe_body(id, at))
}

/// A Stripe event about a paid invoice.
pub fn stripe_body(id: &str, at: u64) -> String {
    json!({
        "id": id, "object": "event", "api_version": "2025-03-31", "created": at, "type": "invoice.paid",
        "data": { "object": { "id": format!("in_{id}"), "object": "invoice", "amount_paid": 1099, "currency": "eur" } },
        "livemode": false, "pending_webhooks": 1,
    })
    .to_string()
}

/// `X-Hub-Signature-256`.
/// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>
pub fn github(secret: &str, event: &str, delivery: &str, body: impl AsRef<[u8]>) -> Delivery {
    let body = body.as_ref();
    let tag = format!("sha256={}", hex::encode(hmac_sha256(secret.as_bytes(), &[body])));
    let headers =
        [JSON, ("X-GitHub-Event", event), ("X-GitHub-Delivery", delivery), ("X-Hub-Signature-256", tag.as_str())];
    Delivery::post(&headers, body)
}

/// `X-Slack-Signature: v0=…`. <https://docs.slack.dev/authentication/verifying-requests-from-slack>
pub fn slack(secret: &str, at: u64, body: impl AsRef<[u8]>) -> Delivery {
    let (body, at) = (body.as_ref(), at.to_string());
    let tag = hmac_sha256(secret.as_bytes(), &[b"v0:", at.as_bytes(), b":", body]);
    let tag = format!("v0={}", hex::encode(tag));
    Delivery::post(&[JSON, ("X-Slack-Request-Timestamp", &at), ("X-Slack-Signature", &tag)], body)
}

/// `X-Shopify-Hmac-Sha256`.
/// <https://shopify.dev/docs/apps/build/webhooks/subscribe/https#step-2-validate-the-origin-of-your-webhook-to-ensure-its-coming-from-shopify>
pub fn shopify(secret: &str, topic: &str, id: &str, body: impl AsRef<[u8]>) -> Delivery {
    let body = body.as_ref();
    let tag = STANDARD.encode(hmac_sha256(secret.as_bytes(), &[body]));
    let headers = [
        JSON,
        ("X-Shopify-Topic", topic),
        ("X-Shopify-Hmac-Sha256", tag.as_str()),
        ("X-Shopify-Shop-Domain", "johns-apparel.myshopify.com"),
        ("X-Shopify-API-Version", "2025-07"),
        ("X-Shopify-Webhook-Id", id),
        ("X-Shopify-Event-Id", id),
        ("X-Shopify-Triggered-At", "2026-01-02T03:04:05.678901234Z"),
    ];
    Delivery::post(&headers, body)
}

/// `webhook-signature: v1,…` with a secret `whsec_…`.
/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
pub fn standard_webhooks(secret: &str, id: &str, at: u64, body: impl AsRef<[u8]>) -> Delivery {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let at = at.to_string();
    let tag = hmac_sha256(&key, &[id.as_bytes(), b".", at.as_bytes(), b".", body.as_ref()]);
    standard_headers(id, &at, &format!("v1,{}", STANDARD.encode(tag)), body.as_ref())
}

/// `webhook-signature: v1a,…`: Ed25519, by the key with that seed.
pub fn standard_webhooks_ed25519(seed: [u8; 32], id: &str, at: u64, body: impl AsRef<[u8]>) -> Delivery {
    let at = at.to_string();
    let message = [id.as_bytes(), b".", at.as_bytes(), b".", body.as_ref()].concat();
    let signature = SigningKey::from_bytes(&seed).sign(&message);
    standard_headers(id, &at, &format!("v1a,{}", STANDARD.encode(signature.to_bytes())), body.as_ref())
}

fn standard_headers(id: &str, at: &str, signature: &str, body: &[u8]) -> Delivery {
    let headers = [JSON, ("webhook-id", id), ("webhook-timestamp", at), ("webhook-signature", signature)];
    Delivery::post(&headers, body)
}

/// `X-Twilio-Signature` of form parameters, over the URL and the sorted parameters.
/// <https://www.twilio.com/docs/usage/security#validating-requests>
pub fn twilio(token: &str, url: &str, parameters: &[(&str, &str)]) -> Delivery {
    let mut sorted = parameters.to_vec();
    sorted.sort_unstable();
    let text: String = sorted.iter().flat_map(|(name, value)| [*name, *value]).collect();
    let tag = STANDARD.encode(hmac_sha1(token.as_bytes(), &[url.as_bytes(), text.as_bytes()]));
    let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", form_encoded(value))).collect();
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("X-Twilio-Signature", tag.as_str())];
    Delivery { suffix: query(url), ..Delivery::post(&headers, pairs.join("&")) }
}

/// `X-Twilio-Signature` of a JSON body: its digest stands in the URL as `bodySHA256`, and the URL is signed.
pub fn twilio_json(token: &str, url: &str, body: impl AsRef<[u8]>) -> Delivery {
    let url = format!("{url}?bodySHA256={}", hex::encode(Sha256::digest(body.as_ref())));
    let tag = STANDARD.encode(hmac_sha1(token.as_bytes(), &[url.as_bytes()]));
    Delivery { suffix: query(&url), ..Delivery::post(&[JSON, ("X-Twilio-Signature", &tag)], body.as_ref()) }
}

fn query(url: &str) -> String {
    url.find('?').map_or(String::new(), |at| url[at..].to_owned())
}

fn form_encoded(value: &str) -> String {
    value.bytes().fold(String::new(), |text, byte| match byte {
        b' ' => text + "+",
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => text + &char::from(byte).to_string(),
        _ => format!("{text}%{byte:02X}"),
    })
}

/// A payment of an Adyen notification, as its API reference names the fields.
pub fn adyen_item(psp_reference: &str, event_code: &str, amount: u64) -> Value {
    json!({
        "amount": { "value": amount, "currency": "EUR" }, "eventCode": event_code, "eventDate": "2026-01-02T03:04:05+01:00",
        "merchantAccountCode": "TestMerchant", "merchantReference": "order\\:1", "operations": ["CANCEL", "CAPTURE"],
        "originalReference": "", "paymentMethod": "visa", "pspReference": psp_reference, "reason": "", "success": "true",
    })
}

/// An Adyen notification whose items are each signed with a key in hex, inside the body.
/// <https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures>
pub fn adyen(key: &str, items: &[Value]) -> Delivery {
    let key = hex::decode(key).unwrap();
    let items = items.iter().map(|item| {
        let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let amount = item["amount"]["value"].to_string();
        let currency = item["amount"]["currency"].as_str().unwrap_or_default().to_owned();
        let signed = [
            text("pspReference"),
            text("originalReference"),
            text("merchantAccountCode"),
            text("merchantReference"),
            amount,
            currency,
            text("eventCode"),
            text("success"),
        ]
        .join(":");
        let mut item = item.clone();
        let tag = STANDARD.encode(hmac_sha256(&key, &[signed.as_bytes()]));
        item["additionalData"] = json!({ "hmacSignature": tag });
        json!({ "NotificationRequestItem": item })
    });
    let body = json!({ "live": "false", "notificationItems": items.collect::<Vec<_>>() });
    Delivery::post(&[JSON], body.to_string())
}

/// `X-Signature-Ed25519` over timestamp and body.
/// <https://discord.com/developers/docs/events/webhook-events#setting-up-an-endpoint-validating-security-request-headers>
pub fn discord(seed: [u8; 32], at: u64, body: impl AsRef<[u8]>) -> Delivery {
    let at = at.to_string();
    let signature = SigningKey::from_bytes(&seed).sign(&[at.as_bytes(), body.as_ref()].concat());
    let signature = hex::encode(signature.to_bytes());
    Delivery::post(&[JSON, ("X-Signature-Ed25519", &signature), ("X-Signature-Timestamp", &at)], body.as_ref())
}

/// The public key that belongs to a seed.
pub fn public_key(seed: [u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(&seed).verifying_key().to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The providers' own published examples.
    #[test]
    fn the_signers_agree_with_what_is_published() {
        let github = github("It's a Secret to Everybody", "push", "1", "Hello, World!");
        assert_eq!(
            github.get("x-hub-signature-256").unwrap(),
            b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
        let standard = standard_webhooks(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(standard.get("webhook-signature").unwrap(), b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let parameters = [
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+14158675309"),
            ("Digits", "1234"),
            ("From", "+14158675309"),
            ("To", "+18005551212"),
        ];
        let twilio = twilio("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", &parameters);
        assert_eq!(twilio.get("x-twilio-signature").unwrap(), b"RSOYDt4T1cUTdK1PDd93/VVr8B8=");
        assert_eq!(twilio.suffix, "?foo=1&bar=2");
    }
}
