//! The readers of claims. Their number is bounded, and each client has a share. A reader that takes nothing gives up its place
//! when another one asks for it.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;
use hookgate_model::limits;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, timeout};

use crate::ingress::{Client, Holders, NoRoom, Registration, Resting, Share, Shares, Size};

/// The bytes of an object as they are read.
pub(super) type Blocks = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// All readers.
pub(super) struct Readers {
    places: Arc<Shares>,
    all: Arc<Holders<Reader>>,
}

/// One reader: what it reads, and its place.
struct Reader {
    client: Client,
    state: Mutex<State>,
}

struct State {
    /// When the reader last asked for more.
    moved: Instant,
    /// `None` once its place was given up.
    reading: Option<(Blocks, Share)>,
}

/// The blocks that a reader gets.
pub struct Reading {
    reader: Arc<Reader>,
    _registration: Registration<Reader>,
}

impl Readers {
    pub fn new() -> Self {
        // This machine is not exempt, because each reader has a connection of its own, even behind a proxy.
        Readers { places: Shares::new(limits::CLAIM_READERS_MAX, Vec::new()), all: Holders::new() }
    }

    /// A place for a client. If all are taken, the reader that has taken nothing for longest gives way. If the client has its
    /// share, one of its own readers gives way.
    pub async fn place(&self, client: Client) -> Option<Share> {
        let client = client.counted();
        let mut place = self.places.of_client(client);
        let take = async {
            while let Err(why) = place.take(1, Size::Small) {
                self.all.push_out(|reader| why == NoRoom::Full || reader.client == client);
                let _ = timeout(limits::RESTING_TIME_MIN / 4, self.places.freed()).await;
            }
        };
        timeout(limits::CLAIM_PLACE_TIME_MAX, take).await.ok()?;
        Some(place)
    }

    /// Gives the place to a reader of these blocks.
    pub fn begin(&self, client: Client, place: Share, blocks: Blocks) -> Reading {
        let state = State { moved: Instant::now(), reading: Some((blocks, place)) };
        let reader = Arc::new(Reader { client: client.counted(), state: Mutex::new(state) });
        Reading { _registration: self.all.add(reader.clone()), reader }
    }
}

impl Reader {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Reading {
    /// The next block.
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let mut state = self.reader.state();
        state.moved = Instant::now();
        match &mut state.reading {
            Some((blocks, _)) => blocks.as_mut().poll_next(context),
            None => Poll::Ready(Some(Err(io::Error::other("its place was needed, since it took nothing")))),
        }
    }
}

impl Resting for Reader {
    fn resting_since(&self) -> Option<Instant> {
        let state = self.state();
        state.reading.is_some().then_some(state.moved)
    }

    fn give_way(&self) {
        // Dropped after the lock is released, because returning the place wakes the task that waits for it.
        let reading = self.state().reading.take();
        drop(reading);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn client(n: u8) -> Client {
        Client::Address([192, 0, 2, n].into())
    }

    async fn begin(readers: &Readers, client: Client) -> Option<Reading> {
        let place = readers.place(client).await?;
        Some(readers.begin(client, place, Box::pin(stream::repeat_with(|| Ok(Bytes::from_static(b"x"))))))
    }

    fn next(reading: &Reading) -> bool {
        let mut context = Context::from_waker(std::task::Waker::noop());
        matches!(reading.poll_next(&mut context), Poll::Ready(Some(Ok(_))))
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_gives_way() {
        let readers = Readers::new();
        let mut held = Vec::new();
        for n in 0..limits::CLAIM_READERS_MAX {
            held.push(begin(&readers, client(n as u8)).await.unwrap());
        }
        tokio::time::sleep(limits::RESTING_TIME_MIN * 2).await;
        assert!(held.iter().skip(1).all(next), "all but the first go on");
        assert!(next(&begin(&readers, client(200)).await.unwrap()));
        assert!(!next(&held[0]));
        assert!(held.iter().skip(1).all(next));
    }

    #[tokio::test(start_paused = true)]
    async fn one_client_has_a_share_and_makes_room_for_itself() {
        let readers = Readers::new();
        let mut held = Vec::new();
        for _ in 0..limits::CLAIM_READERS_MAX / 2 {
            held.push(begin(&readers, client(1)).await.unwrap());
        }
        let more = begin(&readers, client(1)).await.unwrap();
        let other = begin(&readers, client(2)).await.unwrap();
        assert!(next(&more) && next(&other));
        assert_eq!(held.iter().filter(|reading| !next(reading)).count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn readers_that_read_keep_their_places() {
        let readers = Readers::new();
        let mut held = Vec::new();
        for _ in 0..limits::CLAIM_READERS_MAX / 2 {
            held.push(begin(&readers, client(1)).await.unwrap());
        }
        let read_on = async {
            loop {
                assert!(held.iter().all(next));
                tokio::time::sleep(limits::RESTING_TIME_MIN / 2).await;
            }
        };
        tokio::select! {
            () = read_on => unreachable!(),
            more = begin(&readers, client(1)) => assert!(more.is_none()),
        }
    }
}
