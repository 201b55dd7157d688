//! What is kept from the eyes of operators: credentials that came with a delivery. Signatures stay; they are what one
//! looks for, and prove nothing about any other body.

/// What stands in place of a credential.
const MASK: &str = "***";

/// Parts of names behind which there are credentials.
const TELLING: [&str; 8] = ["authorization", "cookie", "token", "secret", "password", "passwd", "api-key", "apikey"];

/// Parts of names behind which there are none, whatever else stands there.
const HARMLESS: [&str; 2] = ["signature", "idempotency"];

/// Whether what has this name is a credential.
fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let has = |part: &&str| name.contains(*part);
    TELLING.iter().any(has) && !HARMLESS.iter().any(has)
}

/// A header's value to show.
pub fn header(name: &str, value: &[u8]) -> String {
    match is_credential(name) {
        true => MASK.to_owned(),
        false => String::from_utf8_lossy(value).into_owned(),
    }
}

/// A URL to show: without what credentials its query holds, and without a user before its host.
pub fn url(url: &str) -> String {
    let (before, query) = match url.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (url, None),
    };
    let before = without_user(before);
    let Some(query) = query else { return before };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_credential(name) => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    });
    format!("{before}?{}", pairs.collect::<Vec<_>>().join("&"))
}

fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{MASK}@{host}{path}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_masked_and_signatures_are_not() {
        let masked = [
            "authorization",
            "proxy-authorization",
            "cookie",
            "x-gitlab-token",
            "x-webhook-secret",
            "X-Api-Key",
            "x_api_key",
            "php-auth-password",
        ];
        for name in masked {
            assert_eq!(header(name, b"value"), MASK, "{name}");
        }
        for name in ["stripe-signature", "x-token-signature", "i-twilio-idempotency-token", "content-type"] {
            assert_eq!(header(name, b"value"), "value", "{name}");
        }
    }

    #[test]
    fn urls_lose_their_credentials_and_nothing_else() {
        let cases = [
            ("https://h/in/s", "https://h/in/s"),
            ("https://h/in/s?a=1&access_token=x%26&b", "https://h/in/s?a=1&access_token=***&b"),
            ("https://u:p@h:8/in/s@x?q", "https://***@h:8/in/s@x?q"),
            ("/in/s?secret=x", "/in/s?secret=***"),
        ];
        for (given, shown) in cases {
            assert_eq!(url(given), shown);
        }
    }
}
