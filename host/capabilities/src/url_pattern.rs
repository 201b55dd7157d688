//! Which URLs may be fetched: patterns that leave no room for another host.

use std::fmt;

/// A URL in which `*` stands for one or more characters of the place where it is: letters, digits, `-`, `_` and `~` of one
/// segment of the path; those, `.`, `:` and `%` in one value of the query. Everything else stands for itself, so that a
/// fitting URL has no user, no other port, no other path above.
///
/// In the host stands no `*`: clouds give labels of their own names to customers (`sns.s3.amazonaws.com` is the bucket
/// `sns`). What varies there is named: `{region}` is a label that is a region of AWS.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlPattern {
    text: String,
    tokens: Vec<Token>,
    /// Which labels of the host are `{region}`.
    regions: Vec<usize>,
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

/// What stands in a pattern for a region of AWS.
const REGION: &str = "{region}";

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
            // One byte for what stands in the place of a label: no host has a star.
            tokens.extend(part.replace(REGION, "*").bytes().flat_map(|byte| match byte {
                b'*' => vec![Token::One(place), Token::Any(place)],
                byte => vec![Token::Literal(byte)],
            }));
        }
        let regions = host.split('.').enumerate().filter(|(_, label)| *label == REGION).map(|(at, _)| at).collect();
        Ok(UrlPattern { text: text.to_owned(), tokens, regions })
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
        let fits = url.len() <= URL_MAX && places.contains(&self.tokens.len());
        let host = url.split_once("://").map_or("", |(_, rest)| rest.split([':', '/']).next().unwrap_or_default());
        fits && self.regions.iter().all(|at| host.split('.').nth(*at).is_some_and(is_region))
    }

    /// With the places behind parts that may match nothing.
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

/// Whether a label of a host is a region of AWS: words of letters and a number, with dashes between them, such as
/// `us-gov-west-1` (<https://docs.aws.amazon.com/general/latest/gr/rande.html>). The first word is a place of two letters, or
/// `eusc`. No word holds a digit, as `s3` does.
fn is_region(label: &str) -> bool {
    let mut words: Vec<&str> = label.split('-').collect();
    let number = words.pop().unwrap_or_default();
    let is_number = (1..=2).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_word = |word: &&str| word.len() >= 2 && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_place = words.first().is_some_and(|place| place.len() == 2 || *place == "eusc");
    is_number && is_place && (2..=4).contains(&words.len()) && words.iter().all(is_word)
}

/// Lower-case letters, digits, dashes, dots, a port; `{region}` as a label, but not as one of the last two, which say whose
/// the host is.
fn check_host(host: &str) -> Result<(), String> {
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    if port.is_some_and(|port| port.parse::<u16>().is_err() || port.starts_with('+')) {
        return Err("has a port that is not a number".to_owned());
    }
    if name.contains('*') {
        return Err(
            "has a * in its host, where a host of somebody else could fit; name each host, or write {region} for \
                    a label that is a region of AWS"
                .to_owned(),
        );
    }
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.split('.').any(|label| label != REGION && (label.is_empty() || !label.bytes().all(fits))) {
        return Err(
            "has a host with something else than lower-case letters, digits, dashes, dots and {region}".to_owned()
        );
    }
    if name.rsplit('.').take(2).any(|label| label == REGION) {
        Err("has {region} in the last two labels of its host, where anybody's host would fit".to_owned())
    } else {
        Ok(())
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

    const SNS: &str = "https://sns.{region}.amazonaws.com/SimpleNotificationService-*.pem";

    fn fits(pattern: &str, url: &str) -> bool {
        UrlPattern::new(pattern).unwrap().fits(url)
    }

    #[test]
    fn what_the_stars_stand_for_fits() {
        for url in [
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
            "https://sns.us-gov-west-1.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
            "https://sns.ap-southeast-7.amazonaws.com/SimpleNotificationService-a.pem",
        ] {
            assert!(fits(SNS, url), "{url}");
        }
        let confirm = "https://sns.{region}.amazonaws.com/?Action=ConfirmSubscription&TopicArn=*&Token=*";
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
    fn no_label_that_another_customer_can_have_is_a_region() {
        for label in [
            "s3",
            "s3-us-west-2",
            "s3-website-us-east-1",
            "s3-accelerate",
            "a",
            "us",
            "us-1",
            "us-east",
            "us-east-",
            "-us-east-1",
            "us--east-1",
            "us-east-1a",
            "us-east-100",
            "us-east-x1",
            "execute-api",
            "my-bucket-of-mine-1-2",
            "a-very-long-name-of-mine-1",
            "bucket-of-mine-1",
            "US-EAST-1",
        ] {
            assert!(
                !fits(SNS, &format!("https://sns.{label}.amazonaws.com/SimpleNotificationService-a.pem")),
                "{label}"
            );
        }
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
            "https://sns.*.amazonaws.com/",
            "https://*.a.example.com/",
            "https://{region}.com/",
            "https://a.{region}/",
            "https://a-{region}.example.com/",
            "https://{region}{region}.example.com/",
            "https://{regions}.a.example.com/",
            "https://a.example.com/{region}",
            "https://a.*/",
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
                prop_assert!(is_region(region), "{}", url);
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
        fn a_pattern_fits_what_it_is_filled_with(host in "[a-z]{2}(-[a-z]{2,9}){1,3}-[0-9]{1,2}", name in "[A-Za-z0-9_~-]{1,9}") {
            let url = format!("https://sns.{host}.amazonaws.com/SimpleNotificationService-{name}.pem");
            prop_assert!(fits(SNS, &url));
        }
    }
}
