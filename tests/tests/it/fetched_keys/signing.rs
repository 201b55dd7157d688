//! Signs as Amazon SNS, Google Pub/Sub and Plaid do, written from their pages and sharing nothing with the plugins.

use std::sync::OnceLock;

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use hookgate_tests::{Delivery, now};
use p256::ecdsa::{Signature, SigningKey, signature::Signer as _};
use rsa::{PrivateKey, pkcs8::DecodePrivateKey as _, traits::PublicKeyParts as _};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

pub const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:orders";
pub const SNS_TOKEN: &str = "2336412f37fb687f5d51e6e2425c464de";
pub const SNS_CERTIFICATE: &str = include_str!("sns-certificate.pem");
pub const ACCOUNT: &str = "push@shop.iam.gserviceaccount.com";

/// The private key of the certificate; it signs nothing but tests.
fn rsa_key() -> &'static PrivateKey {
    static KEY: OnceLock<PrivateKey> = OnceLock::new();
    KEY.get_or_init(|| PrivateKey::from_pkcs8_pem(include_str!("sns-key.pem")).unwrap())
}

/// A message of SNS. <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>
#[derive(Clone)]
pub struct SnsMessage(Map<String, Value>);

impl SnsMessage {
    pub fn notification(id: &str, certificate_url: &str) -> SnsMessage {
        SnsMessage::of(json!({
            "Type": "Notification", "MessageId": id, "TopicArn": TOPIC, "Message": "{\"text\":\"hello\"}",
            "Timestamp": timestamp(), "SignatureVersion": "2", "SigningCertURL": certificate_url,
        }))
    }

    pub fn subscription(base: &str, certificate_url: &str) -> SnsMessage {
        SnsMessage::of(json!({
            "Type": "SubscriptionConfirmation", "MessageId": "confirm-1", "TopicArn": TOPIC, "Token": SNS_TOKEN,
            "Message": "You have chosen to subscribe.\nVisit the SubscribeURL.",
            "SubscribeURL": format!("{base}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token={SNS_TOKEN}"),
            "Timestamp": timestamp(), "SignatureVersion": "2", "SigningCertURL": certificate_url,
        }))
    }

    pub fn of_topic(&self, topic: &str) -> SnsMessage {
        let mut message = self.clone();
        message.0.insert("TopicArn".to_owned(), topic.into());
        message
    }

    fn of(value: Value) -> SnsMessage {
        SnsMessage(value.as_object().unwrap().clone())
    }

    /// Names and values of some fields, a line each, in the order of the names.
    pub fn signed(&self) -> Delivery {
        let names: &[&str] = match self.0["Type"].as_str() {
            Some("Notification") => &["Message", "MessageId", "Timestamp", "TopicArn", "Type"],
            _ => &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
        };
        let lines = names.iter().map(|name| format!("{name}\n{}\n", self.0[*name].as_str().unwrap()));
        let signature = rsa_key().pkcs1v15_sign::<Sha256>(lines.collect::<String>().as_bytes()).unwrap();
        let mut signed = self.0.clone();
        signed.insert("Signature".to_owned(), BASE64_STANDARD.encode(signature).into());
        let kind = self.0["Type"].as_str().unwrap();
        let headers = [("content-type", "text/plain; charset=UTF-8"), ("x-amz-sns-message-type", kind)];
        Delivery::post(&headers, Value::Object(signed).to_string())
    }
}

/// Now, as SNS writes it.
fn timestamp() -> String {
    let (days, clock) = ((now() / 86_400) as i64, now() % 86_400);
    // Days into a date, by Howard Hinnant's algorithm: https://howardhinnant.github.io/date_algorithms.html
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.000Z", clock / 3600, clock / 60 % 60, clock % 60)
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A JWT: header and claims, and what signs them.
fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string()));
    format!("{signed}.{}", base64url(sign(signed.as_bytes())))
}

fn rs256(message: &[u8]) -> Vec<u8> {
    rsa_key().pkcs1v15_sign::<Sha256>(message).unwrap()
}

/// One key of Google's, as Pub/Sub signs with it.
/// <https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions>
#[derive(Clone)]
pub struct PubsubKey {
    id: String,
}

