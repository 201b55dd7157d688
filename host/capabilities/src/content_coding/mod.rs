//! Content codings (RFC 9110, section 8.4.1): a body that was sent compressed is decoded before a plugin reads it.
//!
//! What a decoder does with a stranger's bytes is bounded: the decoded body has a limit, each byte of the received one may
//! stand for a limited number, and windows are at most 16 MiB (`br`) or 8 MiB (`zstd`, RFC 9659).

#[cfg(feature = "content-codings")]
mod decode;
#[cfg(feature = "content-codings")]
mod decoders;

use std::fmt;

use crate::limits::{CONTENT_CODINGS_MAX, DECODED_RATIO_MAX, DECODED_SMALL_BYTES};

/// The content codings of a body, in the order in which the sender applied them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentCodings(Vec<Coding>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Why a body cannot be decoded. The texts are for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    /// The header names a coding that is not known.
    #[error("content-encoding names {0:?}; known are gzip, deflate, br and zstd")]
    Unknown(String),
    /// The header names too many codings.
    #[error("content-encoding names {0} codings; at most {CONTENT_CODINGS_MAX} are undone")]
    TooMany(usize),
    /// The body is not in the coding that the header names, or it is damaged or incomplete.
    #[error("the body cannot be decoded as {0}: {1}")]
    Undecodable(&'static str, String),
    /// The decoded body is larger than allowed.
    #[error(
        "the body has {received} bytes as received and more than {most} decoded; a source takes as many as its limit for \
         bodies, and at most {DECODED_RATIO_MAX} for each byte received"
    )]
    TooLarge {
        /// Bytes of the body as received.
        received: u64,
        /// Bytes that it may have decoded.
        most: u64,
    },
}

/// What is kept of the name of an unknown coding.
const NAME_CHARACTERS_MAX: usize = 64;

impl ContentCodings {
    /// Reads the values of all `content-encoding` headers, in order.
    ///
    /// # Errors
    /// A coding is unknown, or there are too many.
    pub fn of<'v>(values: impl Iterator<Item = &'v [u8]>) -> Result<ContentCodings, CodingError> {
        let mut codings = Vec::new();
        for value in values {
            for name in String::from_utf8_lossy(value).split(',') {
                codings.extend(Coding::named(name.trim_matches([' ', '\t']))?);
            }
        }
        if codings.len() > CONTENT_CODINGS_MAX {
            Err(CodingError::TooMany(codings.len()))
        } else {
            Ok(ContentCodings(codings))
        }
    }

    /// As [`ContentCodings::of`], from all headers of a request.
    ///
    /// # Errors
    /// A coding is unknown, or there are too many.
    pub fn of_headers(headers: &[(String, Vec<u8>)]) -> Result<ContentCodings, CodingError> {
        let named = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
        ContentCodings::of(named.map(|(_, value)| value.as_slice()))
    }

    /// Whether there is nothing to undo.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The most bytes that a body may have when it is decoded, by its bytes received; `limit` is the most for any body.
    pub fn decoded_bytes_max(received: u64, limit: u64) -> u64 {
        received.saturating_mul(DECODED_RATIO_MAX).max(DECODED_SMALL_BYTES).min(limit)
    }
}

/// As in a header, with the registered names.
impl fmt::Display for ContentCodings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, coding) in self.0.iter().enumerate() {
            f.write_str(if number > 0 { ", " } else { "" })?;
            f.write_str(coding.name())?;
        }
        Ok(())
    }
}

impl Coding {
    /// None where the name stands for no coding at all.
    fn named(name: &str) -> Result<Option<Coding>, CodingError> {
        Ok(Some(match name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Coding::Gzip,
            "deflate" => Coding::Deflate,
            "br" => Coding::Brotli,
            "zstd" => Coding::Zstd,
            // An element of a list may be empty (RFC 9110, section 5.6.1.2). The charset is a common mistake of senders.
            "" | "identity" | "utf-8" | "utf8" => return Ok(None),
            _ => return Err(CodingError::Unknown(name.chars().take(NAME_CHARACTERS_MAX).collect())),
        }))
    }

    fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        }
    }
}

#[cfg(all(test, feature = "content-codings"))]
mod tests;
