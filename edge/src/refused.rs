//! Every way to be turned away: the sender is told the case, the operator's log the reason. The causes are those of the
//! gateway.

use std::fmt;

use crate::bindings::{Refusal, Reply, gate::CodingError};

/// Why a delivery was turned away.
pub enum Refused {
    /// No such path.
    UnknownSource,
    /// A content coding of the body is unknown.
    UnsupportedCoding(String),
    /// More bytes than that.
    TooLarge(usize),
    /// The body did not come in time.
    TooSlow,
    /// The body ended early.
    Truncated,
    /// The body is not in the content coding that its header names.
    Undecodable(String),
    /// More bytes than allowed once the body is decoded.
    DecodedTooLarge(String),
    Unauthenticated(String),
    Stale(String),
    Malformed(String),
    Unsupported(String),
    /// The variables, or the plugin's word that they do not let it judge.
    Misconfigured(String),
    PluginBroken(String),
    KeysUnavailable(String),
    ConfirmationFailed(String),
    /// A secret is handed over.
    HandoverClosed,
    /// The plugin made nothing of an event.
    NotTransformed(String),
    /// The origin has not taken it; when to try again, in seconds.
    OriginFailed(String, u64),
}

impl Refused {
    /// Its name in the log, and in the problem document.
    pub fn cause(&self) -> &'static str {
        self.row().0
    }

    /// Cause, status, title, seconds until another attempt makes sense.
    fn row(&self) -> (&'static str, u16, &'static str, Option<u64>) {
        let unavailable = 503;
        let cannot_verify = "This source cannot verify deliveries now";
        match self {
            Refused::UnknownSource => ("unknown-source", 404, "There is no source of this name", None),
            Refused::UnsupportedCoding(_) => {
                ("unsupported-coding", 415, "The body has a content coding that is not supported", None)
            }
            Refused::TooLarge(_) => ("too-large", 413, "The body is larger than this source takes", None),
            Refused::TooSlow => ("too-slow", 408, "The body did not arrive in time", None),
            Refused::Truncated => ("truncated", 400, "The body ended before it was complete", None),
            Refused::Undecodable(_) => {
                ("undecodable", 400, "The body is not in the content coding that its header names", None)
            }
            Refused::DecodedTooLarge(_) => {
                ("decoded-too-large", 413, "The decoded body is larger than this source takes", None)
            }
            Refused::Unauthenticated(_) => ("unauthenticated", 401, "The delivery carries no valid signature", None),
            Refused::Stale(_) => ("stale", 401, "The signature is outside its time", None),
            Refused::Malformed(_) => ("malformed", 400, "The delivery cannot be read", None),
            Refused::Unsupported(_) => ("unsupported", 422, "Deliveries of this kind are not supported", None),
            Refused::Misconfigured(_) => ("misconfigured", unavailable, cannot_verify, Some(60)),
            Refused::PluginBroken(_) => ("plugin-broken", unavailable, cannot_verify, Some(10)),
            Refused::KeysUnavailable(_) => ("keys-unavailable", unavailable, cannot_verify, Some(10)),
            Refused::ConfirmationFailed(_) => {
                ("confirmation-failed", unavailable, "The subscription cannot be confirmed now", Some(30))
            }
            Refused::HandoverClosed => ("handover-closed", 403, "No secret is expected to be handed over here", None),
            Refused::NotTransformed(_) => {
                ("not-transformed", unavailable, "The delivery cannot be forwarded now", Some(60))
            }
            Refused::OriginFailed(_, seconds) => {
                ("origin-failed", unavailable, "The delivery cannot be forwarded now", Some(*seconds))
            }
        }
    }

    /// A problem document (RFC 9457) that tells the sender the case and nothing of the inside.
    pub fn reply(&self) -> Reply {
        let (cause, status, title, retry_after) = self.row();
        let body = format!(r#"{{"type":"urn:hookgate:{cause}","title":"{title}","status":{status}}}"#);
        let content_type = ("content-type".to_owned(), "application/problem+json".to_owned());
        let retry_after = retry_after.map(|seconds| ("retry-after".to_owned(), seconds.to_string()));
        // RFC 9110, section 15.5.16.
        let is_coding = matches!(self, Refused::UnsupportedCoding(_));
        let accepted = is_coding.then(|| ("accept-encoding".to_owned(), "gzip, deflate, br, zstd".to_owned()));
        let headers = [content_type].into_iter().chain(retry_after).chain(accepted).collect();
        Reply { status, headers, body: body.into_bytes() }
    }
}

impl From<CodingError> for Refused {
    fn from(error: CodingError) -> Refused {
        match error {
            CodingError::Unknown(text) => Refused::UnsupportedCoding(text),
            CodingError::Undecodable(text) => Refused::Undecodable(text),
            CodingError::TooLarge(text) => Refused::DecodedTooLarge(text),
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        match refusal {
            Refusal::Unauthenticated(text) => Refused::Unauthenticated(text),
            Refusal::Stale(text) => Refused::Stale(text),
            Refusal::Malformed(text) => Refused::Malformed(text),
            Refusal::Unsupported(text) => Refused::Unsupported(text),
            Refusal::Misconfigured(text) => Refused::Misconfigured(text),
        }
    }
}

/// For the operator's log: cut, and on one line, whatever a plugin or a sender has put into it.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Refused::UnsupportedCoding(text)
            | Refused::Undecodable(text)
            | Refused::DecodedTooLarge(text)
            | Refused::Unauthenticated(text)
            | Refused::Stale(text)
            | Refused::Malformed(text)
            | Refused::Unsupported(text)
            | Refused::Misconfigured(text)
            | Refused::PluginBroken(text)
            | Refused::KeysUnavailable(text)
            | Refused::ConfirmationFailed(text)
            | Refused::NotTransformed(text)
            | Refused::OriginFailed(text, _) => text,
            Refused::TooLarge(limit) => return write!(f, "the body has more than body_limit = {limit} bytes"),
            Refused::TooSlow => "the body did not arrive within body_timeout",
            Refused::HandoverClosed => {
                "the plugin's handshake hands a secret over, which the edge has no safe place for: do it with a \
                 gateway, and set the secret as a variable here"
            }
            Refused::UnknownSource | Refused::Truncated => self.row().2,
        };
        text.chars().take(512).try_for_each(|c| write!(f, "{}", if c.is_control() { ' ' } else { c }))
    }
}
