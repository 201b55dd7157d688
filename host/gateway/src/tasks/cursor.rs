//! The reading position in a queue that is emptied at its front.

use std::time::Duration;

use tokio::time::Instant;

/// A mark up to which a queue has been read, dropped periodically.
///
/// A reader has thousands of entries in hand while a plugin is out, so it continues where it stopped. An entry that is before the
/// mark (it could not be read, or the store was opened again) is found when the mark is dropped.
#[derive(Debug)]
pub struct Cursor<T> {
    at: Option<T>,
    /// An entry was skipped that may have to be read later.
    passed_over: bool,
    forget_at: Instant,
    every: Duration,
}

impl<T> Cursor<T> {
    /// At the front, to which it returns at this interval.
    pub fn new(every: Duration) -> Cursor<T> {
        Cursor { at: None, passed_over: false, forget_at: Instant::now() + every, every }
    }

    /// Where to continue; `None` is the front.
    pub fn at(&mut self, now: Instant) -> Option<&T> {
        if now >= self.forget_at {
            self.at = None;
            self.passed_over = false;
            self.forget_at = now + self.every;
        }
        self.at.as_ref()
    }

    /// Everything up to here has been read.
    pub fn advance(&mut self, to: T) {
        self.at = Some(to);
    }

    /// An entry was skipped because it is being worked on. It may return to the queue.
    pub fn pass_over(&mut self) {
        self.passed_over = true;
    }

    /// When to read from the front again; `None` if everything from there on was read.
    pub fn look_back_at(&self) -> Option<Instant> {
        (self.at.is_some() || self.passed_over).then_some(self.forget_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn goes_on_where_it_was_and_back_to_the_front_now_and_then() {
        let mut cursor = Cursor::new(Duration::from_secs(2));
        assert_eq!(cursor.at(Instant::now()), None);
        assert_eq!(cursor.look_back_at(), None);
        cursor.advance(7);
        let back_at = Instant::now() + Duration::from_secs(2);
        assert_eq!(cursor.look_back_at(), Some(back_at));
        assert_eq!(cursor.at(back_at - Duration::from_millis(1)), Some(&7));
        assert_eq!(cursor.at(back_at), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_passed_over_is_looked_at_once_more() {
        let mut cursor: Cursor<u8> = Cursor::new(Duration::from_secs(2));
        cursor.pass_over();
        let back_at = cursor.look_back_at().unwrap();
        assert_eq!(cursor.at(back_at), None);
        assert_eq!(cursor.look_back_at(), None);
    }
}
