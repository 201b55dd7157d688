//! The keys of a source, in the forms that the providers give them out in.

use hookgate_plugin_sdk::{
    Delivery, Digest, Encoding, Part, Refusal, Scheme, Secret, SecretError,
    encoding::{from_base64, to_base64},
    setting, signatures,
};

/// What a secret may begin with. Supabase shows the second.
pub(crate) const PREFIXES: [&str; 2] = ["whsec_", "v1,whsec_"];

/// What a source can check signatures with.
pub(crate) struct Keys<'d> {
    delivery: &'d Delivery,
    form: Form,
    /// Opened when a signature first asks for it; empty before.
    public: Vec<Secret>,
}

/// How `secrets.signing` becomes bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Auto,
    Base64,
    Utf8,
    Hex,
}

impl Form {
    fn of(delivery: &Delivery) -> Result<Form, String> {
        match delivery.setting("key-form").as_deref() {
            None | Some("auto") => Ok(Form::Auto),
            Some("base64") => Ok(Form::Base64),
            Some("utf8") => Ok(Form::Utf8),
            Some("hex") => Ok(Form::Hex),
            Some(other) => Err(format!("settings.key-form is none of auto, base64, utf8 and hex: {other:?}")),
        }
    }

    /// The secret in each way that it can be read: a source whose provider changes the form of its secrets has versions of
    /// both.
    fn open(self, delivery: &Delivery) -> Result<Vec<Secret>, SecretError> {
        let base64 = || PREFIXES.map(|prefix| delivery.secret("signing", Encoding::Base64, Some(prefix)));
        match self {
            Form::Utf8 => readable([as_text(delivery)]),
            Form::Hex => readable([delivery.secret("signing", Encoding::Hex, Some(PREFIXES[0]))]),
            Form::Base64 => readable(base64()),
            Form::Auto => match readable(base64()) {
                // Some use the text itself although it reads as base64 (Polar, BigCommerce).
                Ok(decoded) => Ok(decoded.into_iter().chain(as_text(delivery).ok()).collect()),
                Err(SecretError::Undecodable) => {
                    readable([as_text(delivery).and_then(|text| without_prefix(delivery, text))])
                }
                Err(error) => Err(error),
            },
        }
    }
}

/// What could be opened; why nothing could, where that is so.
fn readable<const N: usize>(ways: [Result<Secret, SecretError>; N]) -> Result<Vec<Secret>, SecretError> {
    let mut error = SecretError::Undecodable;
    let opened: Vec<_> = ways.into_iter().filter_map(|way| way.map_err(|why| error = why).ok()).collect();
    if opened.is_empty() { Err(error) } else { Ok(opened) }
}

/// The secret as it stands. A prefix with nothing behind it is none: anyone could sign with it.
fn as_text(delivery: &Delivery) -> Result<Secret, SecretError> {
    let text = delivery.secret("signing", Encoding::Utf8, None)?;
    if PREFIXES.iter().any(|prefix| text.equals(prefix.as_bytes())) { Err(SecretError::Undecodable) } else { Ok(text) }
}

/// The secret as it stands, unless it begins with a prefix: of one that is not base64, a part must be missing. Told of the
/// newest version only, as the one whose MACs can be compared.
fn without_prefix(delivery: &Delivery, text: Secret) -> Result<Secret, SecretError> {
    let of_nothing = |secret: &Secret| secret.mac(Digest::Sha256, &[]);
    for prefix in PREFIXES {
        let rest = delivery.secret("signing", Encoding::Utf8, Some(prefix))?;
        if of_nothing(&rest) != of_nothing(&text) {
            return Err(SecretError::Undecodable);
        }
    }
    Ok(text)
}

impl<'d> Keys<'d> {
    /// What the source has; a secret is only opened when a signature asks for it.
    pub(crate) fn of(delivery: &'d Delivery) -> Result<Self, Refusal> {
        let form = Form::of(delivery).map_err(Refusal::Misconfigured)?;
        Ok(Keys { delivery, form, public: Vec::new() })
    }

