//! How the operator's text becomes the key: `strip:whsec_ base64`, `sha256`, `hex | utf8`.

use hookgate_plugin_sdk::{Delivery, Digest, Encoding, Refusal, Secret, SecretError};

use crate::{digest, providers};

/// The ways from the text to the key; a signature under any of them will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyForm(Vec<Way>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Way {
    strip: Option<String>,
    encoding: Option<Encoding>,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Hashed(Digest),
    Suffix(String),
}

/// The name of the secret.
pub const SECRET: &str = "signing";

impl KeyForm {
    /// Reads a key form: words in the order in which they are done, alternatives between bars.
    ///
    /// # Errors
    /// In words, with the words that there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(KeyForm(text.split('|').map(way).collect::<Result<_, _>>()?))
    }

    /// The keys of the source, one for each way that its text allows.
    ///
    /// # Errors
    /// Misconfigured: there is no secret, no way fits its text, or it is a prefix with no key behind it.
    pub fn open(&self, delivery: &Delivery) -> Result<Vec<Secret>, Refusal> {
        let mut keys = Vec::new();
        let mut problem = SecretError::Missing;
        let listed = providers::prefixes();
        for way in &self.0 {
            if let Some(prefix) = way.strip.as_deref().filter(|prefix| !listed.contains(prefix)) {
                return Err(Refusal::Misconfigured(format!(
                    "settings.key: the prefix {prefix:?} is not one of {}; take it off in the configuration instead: \
                     secrets.{SECRET} = {{ env = \"NAME\", strip-prefix = {prefix:?} }}",
                    listed.join(" ")
                )));
            }
            if let Some(prefix) = way.strip.as_deref().filter(|prefix| is_prefix_alone(delivery, prefix)) {
                return Err(Refusal::Misconfigured(format!("secrets.{SECRET} is {prefix} alone, but no key follows")));
            }
            match way.open(delivery) {
                Ok(secret) => keys.push(way.steps.iter().fold(secret, |secret, step| match step {
                    Step::Hashed(digest) => secret.hashed(*digest),
                    Step::Suffix(suffix) => secret.with_suffix(suffix.as_bytes()),
                })),
                Err(error) => problem = error,
            }
        }
        if !keys.is_empty() {
            return Ok(keys);
        }
        Err(Refusal::Misconfigured(match problem {
            SecretError::Missing => format!("secrets.{SECRET} is not set: write the provider's secret there"),
            SecretError::Undecodable => format!("secrets.{SECRET} is not in the form that settings.key says"),
            SecretError::Other(why) => format!("secrets.{SECRET}: {why}"),
        }))
    }
}

impl Way {
    fn open(&self, delivery: &Delivery) -> Result<Secret, SecretError> {
        delivery.secret(SECRET, self.encoding.unwrap_or(Encoding::Utf8), self.strip.as_deref())
    }
}

/// Whether a live version of the secret is a prefix that everyone knows: another way would take it for a key.
fn is_prefix_alone(delivery: &Delivery, prefix: &str) -> bool {
    delivery.secret(SECRET, Encoding::Utf8, None).is_ok_and(|whole| whole.equals(prefix.as_bytes()))
}

fn way(text: &str) -> Result<Way, String> {
    let mut way = Way::default();
    for word in text.split_whitespace() {
        let encoding = match word {
            "utf8" => Some(Encoding::Utf8),
            "hex" => Some(Encoding::Hex),
            "base64" => Some(Encoding::Base64),
            "base64url" => Some(Encoding::Base64url),
            _ => None,
        };
        match (word.split_once(':'), encoding) {
            (None, Some(encoding)) if way.encoding.is_none() && way.steps.is_empty() => way.encoding = Some(encoding),
            (Some(("strip", prefix)), _) if way.strip.is_none() && way.encoding.is_none() && way.steps.is_empty() => {
                way.strip = Some(prefix.to_owned());
            }
            (Some(("suffix", suffix)), _) => way.steps.push(Step::Suffix(suffix.to_owned())),
            (None, None) if digest::parse(word).is_ok() => way.steps.push(Step::Hashed(digest::parse(word)?)),
            _ => return Err(misplaced(word)),
        }
    }
    Ok(way)
}

fn misplaced(word: &str) -> String {
    format!(
        "{word:?} cannot stand there: write strip:PREFIX, then utf8, hex, base64 or base64url, then digests or suffix:TEXT"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_taken_in_their_order() {
        let way = |strip: Option<&str>, encoding, steps| Way { strip: strip.map(str::to_owned), encoding, steps };
        for (text, ways) in [
            ("", vec![way(None, None, vec![])]),
            ("strip:whsec_ base64", vec![way(Some("whsec_"), Some(Encoding::Base64), vec![])]),
            ("hex|utf8", vec![way(None, Some(Encoding::Hex), vec![]), way(None, Some(Encoding::Utf8), vec![])]),
            (
                "sha256 suffix:&",
                vec![way(None, None, vec![Step::Hashed(Digest::Sha256), Step::Suffix("&".to_owned())])],
            ),
        ] {
            assert_eq!(KeyForm::parse(text), Ok(KeyForm(ways)), "{text}");
        }
    }

    #[test]
    fn words_out_of_their_order_are_refused() {
        for text in ["base32", "hex base64", "base64 strip:x", "sha256 hex", "strip:a strip:b", "sha3"] {
            assert!(KeyForm::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = KeyForm::parse(&text);
        }
    }
}
