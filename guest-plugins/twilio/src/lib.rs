//! Twilio: an HMAC over the public URL and the sorted form parameters, or over a URL that holds the body's SHA-256. The key
//! is the account's auth token (SHA-1), or, where a Webhooks Rule says so, a shared key (SHA-256).
//!
//! The signed text has no borders: names and values follow each other with nothing between. An attacker who has captured a
//! delivery could move text between its parameters. Nothing that Twilio signs tells the difference; its own libraries have the
//! same limit. What stands against it is TLS, the identity of the event (which an altered delivery mostly shares with the
//! genuine one), and the source's `replay`.
//!
//! Facts: <https://www.twilio.com/docs/usage/security#validating-requests> and Twilio's own helper libraries
//! (<https://github.com/twilio/twilio-node>, `src/webhooks/webhooks.ts`).
//!
//! What identifies an event is said beside `event::identity`.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | states of a resource | its SID and the state, with SequenceNumber where there is one | all of them | has a different state or number | twilio.com/docs, Webhooks | in part: that each state is reported once follows from the list of states |
//! | everything else | I-Twilio-Idempotency-Token; without one each delivery is an event | the token | has a different token; the parameters may be the same (a caller presses the same key twice) | twilio.com/docs, Webhooks (HTTP callbacks) | yes |
//! | Event Streams | id of the CloudEvent | the id | has a different one | twilio.com/docs, Event delivery retries and event duplication | yes |

mod event;
mod form;
mod spelling;
mod stream;

use std::{borrow::Cow, iter};

use hookgate_plugin_sdk::{
    Accepted, Admission, CloudEvent, Delivery, Descriptor, Digest, Encoding, Event, EventData, ExtensionValue,
    Outgoing, Payload, Provider, Refusal, Reply, Secret, SecretError, Verdict,
    answer::{self, attribute, cloud_event, forged},
    encoding::{from_base64, part, to_base64, to_hex},
    export, header, setting, signatures,
};

use crate::{form::Form, spelling::SplitUrl};

/// The plugin.
pub struct Twilio;

export!(Twilio);

const SIGNATURE: &str = "x-twilio-signature";
/// There where a shared key has signed: `key=webhooks_sharedkey_1,algorithm=HMAC_SHA256`.
const SIGNED_WITH: &str = "x-twilio-webhooks-signature-settings";
const AUTH_TOKEN: &str = "auth-token";
const SHARED_KEY: &str = "shared-key";
const TOKEN: &str = "i-twilio-idempotency-token";
/// The parameter of the URL that binds a body which is not a form.
const BODY_DIGEST: &str = "bodySHA256";
const FORM: &str = "application/x-www-form-urlencoded";
const TWIML: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#;

