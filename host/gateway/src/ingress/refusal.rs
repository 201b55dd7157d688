//! Every way to be turned away: the case, its name in the metrics, its status, what the sender reads, and when to come back.
//! What the operator reads besides is in the log, under the same trace id. The rows that the edge has as well are in
//! [`hookgate_capabilities::refusals`].

use std::time::Duration;

use bytes::Bytes;
use hookgate_capabilities::{
    CodingError,
    refusals::{self, Row, row},
};
use hookgate_model::limits;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use strum::{IntoStaticStr, VariantNames};

use super::rates::Exceeded;

/// The names of all ways to be turned away, as the metrics have them.
pub fn refusal_causes() -> impl Iterator<Item = &'static str> {
    Refused::VARIANTS.iter().copied()
}

/// Why a delivery was turned away.
#[derive(Clone, Debug, PartialEq, Eq, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Refused {
    /// The head is not HTTP.
    BadRequest,
    /// The head has more bytes or headers than are taken.
    HeadTooLarge,
    /// The head did not come in time.
    HeadTooSlow,
    /// No such path.
    UnknownPath,
    /// No such source.
    UnknownSource,
    /// No credentials that `auth` asks for: why, and the challenges.
    NoCredentials(String, Vec<String>),
    /// Wrong ones.
    WrongCredentials(String, Vec<String>),
    /// Of somebody who may not send.
    Forbidden(String, Vec<String>),
    /// They cannot be checked now.
    AuthUnavailable(String),
    /// The body has a content coding that is not known.
    UnsupportedCoding(String),
    /// More bytes than the source takes: so many.
    TooLarge(u64),
    /// The body did not come in time.
    TooSlow,
    /// There is no room for it in the memory for requests and their bodies, or its sender has its share.
    Overloaded,
    /// The body ended early or its framing is broken.
    Truncated,
    /// The body is not in the content coding that its header names.
    Undecodable(String),
    /// More bytes than the source takes once the body is decoded.
    DecodedTooLarge(String),
    /// The plugin found no valid signature.
    Unauthenticated(String),
    /// The plugin found a signature outside its time.
    Stale(String),
    /// The plugin cannot read it.
    Malformed(String),
    /// The plugin does not know its kind.
    Unsupported(String),
    /// The source's configuration does not let the plugin judge.
    Misconfigured(String),
    /// The plugin broke the rules: its cause in a word, and in full.
    PluginBroken(&'static str, String),
    /// The plugin has broken too often to be asked now; again after so long.
    PluginOut(Duration),
    /// Keys that the plugin needs cannot be fetched now.
    KeysUnavailable(String),
    /// A subscription that an authentic delivery announces cannot be confirmed now.
    ConfirmationFailed(String),
    /// A secret was handed over that the source does not expect.
    HandoverClosed(String),
    /// Over the rate of the source.
    RateLimited(Duration),
    /// Too many failed verifications from that address.
    TooManyFailures(Exceeded),
    /// Its signature came before, under another id.
    Replayed,
    /// There is no room for it.
    StoreFull(String),
    /// It cannot be made durable.
    StoreFailed(String),
    /// The object store does not take or give a large body.
    ClaimFailed(String),
    /// A link to a claim that is none of ours.
    ClaimForged,
    /// A link to a claim whose time is over.
    ClaimExpired,
    /// A claim that is not there, or not any more.
    UnknownClaim,
    /// A claim is read, and nothing else.
    ClaimMethod,
    /// A range outside a claim of so many bytes.
    ClaimRange(u64),
    /// As many are reading claims as may.
    ClaimsBusy,
}

