//! Texts of the configuration into values and back: durations, sizes, rates, networks, addresses, URLs, names.
//!
//! The errors say what is wrong with the text; what to write instead follows from the key's kind.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use hookgate_model::limits::{NAME_BYTES_MAX, RATE_COUNT_MAX, RATE_PERIOD_MS_MAX, RATE_PERIOD_MS_MIN};
use http::Uri;
use ipnet::IpNet;
use jiff::{SpanRelativeTo, fmt::friendly::SpanParser};

/// `250ms`, `10s`, `1h 30m`, `7d`: in milliseconds.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    let wrong = || "is not a duration".to_owned();
    let span = SpanParser::new().parse_span(text).map_err(|_| wrong())?;
    // Days of 24 hours; months and years have no fixed length and are refused.
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    let duration = Duration::try_from(duration).map_err(|_| "is negative".to_owned())?;
    u64::try_from(duration.as_millis()).map_err(|_| wrong())
}

/// `512B`, `64KiB`, `1MB`: in bytes.
pub fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let Some((_, factor)) = BYTE_UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err("is not a size".to_owned());
    };
    let number: u64 = number.parse().map_err(|_| "is not a size".to_owned())?;
    number.checked_mul(*factor).ok_or_else(|| "is too large to count".to_owned())
}

/// From small to large, so that writing one finds the largest that divides.
const BYTE_UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

const DURATION_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A size as an operator would write it.
pub fn show_bytes(bytes: u64) -> String {
    show(bytes, BYTE_UNITS.iter().filter(|(name, _)| *name == "B" || name.ends_with("iB")))
}

/// A duration as an operator would write it.
pub fn show_duration(ms: u64) -> String {
    show(ms, DURATION_UNITS.iter())
}

fn show<'u>(amount: u64, units: impl DoubleEndedIterator<Item = &'u (&'u str, u64)>) -> String {
    let unit = units.rev().find(|(_, factor)| amount != 0 && amount.is_multiple_of(*factor));
    unit.map_or_else(|| "0".to_owned(), |(name, factor)| format!("{}{name}", amount / factor))
}

/// `200/s`, `10/m`, `5/10s`: how many, and in what time.
pub fn rate(text: &str) -> Result<(NonZeroU32, Duration), String> {
    let (count, period) = text.split_once('/').ok_or("is not a rate")?;
    let count: u32 = count.trim().parse().map_err(|_| "is not a rate".to_owned())?;
    let count = NonZeroU32::new(count).ok_or("lets nothing through; leave the key out for no limit")?;
    if count.get() > RATE_COUNT_MAX {
        return Err(format!("is more than {RATE_COUNT_MAX} a period"));
    }
    let period = period.trim();
    let one = if period.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "1" };
    let ms = duration_ms(&format!("{one}{period}")).map_err(|_| "is not a rate".to_owned())?;
    if !(RATE_PERIOD_MS_MIN..=RATE_PERIOD_MS_MAX).contains(&ms) {
        let (min, max) = (show_duration(RATE_PERIOD_MS_MIN), show_duration(RATE_PERIOD_MS_MAX));
        return Err(format!("has a period that is not between {min} and {max}"));
    }
    Ok((count, Duration::from_millis(ms)))
}

/// `10.0.0.0/8`, `fd00::/8`, or one address.
pub fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let network: IpNet = text.parse().map_err(|_| "is not a network".to_owned())?;
    if network.trunc() == network {
        Ok(network)
    } else {
        Err(format!("is an address with a prefix; the network is \"{}\"", network.trunc()))
    }
}

/// An absolute `http` or `https` URL without user, password and fragment.
pub fn url(text: &str) -> Result<Uri, String> {
    if text.contains('#') {
        return Err("has a fragment (#...), which is never sent".to_owned());
    }
    let url: Uri = text.parse().map_err(|_| "is not a URL".to_owned())?;
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err("does not begin with http:// or https://".to_owned());
    }
    let authority = url.authority().ok_or("names no host")?;
    if authority.as_str().contains('@') {
        return Err("holds a user or password; put it into headers, as a secret".to_owned());
    }
    if url.host().is_none_or(str::is_empty) {
        return Err("names no host".to_owned());
    }
    let port = authority.as_str().rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    if port.is_some() && url.port_u16().is_none_or(|port| port == 0) {
        return Err("has a port that is not between 1 and 65535".to_owned());
    }
    Ok(url)
}

/// A name that can stand in URLs, file names and metrics.
pub fn name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    match text.len() {
        0 => Err("is empty".to_owned()),
        n if n > NAME_BYTES_MAX => Err(format!("is longer than {NAME_BYTES_MAX} characters")),
        _ if !text.chars().all(fits) => Err("has characters that a name must not have".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        let good = [
            ("250ms", 250),
            ("10s", 10_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("0s", 0),
            ("5 min", 300_000),
            ("2 hours", 7_200_000),
        ];
        for (text, ms) in good {
            assert_eq!(duration_ms(text), Ok(ms), "{text}");
        }
        for text in ["", "10", "ten seconds", "-5s", "1 month", "99999999999999999999s", "10s ago"] {
            assert!(duration_ms(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, n) in [("1B", 1), ("64KiB", 65_536), ("1 MiB", 1 << 20), ("2MB", 2_000_000), ("0B", 0)] {
            assert_eq!(bytes(text), Ok(n), "{text}");
        }
        for text in ["", "1", "MiB", "1.5MiB", "-1B", "1mib", "99999999999999999999B", "16777216TiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates() {
        let (count, per) = rate("200/s").unwrap();
        assert_eq!((count.get(), per), (200, Duration::from_secs(1)));
        let (count, per) = rate("5 / 10s").unwrap();
        assert_eq!((count.get(), per), (5, Duration::from_secs(10)));
        assert_eq!(rate("7/m").unwrap().1, Duration::from_secs(60));
        for text in ["", "/", "200", "0/s", "-1/s", "2/ms", "2/fortnight", "2/2d", "5000000/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks() {
        assert_eq!(network("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("::1").unwrap().to_string(), "::1/128");
        assert!(network("10.1.2.3/8").unwrap_err().contains("\"10.0.0.0/8\""));
        assert!(network("10.0.0/8").is_err());
    }

    #[test]
    fn urls() {
        for text in ["http://a", "https://a.example:8443/x?y=1", "http://[::1]:9/x", "http://[::1]/"] {
            assert!(url(text).is_ok(), "{text}");
        }
        for text in
            ["", "a", "/x", "ftp://a", "http://", "http://u:p@a/", "http://a/#x", "http://a:0/", "http://a:99999/"]
        {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(name("stripe-eu_2"), Ok("stripe-eu_2".to_owned()));
        for text in ["", "Stripe", "a b", "a/b", "ß", &"a".repeat(65)] {
            assert!(name(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(n: u64) {
            prop_assume!(n > 0);
            prop_assert_eq!(bytes(&show_bytes(n)), Ok(n));
        }

        #[test]
        fn shown_durations_read_back(n in 1u64..10_000_000_000) {
            prop_assert_eq!(duration_ms(&show_duration(n)), Ok(n));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = (duration_ms(&text), bytes(&text), rate(&text), network(&text), url(&text), name(&text));
        }
    }
}
