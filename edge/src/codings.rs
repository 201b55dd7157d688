//! The content codings of a body.

use hookgate_capabilities::ContentCodings;

use crate::{http::Headers, refused::Refused};

/// The body without its content codings; none where it has none.
pub fn decoded(headers: &Headers, body: &[u8], limit: usize) -> Result<Option<Vec<u8>>, Refused> {
    let codings = ContentCodings::of_headers(headers)?;
    // Some senders set the header of a request without a body as well.
    if codings.is_empty() || body.is_empty() {
        return Ok(None);
    }
    undone(&codings, body, limit).map(Some)
}

#[cfg(feature = "content-codings")]
use decoding::undone;
#[cfg(not(feature = "content-codings"))]
use refusing::undone;

#[cfg(feature = "content-codings")]
mod decoding {
    use super::{ContentCodings, Refused};

    pub fn undone(codings: &ContentCodings, body: &[u8], limit: usize) -> Result<Vec<u8>, Refused> {
        Ok(codings.decode(&body.to_vec().into(), limit as u64)?.into())
    }
}

#[cfg(not(feature = "content-codings"))]
mod refusing {
    use super::{ContentCodings, Refused};

    /// The signature may be one of the decoded body, so nothing can be said of the delivery.
    pub fn undone(codings: &ContentCodings, _: &[u8], _: usize) -> Result<Vec<u8>, Refused> {
        Err(Refused::UnsupportedCoding(format!(
            "content-encoding names {codings}, and this component has no decoders: build it with `hookgate edge build \
             --content-codings`"
        )))
    }
}