impl Refused {
    /// The case in a word: in metrics, and in the problem document's `type`.
    pub fn cause(&self) -> &'static str {
        self.into()
    }

    fn row(&self) -> Row {
        match self {
            Refused::BadRequest => row(400, "This is not an HTTP request", None),
            Refused::HeadTooLarge => row(431, "The head has more bytes or headers than are taken", None),
            Refused::HeadTooSlow => row(408, "The head did not arrive in time", None),
            Refused::UnknownPath => row(404, "Deliveries are taken at /in/{source}", None),
            Refused::UnknownSource => refusals::UNKNOWN_SOURCE,
            Refused::NoCredentials(..) => row(401, "The sender has not said who it is", None),
            Refused::WrongCredentials(..) => row(401, "What the sender shows is not valid", None),
            Refused::Forbidden(..) => row(403, "The sender may not send here", None),
            Refused::AuthUnavailable(_) => row(503, "Who the sender is cannot be checked now", Some(10)),
            Refused::UnsupportedCoding(_) => refusals::UNSUPPORTED_CODING,
            Refused::TooLarge(_) => refusals::TOO_LARGE,
            Refused::TooSlow => refusals::TOO_SLOW,
            Refused::Truncated => refusals::TRUNCATED,
            Refused::Overloaded => row(503, "Too many deliveries are being taken at once", Some(2)),
            Refused::Undecodable(_) => refusals::UNDECODABLE,
            Refused::DecodedTooLarge(_) => refusals::DECODED_TOO_LARGE,
            Refused::Unauthenticated(_) => refusals::UNAUTHENTICATED,
            Refused::Stale(_) => refusals::STALE,
            Refused::Malformed(_) => refusals::MALFORMED,
            Refused::Unsupported(_) => refusals::UNSUPPORTED,
            Refused::Misconfigured(_) => refusals::MISCONFIGURED,
            Refused::PluginBroken(..) => refusals::PLUGIN_BROKEN,
            Refused::PluginOut(_) => row(503, "This source cannot verify deliveries now", None),
            Refused::KeysUnavailable(_) => refusals::KEYS_UNAVAILABLE,
            Refused::ConfirmationFailed(_) => refusals::CONFIRMATION_FAILED,
            Refused::HandoverClosed(_) => refusals::HANDOVER_CLOSED,
            Refused::RateLimited(_) => row(429, "Too many deliveries", None),
            Refused::TooManyFailures(_) => row(429, "Too many failed verifications from this address", None),
            Refused::Replayed => row(401, "This signature was used before", None),
            Refused::StoreFull(_) => row(503, "The delivery cannot be stored now", Some(60)),
            Refused::StoreFailed(_) => row(503, "The delivery cannot be stored now", Some(5)),
            Refused::ClaimFailed(_) => row(503, "The object store does not answer", Some(5)),
            Refused::ClaimForged => row(403, "This link is not one of this gateway", None),
            Refused::ClaimExpired => row(403, "The time of this link is over", None),
            Refused::UnknownClaim => row(404, "There is no such claim, or none any more", None),
            Refused::ClaimMethod => row(405, "Claims are taken by GET and HEAD", None),
            Refused::ClaimRange(_) => row(416, "The range lies outside the claim", None),
            Refused::ClaimsBusy => row(503, "Too many claims are being read at once", Some(2)),
        }
    }

    /// What the operator reads.
    pub fn inside(&self) -> String {
        match self {
            Refused::NoCredentials(text, _)
            | Refused::WrongCredentials(text, _)
            | Refused::Forbidden(text, _)
            | Refused::AuthUnavailable(text)
            | Refused::UnsupportedCoding(text)
            | Refused::Undecodable(text)
            | Refused::DecodedTooLarge(text)
            | Refused::Unauthenticated(text)
            | Refused::Stale(text)
            | Refused::Malformed(text)
            | Refused::Unsupported(text)
            | Refused::Misconfigured(text)
            | Refused::PluginBroken(_, text)
            | Refused::KeysUnavailable(text)
            | Refused::ConfirmationFailed(text)
            | Refused::HandoverClosed(text)
            | Refused::StoreFull(text)
            | Refused::StoreFailed(text)
            | Refused::ClaimFailed(text) => text.clone(),
            Refused::TooLarge(max) => format!("the body is larger than limits.body = {max} bytes"),
            Refused::PluginOut(_) => {
                "the plugin broke many times in a row; the log says how, and when it was taken out".into()
            }
            Refused::TooSlow => "the body did not arrive within server.body-timeout".into(),
            Refused::Overloaded => {
                "the requests under way leave no room for it: their bodies fill server.body-memory, or \
                 its client or source has its share, or it waited too long for its plugin"
                    .into()
            }
            Refused::HeadTooLarge => {
                format!("more than {} bytes or {} headers", limits::HEAD_BYTES_MAX, limits::HEADERS_MAX)
            }
            Refused::HeadTooSlow => "the head did not arrive within server.header-timeout".into(),
            Refused::BadRequest
            | Refused::UnknownPath
            | Refused::UnknownSource
            | Refused::Truncated
            | Refused::Replayed
            | Refused::RateLimited(_)
            | Refused::TooManyFailures(_)
            | Refused::ClaimForged
            | Refused::ClaimExpired
            | Refused::UnknownClaim
            | Refused::ClaimMethod
            | Refused::ClaimRange(_)
            | Refused::ClaimsBusy => self.row().title.into(),
        }
    }

    /// Whose fault it is: the gateway's own troubles are errors in the log, everything else is information.
    pub fn is_ours(&self) -> bool {
        self.row().status == 503
    }

    /// The reply: a problem document (RFC 9457) that tells the sender the case and nothing of the inside.
    pub fn response(&self, trace: &str) -> Response<Full<Bytes>> {
        let row = self.row();
        let problem = serde_json::json!({
            "type": format!("urn:hookgate:{}", self.cause()),
            "title": row.title,
            "status": row.status,
            "trace": trace,
        });
        let mut response = Response::new(Full::new(Bytes::from(problem.to_string())));
        *response.status_mut() = StatusCode::from_u16(row.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        for challenge in self.challenges().iter().filter_map(|text| HeaderValue::from_str(text).ok()) {
            headers.append(header::WWW_AUTHENTICATE, challenge);
        }
        match self {
            // RFC 9110, section 15.5.16.
            Refused::UnsupportedCoding(_) => {
                headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate, br, zstd"));
            }
            Refused::ClaimMethod => _ = headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD")),
            Refused::ClaimRange(length) => {
                headers.extend(
                    HeaderValue::try_from(format!("bytes */{length}")).ok().map(|v| (header::CONTENT_RANGE, v)),
                );
            }
            _ => {}
        }
        response
    }

    /// What the sender could show (RFC 9110, 11.6.1).
    fn challenges(&self) -> &[String] {
        match self {
            Refused::NoCredentials(_, challenges)
            | Refused::WrongCredentials(_, challenges)
            | Refused::Forbidden(_, challenges) => challenges,
            _ => &[],
        }
    }

    fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Refused::RateLimited(wait) | Refused::TooManyFailures(Exceeded { wait, .. }) | Refused::PluginOut(wait) => {
                Some(wait.as_secs_f64().ceil().max(1.0) as u64)
            }
            _ => self.row().retry_after_seconds,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_the_name_of_its_case() {
        assert_eq!(Refused::DecodedTooLarge(String::new()).cause(), "decoded-too-large");
        assert!(refusal_causes().any(|cause| cause == Refused::TooLarge(1).cause()));
    }
}
