//! Content codings as a sender applies them (RFC 9110, section 8.4.1).

use std::io::Write;

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};

use crate::Delivery;

/// The body in a coding: `gzip`, `deflate`, `br` or `zstd`. The last two without compression, in blocks that a page of the
/// standard describes.
pub fn coded(coding: &str, body: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        "br" => brotli_stored(body),
        "zstd" => zstd_stored(body),
        _ => panic!("no such coding: {coding}"),
    }
}

/// RFC 7932, section 9.2: a window of 64 KiB, an uncompressed meta-block of 4 nibbles of length, and an empty last one.
fn brotli_stored(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    assert!((1..=1 << 16).contains(&length), "a meta-block has at most 64 KiB here");
    let header = (length - 1) << 4 | 1 << 20;
    [&header.to_le_bytes()[..3], body, &[3]].concat()
}

/// RFC 8878, section 3.1.1: a frame with a window of 1 MiB and one raw block, the last.
fn zstd_stored(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    assert!(length <= 128 << 10, "a block has at most 128 KiB");
    let header = length << 3 | 1;
    [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 10 << 3][..], &header.to_le_bytes()[..3], body].concat()
}

impl Delivery {
    /// The same signature with a body that got this coding afterwards.
    pub fn then_coded(mut self, coding: &str) -> Delivery {
        self.body = coded(coding, &self.body);
        self.header("content-encoding", coding)
    }
}