    /// Whether any signature of the list fits: `v1` is an HMAC, `v1a` Ed25519, everything else is let be.
    pub(crate) fn any_fits(mut self, message: &[Part<'_>], list: &str) -> Result<bool, Refusal> {
        let mut misconfigured = None;
        for (version, signature) in entries(list).take(signatures::TRIED_MAX) {
            let Some(signature) = from_base64(signature) else { continue };
            let fits = match version {
                "v1" => self.mac_fits(message, &signature),
                "v1a" => self.signature_fits(message, &signature),
                _ => continue,
            };
            match fits {
                Ok(true) => return Ok(true),
                Ok(false) => (),
                Err(error) => misconfigured = Some(error),
            }
        }
        misconfigured.map_or(Ok(false), Err)
    }

    fn mac_fits(&self, message: &[Part<'_>], tag: &[u8]) -> Result<bool, Refusal> {
        let secrets = match self.form.open(self.delivery) {
            // A source with a public key need not have a secret as well.
            Err(SecretError::Missing) if self.has_public_key() => return Ok(false),
            opened => opened.map_err(|error| unusable("signing", error))?,
        };
        Ok(secrets.iter().any(|secret| secret.verify_mac(Digest::Sha256, message, tag)))
    }

    fn signature_fits(&mut self, message: &[Part<'_>], signature: &[u8]) -> Result<bool, Refusal> {
        if self.public.is_empty() {
            self.public = match public_keys(self.delivery) {
                Err(SecretError::Missing) => return Ok(false),
                opened => opened.map_err(|error| unusable("public-key", error))?,
            };
        }
        Ok(self.public.iter().any(|key| key.verify_signature(Scheme::Ed25519, message, signature)))
    }

    fn has_public_key(&self) -> bool {
        !self.public.is_empty() || public_keys(self.delivery).is_ok()
    }
}

/// `whpk_` and base64 of 32 bytes; or PEM.
fn public_keys(delivery: &Delivery) -> Result<Vec<Secret>, SecretError> {
    readable([
        delivery.secret("public-key", Encoding::Base64, Some("whpk_")),
        delivery.secret("public-key", Encoding::Utf8, None),
    ])
}

fn unusable(name: &str, error: SecretError) -> Refusal {
    Refusal::Misconfigured(setting::explain(name, error))
}

/// Versions and signatures of a list: `v1,AAAA v1a,BBBB`. Blanks between entries are the standard; commas, with or
/// without a blank, are seen too. Base64 has neither.
fn entries(list: &str) -> impl Iterator<Item = (&str, &str)> {
    let words = list.split([' ', ',']).filter(|word| !word.is_empty());
    let mut version = None;
    words.filter_map(move |word| {
        if is_version(word) {
            version = Some(word);
            None
        } else {
            version.take().map(|version| (version, word))
        }
    })
}

/// `v1`, `v1a`, `v2`, …
fn is_version(word: &str) -> bool {
    let digits = word.strip_prefix('v').map(|rest| rest.trim_end_matches(|c: char| c.is_ascii_lowercase()));
    digits.is_some_and(|digits| !digits.is_empty() && digits.len() < 4 && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// The list of signatures under every key that can sign.
pub(crate) fn sign(delivery: &Delivery, message: &[Part<'_>]) -> Result<String, String> {
    let mut list = Vec::new();
    match Form::of(delivery)?.open(delivery) {
        // The newest version of the first form: where there are several forms, all of them are live.
        Ok(secrets) => list.push(format!("v1,{}", to_base64(&secrets[0].mac(Digest::Sha256, message)))),
        Err(SecretError::Missing) => (),
        Err(error) => return Err(setting::explain("signing", error)),
    }
    let private = match delivery.secret("private-key", Encoding::Base64, Some("whsk_")) {
        Err(SecretError::Undecodable) => delivery.secret("private-key", Encoding::Utf8, None),
        opened => opened,
    };
    match private {
        Ok(key) => list.push(format!("v1a,{}", to_base64(&key.sign(Scheme::Ed25519, message)?))),
        Err(SecretError::Missing) => (),
        Err(error) => return Err(setting::explain("private-key", error)),
    }
    if list.is_empty() {
        Err("neither secrets.signing nor secrets.private-key is set".to_owned())
    } else {
        Ok(list.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_found_however_they_are_listed() {
        let cases: [(&str, &[(&str, &str)]); 7] = [
            ("v1,AAAA= v1a,BB+/== v2,CC", &[("v1", "AAAA="), ("v1a", "BB+/=="), ("v2", "CC")]),
            ("v1,AAAA, v1,BBBB", &[("v1", "AAAA"), ("v1", "BBBB")]),
            ("v1,AAAA,v1,BBBB", &[("v1", "AAAA"), ("v1", "BBBB")]),
            ("  v1,AAAA  ", &[("v1", "AAAA")]),
            ("AAAA", &[]),
            ("v1,", &[]),
            ("", &[]),
        ];
        for (list, expected) in cases {
            assert_eq!(entries(list).collect::<Vec<_>>(), expected, "{list:?}");
        }
    }
}
