//! Finds line ends in the heads of HTTP/1 that are a bare line feed, and has the request refused.
//!
//! RFC 9112 (2.2) lets a recipient take a bare LF for a line end, and hyper does. A proxy in front of the gateway may not,
//! and then the two disagree on where a head ends. So each such LF becomes a NUL, which hyper answers with 400.
//!
//! The search has to distinguish heads from bodies. [`LineEnds`] follows the framing of requests (RFC 9112, 6 and 7) as far as
//! that needs, and decides nothing else. It stops where the framing is unclear: hyper refuses such a request, or closes the
//! connection after it.

/// Longer lines say nothing about the framing.
const LINE_BYTES_MAX: usize = 512;

/// Follows the bytes of one connection.
#[derive(Debug, Default)]
pub struct LineEnds {
    place: Place,
    /// The current line so far, cut to [`LINE_BYTES_MAX`].
    line: Vec<u8>,
    line_is_cut: bool,
    last: u8,
    framing: Framing,
    has_found: bool,
}

/// Where in a request the next byte belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// The lines of a head.
    #[default]
    Head,
    /// This number of bytes of a body with `content-length`.
    Body(u64),
    /// The line in front of a chunk.
    ChunkSize,
    /// This number of bytes of a chunk and its line end.
    Chunk(u64),
    /// The lines behind the last chunk.
    Trailers,
    /// The framing of this connection is unclear.
    Unclear,
}

/// The framing of a body, as the head announces it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Framing {
    has_request_line: bool,
    length: Option<u64>,
    is_chunked: bool,
    is_unclear: bool,
}

impl LineEnds {
    /// Checks the next bytes of the connection, and replaces a bare line feed. Returns whether it found one. Then the bytes
    /// after it do not matter.
    pub fn check(&mut self, bytes: &mut [u8]) -> bool {
        let mut at = 0;
        let had_found = self.has_found;
        while let Some(rest) = bytes.get_mut(at..).filter(|rest| !rest.is_empty()) {
            at += match self.place {
                Place::Body(left) => self.skip(left, rest.len(), Place::Body, Place::Head),
                Place::Chunk(left) => self.skip(left, rest.len(), Place::Chunk, Place::ChunkSize),
                Place::Unclear => rest.len(),
                Place::Head | Place::ChunkSize | Place::Trailers => self.read_line(rest),
            };
        }
        self.has_found && !had_found
    }

    /// Skips bytes that are not lines. Returns their number.
    fn skip(&mut self, left: u64, length: usize, still: fn(u64) -> Place, then: Place) -> usize {
        let skipped = left.min(length as u64);
        self.place = if skipped == left { then } else { still(left - skipped) };
        skipped as usize
    }

    /// Reads the available part of the current line. Returns the number of bytes.
    fn read_line(&mut self, bytes: &mut [u8]) -> usize {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let text = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
        self.line_is_cut |= text.len() > room;
        self.line.extend_from_slice(text.get(..room).unwrap_or(text));
        self.last = text.last().copied().unwrap_or(self.last);
        let length = text.len();
        let Some(line_feed) = bytes.get_mut(length) else { return length };
        if self.last == b'\r' {
            self.place = self.line_has_ended();
        } else {
            // hyper itself is strict about the lines of chunks.
            *line_feed = 0;
            (self.has_found, self.place) = (true, Place::Unclear);
        }
        (self.last, self.line_is_cut) = (0, false);
        self.line.clear();
        length + 1
    }

    /// Where the next byte belongs, after a whole line.
    fn line_has_ended(&mut self) -> Place {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        match self.place {
            Place::Head if line.is_empty() && !self.framing.has_request_line => Place::Head,
            Place::Head if line.is_empty() => std::mem::take(&mut self.framing).body(),
            Place::Head => {
                self.framing.learn(line, self.line_is_cut);
                Place::Head
            }
            Place::ChunkSize => match chunk_size(line) {
                Some(0) => Place::Trailers,
                // With its line end.
                Some(size) if size < u64::MAX - 2 => Place::Chunk(size + 2),
                _ => Place::Unclear,
            },
            Place::Trailers if line.is_empty() => Place::Head,
            other => other,
        }
    }
}

impl Framing {
    /// Reads one line of a head.
    fn learn(&mut self, line: &[u8], is_cut: bool) {
        if !self.has_request_line {
            self.has_request_line = true;
            // What follows CONNECT is not a request.
            self.is_unclear |= line.starts_with(b"CONNECT ");
            return;
        }
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default().trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            self.is_unclear |= is_cut || length.is_none() || self.length.is_some_and(|before| Some(before) != length);
            self.length = length;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.is_unclear |= is_cut || self.is_chunked || !value.eq_ignore_ascii_case(b"chunked");
            self.is_chunked = true;
        }
    }

    /// What follows the head.
    fn body(self) -> Place {
        match self {
            Framing { is_unclear: true, .. } | Framing { is_chunked: true, length: Some(_), .. } => Place::Unclear,
            Framing { is_chunked: true, .. } => Place::ChunkSize,
            Framing { length: None | Some(0), .. } => Place::Head,
            Framing { length: Some(length), .. } => Place::Body(length),
        }
    }
}

/// The size of a chunk, without extensions after a semicolon.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What becomes of bytes that come in pieces of this size.
    fn checked(bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut ends = LineEnds::default();
        let mut bytes = bytes.to_vec();
        bytes.chunks_mut(piece).for_each(|piece| _ = ends.check(piece));
        bytes
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        for piece in [1, 2, 3, 7, 1_000] {
            let found = checked(text.as_bytes(), piece);
            assert_eq!(String::from_utf8_lossy(&found), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn what_ends_its_lines_with_both_is_not_touched() {
        for text in [
            "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\na\n\n\nPOST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\n\n\n\n\r\nA\r\n0\n23456\n89\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: y\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn a_bare_line_feed_in_any_head_of_a_connection_is_spoilt() {
        check("GET / HTTP/1.1\nhost: a\r\n\r\n", "GET / HTTP/1.1\0host: a\r\n\r\n");
        check("GET / HTTP/1.1\r\nhost: a\n\r\n", "GET / HTTP/1.1\r\nhost: a\0\r\n");
        check("GET / HTTP/1.1\r\nhost: a\r\n\n", "GET / HTTP/1.1\r\nhost: a\r\n\0");
        check("\nGET / HTTP/1.1\r\n", "\0GET / HTTP/1.1\r\n");
        let second = "POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n\n\nGET / HTTP/1.1";
        check(&format!("{second}\n\r\n"), &format!("{second}\0\r\n"));
        let behind_chunks = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\n\r\nGET / HTTP/1.1";
        check(&format!("{behind_chunks}\n"), &format!("{behind_chunks}\0"));
        let trailers = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: y";
        check(&format!("{trailers}\n\r\n"), &format!("{trailers}\0\r\n"));
    }

    #[test]
    fn a_framing_that_is_not_plain_is_left_to_hyper() {
        for head in [
            "content-length: 1\r\ntransfer-encoding: chunked",
            "content-length: 1\r\ncontent-length: 2",
            "content-length: +1x",
            "transfer-encoding: gzip, chunked",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        ] {
            let text = format!("POST / HTTP/1.1\r\n{head}\r\n\r\n1\n\n\n");
            check(&text, &text);
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(bytes in "(GET / HTTP/1\\.1|content-length: [0-9]|transfer-encoding: chunked|[0-3]|\r|\n|\r\n|x: y){0,40}",
                                     piece in 1..20_usize) {
            prop_assert_eq!(checked(bytes.as_bytes(), piece), checked(bytes.as_bytes(), usize::MAX));
        }
    }
}
