//! The forms of a URL that providers sign.

use hookgate_plugin_sdk::encoding::to_hex;

/// A part of the delivery's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlPart {
    /// All of it.
    Whole,
    /// The host, with its port where there is one.
    Host,
    /// The path.
    Path,
    /// What stands behind the question mark.
    Query,
}

/// How a part stands in the signed content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlForm {
    /// As it was received.
    Wire,
    /// With the escapes of some reserved characters undone: what HubSpot signs
    /// (<https://developers.hubspot.com/docs/api/webhooks/validating-requests>, version 3).
    Decoded,
    /// Escaped once more, the query twice: what Contentful signs (github.com/contentful/node-apps-toolkit,
    /// `getNormalizedEncodedURI`).
    Canonical,
}

impl UrlForm {
    /// Each of them.
    pub const ALL: [UrlForm; 3] = [UrlForm::Wire, UrlForm::Decoded, UrlForm::Canonical];

    /// By its name in settings.
    ///
    /// # Errors
    /// In words, with the names that there are.
    pub fn parse(name: &str) -> Result<Self, String> {
        match name {
            "wire" => Ok(UrlForm::Wire),
            "decoded" => Ok(UrlForm::Decoded),
            "canonical" => Ok(UrlForm::Canonical),
            _ => Err(format!("{name:?} is not a form of a URL: write wire, decoded or canonical")),
        }
    }

    /// A part of a URL in this form.
    pub fn of(self, part: UrlPart, url: &str) -> String {
        let (base, query) = url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
        let after_scheme = base.split_once("://").map_or(base, |(_, rest)| rest);
        let (host, path) = after_scheme.split_at(after_scheme.find('/').unwrap_or(after_scheme.len()));
        match part {
            UrlPart::Host => host.to_owned(),
            UrlPart::Path => self.path(path),
            UrlPart::Query => self.query(query.unwrap_or_default()),
            UrlPart::Whole => match query {
                Some(query) => format!("{}?{}", self.path(base), self.query(query)),
                None => self.path(base),
            },
        }
    }

    fn path(self, path: &str) -> String {
        match self {
            UrlForm::Wire => path.to_owned(),
            UrlForm::Decoded => decoded(path),
            UrlForm::Canonical => escaped(path, b";,/?:@&=+$-_.!~*'()#"),
        }
    }

    fn query(self, query: &str) -> String {
        match self {
            UrlForm::Wire => query.to_owned(),
            UrlForm::Decoded => decoded(query),
            UrlForm::Canonical => escaped(query, b"-_.!~*'()").replace('%', "%25"),
        }
    }
}

/// With the escapes of the characters that HubSpot lists undone.
fn decoded(text: &str) -> String {
    const LISTED: [(&str, &str); 12] = [
        ("3A", ":"),
        ("2F", "/"),
        ("3F", "?"),
        ("40", "@"),
        ("21", "!"),
        ("24", "$"),
        ("27", "'"),
        ("28", "("),
        ("29", ")"),
        ("2A", "*"),
        ("2C", ","),
        ("3B", ";"),
    ];
    let mut pieces = text.split('%');
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let listed = piece.split_at_checked(2).and_then(|(code, rest)| {
            let (_, character) = LISTED.iter().find(|(listed, _)| listed.eq_ignore_ascii_case(code))?;
            Some((*character, rest))
        });
        match listed {
            Some((character, rest)) => decoded.extend([character, rest]),
            None => decoded.extend(["%", piece]),
        }
    }
    decoded
}

/// With everything but letters, digits and the bytes of `plain` as `%XX`.
fn escaped(text: &str, plain: &[u8]) -> String {
    let escape = |byte: u8| {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{}", to_hex(&[byte]).to_ascii_uppercase())
        }
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_each_part() {
        let url = "https://h.example:81/in/a%20b?owner=ann%40example.com&at=10%3a30&x=%26";
        for (part, wire, decoded, canonical) in [
            (UrlPart::Host, "h.example:81", "h.example:81", "h.example:81"),
            (UrlPart::Path, "/in/a%20b", "/in/a%20b", "/in/a%2520b"),
            (
                UrlPart::Query,
                "owner=ann%40example.com&at=10%3a30&x=%26",
                "owner=ann@example.com&at=10:30&x=%26",
                "owner%253Dann%252540example.com%2526at%253D10%25253a30%2526x%253D%252526",
            ),
        ] {
            let forms = UrlForm::ALL.map(|form| form.of(part, url));
            assert_eq!(forms, [wire, decoded, canonical]);
        }
        assert_eq!(UrlForm::Wire.of(UrlPart::Whole, url), url);
        assert_eq!(UrlForm::Decoded.of(UrlPart::Whole, "https://h/a?b=%2Fc%"), "https://h/a?b=/c%");
    }

    /// Made by @contentful/node-apps-toolkit: the query of its signed path.
    #[test]
    fn contentful_escapes_the_query_twice() {
        assert_eq!(UrlForm::Canonical.of(UrlPart::Query, "https://h/in/contentful?space=x%20y"), "space%253Dx%252520y");
    }
}
