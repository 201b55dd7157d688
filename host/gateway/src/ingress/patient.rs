//! The stream of a connection. It gives up on a peer that does not read, and on HTTP/1 it does not accept a bare line feed as a
//! line end.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::line_ends::LineEnds;

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// A stream whose first bytes were read already.
pub struct Patient<S> {
    first: Bytes,
    stream: S,
    time: Duration,
    /// Runs while a write waits for the peer.
    waiting: Option<Pin<Box<Sleep>>>,
    heard_last: Heard,
    /// On HTTP/1 only.
    line_ends: Option<LineEnds>,
}

/// Whether the last event on a stream was that bytes came in.
#[derive(Clone, Debug, Default)]
pub struct Heard(Arc<AtomicBool>);

impl Heard {
    /// The peer has begun something that was not answered.
    pub fn unanswered(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S> Patient<S> {
    /// A write fails if the peer takes nothing for `time`.
    pub fn new(first: Bytes, stream: S, time: Duration) -> Self {
        Patient { first, stream, time, waiting: None, heard_last: Heard::default(), line_ends: None }
    }

    /// Reads HTTP/1, and replaces bare line feeds in heads.
    pub fn checking_line_ends(mut self) -> Self {
        self.line_ends = Some(LineEnds::default());
        self
    }

    /// Observes the stream after it was given away.
    pub fn heard(&self) -> Heard {
        self.heard_last.clone()
    }

    /// The result of a write; an error if it waits for too long.
    fn judge<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            self.heard_last.0.store(false, Ordering::Relaxed);
            return written;
        }
        let time = self.time;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(time)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing of what is written")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        if self.first.has_remaining() {
            let length = self.first.remaining().min(into.remaining());
            into.put_slice(&self.first.split_to(length));
            if self.first.is_empty() {
                // Frees the memory, which an empty rest would keep while the connection lasts.
                self.first = Bytes::new();
            }
        } else {
            ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
        }
        if let (Some(line_ends), Some(new)) = (&mut self.line_ends, into.filled_mut().get_mut(before..))
            && line_ends.check(new)
        {
            // hyper must not wait for the end of a head that it is to refuse.
            self.first = Bytes::from_static(END_OF_HEAD);
        }
        if into.filled().len() > before {
            self.heard_last.0.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    // A socket has nothing to flush, and does not wait to be shut down.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
        let time = Duration::from_secs(10);
        let (near, mut far) = tokio::io::duplex(4);
        let mut stream = Patient::new(Bytes::from_static(b"begun"), near, time);
        let mut begun = [0; 5];
        stream.read_exact(&mut begun).await.unwrap();
        assert_eq!(&begun, b"begun");
        assert!(stream.heard().unanswered());

        let slowly = async {
            for _ in 0..3 {
                tokio::time::sleep(time * 9 / 10).await;
                far.read_exact(&mut [0; 4]).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(stream.write_all(&[0; 16]), slowly);
        written.unwrap();
        assert!(!stream.heard().unanswered());
        assert_eq!(stream.write_all(&[0; 1]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
