//! How a signature stands in text.

use hookgate_plugin_sdk::encoding::{from_base64, from_hex, to_base64, to_hex};

/// How a signature stands in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagEncoding {
    /// Hex; read in either case, written in lower case.
    Hex,
    /// Hex; read in either case, written in upper case.
    HexUpper,
    /// Base64, standard alphabet; read with or without padding.
    Base64,
    /// Base64, URL-safe alphabet, written without padding.
    Base64Url,
    /// Base64, URL-safe alphabet, written with padding.
    Base64UrlPadded,
    /// Base64 of the text of the hex.
    Base64OfHex,
}

/// Their names in settings.
const NAMES: [(&str, TagEncoding); 6] = [
    ("hex", TagEncoding::Hex),
    ("hex-upper", TagEncoding::HexUpper),
    ("base64", TagEncoding::Base64),
    ("base64url", TagEncoding::Base64Url),
    ("base64url-padded", TagEncoding::Base64UrlPadded),
    ("base64-of-hex", TagEncoding::Base64OfHex),
];

impl TagEncoding {
    /// By its name in settings.
    ///
    /// # Errors
    /// In words, with the names that there are.
    pub fn parse(name: &str) -> Result<Self, String> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, encoding)| *encoding).ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            format!("{name:?} is not an encoding: write one of {}", names.join(", "))
        })
    }

    /// The bytes; none where the text is something else.
    pub fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            TagEncoding::Hex | TagEncoding::HexUpper => from_hex(text),
            TagEncoding::Base64 | TagEncoding::Base64Url | TagEncoding::Base64UrlPadded => from_base64(text),
            TagEncoding::Base64OfHex => from_hex(std::str::from_utf8(&from_base64(text)?).ok()?),
        }
    }

    /// The text.
    pub fn encode(self, bytes: &[u8]) -> String {
        let url_safe = || to_base64(bytes).replace('+', "-").replace('/', "_");
        match self {
            TagEncoding::Hex => to_hex(bytes),
            TagEncoding::HexUpper => to_hex(bytes).to_ascii_uppercase(),
            TagEncoding::Base64 => to_base64(bytes),
            TagEncoding::Base64Url => url_safe().trim_end_matches('=').to_owned(),
            TagEncoding::Base64UrlPadded => url_safe(),
            TagEncoding::Base64OfHex => to_base64(to_hex(bytes).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_has_its_look() {
        for (name, text) in [
            ("hex", "fbff00"),
            ("hex-upper", "FBFF00"),
            ("base64", "+/8A"),
            ("base64url", "-_8A"),
            ("base64url-padded", "-_8A"),
            ("base64-of-hex", "ZmJmZjAw"),
        ] {
            assert_eq!(TagEncoding::parse(name).unwrap().encode(&[0xfb, 0xff, 0]), text, "{name}");
        }
        assert_eq!(TagEncoding::Base64Url.encode(&[0]), "AA");
        assert_eq!(TagEncoding::Base64UrlPadded.encode(&[0]), "AA==");
        assert!(TagEncoding::parse("base32").is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(bytes: Vec<u8>) {
            for (name, encoding) in NAMES {
                prop_assert_eq!(encoding.decode(&encoding.encode(&bytes)), Some(bytes.clone()), "{}", name);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            for (_, encoding) in NAMES {
                let _ = encoding.decode(&text);
            }
        }
    }
}
