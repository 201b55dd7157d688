//! Credentials that come with a delivery are neither shown nor kept.
//!
//! A provider that does not sign sends the configured secret itself, in a header or query parameter of any name, or in the
//! body. What equals a live secret is masked wherever it is shown ([`Mask`]). In what is kept of a request a reference
//! to the secret stands in its place ([`take_out`]), by which the delivery can be judged again later ([`put_back`]).
//! Names that hint at a credential are a second net, for credentials that are not configured here. Signatures stay:
//! they are what an operator looks for, and they prove nothing about any other body.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use hookgate_capabilities::{Request, SecretText};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Headers with which somebody could act as the sender.
pub const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// What stands in place of a credential.
const MASK: &str = "***";

/// Words in names behind which there are credentials.
const TELLING: [&str; 10] =
    ["authorization", "cookie", "token", "secret", "password", "passwd", "api-key", "apikey", "credential", "bearer"];

/// The same, where they are a whole part of the name, between dashes.
const TELLING_PARTS: [&str; 5] = ["key", "auth", "hash", "sig", "code"];

/// Words in names behind which there are none, whatever else stands there.
const HARMLESS: [&str; 3] = ["signature", "idempotency", "key-id"];

/// Secrets shorter than this are only masked where they are the whole value: as a part of one they may stand there by
/// chance.
const PART_BYTES_MIN: usize = 8;

/// Secrets by name, as a source has them.
pub type Texts = BTreeMap<String, Vec<SecretText>>;

/// Whether what has this name is a credential.
fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let has = |part: &&str| name.contains(*part);
    let is_part = |part: &&str| name.split('-').any(|of_name| of_name == *part);
    (TELLING.iter().any(has) || TELLING_PARTS.iter().any(is_part)) && !HARMLESS.iter().any(has)
}

/// Masks the live secrets of a source.
pub struct Mask {
    /// Longest first, so that a secret within another one leaves no rest of it.
    secrets: Vec<SecretText>,
}

impl Mask {
    /// Of these secrets.
    pub fn of(texts: &Texts) -> Mask {
        let mut secrets: Vec<SecretText> = texts.values().flatten().cloned().collect();
        secrets.retain(|secret| !secret.expose().trim().is_empty());
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Mask { secrets }
    }

    /// A header's value to show.
    pub fn header(&self, name: &str, value: &[u8]) -> String {
        let shown = header(name, value);
        if self.is_basic(&shown) { MASK.to_owned() } else { self.text(&shown) }
    }

    /// A URL to show.
    pub fn url(&self, shown: &str) -> String {
        let shown = url(shown);
        let Some((before, query)) = shown.split_once('?') else { return self.text(&shown) };
        let pair = |pair: &str| match pair.split_once('=') {
            Some((name, value)) if self.is_secret(&decoded(value)) => format!("{name}={MASK}"),
            _ => self.text(pair),
        };
        format!("{}?{}", self.text(before), query.split('&').map(pair).collect::<Vec<_>>().join("&"))
    }

    /// A body to show. One without a secret in it costs no copy.
    pub fn body(&self, body: &Bytes) -> Bytes {
        let Ok(text) = std::str::from_utf8(body) else { return body.clone() };
        let masked = self.text(text);
        if masked == text { body.clone() } else { masked.into() }
    }

    /// A text to show.
    pub fn text(&self, text: &str) -> String {
        if self.is_secret(text) {
            return MASK.to_owned();
        }
        let mut masked = text.to_owned();
        for secret in self.secrets.iter().map(SecretText::expose).filter(|secret| secret.len() >= PART_BYTES_MIN) {
            let in_json = serde_json::Value::from(secret).to_string();
            let in_url = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
            for form in [secret, in_json.trim_matches('"'), &in_url] {
                if masked.contains(form) {
                    masked = masked.replace(form, MASK);
                }
            }
        }
        masked
    }

    fn is_secret(&self, value: &str) -> bool {
        self.secrets.iter().any(|secret| secret.expose() == value)
    }

    /// Whether it is basic credentials (RFC 7617) with a secret in them.
    fn is_basic(&self, value: &str) -> bool {
        let Some((scheme, encoded)) = value.split_once(' ') else { return false };
        let decoded = BASE64_STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        scheme.eq_ignore_ascii_case("basic")
            && decoded.is_some_and(|pair| {
                self.is_secret(&pair) || pair.split_once(':').is_some_and(|(_, password)| self.is_secret(password))
            })
    }
}

fn decoded(value: &str) -> String {
    percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// What stands in a kept request for the secret of a name. No header or URL holds a NUL.
fn reference(name: &str) -> String {
    format!("\0secret:{name}\0")
}

/// The name in a [`reference()`] within a text, with what stands before and behind it.
fn referred(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("\0secret:")?;
    let (name, after) = rest.split_once('\0')?;
    Some((before, name, after))
}

/// Puts a reference in place of each live secret in the headers and the query of a request that is to be kept.
pub fn take_out(request: &mut Request, texts: &Texts) {
    for (_, value) in &mut request.headers {
        let Ok(text) = std::str::from_utf8(value) else { continue };
        if let Some(kept) = without_secret(text, texts, false) {
            *value = kept.into_bytes();
        }
    }
    let Some((before, query)) = request.url.split_once('?') else { return };
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, value)) => match without_secret(value, texts, true) {
            Some(kept) => format!("{name}={kept}"),
            None => pair.to_owned(),
        },
        None => pair.to_owned(),
    };
    let pairs: Vec<String> = query.split('&').map(pair).collect();
    request.url = format!("{before}?{}", pairs.join("&"));
}

