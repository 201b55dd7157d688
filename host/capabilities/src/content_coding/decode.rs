//! Undoing the content codings of a body.

use bytes::Bytes;

use super::{
    Coding, CodingError, ContentCodings,
    decoders::{self, Failed},
};

impl ContentCodings {
    /// Undoes all codings of a body, which may have `limit` bytes then.
    ///
    /// # Errors
    /// The body is not in these codings, or is larger than allowed.
    pub fn decode(&self, received: &Bytes, limit: u64) -> Result<Bytes, CodingError> {
        // Some senders set the header of a GET or a ping without a body as well.
        if received.is_empty() {
            return Ok(received.clone());
        }
        let most = ContentCodings::decoded_bytes_max(received.len() as u64, limit);
        let mut body = received.clone();
        for coding in self.0.iter().rev() {
            let decoded = coding.decode(&body, usize::try_from(most).unwrap_or(usize::MAX));
            body = decoded.map(Bytes::from).map_err(|failed| match failed {
                Failed::Broken(why) => CodingError::Undecodable(coding.name(), why),
                Failed::TooLarge => CodingError::TooLarge { received: received.len() as u64, most },
            })?;
        }
        Ok(body)
    }
}

impl Coding {
    fn decode(self, coded: &[u8], most: usize) -> Result<Vec<u8>, Failed> {
        match self {
            Coding::Gzip => decoders::gzip(coded, most),
            Coding::Deflate => decoders::deflate(coded, most),
            Coding::Brotli => decoders::brotli(coded, most),
            Coding::Zstd => decoders::zstd(coded, most),
        }
    }
}
