//! How an operator's text becomes the bytes of a key.

use base64::{
    Engine as _,
    alphabet::{self, Alphabet},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

/// How an operator's text becomes the bytes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    /// The text's own bytes.
    Utf8,
    /// Either case.
    Hex,
    /// Standard alphabet, padded or not.
    Base64,
    /// URL-safe alphabet, padded or not.
    Base64url,
}

impl Encoding {
    /// The bytes; none where the text is not in this encoding.
    pub(crate) fn decode(self, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = match self {
            Encoding::Utf8 => text.as_bytes().to_vec(),
            Encoding::Hex => hex::decode(text).ok()?,
            Encoding::Base64 => base64(&alphabet::STANDARD, text)?,
            Encoding::Base64url => base64(&alphabet::URL_SAFE, text)?,
        };
        Some(Zeroizing::new(bytes))
    }
}

fn base64(alphabet: &Alphabet, text: &str) -> Option<Vec<u8>> {
    // Made-up secrets often end in stray bits; every provider's SDK takes them.
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(alphabet, config).decode(text).ok()
}
