//! The ways in which one URL may have been spelled when Twilio signed it.
//!
//! Twilio signs the URL as it stands in the account's configuration, but not always to the letter: its own helper
//! libraries try the URL with and without a port, and with the query written anew
//! (<https://github.com/twilio/twilio-node>, `src/webhooks/webhooks.ts`).

use std::{borrow::Cow, iter};

use hookgate_plugin_sdk::form;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// What the WHATWG URL standard escapes in the query of an http URL; a browser-like parser has been at work somewhere.
const WHATWG_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\'');

/// What Node's `querystring.stringify` escapes, from which the legacy spelling comes.
const LEGACY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// Parameters of a query that is tried in the legacy spelling. Each is looked for among those before it.
const LEGACY_MAX: usize = 200;

/// An absolute http URL in its parts; nothing is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitUrl<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// `user` or `user:password`, as written.
    pub credentials: Option<Cow<'a, str>>,
    /// Without the port.
    pub host: &'a str,
    /// As written.
    pub port: Option<&'a str>,
    /// Begins with a slash, or is empty.
    pub path: &'a str,
    /// Without the question mark.
    pub query: Option<&'a str>,
}

impl<'a> SplitUrl<'a> {
    /// Takes a URL apart; none where it has no scheme or no host. A fragment is dropped: no server ever sees it.
    pub fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let rest = rest.split('#').next().unwrap_or(rest);
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (credentials, host_port) = match authority.rsplit_once('@') {
            Some((credentials, host_port)) => (Some(Cow::Borrowed(credentials)), host_port),
            None => (None, authority),
        };
        let (host, port) = split_port(host_port);
        (!scheme.is_empty() && !host.is_empty()).then_some(SplitUrl { scheme, credentials, host, port, path, query })
    }

    fn with(&self, port: Option<&str>, query: Option<&str>) -> String {
        let mut url = format!("{}://", self.scheme);
        if let Some(credentials) = &self.credentials {
            url.push_str(credentials);
            url.push('@');
        }
        url.push_str(self.host);
        if let Some(port) = port {
            url.push(':');
            url.push_str(port);
        }
        url.push_str(self.path);
        if let Some(query) = query {
            url.push('?');
            url.push_str(query);
        }
        url
    }
}

/// Every spelling of the URL that Twilio may have signed, the likeliest first. Each is made when it is asked for: a forged
/// delivery asks for all of them, a genuine one seldom for more than the first.
pub fn spellings<'u>(url: &'u SplitUrl<'_>) -> impl Iterator<Item = String> + 'u {
    let default_port = if url.scheme.eq_ignore_ascii_case("https") { "443" } else { "80" };
    let ports = [None, Some(url.port.unwrap_or(default_port))];
    let rewritten = rewritings(url.query.unwrap_or_default()).map(Some);
    let queries = iter::once(url.query.map(Cow::Borrowed)).chain(rewritten);
    queries.flat_map(move |query| ports.map(|port| url.with(port, query.as_deref())))
}

/// The query as others would have written it, where that is another text.
fn rewritings(query: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let escaped = iter::once_with(move || utf8_percent_encode(query, WHATWG_QUERY).into());
    let legacy = iter::once_with(move || legacy_query(query)).flatten().map(Cow::Owned);
    escaped.chain(legacy).filter(move |rewritten| rewritten != query)
}

/// A query decoded and encoded anew: parameters of one name come together, blanks become `%20`. None where it has more
/// parameters than anyone configures at Twilio.
fn legacy_query(query: &str) -> Option<String> {
    if query.split('&').count() > LEGACY_MAX {
        return None;
    }
    let mut parameters: Vec<(Cow<'_, str>, Vec<Cow<'_, str>>)> = Vec::new();
    for (name, value) in form::pairs(query) {
        match parameters.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => parameters.push((name, vec![value])),
        }
    }
    let pairs = parameters.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let encoded = pairs
        .map(|(name, value)| format!("{}={}", utf8_percent_encode(name, LEGACY), utf8_percent_encode(value, LEGACY)));
    Some(encoded.collect::<Vec<_>>().join("&"))
}

fn split_port(host_port: &str) -> (&str, Option<&str>) {
    // The colons of an IPv6 address stand within brackets.
    let after_address = host_port.rfind(']').map_or(0, |bracket| bracket + 1);
    match host_port[after_address..].rfind(':') {
        Some(colon) => (&host_port[..after_address + colon], Some(&host_port[after_address + colon + 1..])),
        None => (host_port, None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn of(url: &str) -> Vec<String> {
        spellings(&SplitUrl::parse(url).unwrap()).collect()
    }

    #[test]
    fn a_port_is_tried_without_and_with() {
        for (url, expected) in [
            ("https://a.example/x", ["https://a.example/x", "https://a.example:443/x"]),
            ("http://a.example/x", ["http://a.example/x", "http://a.example:80/x"]),
            ("https://a.example:1234/x", ["https://a.example/x", "https://a.example:1234/x"]),
            ("https://[::1]:9/x", ["https://[::1]/x", "https://[::1]:9/x"]),
            ("https://u:p@a.example/x", ["https://u:p@a.example/x", "https://u:p@a.example:443/x"]),
        ] {
            assert_eq!(of(url), expected, "{url}");
        }
    }

    #[test]
    fn a_query_is_tried_as_it_is_escaped_and_written_anew() {
        assert_eq!(
            of("https://a.example/x?b=It's+me&a=1&b=%7e"),
            [
                "https://a.example/x?b=It's+me&a=1&b=%7e",
                "https://a.example:443/x?b=It's+me&a=1&b=%7e",
                "https://a.example/x?b=It%27s+me&a=1&b=%7e",
                "https://a.example:443/x?b=It%27s+me&a=1&b=%7e",
                "https://a.example/x?b=It's%20me&b=~&a=1",
                "https://a.example:443/x?b=It's%20me&b=~&a=1",
            ]
        );
    }

    #[test]
    fn a_query_of_very_many_parameters_is_not_written_anew() {
        let names = |count: usize| (0..count).map(|n| format!("~{n}=%7e")).collect::<Vec<_>>().join("&");
        assert_eq!(of(&format!("https://a.example/?{}", names(LEGACY_MAX))).len(), 4);
        assert_eq!(of(&format!("https://a.example/?{}", names(LEGACY_MAX + 1))).len(), 2);
    }

    #[test]
    fn what_is_no_url_has_no_parts() {
        for text in ["", "a.example/x", "https://", "https:///x", "://a"] {
            assert_eq!(SplitUrl::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_or_refused(text in ".*") {
            if let Some(url) = SplitUrl::parse(&text) {
                prop_assert!((1..=6).contains(&spellings(&url).count()));
            }
        }

        #[test]
        fn parts_put_together_are_the_url(
            credentials in proptest::option::of("[a-z]{1,5}(:[a-z]{1,5})?"),
            host in "[a-z]{1,8}(\\.[a-z]{2,4})?",
            port in proptest::option::of("[1-9][0-9]{1,3}"),
            path in "(/[a-z0-9]{0,5}){0,3}",
            query in proptest::option::of("[a-z0-9=&%+']{0,12}"),
        ) {
            let credentials = credentials.map(Cow::Owned);
            let url = SplitUrl {
                scheme: "https", credentials, host: &host, port: port.as_deref(), path: &path, query: query.as_deref(),
            };
            let whole = url.with(port.as_deref(), query.as_deref());
            prop_assert_eq!(SplitUrl::parse(&whole), Some(url));
        }
    }
}