impl Provider for Twilio {
    fn describe() -> Descriptor {
        Descriptor {
            secrets: vec![
                answer::optional_secret(
                    AUTH_TOKEN,
                    "the account's auth token, from the Twilio console; both while it is changed; needed unless a shared \
                     key signs everything",
                ),
                answer::optional_secret(
                    SHARED_KEY,
                    "the secret of the SharedKey that a Webhooks Rule has webhooks to this URL signed with",
                ),
            ],
            settings: vec![
                answer::setting(
                    "url",
                    None,
                    "the URL as configured at Twilio, where hookgate sees another one; its query is not looked at",
                ),
                answer::setting(
                    "twiml",
                    Some(TWIML),
                    "what calls and messages are answered; empty: hookgate's own 200",
                ),
            ],
            headers: answer::headers(&[SIGNATURE, SIGNED_WITH, TOKEN, "content-type", "authorization"]),
            ..answer::descriptor(
                "twilio",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &[
                    "https://www.twilio.com/docs/usage/security#validating-requests",
                    "https://www.twilio.com/docs/usage/webhooks/webhook-shared-keys",
                    "https://www.twilio.com/docs/usage/webhooks",
                    "https://www.twilio.com/docs/events/webhook-quickstart",
                ],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        let keys = Keys::of(delivery)?;
        let tag = signature(delivery)?;
        let key = keys.signer(header::optional(delivery, SIGNED_WITH)?.as_deref())?;
        let request = Request::read(delivery)?;
        let url = public_url(delivery)?;
        let split = SplitUrl::parse(&url).ok_or_else(|| bad_url(&url))?;
        let form = request.parameters()?;
        let message = request.signed_text(&form);
        let with_credentials = with_credentials(&split, delivery);
        let mut urls = iter::once(&split).chain(&with_credentials).flat_map(spelling::spellings);
        if !urls.any(|url| key.fits(&url, &message, &tag)) {
            return Err(forged("x-twilio-signature does not fit the URL and parameters"));
        }
        let reply = reply(delivery, &request);
        let attempt = answer::id(header::optional(delivery, TOKEN)?);
        Ok(Verdict::Admit(Accepted { events: request.events(&form, attempt)?, reply }))
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let payload = event.payload(0, event.payload_length());
        let delivery = event.delivery();
        let is_form = delivery.body_length() == 0 || delivery.query(BODY_DIGEST).is_none();
        let account = attribute(&identity, "account");
        let source = match (&account, attribute(&identity, "sink")) {
            (Some(account), _) => format!("https://api.twilio.com/2010-04-01/Accounts/{account}"),
            (None, Some(sink)) => sink,
            (None, None) => "https://api.twilio.com".to_owned(),
        };
        let kind = identity.kind.as_deref().unwrap_or("webhook");
        let kind = if kind.starts_with("com.twilio.") { kind.to_owned() } else { format!("com.twilio.{kind}") };
        let account = account.map(|account| ("account".to_owned(), ExtensionValue::Text(account)));
        Ok(vec![CloudEvent {
            subject: attribute(&identity, "subject"),
            time: identity.occurred_at,
            data_content_type: if is_form {
                Some("application/json".to_owned())
            } else {
                media_type(&delivery, &payload)
            },
            data: if is_form { EventData::Json(form_as_json(payload)?) } else { EventData::Payload },
            extensions: account.into_iter().collect(),
            ..cloud_event(answer::provider_id(&identity).unwrap_or_else(|| event.id()), source, kind)
        }])
    }

    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        let example = (delivery.body_length() == 0 && delivery.method() != "GET").then_some(EXAMPLE);
        let message = match example {
            Some(body) => Form::parse(body).map_err(in_words)?.signed_text(),
            None => {
                let request = Request::read(delivery).map_err(in_words)?;
                request.signed_text(&request.parameters().map_err(in_words)?)
            }
        };
        let url = public_url(delivery).map_err(in_words)?;
        let (key, signed_with) = match delivery.secret(AUTH_TOKEN, Encoding::Utf8, None) {
            Err(SecretError::Missing) => {
                let secret = setting::signing_secret(delivery, SHARED_KEY, Encoding::Utf8, None)?;
                (Signer { secret, digest: Digest::Sha256 }, Some("key=webhooks_sharedkey,algorithm=HMAC_SHA256"))
            }
            secret => {
                let secret = secret.map_err(|error| setting::explain(AUTH_TOKEN, error))?;
                (Signer { secret, digest: Digest::Sha1 }, None)
            }
        };
        let mac = key.secret.mac(key.digest, &[part(&url), part(&message)]);
        let mut headers = vec![(SIGNATURE.to_owned(), to_base64(&mac)), (TOKEN.to_owned(), to_hex(&mac))];
        headers.extend(signed_with.map(|settings| (SIGNED_WITH.to_owned(), settings.to_owned())));
        if example.is_some() {
            headers.push(("content-type".to_owned(), FORM.to_owned()));
        }
        Ok(Outgoing { headers, body: example.map(|body| body.as_bytes().to_vec()) })
    }
}

/// What a body that is bound by its digest is: JSON, unless its sender says something else.
fn media_type(delivery: &Delivery, payload: &[u8]) -> Option<String> {
    let is_json = matches!(payload.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'{' | b'['));
    if is_json { Some("application/json".to_owned()) } else { header::first(delivery, "content-type") }
}

fn form_as_json(payload: Vec<u8>) -> Result<String, String> {
    let text = form::text(payload);
    Ok(Form::parse(&text).map_err(in_words)?.to_json().to_string())
}

