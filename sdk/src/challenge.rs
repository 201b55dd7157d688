//! Handshakes in which a provider asks for a value back, plain or signed.
//!
//! An answer that signs what a stranger has chosen could be used to forge deliveries. So only what looks like a token is
//! signed, and where nothing else tells signed content of deliveries from tokens, a delivery whose content looks like one
//! is refused. Content that means anything (JSON, a form, parts with punctuation between) is not a token.

use crate::{Delivery, Refusal, Reply, Verdict};

/// Bytes of a challenge.
pub const LENGTH_MAX: usize = 1024;

/// Letters, digits, `-` and `_`, padded as base64 may be: nothing that could also be JSON, a form, or content with
/// punctuation between its parts.
pub fn is_token(content: &[u8]) -> bool {
    let padding = content.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = &content[..content.len() - padding];
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    padding <= 2 && !digits.is_empty() && content.len() <= LENGTH_MAX && digits.iter().all(plain)
}

/// Whether the body of a delivery is a token, so that an answer could hold its signature.
pub fn is_body_token(delivery: &Delivery) -> bool {
    delivery.body_length() <= LENGTH_MAX as u64 && is_token(&delivery.body(0, LENGTH_MAX as u64))
}

/// A challenge out of a query of a request without a body; none where there is none of that name.
///
/// # Errors
/// Malformed: it is too long.
pub fn of_query(delivery: &Delivery, name: &str) -> Result<Option<String>, Refusal> {
    let challenge = delivery.query(name).filter(|_| delivery.body_length() == 0);
    match challenge {
        Some(text) if text.len() > LENGTH_MAX => {
            Err(Refusal::Malformed(format!("the challenge {name} is longer than {LENGTH_MAX} bytes")))
        }
        challenge => Ok(challenge),
    }
}

/// Answers with the challenge as it came, as text that no browser takes for anything else.
pub fn echo(challenge: String) -> Verdict {
    reply("text/plain; charset=utf-8", challenge)
}

/// Answers with JSON.
pub fn json(body: String) -> Verdict {
    reply("application/json", body)
}

fn reply(content_type: &str, body: String) -> Verdict {
    let headers = [("content-type", content_type), ("x-content-type-options", "nosniff")];
    Verdict::Answer(Reply {
        status: 200,
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        body: body.into_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_are_signed() {
        for token in ["890e4665-4dfe-4ab1-b689-ed553bceeed0", "MDg4N2Y5ZTA=", "qgg8vlvZRS6UYooatFL8Aw", "foo"] {
            assert!(is_token(token.as_bytes()), "{token}");
        }
        let long = "a".repeat(LENGTH_MAX + 1);
        for forged in
            ["{\"a\":1}", "a=bbbbbbb", "POST{}", "v0:1700000000:x", "1700000000.body", "", "==", "aaaaaaaa===", &long]
        {
            assert!(!is_token(forged.as_bytes()), "{forged}");
        }
    }
}
