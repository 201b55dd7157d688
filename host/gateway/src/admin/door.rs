//! Access control: requests need the token or, if none is configured, must come from this machine and not from a web page.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use hookgate_config::SecretText;
use http::{HeaderMap, header, uri::Authority};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{AdminState, ApiError};

/// For probes, which cannot send a token; the answers say nothing about the gateway's content.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// Whether a path needs no token.
pub fn is_open(path: &str) -> bool {
    OPEN.contains(&path)
}

/// Lets a request through or answers it.
pub async fn guard(State(state): State<AdminState>, request: Request, next: Next) -> Response {
    match admit(state.live().config.admin.token.as_ref(), &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn admit(token: Option<&SecretText>, request: &Request) -> Result<(), ApiError> {
    if is_open(request.uri().path()) {
        return Ok(());
    }
    match token {
        Some(token) => check_token(token, request.headers()),
        None => check_local(request),
    }
}

/// RFC 6750, section 2.1. Digests are compared, so that not even the token's length can be measured.
fn check_token(token: &SecretText, headers: &HeaderMap) -> Result<(), ApiError> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().split_at_checked(7));
    match given {
        Some((scheme, given))
            if scheme.eq_ignore_ascii_case(b"bearer ")
                && bool::from(Sha256::digest(given).ct_eq(&Sha256::digest(token.expose()))) =>
        {
            Ok(())
        }
        _ => Err(ApiError::Unauthorized),
    }
}

/// A page in a browser on this machine can reach loopback too: under a name of its own that it has pointed there (DNS
/// rebinding), or with a request across origins. The host gives the first away, the origin the second.
fn check_local(request: &Request) -> Result<(), ApiError> {
    let host = host_of(request);
    if !host.as_ref().is_some_and(|host| is_local(host.host())) {
        let named = host.map_or_else(String::new, |host| host.to_string());
        return Err(ApiError::WrongHost(named));
    }
    match request.headers().get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("?")) {
        Some(origin) if origin.strip_prefix("http://") != host.as_ref().map(Authority::as_str) => {
            Err(ApiError::ForeignOrigin(origin.to_owned()))
        }
        _ => Ok(()),
    }
}

/// The host that the request names: HTTP/2 has it in the URI.
fn host_of(request: &Request) -> Option<Authority> {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()?.parse().ok());
    request.uri().authority().cloned().or(named)
}

fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(path: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn with_a_token_only_the_token_opens() {
        let token = SecretText::new("correct horse battery".to_owned());
        let cases: &[(&str, bool)] = &[
            ("Bearer correct horse battery", true),
            ("bearer correct horse battery", true),
            ("Bearer correct horse batterx", false),
            ("Bearer correct horse battery ", false),
            ("Bearer ", false),
            ("Bearer", false),
            ("correct horse battery", false),
            ("Basic correct horse battery", false),
        ];
        for (value, open) in cases {
            let request = request("/api/v1/status", &[("authorization", value), ("host", "anything.example")]);
            assert_eq!(admit(Some(&token), &request).is_ok(), *open, "{value}");
        }
        assert_eq!(admit(Some(&token), &request("/metrics", &[])), Err(ApiError::Unauthorized));
    }

    #[test]
    fn probes_need_no_token() {
        let token = SecretText::new("t".to_owned());
        assert_eq!(admit(Some(&token), &request("/healthz", &[])), Ok(()));
        assert_eq!(admit(None, &request("/readyz", &[("host", "10.0.0.1:8081")])), Ok(()));
    }

    #[test]
    fn without_a_token_only_local_names_are_answered() {
        let cases: &[(&str, bool)] = &[
            ("127.0.0.1:8081", true),
            ("127.0.0.1", true),
            ("127.8.8.8:1", true),
            ("localhost:8081", true),
            ("LocalHost", true),
            ("[::1]:8081", true),
            ("attacker.example:8081", false),
            ("127.0.0.1.attacker.example", false),
            ("localhost.attacker.example", false),
            ("192.168.1.1:8081", false),
            ("0.0.0.0:8081", false),
        ];
        for (host, open) in cases {
            assert_eq!(admit(None, &request("/api/v1/status", &[("host", host)])).is_ok(), *open, "{host}");
        }
        assert!(admit(None, &request("/api/v1/status", &[])).is_err(), "no host at all");
    }

    #[test]
    fn without_a_token_pages_of_other_origins_are_not_answered() {
        let from = |origin: &str| {
            admit(None, &request("/api/v1/status", &[("host", "127.0.0.1:8081"), ("origin", origin)])).is_ok()
        };
        assert!(from("http://127.0.0.1:8081"));
        for origin in ["https://attacker.example", "null", "http://127.0.0.1:3000", "https://127.0.0.1:8081"] {
            assert!(!from(origin), "{origin}");
        }
    }
}