fn in_words(refusal: Refusal) -> String {
    match refusal {
        Refusal::Unauthenticated(why)
        | Refusal::Stale(why)
        | Refusal::Malformed(why)
        | Refusal::Unsupported(why)
        | Refusal::Misconfigured(why) => why,
    }
}

/// What the status callback of a text message looks like.
const EXAMPLE: &str = "SmsSid=SM0123456789abcdef0123456789abcdef&SmsStatus=delivered&MessageStatus=delivered&\
                       To=%2B14155550100&MessageSid=SM0123456789abcdef0123456789abcdef&\
                       AccountSid=AC0123456789abcdef0123456789abcdef&From=%2B14155550199&ApiVersion=2010-04-01";

/// What a request carries, by the way in which Twilio binds it to the signature.
enum Request {
    /// The parameters are part of the signed text.
    Form(String),
    /// The parameters are in the URL, or there are none.
    UrlOnly(String),
    /// The URL holds the digest of the body.
    Digested(Vec<u8>),
}

impl Request {
    fn read(delivery: &Delivery) -> Result<Self, Refusal> {
        // A digest binds the body also where there is none: otherwise it could be taken off a genuine delivery.
        let claimed = delivery.query(BODY_DIGEST);
        let actual = || to_hex(&delivery.body_digest(Digest::Sha256));
        if claimed.as_ref().is_some_and(|claimed| !claimed.eq_ignore_ascii_case(&actual())) {
            return Err(forged("bodySHA256 in the URL is not the body's SHA-256"));
        }
        let body = || delivery.body(0, delivery.body_length());
        match (delivery.body_length(), claimed) {
            (0, _) => {
                let query = delivery.url().split_once('?').map(|(_, query)| query.to_owned());
                Ok(Request::UrlOnly(query.unwrap_or_default()))
            }
            (_, Some(_)) => Ok(Request::Digested(body())),
            (_, None) if is_form(delivery) => Ok(Request::Form(form::text(body()))),
            (_, None) => Err(forged("nothing binds the body: it is not a form, and the URL has no bodySHA256")),
        }
    }

    fn parameters(&self) -> Result<Form<'_>, Refusal> {
        match self {
            Request::Form(text) | Request::UrlOnly(text) => Form::parse(text),
            Request::Digested(_) => Ok(Form::default()),
        }
    }

    /// What is signed behind the URL.
    fn signed_text(&self, parameters: &Form<'_>) -> String {
        match self {
            Request::Form(_) => parameters.signed_text(),
            Request::UrlOnly(_) | Request::Digested(_) => String::new(),
        }
    }

    fn events(&self, parameters: &Form<'_>, token: Option<String>) -> Result<Vec<Admission>, Refusal> {
        let payload = match self {
            Request::Digested(body) => return Ok(stream::events(body, token)),
            Request::Form(_) => Payload::Body,
            Request::UrlOnly(query) => Payload::Bytes(query.clone().into_bytes()),
        };
        Ok(vec![Admission { identity: event::identity(parameters, token), payload }])
    }
}

fn is_form(delivery: &Delivery) -> bool {
    delivery.header("content-type").is_none_or(|value| {
        value.get(..FORM.len()).is_some_and(|media_type| media_type.eq_ignore_ascii_case(FORM.as_bytes()))
    })
}

fn signature(delivery: &Delivery) -> Result<Vec<u8>, Refusal> {
    let text = header::required(delivery, SIGNATURE)?;
    from_base64(&text).ok_or_else(|| forged("x-twilio-signature is not base64"))
}

/// The keys of a source; either may be missing.
struct Keys {
    auth_token: Option<Secret>,
    shared_key: Option<Secret>,
}

/// The key that a delivery says it is signed with, and how.
struct Signer {
    secret: Secret,
    digest: Digest,
}

