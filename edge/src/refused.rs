//! Every way to be turned away: the reply names the case, the operator's log the reason. The rows that the gateway has as
//! well are in [`hookgate_capabilities::refusals`].

use std::fmt;

use hookgate_capabilities::{
    CodingError,
    refusals::{self, Row, row},
};
use strum::IntoStaticStr;

use crate::bindings::{Refusal, Reply};

/// What bodies may be encoded with, for `accept-encoding`: the decoders are left out unless they are asked for.
const CODINGS: &str = if cfg!(feature = "content-codings") { "gzip, deflate, br, zstd" } else { "identity" };

/// Why a delivery was turned away.
#[derive(IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
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
    /// The case in a word: in the log, and in the problem document.
    pub fn cause(&self) -> &'static str {
        self.into()
    }

    fn row(&self) -> Row {
        let cannot_forward = "The delivery cannot be forwarded now";
        match self {
            Refused::UnknownSource => refusals::UNKNOWN_SOURCE,
            Refused::UnsupportedCoding(_) => refusals::UNSUPPORTED_CODING,
            Refused::TooLarge(_) => refusals::TOO_LARGE,
            Refused::TooSlow => refusals::TOO_SLOW,
            Refused::Truncated => refusals::TRUNCATED,
            Refused::Undecodable(_) => refusals::UNDECODABLE,
            Refused::DecodedTooLarge(_) => refusals::DECODED_TOO_LARGE,
            Refused::Unauthenticated(_) => refusals::UNAUTHENTICATED,
            Refused::Stale(_) => refusals::STALE,
            Refused::Malformed(_) => refusals::MALFORMED,
            Refused::Unsupported(_) => refusals::UNSUPPORTED,
            Refused::Misconfigured(_) => refusals::MISCONFIGURED,
            Refused::PluginBroken(_) => refusals::PLUGIN_BROKEN,
            Refused::KeysUnavailable(_) => refusals::KEYS_UNAVAILABLE,
            Refused::ConfirmationFailed(_) => refusals::CONFIRMATION_FAILED,
            Refused::HandoverClosed => refusals::HANDOVER_CLOSED,
            Refused::NotTransformed(_) => row(503, cannot_forward, Some(60)),
            Refused::OriginFailed(_, seconds) => row(503, cannot_forward, Some(*seconds)),
        }
    }

    /// A problem document (RFC 9457) that names the case and shows nothing of the inside.
    pub fn reply(&self) -> Reply {
        let (cause, Row { status, title, retry_after_seconds }) = (self.cause(), self.row());
        let body = format!(r#"{{"type":"urn:hookgate:{cause}","title":"{title}","status":{status}}}"#);
        let content_type = ("content-type".to_owned(), "application/problem+json".to_owned());
        let retry_after = retry_after_seconds.map(|seconds| ("retry-after".to_owned(), seconds.to_string()));
        // RFC 9110, section 15.5.16.
        let is_coding = matches!(self, Refused::UnsupportedCoding(_));
        let accepted = is_coding.then(|| ("accept-encoding".to_owned(), CODINGS.to_owned()));
        let headers = [content_type].into_iter().chain(retry_after).chain(accepted).collect();
        Reply { status, headers, body: body.into_bytes() }
    }
}

impl From<CodingError> for Refused {
    fn from(error: CodingError) -> Refused {
        let text = error.to_string();
        match error {
            CodingError::Unknown(_) | CodingError::TooMany(_) => Refused::UnsupportedCoding(text),
            CodingError::Undecodable(..) => Refused::Undecodable(text),
            CodingError::TooLarge { .. } => Refused::DecodedTooLarge(text),
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
            Refused::UnknownSource | Refused::Truncated => self.row().title,
        };
        text.chars().take(512).try_for_each(|c| write!(f, "{}", if c.is_control() { ' ' } else { c }))
    }
}
