//! Which URLs may be fetched: patterns that leave no room for another host.

use std::fmt;

/// A URL in which `*` stands for one or more characters of the place where it is: letters, digits and dashes of one label
/// of the host; letters, digits, `-`, `_` and `~` of one segment of the path; those, `.`, `:` and `%` in one value of the
/// query. Everything else stands for itself, so that a fitting URL has no user, no other port, no other path above.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlPattern {
    text: String,
    tokens: Vec<Token>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(u8),
    /// One of the place's characters.
    One(Place),
    /// Any number of them.
    Any(Place),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Host,
    Path,
    Query,
}

/// Bytes of a pattern.
const PATTERN_MAX: usize = 512;

/// Bytes of a URL.
const URL_MAX: usize = 2048;

impl UrlPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// In words: it is none, or it would let in anybody.
    pub fn new(text: &str) -> Result<UrlPattern, String> {
        let rest = text.strip_prefix("https://").or(text.strip_prefix("http://"));
        let rest = rest.ok_or("begins neither with https:// nor with http://")?;
        let (host, below) = rest.split_at(rest.find('/').ok_or("has no / behind the host")?);
        check_host(host)?;
        let (path, query) = below.split_at(below.find('?').unwrap_or(below.len()));
        let literal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~.:/*".contains(&byte);
        if text.len() > PATTERN_MAX {
            return Err(format!("is longer than {PATTERN_MAX} bytes"));
        }
        if !path.bytes().all(literal) || path.split('/').any(|segment| segment == "." || segment == "..") {
            return Err("has a path with something else than letters, digits, - _ ~ . : / and *".to_owned());
        }
        if !query.bytes().all(|byte| literal(byte) || b"?&=%".contains(&byte)) {
            return Err("has a query with something else than letters, digits, - _ ~ . : / ? & = % and *".to_owned());
        }
        let scheme = &text[..text.len() - rest.len()];
        let mut tokens: Vec<Token> = scheme.bytes().map(Token::Literal).collect();
        for (place, part) in [(Place::Host, host), (Place::Path, path), (Place::Query, query)] {
            tokens.extend(part.bytes().flat_map(|byte| match byte {
                b'*' => vec![Token::One(place), Token::Any(place)],
                byte => vec![Token::Literal(byte)],
            }));
        }
        Ok(UrlPattern { text: text.to_owned(), tokens })
    }

    /// Whether a URL fits.
    pub fn fits(&self, url: &str) -> bool {
        // The places in the pattern that the URL so far can have led to.
        let mut places = self.with_skipped([0].into());
        for byte in url.bytes().take(URL_MAX + 1) {
            let next = places.iter().filter_map(|at| match *self.tokens.get(*at)? {
                Token::Literal(literal) => (literal == byte).then_some(at + 1),
                Token::One(place) => place.has(byte).then_some(at + 1),
                Token::Any(place) => place.has(byte).then_some(*at),
            });
            places = self.with_skipped(next.collect());
            if places.is_empty() {
                return false;
            }
        }
        url.len() <= URL_MAX && places.contains(&self.tokens.len())
    }

    /// With the places behind those that may stand for nothing.
    fn with_skipped(&self, mut places: Vec<usize>) -> Vec<usize> {
        for at in 0..places.len() {
            let mut next = places[at];
            while let Some(Token::Any(_)) = self.tokens.get(next) {
                next += 1;
                if !places.contains(&next) {
                    places.push(next);
                }
            }
        }
        places
    }
}

/// Lower-case letters, digits, dashes, dots, a port; `*` never in the last two labels, which say whose the host is.
fn check_host(host: &str) -> Result<(), String> {
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    if port.is_some_and(|port| port.parse::<u16>().is_err() || port.starts_with('+')) {
        return Err("has a port that is no number".to_owned());
    }
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'*';
    if name.split('.').any(|label| label.is_empty() || !label.bytes().all(fits)) {
        return Err("has a host with something else than lower-case letters, digits, dashes, dots and *".to_owned());
    }
    match name.contains('*') && name.rsplit('.').take(2).collect::<String>().contains('*') {
        true => Err("has a * in the last two labels of its host, where anybody's host would fit".to_owned()),
        false => Ok(()),
    }
}

impl Place {
    fn has(self, byte: u8) -> bool {
        match self {
            Place::Host => byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-',
            Place::Path => byte.is_ascii_alphanumeric() || b"-_~".contains(&byte),
            Place::Query => byte.is_ascii_alphanumeric() || b"-_~.:%".contains(&byte),
        }
    }
}

impl fmt::Display for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UrlPattern({})", self.text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SNS: &str = "https://sns.*.amazonaws.com/SimpleNotificationService-*.pem";

    fn fits(pattern: &str, url: &str) -> bool {
        UrlPattern::new(pattern).unwrap().fits(url)
    }

    #[test]
    fn what_the_stars_stand_for_fits() {
        for url in [
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
            "https://sns.a.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
        ] {
            assert!(fits(SNS, url), "{url}");
        }
        let confirm = "https://sns.*.amazonaws.com/?Action=ConfirmSubscription&TopicArn=*&Token=*";
        assert!(fits(
            confirm,
            "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-west-1:123456789012:\
             Orders.fifo&Token=2336412f37"
        ));
        assert!(fits("https://a.example/keys", "https://a.example/keys"));
        assert!(fits("http://127.0.0.1:8080/*", "http://127.0.0.1:8080/jwks"));
        assert!(fits("https://a.example/*-*.x", "https://a.example/a-b-c.x"));
    }

    #[test]
    fn no_trick_fits() {
        for url in [
            "",
            "https://sns.us-east-1.amazonaws.com/",
            "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-.pem",
            "https://sns..amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-a.pem",
            "https://sns.evil.example/.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.evil.example/x.amazonaws.com/SimpleNotificationService-a.pem",
            "https://evil.example/sns.us-east-1.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.us-east-1.amazonaws.com@evil.example/SimpleNotificationService-a.pem",
            "https://sns.us-east-1.amazonaws.com:8443/SimpleNotificationService-a.pem",
            "https://user@sns.us-east-1.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-/../x.pem",
            "https://sns.us-east-1.amazonaws.com/x/../SimpleNotificationService-a.pem",
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-a%2f.pem",
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-a.pem?x=.pem",
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-a.pem#.pem",
            "https://sns.us-east-1.amazonaws.com\\evil/SimpleNotificationService-a.pem",
            "https://sns.us east-1.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-a.pem\n",
            "HTTPS://sns.us-east-1.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.US-EAST-1.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.ü.amazonaws.com/SimpleNotificationService-a.pem",
        ] {
            assert!(!fits(SNS, url), "{url}");
        }
        let long = format!("https://a.example/{}", "a".repeat(URL_MAX));
        assert!(!fits("https://a.example/*", &long));
    }

    #[test]
    fn patterns_that_let_anybody_in_are_none() {
        for text in [
            "",
            "*",
            "https://",
            "https://*",
            "https://*/",
            "https://*.com/",
            "https://a.*/",
            "https://a*b.co*/",
            "ftp://a.example/",
            "https://a.example",
            "https://a.example:x/",
            "https://a.example:/",
            "https://a@b.example/",
            "https://A.example/",
            "https://a..example/",
            "https://a.example/../b",
            "https://a.example/a b",
            "https://a.example/a#b",
            "https://a.example/%2e%2e/",
            "https://[::1]/",
        ] {
            assert!(UrlPattern::new(text).is_err(), "{text}");
        }
        assert!(UrlPattern::new(&format!("https://a.example/{}", "a".repeat(PATTERN_MAX))).is_err());
    }

    proptest! {
        #[test]
        fn whatever_fits_leads_to_the_host(
            cut in 0usize..80,
            inserted in r"[a-z0-9./:@?#%\\&=_~ -]{0,12}",
            removed in 0usize..12,
        ) {
            let honest = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123abcd.pem";
            let cut = cut.min(honest.len());
            let end = (cut + removed).min(honest.len());
            let url = format!("{}{inserted}{}", &honest[..cut], &honest[end..]);
            if fits(SNS, &url) {
                let parsed: http::Uri = url.parse().unwrap();
                let host = parsed.host().unwrap();
                let region = host.strip_prefix("sns.").unwrap().strip_suffix(".amazonaws.com").unwrap();
                prop_assert!(!region.contains('.'), "{}", url);
                prop_assert!(parsed.authority().unwrap().as_str() == host, "{}", url);
                prop_assert!(parsed.path().starts_with("/SimpleNotificationService-"), "{}", url);
                prop_assert!(parsed.path().ends_with(".pem") && !parsed.path().contains(".."), "{}", url);
                prop_assert!(parsed.query().is_none(), "{}", url);
            }
        }

        #[test]
        fn any_text_is_read_and_held_against_a_url_without_a_panic(pattern in r"https://[a-c.*/?=]{0,20}", url in ".{0,30}") {
            if let Ok(pattern) = UrlPattern::new(&pattern) {
                let _ = pattern.fits(&url);
            }
        }

        #[test]
        fn a_pattern_fits_what_it_is_filled_with(host in "[a-z0-9-]{1,9}", name in "[A-Za-z0-9_~-]{1,9}") {
            let url = format!("https://sns.{host}.amazonaws.com/SimpleNotificationService-{name}.pem");
            prop_assert!(fits(SNS, &url));
        }
    }
}