impl Keys {
    fn of(delivery: &Delivery) -> Result<Self, Refusal> {
        let secret = |name: &str| match delivery.secret(name, Encoding::Utf8, None) {
            Ok(secret) => Ok(Some(secret)),
            Err(SecretError::Missing) => Ok(None),
            Err(error) => Err(Refusal::Misconfigured(setting::explain(name, error))),
        };
        match (secret(AUTH_TOKEN)?, secret(SHARED_KEY)?) {
            (None, None) => {
                let text = "neither secrets.auth-token nor secrets.shared-key is set";
                Err(Refusal::Misconfigured(text.to_owned()))
            }
            (auth_token, shared_key) => Ok(Keys { auth_token, shared_key }),
        }
    }

    /// `signed_with` is the header of that name: a shared key where it says something, else the auth token. It is not
    /// signed, and names nothing but a choice between keys of the source. Read as the helper libraries do (twilio-node 6,
    /// `getSignatureAlgorithm` in `src/webhooks/webhooks.ts`; twilio-python 9.13, `request_validator.py`): an empty header
    /// is none, one without an algorithm means SHA-1, and its name may be in any case.
    fn signer(self, signed_with: Option<&str>) -> Result<Signer, Refusal> {
        let missing = |name: &str| forged(&format!("signed with a key that is not set: secrets.{name}"));
        let Some(settings) = signed_with.filter(|settings| !settings.trim().is_empty()) else {
            let secret = self.auth_token.ok_or_else(|| missing(AUTH_TOKEN))?;
            return Ok(Signer { secret, digest: Digest::Sha1 });
        };
        let algorithm = signatures::values(settings, ',', "algorithm").find(|name| !name.is_empty());
        let digest = match algorithm.unwrap_or("HMAC_SHA1").to_ascii_uppercase().as_str() {
            "HMAC_SHA256" => Digest::Sha256,
            "HMAC_SHA1" => Digest::Sha1,
            _ => return Err(forged(&format!("{SIGNED_WITH} names an algorithm other than HMAC_SHA256 and HMAC_SHA1"))),
        };
        Ok(Signer { secret: self.shared_key.ok_or_else(|| missing(SHARED_KEY))?, digest })
    }
}

impl Signer {
    fn fits(&self, url: &str, message: &str, tag: &[u8]) -> bool {
        self.secret.verify_mac(self.digest, &[part(url), part(message)], tag)
    }
}

/// The URL that Twilio was given: the setting's with the query of the request, else what the host sees.
fn public_url(delivery: &Delivery) -> Result<String, Refusal> {
    let seen = delivery.url();
    let Some(configured) = delivery.setting("url").filter(|url| !url.is_empty()) else { return Ok(seen) };
    let base = configured.split(['?', '#']).next().unwrap_or_default();
    match SplitUrl::parse(base) {
        Some(_) => Ok(match seen.split_once('?') {
            Some((_, query)) => format!("{base}?{query}"),
            None => base.to_owned(),
        }),
        None => Err(bad_url(&configured)),
    }
}

fn bad_url(url: &str) -> Refusal {
    Refusal::Misconfigured(format!("{url:?} is not an absolute URL: set settings.url to the URL configured at Twilio"))
}

/// The URL with the credentials that came with the request. Those in a URL are signed with it, but reach a server as Basic
/// authentication only.
fn with_credentials<'u>(url: &SplitUrl<'u>, delivery: &Delivery) -> Option<SplitUrl<'u>> {
    let credentials = url.credentials.is_none().then(|| basic_credentials(delivery)).flatten()?;
    Some(SplitUrl { credentials: Some(Cow::Owned(credentials)), ..url.clone() })
}

fn basic_credentials(delivery: &Delivery) -> Option<String> {
    let value = header::first(delivery, "authorization")?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    String::from_utf8(from_base64(encoded.trim())?).ok()
}

/// TwiML for webhooks whose answer Twilio executes; an Event Streams sink gets the host's own answer.
fn reply(delivery: &Delivery, request: &Request) -> Option<Reply> {
    if matches!(request, Request::Digested(_)) {
        return None;
    }
    let twiml = delivery.setting("twiml").unwrap_or_else(|| TWIML.to_owned());
    (!twiml.is_empty()).then(|| Reply {
        status: 200,
        headers: vec![("content-type".into(), "text/xml; charset=utf-8".into())],
        body: twiml.into_bytes(),
    })
}
