//! Undoing the content codings of a body, before a plugin sees it.

use std::sync::Arc;

use bytes::Bytes;
use hookgate_capabilities::{CodingError, ContentCodings};
use hookgate_model::limits;
use http::{HeaderMap, header::CONTENT_ENCODING};
use tokio::sync::Semaphore;

use super::{
    Refused,
    shares::{Share, Size},
};

/// Decodes a few bodies at a time, outside the runtime. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Decoder(Arc<Semaphore>);

impl Default for Decoder {
    fn default() -> Self {
        Decoder(Arc::new(Semaphore::new(limits::DECODERS_MAX)))
    }
}

/// The content codings of a request's body.
///
/// # Errors
/// [`Refused::UnsupportedCoding`].
pub fn content_codings(headers: &HeaderMap) -> Result<ContentCodings, Refused> {
    let values = headers.get_all(CONTENT_ENCODING).iter().map(|value| value.as_bytes());
    ContentCodings::of(values).map_err(Refused::from)
}

impl Decoder {
    /// The body as plugins read it, of at most `limit` bytes. It takes room in memory beside the received body.
    ///
    /// # Errors
    /// [`Refused::Undecodable`]; [`Refused::DecodedTooLarge`]; [`Refused::Overloaded`].
    pub async fn decode(
        &self,
        codings: ContentCodings,
        received: Bytes,
        limit: u64,
        held: &mut Share,
    ) -> Result<Bytes, Refused> {
        if codings.is_empty() || received.is_empty() {
            return Ok(received);
        }
        let most = ContentCodings::decoded_bytes_max(received.len() as u64, limit);
        let turn = self.0.clone().acquire_owned().await.map_err(|_| Refused::Overloaded)?;
        held.take(most, Size::of(most, limits::SMALL_BODY_BYTES_MAX)).map_err(|_| Refused::Overloaded)?;
        let decoded = tokio::task::spawn_blocking(move || {
            let decoded = codings.decode(&received, limit);
            drop(turn);
            decoded
        });
        // A decoder that panics should have refused these bytes.
        let decoded = decoded.await.unwrap_or_else(|error| Err(CodingError::Undecodable("", error.to_string())))?;
        held.give_back(most.saturating_sub(decoded.len() as u64));
        Ok(decoded)
    }
}
