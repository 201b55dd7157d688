//! The beginning of a connection: HTTP/1 or HTTP/2, and whether its first head comes in time and within its bounds.
//!
//! hyper would wait for the first bytes without end, and hang up on a head that is late without an answer.

use std::{io, time::Duration};

use bytes::Bytes;
use hookgate_model::limits;
use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt, Full};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::Refused;

const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Usually a whole request.
const FIRST_READ_BYTES: usize = 8 * 1024;

/// How a connection has begun.
pub enum Beginning {
    /// Bytes for hyper, which reads them again. The second value is true for HTTP/2.
    Speaks(Bytes, bool),
    /// The first head is not acceptable.
    Refused(Refused),
    /// It ended or timed out before the peer sent anything.
    Silent,
}

/// Reads the whole first head, or enough of HTTP/2 to distinguish it from HTTP/1.
pub async fn begin<S: AsyncRead + Unpin>(stream: &mut S, time: Duration) -> io::Result<Beginning> {
    let mut first = Vec::with_capacity(FIRST_READ_BYTES);
    let read = async {
        let mut seen = 0;
        while !is_enough(&first, seen) {
            seen = first.len();
            if first.len() >= limits::HEAD_BYTES_MAX {
                return Ok(Some(Refused::HeadTooLarge));
            }
            if stream.read_buf(&mut first).await? == 0 {
                break;
            }
        }
        io::Result::Ok(None)
    };
    let refused = match timeout(time, read).await {
        Ok(read) => read?,
        Err(_) => Some(Refused::HeadTooSlow),
    };
    Ok(match refused {
        _ if first.is_empty() => Beginning::Silent,
        Some(refused) => Beginning::Refused(refused),
        None => {
            let http2 = first.starts_with(HTTP2);
            Beginning::Speaks(Bytes::from(first), http2)
        }
    })
}

/// Whether hyper can answer these bytes. The first `seen` bytes were checked before.
fn is_enough(first: &[u8], seen: usize) -> bool {
    if HTTP2.starts_with(first) {
        return first.len() == HTTP2.len();
    }
    // Anything else is not a request, and hyper refuses it at once.
    let is_request = first.first().is_some_and(u8::is_ascii_alphabetic);
    let new = &first[seen.saturating_sub(3)..];
    // hyper refuses a bare line feed at once, as well (`line_ends`).
    let is_bare = |end: &[u8]| matches!(end, [before, b'\n'] if *before != b'\r');
    !is_request || new.windows(4).any(|end| end == b"\r\n\r\n") || new.windows(2).any(is_bare)
}

/// Answers a connection that hyper never sees, and closes it so that the peer can read the answer.
pub async fn turn_away<S>(mut stream: S, response: Response<Full<Bytes>>, time: Duration) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut head, body) = response.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let reason = head.status.canonical_reason().unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", head.status.as_str()).into_bytes();
    for (name, value) in &head.headers {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    let write = async {
        stream.write_all(&bytes).await?;
        stream.shutdown().await
    };
    timeout(time, write).await.map_err(|_| io::ErrorKind::TimedOut)??;
    // Closing with unread bytes would reset the connection, and the answer would be lost.
    let discard = async {
        let mut rest = stream.take(limits::DISCARD_BYTES_MAX as u64);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    let _ = timeout(limits::DISCARD_TIME_MAX, discard).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hyper_can_answer_is_told_from_what_may_still_become_a_request() {
        for enough in
            [HTTP2, b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\n", b"\x16\x03", b"\r\n", b"PRI * HTTP/1.1\r\n\r\n"]
        {
            assert!(is_enough(enough, 0), "{enough:?}");
        }
        for not_enough in [b"".as_slice(), b"P", b"PRI * HTTP/2.0\r\n\r\n", b"PRI", b"GET / HTTP/1.1\r\nhost: a\r\n"] {
            assert!(!is_enough(not_enough, 0), "{not_enough:?}");
        }
        let head = b"GET / HTTP/1.1\r\n\r\n";
        assert!((1..head.len()).all(|seen| is_enough(head, seen)), "the end may come in pieces");
    }
}
