//! Plaid: an ES256 token in a header that holds the SHA-256 of the body, under a key that Plaid's API gives out by its id.
//! <https://plaid.com/docs/api/webhooks/webhook-verification/>
//!
//! What tells its events apart is said beside `admit`.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | all | nothing: each delivery is an event; a copy is known by the signature of its token | the payload, with its own token: Plaid tries for 24 hours and a token lives 5 minutes | has the same payload (`SYNC_UPDATES_AVAILABLE` after each change) | plaid.com/docs, Webhooks and Verify webhooks; Plaid's OpenAPI (no id, no time) | in part: that a retry gets its own token follows from the two times, and is not documented |

use hookgate_plugin_sdk::{
    CloudEvent, Delivery, Descriptor, Digest, Event, Identity, KeyField, KeyFormat, KnownBy, Ordering, Position,
    Provider, Refusal, Verdict,
    answer::{self, attribute, cloud_event, forged},
    encoding::to_hex,
    export,
    fields::{self, Field},
    header,
    jwt::{self, Algorithm, Token},
    setting,
    time::{self, Window},
};

/// The plugin.
pub struct Plaid;

export!(Plaid, vectors_only);

const TOKEN: &str = "plaid-verification";

/// Seconds that a token lives, as Plaid's documentation says.
const TOLERANCE: u64 = 300;

impl Provider for Plaid {
    fn describe() -> Descriptor {
        Descriptor {
            secrets: vec![
                answer::secret("client-id", "the client_id of the team, from Plaid's dashboard, Keys"),
                answer::secret("api-secret", "the secret of the environment, from the same page"),
            ],
            settings: vec![
                answer::setting(
                    "environment",
                    Some("production"),
                    "production, sandbox, or the base URL of something that stands in for Plaid (in keys.allow then)",
                ),
                answer::setting("tolerance", Some("300"), "seconds that a token lives"),
            ],
            headers: answer::headers(&[TOKEN]),
            key_urls: answer::urls(&[
                "https://production.plaid.com/webhook_verification_key/get",
                "https://sandbox.plaid.com/webhook_verification_key/get",
            ]),
            ..answer::descriptor(
                "plaid",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &["https://plaid.com/docs/api/webhooks/webhook-verification/", "https://plaid.com/docs/api/webhooks/"],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        let url = keys_url(delivery)?;
        let tolerance = setting::whole(delivery, "tolerance", TOLERANCE)?;
        let token = Token::read(&header::required(delivery, TOKEN)?, Algorithm::Es256)?;
        authenticate(delivery, &token, &url)?;
        let [issued, digest] = token.claims(["/iat", "/request_body_sha256"]);
        let digest = digest.text().ok_or_else(|| forged("the token has no request_body_sha256"))?;
        if !is_same(&digest, &to_hex(&delivery.body_digest(Digest::Sha256))) {
            return Err(forged("the token is for another body (request_body_sha256)"));
        }
        let issued = issued.time().ok_or_else(|| forged("the token has no time of issue (iat)"))?;
        time::check(delivery, issued, tolerance, Window::Both)?;
        admit(delivery, &token)
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let kind = identity.kind.as_deref().unwrap_or("event");
        Ok(vec![CloudEvent {
            subject: attribute(&identity, "item"),
            time: Some(event.delivery().received_at()),
            ..cloud_event(event.id(), "https://plaid.com".to_owned(), format!("com.plaid.{kind}"))
        }])
    }
}

fn keys_url(delivery: &Delivery) -> Result<String, Refusal> {
    let environment = delivery.setting("environment").unwrap_or_else(|| "production".to_owned());
    let base = match environment.as_str() {
        "production" | "sandbox" => format!("https://{environment}.plaid.com"),
        base if base.starts_with("https://") || base.starts_with("http://") => base.trim_end_matches('/').to_owned(),
        other => {
            let text = format!("settings.environment is neither production nor sandbox nor a URL: {other:?}");
            return Err(Refusal::Misconfigured(text));
        }
    };
    Ok(format!("{base}/webhook_verification_key/get"))
}

/// Plaid gives out each key by its id, with when it expired where it did.
fn authenticate(delivery: &Delivery, token: &Token, url: &str) -> Result<(), Refusal> {
    let key_id = token.key_id()?;
    let fields = [
        ("client_id", KeyField::Secret("client-id")),
        ("secret", KeyField::Secret("api-secret")),
        ("key_id", KeyField::Text(&key_id)),
    ];
    let keys = delivery.fetched_keys(url, KeyFormat::Jwk, &fields, "/key");
    let keys = keys.map_err(|error| jwt::refusal(error, "the key of Plaid"))?;
    token.verify(&keys, &key_id, Algorithm::Es256)?;
    let expired = Field(keys.member(Some(&key_id), "expired_at")).time();
    if expired.is_some_and(|expired| expired <= delivery.received_at()) {
        Err(forged("the token's key has expired"))
    } else {
        Ok(())
    }
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn is_same(one: &str, other: &str) -> bool {
    let differences = one.bytes().zip(other.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && differences == 0
}

/// Plaid gives its webhooks neither an id nor a time, and says the same again whenever something has changed. Each delivery
/// is an event, and the token is what each has anew: a retry is signed anew as well, because Plaid tries for 24 hours and a
/// token lives five minutes.
fn admit(delivery: &Delivery, token: &Token) -> Result<Verdict, Refusal> {
    let [kind, code, item] = fields::of(delivery, ["/webhook_type", "/webhook_code", "/item_id"])?;
    let kind = match (kind.kind(), code.kind()) {
        (Some(kind), Some(code)) => answer::kind(Some(format!("{kind}.{code}"))),
        (kind, code) => kind.or(code),
    };
    let item = item.id();
    Ok(answer::admit(Identity {
        known_by: KnownBy::Delivery(answer::id(Some(token.signature_text()))),
        kind,
        ordering: item.clone().map(|key| Ordering { key, position: Position::Arrival }),
        attributes: answer::attributes([("item", item)]),
        ..answer::identity()
    }))
}
