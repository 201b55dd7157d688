//! Handshakes: a provider asks for a value back, plain or signed, before it sends anything.
//!
//! What is signed must look like a token, and where answers are signed, a delivery whose signed content looks like one is
//! refused: no signature out of an answer admits anything (see the SDK's `challenge`).

use hookgate_known_providers::template::{self, Token};
pub use hookgate_plugin_sdk::challenge::LENGTH_MAX;
use hookgate_plugin_sdk::{Digest, Refusal, Reply, Verdict, answer::forged, challenge::is_token, setting};

use crate::{
    digest,
    encoding::TagEncoding,
    key::KeyForm,
    place::{Place, Reader},
    settings::{Settings, wrong},
};

/// The name of the secret that some providers repeat in a handshake.
pub const TOKEN_SECRET: &str = "verify-token";

/// When a handshake is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A request without a body, and with a challenge in its query: there is nothing that could be signed.
    Unsigned,
    /// A delivery that has proved to be authentic.
    Authentic,
}

/// The answer to a handshake; none where the delivery is something else.
///
/// # Errors
/// Misconfigured: a setting makes no sense. Unauthenticated: the provider's token is wrong. Malformed: the challenge is
/// none.
pub fn answer(stage: Stage, settings: &Settings<'_>, reader: &Reader<'_>) -> Result<Option<Verdict>, Refusal> {
    let Some(place) = settings.parsed("challenge", Place::parse)? else { return Ok(None) };
    let unsigned = matches!(place, Place::Query(_));
    if unsigned != (stage == Stage::Unsigned) || (unsigned && reader.delivery.body_length() > 0) {
        return Ok(None);
    }
    let challenge = match &place {
        Place::Json(pointer) => reader.scalars(&[pointer])?.pop().flatten(),
        place => reader.text(place)?,
    };
    let Some(challenge) = challenge else { return Ok(None) };
    if challenge.len() > LENGTH_MAX {
        return Err(Refusal::Malformed(format!("the challenge is longer than {LENGTH_MAX} bytes")));
    }
    if let Err(refusal) = check_token(settings, reader)? {
        return wrong_status(settings)?.map_or(Err(refusal), |status| Ok(Some(text_answer(status, String::new()))));
    }
    let status = settings.parsed_or("challenge-status", "200", |text| match text.parse::<u16>() {
        Ok(status @ 200..=299) => Ok(status),
        _ => Err(format!("{text:?} is not a status from 200 to 299")),
    })?;
    let body = if status == 204 { String::new() } else { reply(settings, reader, &challenge)? };
    Ok(Some(text_answer(status, body)))
}

/// What is answered to a handshake with another token; none: it is refused.
fn wrong_status(settings: &Settings<'_>) -> Result<Option<u16>, Refusal> {
    settings.parsed("challenge-wrong", |text| match text.parse::<u16>() {
        Ok(status @ 400..=499) => Ok(status),
        _ => Err(format!("{text:?} is not a status from 400 to 499")),
    })
}

/// An answer that no browser takes for anything else.
fn text_answer(status: u16, body: String) -> Verdict {
    let content_type = if body.starts_with('{') { "application/json" } else { "text/plain; charset=utf-8" };
    let headers = [("content-type", content_type), ("x-content-type-options", "nosniff")];
    Verdict::Answer(Reply {
        status,
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body: body.into_bytes(),
    })
}

/// Whether answers hold a signature of the challenge.
///
/// # Errors
/// Misconfigured: the reply is not a template.
pub fn is_signed(settings: &Settings<'_>) -> Result<bool, Refusal> {
    let template = settings.parsed("challenge-reply", template::parse)?.unwrap_or_default();
    let signs = |token: &Token| matches!(token, Token::Slot(name) if name.starts_with("hmac:"));
    Ok(settings.parsed("challenge", Place::parse)?.is_some() && template.iter().any(signs))
}

/// Whether an answer could hold the signature of this content.
pub fn could_be_signed(content: &[u8]) -> bool {
    is_token(content)
}

/// Whether the token is right, or the refusal of it.
fn check_token(settings: &Settings<'_>, reader: &Reader<'_>) -> Result<Result<(), Refusal>, Refusal> {
    let Some(place) = settings.parsed("challenge-token", Place::parse)? else { return Ok(Ok(())) };
    let expected = setting::secret(reader.delivery, TOKEN_SECRET, hookgate_plugin_sdk::Encoding::Utf8, None)?;
    if reader.text(&place)?.is_some_and(|token| expected.equals(token.as_bytes())) {
        Ok(Ok(()))
    } else {
        Ok(Err(forged(&format!("the {} is not secrets.{TOKEN_SECRET}", place.describe()))))
    }
}

fn reply(settings: &Settings<'_>, reader: &Reader<'_>, challenge: &str) -> Result<String, Refusal> {
    let template = settings.parsed_or("challenge-reply", "{challenge}", template::parse)?;
    let mut body = String::new();
    for token in template {
        match token {
            Token::Text(text) => body.push_str(&text),
            Token::Slot(name) if name == "challenge" => body.push_str(challenge),
            Token::Slot(name) if name == "challenge:json" => {
                body.push_str(&serde_json::Value::from(challenge).to_string());
            }
            Token::Slot(name) => match name.strip_prefix("hmac:") {
                Some(encoding) => body.push_str(&signed(settings, reader, challenge, encoding)?),
                None => return Err(unknown(&name)),
            },
            Token::Optional(_) => return Err(wrong("challenge-reply", "it cannot have parts in brackets")),
        }
    }
    Ok(body)
}

fn unknown(name: &str) -> Refusal {
    let why = format!("{{{name}}} is not a slot of it: write {{challenge}}, {{challenge:json}} or {{hmac:ENCODING}}");
    wrong("challenge-reply", &why)
}

fn signed(settings: &Settings<'_>, reader: &Reader<'_>, challenge: &str, encoding: &str) -> Result<String, Refusal> {
    if !could_be_signed(challenge.as_bytes()) {
        return Err(Refusal::Malformed("the challenge to be signed is not a token of letters, digits, - and _".into()));
    }
    let encoding = TagEncoding::parse(encoding).map_err(|why| wrong("challenge-reply", &why))?;
    let digests = settings.list("digest", "sha256", digest::parse)?;
    let digest = digests.first().copied().unwrap_or(Digest::Sha256);
    let keys = settings.parsed_or("key", "utf8", KeyForm::parse)?.open(reader.delivery)?;
    let mac = keys.first().map(|key| key.mac(digest, &[hookgate_plugin_sdk::encoding::part(challenge)]));
    Ok(encoding.encode(&mac.unwrap_or_default()))
}
