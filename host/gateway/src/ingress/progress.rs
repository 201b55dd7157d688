//! Progress on a connection: open requests, and answers that the sender takes.
//!
//! An answer must be taken within the header time-out, with more time as it is taken
//! ([`limits::ANSWER_BYTES_A_SECOND_MIN`]). HTTP/2 lets a peer hold an answer back while it answers every PING, by opening
//! no window for it. So neither open work nor a PING shows that the peer is there. Only heads that arrive and answers that leave
//! count.

use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hookgate_model::limits;
use hyper::body::{Body, Frame, SizeHint};
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::resting::Resting;

/// The progress of one connection.
pub struct Progress {
    state: Mutex<State>,
    /// Its place is needed for another connection.
    needed: Notify,
}

struct State {
    /// Requests that have no answer yet.
    at_work: usize,
    /// When a head arrived, an answer moved, or a request ended.
    moved: Instant,
    answers: HashMap<u64, Answer>,
    next: u64,
}

/// An answer that has not been taken to its end.
struct Answer {
    handed_over: Instant,
    moved: Instant,
    taken_bytes: u64,
    /// Frees the body of the answer.
    let_go: Box<dyn Fn() + Send>,
}

/// A connection that needs attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// An answer was not taken in time. Its body is freed, and nothing further may begin on the connection.
    Overdue,
    /// Nothing has moved for the allowed time, and no work is open for the peer.
    Stalled,
}

impl Progress {
    /// For a connection that begins now.
    pub fn new() -> Arc<Self> {
        let state = State { at_work: 0, moved: Instant::now(), answers: HashMap::new(), next: 0 };
        Arc::new(Progress { state: Mutex::new(state), needed: Notify::new() })
    }

    /// A request has arrived.
    pub fn begin(self: &Arc<Self>) -> Work {
        let mut state = self.state();
        state.at_work += 1;
        state.moved = Instant::now();
        Work(self.clone())
    }

    /// Counts as movement.
    pub fn touch(&self) {
        self.state().moved = Instant::now();
    }

    /// Resolves when the place of the connection is needed and nothing moves on it. A request may have arrived since it was
    /// asked.
    pub async fn needed(&self) {
        loop {
            self.needed.notified().await;
            if self.resting_since().is_some_and(|since| since.elapsed() >= limits::RESTING_TIME_MIN) {
                return;
            }
        }
    }

    /// Watches the connection until it needs attention. An overdue answer is found once. With `may_rest` only overdue answers
    /// are found: on HTTP/1 hyper limits the wait for the next head.
    pub async fn watch(&self, patience: Duration, may_rest: bool) -> Finding {
        loop {
            let looked = self.state().look(Instant::now(), patience, may_rest);
            match looked {
                Ok(later) => sleep_until(later).await,
                Err(finding) => return finding,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// When to look again, or the finding.
    fn look(&mut self, now: Instant, patience: Duration, may_rest: bool) -> Result<Instant, Finding> {
        let overdue: Vec<_> = self.answers.extract_if(|_, answer| answer.due(patience) <= now).collect();
        if !overdue.is_empty() {
            overdue.iter().for_each(|(_, answer)| (answer.let_go)());
            return Err(Finding::Overdue);
        }
        let stalls = (!may_rest && self.at_work == 0).then_some(self.moved + patience);
        if stalls.is_some_and(|stalls| stalls <= now) {
            return Err(Finding::Stalled);
        }
        let next = self.answers.values().map(|answer| answer.due(patience)).chain(stalls).min();
        // Anything that begins meanwhile is due later.
        Ok(next.unwrap_or(now + patience).min(now + patience))
    }
}

impl Answer {
    fn due(&self, patience: Duration) -> Instant {
        let more = Duration::from_secs(self.taken_bytes / limits::ANSWER_BYTES_A_SECOND_MIN);
        (self.handed_over + patience + more).min(self.moved + patience)
    }
}

impl Resting for Progress {
    fn resting_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.at_work == 0).then_some(state.moved)
    }

    fn give_way(&self) {
        self.needed.notify_one();
    }
}

/// An open request.
pub struct Work(Arc<Progress>);

impl Work {
    /// The answer is ready for the peer.
    pub fn hand_over<B: Body + Send + 'static>(self, body: B) -> Sending<B> {
        let progress = self.0.clone();
        let body = Arc::new(Mutex::new(Some(body)));
        let held = body.clone();
        let let_go = move || drop(held.lock().take());
        let now = Instant::now();
        let mut state = progress.state();
        let number = state.next;
        state.next += 1;
        let answer = Answer { handed_over: now, moved: now, taken_bytes: 0, let_go: Box::new(let_go) };
        state.answers.insert(number, answer);
        drop(state);
        Sending { body, rest: Bytes::new(), given_bytes: 0, number, progress }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.at_work = state.at_work.saturating_sub(1);
        state.moved = Instant::now();
    }
}

/// The body of an answer on its way. It is given out in small pieces, because the protocol takes a piece as soon as there is
/// room for its first byte and keeps the rest in memory.
pub struct Sending<B> {
    /// `None` once the answer was overdue.
    body: Arc<Mutex<Option<B>>>,
    /// The rest of the last frame of the body.
    rest: Bytes,
    /// Bytes that were given out, the last piece among them.
    given_bytes: u64,
    number: u64,
    progress: Arc<Progress>,
}

