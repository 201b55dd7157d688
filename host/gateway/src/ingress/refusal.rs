//! Every way to be turned away, in one table: the case, its status, what the sender reads, when to come back, and its
//! name in the metrics. What the operator reads besides is in the log, under the same trace id.

use std::time::Duration;

use bytes::Bytes;
use hookgate_capabilities::CodingError;
use hookgate_model::limits;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

use super::rates::Exceeded;

/// The names of all ways to be turned away, as the metrics have them.
pub fn refusal_causes() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.cause)
}

/// Why a delivery was turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// A secret was handed over that nobody expects.
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

/// A row of the table: what a case is called, and what it means to the sender.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// In metrics and in the problem document's `type`.
    pub cause: &'static str,
    /// The status of the reply.
    pub status: StatusCode,
    /// The problem document's `title`.
    pub title: &'static str,
    /// Seconds for `retry-after`, where the case itself does not know better.
    pub retry_after_seconds: Option<u64>,
}

const fn row(cause: &'static str, status: StatusCode, title: &'static str, retry_after_seconds: Option<u64>) -> Row {
    Row { cause, status, title, retry_after_seconds }
}

/// All rows, in the order of the way of a delivery.
pub const TABLE: [Row; 38] = [
    row("bad-request", StatusCode::BAD_REQUEST, "This is not an HTTP request", None),
    row(
        "head-too-large",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "The head has more bytes or headers than are taken",
        None,
    ),
    row("head-too-slow", StatusCode::REQUEST_TIMEOUT, "The head did not arrive in time", None),
    row("unknown-path", StatusCode::NOT_FOUND, "Deliveries are taken at /in/{source}", None),
    row("unknown-source", StatusCode::NOT_FOUND, "There is no source of this name", None),
    row("no-credentials", StatusCode::UNAUTHORIZED, "The sender has not said who it is", None),
    row("wrong-credentials", StatusCode::UNAUTHORIZED, "What the sender shows is not valid", None),
    row("forbidden", StatusCode::FORBIDDEN, "The sender may not send here", None),
    row("auth-unavailable", StatusCode::SERVICE_UNAVAILABLE, "Who the sender is cannot be checked now", Some(10)),
    row(
        "unsupported-coding",
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "The body has a content coding that is not supported",
        None,
    ),
    row("too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than this source takes", None),
    row("too-slow", StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time", None),
    row("truncated", StatusCode::BAD_REQUEST, "The body ended before it was complete", None),
    row("overloaded", StatusCode::SERVICE_UNAVAILABLE, "Too many deliveries are being taken at once", Some(2)),
    row("undecodable", StatusCode::BAD_REQUEST, "The body is not in the content coding that its header names", None),
    row("decoded-too-large", StatusCode::PAYLOAD_TOO_LARGE, "The decoded body is larger than this source takes", None),
    row("unauthenticated", StatusCode::UNAUTHORIZED, "The delivery carries no valid signature", None),
    row("stale", StatusCode::UNAUTHORIZED, "The signature is outside its time", None),
    row("malformed", StatusCode::BAD_REQUEST, "The delivery cannot be read", None),
    row("unsupported", StatusCode::UNPROCESSABLE_ENTITY, "Deliveries of this kind are not supported", None),
    row("misconfigured", StatusCode::SERVICE_UNAVAILABLE, "This source cannot verify deliveries now", Some(60)),
    row("plugin-broken", StatusCode::SERVICE_UNAVAILABLE, "This source cannot verify deliveries now", Some(10)),
    row("plugin-out", StatusCode::SERVICE_UNAVAILABLE, "This source cannot verify deliveries now", None),
    row("keys-unavailable", StatusCode::SERVICE_UNAVAILABLE, "This source cannot verify deliveries now", Some(10)),
    row("confirmation-failed", StatusCode::SERVICE_UNAVAILABLE, "The subscription cannot be confirmed now", Some(30)),
    row("handover-closed", StatusCode::FORBIDDEN, "No secret is expected to be handed over here", None),
    row("rate-limited", StatusCode::TOO_MANY_REQUESTS, "Too many deliveries", None),
    row("too-many-failures", StatusCode::TOO_MANY_REQUESTS, "Too many failed verifications from this address", None),
    row("replayed", StatusCode::UNAUTHORIZED, "This signature was used before", None),
    row("store-full", StatusCode::SERVICE_UNAVAILABLE, "The delivery cannot be stored now", Some(60)),
    row("store-failed", StatusCode::SERVICE_UNAVAILABLE, "The delivery cannot be stored now", Some(5)),
    row("claim-failed", StatusCode::SERVICE_UNAVAILABLE, "The object store does not answer", Some(5)),
    row("claim-forged", StatusCode::FORBIDDEN, "This link is not one of this gateway", None),
    row("claim-expired", StatusCode::FORBIDDEN, "The time of this link is over", None),
    row("unknown-claim", StatusCode::NOT_FOUND, "There is no such claim, or none any more", None),
    row("claim-method", StatusCode::METHOD_NOT_ALLOWED, "Claims are taken by GET and HEAD", None),
    row("claim-range", StatusCode::RANGE_NOT_SATISFIABLE, "The range lies outside the claim", None),
    row("claims-busy", StatusCode::SERVICE_UNAVAILABLE, "Too many claims are being read at once", Some(2)),
];

impl Refused {
    /// Its row of the table.
    pub fn row(&self) -> &'static Row {
        let cause = match self {
            Refused::BadRequest => "bad-request",
            Refused::HeadTooLarge => "head-too-large",
            Refused::HeadTooSlow => "head-too-slow",
            Refused::UnknownPath => "unknown-path",
            Refused::UnknownSource => "unknown-source",
            Refused::NoCredentials(..) => "no-credentials",
            Refused::WrongCredentials(..) => "wrong-credentials",
            Refused::Forbidden(..) => "forbidden",
            Refused::AuthUnavailable(_) => "auth-unavailable",
            Refused::UnsupportedCoding(_) => "unsupported-coding",
            Refused::TooLarge(_) => "too-large",
            Refused::TooSlow => "too-slow",
            Refused::Truncated => "truncated",
            Refused::Overloaded => "overloaded",
            Refused::Undecodable(_) => "undecodable",
            Refused::DecodedTooLarge(_) => "decoded-too-large",
            Refused::Unauthenticated(_) => "unauthenticated",
            Refused::Stale(_) => "stale",
            Refused::Malformed(_) => "malformed",
            Refused::Unsupported(_) => "unsupported",
            Refused::Misconfigured(_) => "misconfigured",
            Refused::PluginBroken(..) => "plugin-broken",
            Refused::PluginOut(_) => "plugin-out",
            Refused::KeysUnavailable(_) => "keys-unavailable",
            Refused::ConfirmationFailed(_) => "confirmation-failed",
            Refused::HandoverClosed(_) => "handover-closed",
            Refused::RateLimited(_) => "rate-limited",
            Refused::TooManyFailures(_) => "too-many-failures",
            Refused::Replayed => "replayed",
            Refused::StoreFull(_) => "store-full",
            Refused::StoreFailed(_) => "store-failed",
            Refused::ClaimFailed(_) => "claim-failed",
            Refused::ClaimForged => "claim-forged",
            Refused::ClaimExpired => "claim-expired",
            Refused::UnknownClaim => "unknown-claim",
            Refused::ClaimMethod => "claim-method",
            Refused::ClaimRange(_) => "claim-range",
            Refused::ClaimsBusy => "claims-busy",
        };
        // A test holds that there is a row for each of them.
        TABLE.iter().find(|row| row.cause == cause).unwrap_or(&TABLE[0])
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
        self.row().status == StatusCode::SERVICE_UNAVAILABLE
    }

    /// The reply: a problem document (RFC 9457) that tells the sender the case and nothing of the inside.
    pub fn response(&self, trace: &str) -> Response<Full<Bytes>> {
        let row = self.row();
        let problem = serde_json::json!({
            "type": format!("urn:hookgate:{}", row.cause),
            "title": row.title,
            "status": row.status.as_u16(),
            "trace": trace,
        });
        let mut response = Response::new(Full::new(Bytes::from(problem.to_string())));
        *response.status_mut() = row.status;
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
    fn every_case_has_a_row_of_its_own() {
        let text = String::new;
        let cases = [
            Refused::BadRequest,
            Refused::HeadTooLarge,
            Refused::HeadTooSlow,
            Refused::UnknownPath,
            Refused::UnknownSource,
            Refused::NoCredentials(text(), Vec::new()),
            Refused::WrongCredentials(text(), Vec::new()),
            Refused::Forbidden(text(), Vec::new()),
            Refused::AuthUnavailable(text()),
            Refused::UnsupportedCoding(text()),
            Refused::TooLarge(1),
            Refused::TooSlow,
            Refused::Truncated,
            Refused::Overloaded,
            Refused::Undecodable(text()),
            Refused::DecodedTooLarge(text()),
            Refused::Unauthenticated(text()),
            Refused::Stale(text()),
            Refused::Malformed(text()),
            Refused::Unsupported(text()),
            Refused::Misconfigured(text()),
            Refused::PluginBroken("trap", text()),
            Refused::PluginOut(Duration::ZERO),
            Refused::KeysUnavailable(text()),
            Refused::ConfirmationFailed(text()),
            Refused::HandoverClosed(text()),
            Refused::RateLimited(Duration::ZERO),
            Refused::TooManyFailures(Exceeded { wait: Duration::ZERO, untold: None }),
            Refused::Replayed,
            Refused::StoreFull(text()),
            Refused::StoreFailed(text()),
            Refused::ClaimFailed(text()),
            Refused::ClaimForged,
            Refused::ClaimExpired,
            Refused::UnknownClaim,
            Refused::ClaimMethod,
            Refused::ClaimRange(1),
            Refused::ClaimsBusy,
        ];
        let mut causes: Vec<_> = cases.iter().map(|case| case.row().cause).collect();
        causes.sort_unstable();
        causes.dedup();
        assert_eq!(causes.len(), TABLE.len());
    }
}