/// The value with a reference in place of a secret; none where it holds no secret. In a URL the reference stands for the
/// secret as it is encoded there.
fn without_secret(value: &str, texts: &Texts, in_url: bool) -> Option<String> {
    for (name, versions) in texts {
        for secret in versions.iter().map(SecretText::expose) {
            let encoded = encoded(secret);
            let form = match in_url {
                true if value == encoded => &encoded,
                true if decoded(value) == secret => return Some(MASK.to_owned()),
                _ => secret,
            };
            let is_part = form.len() >= PART_BYTES_MIN && value.contains(form);
            if !form.is_empty() && (value == form || is_part) {
                return Some(value.replacen(form, &reference(name), 1));
            }
        }
    }
    None
}

/// As browsers and providers' consoles encode a query value.
fn encoded(secret: &str) -> String {
    form_urlencoded::byte_serialize(secret.as_bytes()).collect()
}

/// Puts the newest version of each secret back into a request that was kept, so that it can be judged again.
pub fn put_back(request: &mut Request, texts: &Texts) {
    replace(request, |name, in_url| {
        let secret = texts.get(name).and_then(|versions| versions.first()).map_or(MASK, SecretText::expose);
        if in_url { encoded(secret) } else { secret.to_owned() }
    });
}

/// Masks the references in a request that was kept: for plugins that transform, which get no secrets.
pub fn hide(request: &mut Request) {
    replace(request, |_, _| MASK.to_owned());
}

fn replace(request: &mut Request, stands_for: impl Fn(&str, bool) -> String) {
    let filled = |text: &str, in_url| {
        referred(text).map(|(before, name, after)| format!("{before}{}{after}", stands_for(name, in_url)))
    };
    for (_, value) in &mut request.headers {
        if let Some(text) = std::str::from_utf8(value).ok().and_then(|text| filled(text, false)) {
            *value = text.into_bytes();
        }
    }
    while let Some(url) = filled(&request.url, true) {
        request.url = url;
    }
}

/// Whether a request that was kept holds references.
pub fn has_references(request: &Request) -> bool {
    request.url.contains('\0') || request.headers.iter().any(|(_, value)| value.contains(&0))
}

/// A header's value to show, where the secrets of its source are not at hand.
pub fn header(name: &str, value: &[u8]) -> String {
    if is_credential(name) { MASK.to_owned() } else { without_references(String::from_utf8_lossy(value).into_owned()) }
}

fn without_references(mut text: String) -> String {
    while let Some((before, _, after)) = referred(&text) {
        text = format!("{before}{MASK}{after}");
    }
    text
}

/// A URL to show: without what credentials its query holds, and without a user before its host.
pub fn url(url: &str) -> String {
    let url = without_references(url.to_owned());
    let url = url.as_str();
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
            "verif-hash",
            "x-event-auth",
            "x-functions-key",
        ];
        for name in masked {
            assert_eq!(header(name, b"value"), MASK, "{name}");
        }
        for name in [
            "stripe-signature",
            "x-token-signature",
            "i-twilio-idempotency-token",
            "content-type",
            "x-hashtag",
            "monkey",
        ] {
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

    fn texts(secret: &str) -> Texts {
        Texts::from([("token".to_owned(), vec![SecretText::new(secret.to_owned())])])
    }

    fn request(url: &str, header: &str) -> Request {
        let headers = vec![("x-anything".to_owned(), header.as_bytes().to_vec())];
        Request { method: "POST".to_owned(), url: url.to_owned(), headers, received_at: 0, body: Bytes::new() }
    }

    #[test]
    fn what_equals_a_live_secret_is_masked_under_any_name() {
        let mask = Mask::of(&texts("a \"live\" secret"));
        assert_eq!(mask.header("verified-by", b"a \"live\" secret"), MASK);
        assert_eq!(mask.header("x", b"Bearer a \"live\" secret!"), "Bearer ***!");
        assert_eq!(
            mask.header("x", format!("Basic {}", BASE64_STANDARD.encode("me:a \"live\" secret")).as_bytes()),
            MASK
        );
        assert_eq!(mask.url("https://h/in/s?x=a+%22live%22+secret&y=1"), "https://h/in/s?x=***&y=1");
        let body = Bytes::from_static(br#"{"clientState":"a \"live\" secret","n":1}"#);
        assert_eq!(mask.body(&body), &br#"{"clientState":"***","n":1}"#[..]);
        let other = Bytes::from_static(b"nothing of it");
        assert_eq!(mask.body(&other), other);
    }

    #[test]
    fn a_short_secret_is_masked_where_it_is_the_whole_value() {
        let mask = Mask::of(&texts("abc"));
        assert_eq!((mask.header("x", b"abc"), mask.header("x", b"abcdef")), (MASK.to_owned(), "abcdef".to_owned()));
    }

    #[test]
    fn a_secret_is_not_kept_and_found_again() {
        for (secret, url, header) in [
            ("a+b/c d secret", "https://h/in/s?code=a%2Bb%2Fc+d+secret&z=1", "Bearer a+b/c d secret"),
            ("t0k3n", "https://h/in/s?t0k3n=t0k3n", "t0k3n"),
            ("not in there", "https://h/in/s?a=b", "c"),
        ] {
            let before = request(url, header);
            let mut kept = before.clone();
            take_out(&mut kept, &texts(secret));
            let shown = format!(
                "{} {}",
                kept.url.split_once('=').map_or("", |(_, value)| value),
                String::from_utf8_lossy(&kept.headers[0].1)
            );
            assert!(!shown.contains(secret), "{shown}");
            put_back(&mut kept, &texts(secret));
            assert_eq!(kept, before);
            let mut hidden = before.clone();
            take_out(&mut hidden, &texts(secret));
            hide(&mut hidden);
            assert!(!has_references(&hidden));
        }
    }
}