/// Why an answer ends before its end.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

impl<B> Sending<B> {
    /// All bytes that were given out have been taken.
    fn has_moved(&self) {
        let mut state = self.progress.state();
        let now = Instant::now();
        if let Some(answer) = state.answers.get_mut(&self.number).filter(|answer| answer.taken_bytes < self.given_bytes)
        {
            answer.taken_bytes = self.given_bytes;
            answer.moved = now;
            state.moved = now;
        }
    }

    fn give(&mut self) -> Bytes {
        let piece = self.rest.split_to(self.rest.len().min(limits::ANSWER_PIECE_BYTES));
        self.given_bytes += piece.len() as u64;
        piece
    }
}

impl<B: Body<Data = Bytes, Error: Into<Failure>> + Unpin> Body for Sending<B> {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        self.has_moved();
        let body = self.body.clone();
        let mut body = body.lock();
        let Some(body) = body.as_mut() else {
            let text = "the peer did not take the answer in time";
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, text).into())));
        };
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(self.give()))));
        }
        match Pin::new(body).poll_frame(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    self.rest = data;
                    Poll::Ready(Some(Ok(Frame::data(self.give()))))
                }
                Err(trailers) => Poll::Ready(Some(Ok(trailers))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        let body = self.body.lock();
        self.rest.is_empty() && body.as_ref().is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.body.lock();
        let of_body = body.as_ref().map(Body::size_hint).unwrap_or_default();
        let rest = self.rest.len() as u64;
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower() + rest);
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

impl<B> Drop for Sending<B> {
    fn drop(&mut self) {
        let mut state = self.progress.state();
        // An overdue answer was removed already; its end does not count as movement.
        if state.answers.remove(&self.number).is_some() {
            state.moved = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn full(bytes: usize) -> Full<Bytes> {
        Full::new(Bytes::from(vec![b'x'; bytes]))
    }

    /// The finding, and after how long. If there is none the test fails instead of waiting without end.
    async fn found(progress: &Progress) -> (Finding, Duration) {
        let began = Instant::now();
        let found = tokio::time::timeout(PATIENCE * 1_000, progress.watch(PATIENCE, false)).await;
        (found.expect("nothing was found"), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_is_let_go_and_the_connection_found_out() {
        let progress = Progress::new();
        let mut answer = progress.begin().hand_over(full(100_000));
        assert!(answer.frame().await.is_some(), "given out, and not taken");
        assert_eq!(found(&progress).await, (Finding::Overdue, PATIENCE));
        assert!(answer.frame().await.unwrap().is_err());
        drop(answer);
        assert_eq!(found(&progress).await, (Finding::Stalled, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_arrive_do_not_prolong_the_time_of_an_answer() {
        let progress = Progress::new();
        let answer = progress.begin().hand_over(full(10));
        let ask_on = async {
            loop {
                tokio::time::sleep(PATIENCE / 3).await;
                drop(progress.begin().hand_over(full(10)));
            }
        };
        tokio::select! {
            () = ask_on => unreachable!(),
            found = found(&progress) => assert_eq!(found, (Finding::Overdue, PATIENCE)),
        }
        drop(answer);
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_answer_has_time_for_as_long_as_it_moves_fast_enough() {
        let progress = Progress::new();
        let mut answer = progress.begin().hand_over(full(4 << 20));
        let piece =
            Duration::from_secs(1) * limits::ANSWER_PIECE_BYTES as u32 / limits::ANSWER_BYTES_A_SECOND_MIN as u32;
        let read = async {
            let mut bytes = 0;
            while let Some(frame) = answer.frame().await {
                bytes += frame.unwrap().into_data().unwrap().len();
                tokio::time::sleep(piece * 9 / 10).await;
            }
            bytes
        };
        tokio::select! {
            bytes = read => assert_eq!(bytes, 4 << 20),
            found = found(&progress) => panic!("{found:?}"),
        }
        // Half as fast it is not: after some time the lead is used up.
        let mut slow = progress.begin().hand_over(full(4 << 20));
        let read = async {
            while let Some(Ok(_)) = slow.frame().await {
                tokio::time::sleep(piece * 2).await;
            }
        };
        tokio::select! {
            () = read => panic!("it was read to its end"),
            (finding, _) = found(&progress) => assert_eq!(finding, Finding::Overdue),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_for_which_somebody_works_is_not_stalled_and_does_not_give_way() {
        let progress = Progress::new();
        let work = progress.begin();
        assert!(progress.resting_since().is_none());
        tokio::select! {
            found = found(&progress) => panic!("{found:?}"),
            () = tokio::time::sleep(PATIENCE * 5) => {}
        }
        drop(work);
        assert_eq!(found(&progress).await, (Finding::Stalled, PATIENCE));
        assert!(progress.resting_since().is_some());
    }

    #[tokio::test]
    async fn a_body_is_the_same_in_pieces() {
        let progress = Progress::new();
        for bytes in [0, 1, limits::ANSWER_PIECE_BYTES, 3 * limits::ANSWER_PIECE_BYTES + 1] {
            let answer = progress.begin().hand_over(full(bytes));
            assert_eq!(answer.size_hint().exact(), Some(bytes as u64));
            assert_eq!(answer.is_end_stream(), bytes == 0);
            assert_eq!(answer.collect().await.unwrap().to_bytes().len(), bytes);
        }
    }
}