impl PubsubKey {
    pub fn old() -> PubsubKey {
        PubsubKey { id: "old".to_owned() }
    }

    pub fn new() -> PubsubKey {
        PubsubKey { id: "new".to_owned() }
    }

    pub fn with_id(&self, id: &str) -> PubsubKey {
        PubsubKey { id: id.to_owned() }
    }

    /// What Google publishes.
    pub fn key_set(&self) -> String {
        let (n, e) = (rsa_key().n().to_be_bytes(), rsa_key().e().to_be_bytes());
        let e: Vec<u8> = e.iter().copied().skip_while(|byte| *byte == 0).collect();
        let key = json!({
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.id, "n": base64url(n), "e": base64url(e),
        });
        json!({ "keys": [key] }).to_string()
    }

    fn header(&self) -> Value {
        json!({ "alg": "RS256", "kid": self.id, "typ": "JWT" })
    }

    fn claims() -> Value {
        json!({
            "aud": "orders", "email": ACCOUNT, "email_verified": true, "iss": "https://accounts.google.com",
            "iat": now(), "exp": now() + 3600, "sub": "113774264463038321964",
        })
    }

    pub fn push(&self, id: &str) -> Delivery {
        push(id, &token(&self.header(), &PubsubKey::claims(), rs256))
    }

    /// Tokens that prove nothing, each in a way of its own.
    pub fn forgeries(&self) -> Vec<(&'static str, Delivery)> {
        let claims = |name: &str, value: Value| {
            let mut claims = PubsubKey::claims();
            claims[name] = value;
            push("forged", &token(&self.header(), &claims, rs256))
        };
        let header = |alg: &str, signature: Vec<u8>| {
            let header = json!({ "alg": alg, "kid": self.id, "typ": "JWT" });
            push("forged", &token(&header, &PubsubKey::claims(), |_| signature))
        };
        vec![
            ("alg none", header("none", Vec::new())),
            ("alg HS256", header("HS256", vec![0; 32])),
            ("a signature of zeroes", header("RS256", vec![0; 256])),
            ("no signature", header("RS256", Vec::new())),
            ("another audience", claims("aud", json!("https://other.example"))),
            ("another account", claims("email", json!("evil@other.iam.gserviceaccount.com"))),
            ("an address that is not verified", claims("email_verified", json!(false))),
            ("another issuer", claims("iss", json!("https://evil.example"))),
            ("expired", claims("exp", json!(now() - 7200))),
            ("no token", push("forged", "x").without("authorization")),
        ]
    }
}

fn push(id: &str, token: &str) -> Delivery {
    let body = json!({
        "message": { "data": BASE64_STANDARD.encode("{}"), "messageId": id, "publishTime": timestamp() },
        "subscription": "projects/shop/subscriptions/orders",
    });
    let headers = [("content-type", "application/json"), ("authorization", &format!("Bearer {token}"))];
    Delivery::post(&headers, body.to_string())
}

fn plaid_signing_key() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).unwrap()
}

/// What Plaid's API gives out. <https://plaid.com/docs/api/webhooks/webhook-verification/>
pub fn plaid_key(id: &str) -> Value {
    let point = plaid_signing_key().verifying_key().to_sec1_point(false);
    let point = point.as_bytes();
    json!({
        "alg": "ES256", "crv": "P-256", "kid": id, "kty": "EC", "use": "sig", "created_at": 1560466143,
        "expired_at": null, "x": base64url(&point[1..33]), "y": base64url(&point[33..65]),
    })
}

pub fn plaid(key_id: &str, at: u64, body: &str) -> Delivery {
    let header = json!({ "alg": "ES256", "kid": key_id, "typ": "JWT" });
    let claims = json!({ "iat": at, "request_body_sha256": hex::encode(Sha256::digest(body)) });
    let token = token(&header, &claims, |message| {
        let signature: Signature = plaid_signing_key().sign(message);
        signature.to_bytes().to_vec()
    });
    Delivery::post(&[("content-type", "application/json"), ("plaid-verification", &token)], body)
}
