//! One function for each coding: all of a body at once, to its last byte, within a bound.

use std::io::Read;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status, bufread::GzDecoder};
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

/// Why a decoder gave up.
#[derive(Debug, PartialEq, Eq)]
pub enum Failed {
    /// The bytes are not in this coding, or incomplete.
    Broken(String),
    /// There are more decoded bytes than allowed.
    TooLarge,
}

/// Decoded bytes that are made at a time.
const PIECE_BYTES: usize = 16 << 10;
/// RFC 9659, section 3: what a decoder of the content coding must support, and an encoder must not exceed.
const ZSTD_WINDOW_BYTES_MAX: u64 = 8 << 20;
/// Members (gzip) and frames (zstd) in one body. Nearly all have one; to begin another costs time whatever its length.
const MEMBERS_MAX: usize = 1_000;

/// RFC 1952: one member or several.
pub fn gzip(coded: &[u8], most: usize) -> Result<Vec<u8>, Failed> {
    let mut decoded = Vec::new();
    let mut rest = coded;
    for _ in 0..MEMBERS_MAX {
        let mut member = GzDecoder::new(rest);
        let room = (most + 1).saturating_sub(decoded.len()) as u64;
        (&mut member).take(room).read_to_end(&mut decoded).map_err(broken)?;
        if decoded.len() > most {
            return Err(Failed::TooLarge);
        }
        rest = member.into_inner();
        if rest.is_empty() {
            return Ok(decoded);
        }
    }
    Err(too_many_members())
}

/// RFC 1950, as RFC 9110 (section 8.4.1.2) says, or RFC 1951 without the wrapper, as some senders have it.
pub fn deflate(coded: &[u8], most: usize) -> Result<Vec<u8>, Failed> {
    let mut state = Decompress::new(has_zlib_header(coded));
    let mut decoded = Vec::new();
    loop {
        let before = (state.total_in(), decoded.len());
        decoded.reserve(PIECE_BYTES);
        let rest = coded.get(index(state.total_in())..).unwrap_or_default();
        let status = state.decompress_vec(rest, &mut decoded, FlushDecompress::None).map_err(broken)?;
        if decoded.len() > most {
            return Err(Failed::TooLarge);
        }
        match status {
            Status::StreamEnd if index(state.total_in()) < coded.len() => return Err(surplus()),
            Status::StreamEnd => return Ok(decoded),
            Status::Ok | Status::BufError if before == (state.total_in(), decoded.len()) => return Err(incomplete()),
            Status::Ok | Status::BufError => {}
        }
    }
}

/// RFC 1950, section 2.2: the method in the low half of the first byte, and both bytes a multiple of 31.
fn has_zlib_header(coded: &[u8]) -> bool {
    let Some([method, flags]) = coded.first_chunk::<2>() else { return false };
    method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
}

/// RFC 7932.
pub fn brotli(coded: &[u8], most: usize) -> Result<Vec<u8>, Failed> {
    let alloc = StandardAlloc::default;
    let mut state = BrotliState::new_strict(alloc(), alloc(), alloc());
    let (mut left, mut at, mut total) = (coded.len(), 0, 0);
    let mut decoded = Vec::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let (mut room, mut made) = (piece.len(), 0);
        let result =
            BrotliDecompressStream(&mut left, &mut at, coded, &mut room, &mut made, &mut piece, &mut total, &mut state);
        decoded.extend_from_slice(piece.get(..made).unwrap_or_default());
        if decoded.len() > most {
            return Err(Failed::TooLarge);
        }
        match result {
            BrotliResult::ResultSuccess if left > 0 => return Err(surplus()),
            BrotliResult::ResultSuccess => return Ok(decoded),
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput => return Err(incomplete()),
            BrotliResult::ResultFailure => return Err(Failed::Broken("it is damaged".to_owned())),
        }
    }
}

/// RFC 8878: frames, skippable ones among them.
pub fn zstd(coded: &[u8], most: usize) -> Result<Vec<u8>, Failed> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(ZSTD_WINDOW_BYTES_MAX);
    let mut decoded = Vec::new();
    let mut rest = coded;
    for _ in 0..MEMBERS_MAX {
        match decoder.init(&mut rest) {
            Ok(()) => frame(&mut decoder, &mut rest, &mut decoded, most)?,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                rest = rest.get(index(length.into())..).ok_or_else(incomplete)?;
            }
            Err(error) => return Err(broken(error)),
        }
        if rest.is_empty() {
            return Ok(decoded);
        }
    }
    Err(too_many_members())
}

fn frame(decoder: &mut FrameDecoder, rest: &mut &[u8], decoded: &mut Vec<u8>, most: usize) -> Result<(), Failed> {
    let start = decoded.len();
    while !decoder.is_finished() {
        decoder.decode_blocks(&mut *rest, BlockDecodingStrategy::UptoBlocks(1)).map_err(broken)?;
        // Until the frame has ended a window is held back, which is bounded.
        decoder.collect_to_writer(&mut *decoded).map_err(broken)?;
        if decoded.len() > most {
            return Err(Failed::TooLarge);
        }
    }
    // Neither is checked by the decoder itself.
    let length = decoder.content_size();
    if length != 0 && length != (decoded.len() - start) as u64 {
        return Err(Failed::Broken("it does not have the length that it says".to_owned()));
    }
    match decoder.get_checksum_from_data() {
        Some(checksum) if decoder.get_calculated_checksum() != Some(checksum) => {
            Err(Failed::Broken("its checksum is wrong".to_owned()))
        }
        _ => Ok(()),
    }
}

fn index(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn broken(error: impl std::fmt::Display) -> Failed {
    Failed::Broken(error.to_string())
}

fn incomplete() -> Failed {
    Failed::Broken("it ends early".to_owned())
}

fn surplus() -> Failed {
    Failed::Broken("bytes follow its end".to_owned())
}

fn too_many_members() -> Failed {
    Failed::Broken(format!("it has more than {MEMBERS_MAX} members"))
}
