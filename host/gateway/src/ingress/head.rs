//! Checks of the head of a request before anything else reads it.

use hookgate_model::limits;
use http::{HeaderMap, Request, Version, header::HOST, uri::Authority};

use super::Refused;

/// Bytes that the structures of one header take beside its name and value.
const HEADER_OVERHEAD_BYTES: usize = 64;

/// Whether a head is acceptable.
///
/// # Errors
/// [`Refused::HeadTooLarge`] for too many headers, which hyper counts on HTTP/1 only; [`Refused::BadRequest`] for a `Host`
/// that RFC 9112 (3.2) asks to be answered with 400: several of them, none on HTTP/1.1, or one that is not a host.
pub fn check<B>(request: &Request<B>) -> Result<(), Refused> {
    if request.headers().len() > limits::HEADERS_MAX {
        return Err(Refused::HeadTooLarge);
    }
    if has_one_host(request.headers(), request.version()) { Ok(()) } else { Err(Refused::BadRequest) }
}

fn has_one_host(headers: &HeaderMap, version: Version) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        // HTTP/1.0 knows no `Host`, and HTTP/2 has `:authority`.
        (None, _) => version != Version::HTTP_11,
        (Some(host), None) => host.is_empty() || is_host(host.as_bytes()),
        (Some(_), Some(_)) => false,
    }
}

fn is_host(host: &[u8]) -> bool {
    !host.contains(&b'@') && Authority::try_from(host).is_ok()
}

/// The memory that a request takes until it is answered, without its body.
pub fn memory<B>(request: &Request<B>) -> u64 {
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        name.as_str().len() + value.len() + HEADER_OVERHEAD_BYTES
    };
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let head: usize = request.headers().iter().map(header).sum();
    (limits::REQUEST_BYTES + target + head) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_hosts(version: Version, hosts: &[&str]) -> Result<(), Refused> {
        let request = Request::builder().version(version);
        check(&hosts.iter().fold(request, |request, host| request.header(HOST, *host)).body(()).unwrap())
    }

    #[test]
    fn a_request_names_one_host() {
        for hosts in [["a.example"], ["a:80"], ["[::1]:80"], ["192.0.2.1"], [""]] {
            assert_eq!(with_hosts(Version::HTTP_11, &hosts), Ok(()), "{hosts:?}");
        }
        for hosts in [&["a", "a"][..], &["a", "b"], &[], &["a b"], &["a/b"], &["u@a"], &["a:b:c"]] {
            assert_eq!(with_hosts(Version::HTTP_11, hosts), Err(Refused::BadRequest), "{hosts:?}");
        }
        assert_eq!(with_hosts(Version::HTTP_10, &[]), Ok(()));
        assert_eq!(with_hosts(Version::HTTP_2, &[]), Ok(()));
        assert_eq!(with_hosts(Version::HTTP_2, &["a", "a"]), Err(Refused::BadRequest));
    }

    #[test]
    fn a_value_that_stands_there_often_counts_as_often() {
        let small = Request::builder().header("x", "y").body(()).unwrap();
        assert!(memory(&small) < 2 * limits::REQUEST_BYTES as u64);
        let value = "v".repeat(4_000);
        let large = (0..15).fold(Request::builder(), |request, _| request.header("x", &value)).body(()).unwrap();
        assert!(memory(&large) > 60_000);
    }
}
