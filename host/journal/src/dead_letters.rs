//! Dead letters: lists of them, and orders to redrive or discard them.

use std::ops::ControlFlow;

use crate::{
    Journal,
    engine::{self, Direction, Space},
    handoffs,
    page::Page,
    record::keys,
    types::{HandoffId, JournalError},
    write::{Draft, Kind},
};

/// Dead letters that are redriven or discarded in one write.
const DEAD_PAGE: usize = 100;

/// A handoff, and a time in milliseconds since the epoch: for a dead letter, when it died.
pub type TimedHandoff = (u64, HandoffId);

/// What is done to a dead letter; false when the handoff is not one.
type MoveDead = fn(&mut Draft<'_>, &HandoffId) -> Result<bool, JournalError>;

impl Journal {
    /// A page of dead letters (of one destination, or of all of them by name), each with the time of its death, oldest
    /// first. `after` is the last page's `next`.
    pub fn dead_letters(
        &self,
        destination: Option<&str>,
        after: Option<&TimedHandoff>,
        limit: usize,
    ) -> Result<Page<TimedHandoff, TimedHandoff>, JournalError> {
        let mut range = match destination {
            Some(name) => {
                keys::check_name(name)?;
                keys::prefix(keys::of_destination(name))
            }
            None => keys::all(),
        };
        if let Some((time, id)) = after {
            range.from = keys::behind(keys::timed(*time, id));
        }
        let items = engine::collect(&*self.engine()?, Space::Dead, &range, limit, keys::read_timed)?;
        let next = if items.len() == limit { items.last().cloned() } else { None };
        Ok(Page { items, next })
    }

    /// Sends these dead letters on their way again, due at once: attempts are counted from zero, the history is kept.
    /// Those of `transform` and `ordering` go back to the inbox. How many of them were dead letters.
    pub async fn redrive(&self, ids: Vec<HandoffId>) -> Result<usize, JournalError> {
        self.move_dead(ids, handoffs::redrive).await
    }

    /// [`Journal::redrive`] for all dead letters that a destination has now.
    pub async fn redrive_all(&self, destination: &str) -> Result<usize, JournalError> {
        self.move_all_dead(destination, handoffs::redrive).await
    }

    /// Gives these dead letters up: they are finished, and go with their event when its retention ends. How many of them
    /// were dead letters.
    pub async fn discard(&self, ids: Vec<HandoffId>) -> Result<usize, JournalError> {
        self.move_dead(ids, handoffs::discard).await
    }

    /// [`Journal::discard`] for all dead letters that a destination has now.
    pub async fn discard_all(&self, destination: &str) -> Result<usize, JournalError> {
        self.move_all_dead(destination, handoffs::discard).await
    }

    async fn move_dead(&self, ids: Vec<HandoffId>, step: MoveDead) -> Result<usize, JournalError> {
        let work = move |draft: &mut Draft<'_>| {
            let mut moved = 0;
            for id in &ids {
                moved += usize::from(step(draft, id)?);
            }
            Ok(moved)
        };
        self.write(Kind::Order, work).await
    }

    async fn move_all_dead(&self, destination: &str, step: MoveDead) -> Result<usize, JournalError> {
        let mut moved = 0;
        // What dies meanwhile is not meant.
        let Some(last) = self.last_dead(destination)? else { return Ok(moved) };
        let mut after = None;
        loop {
            let page = self.dead_letters(Some(destination), after.as_ref(), DEAD_PAGE)?;
            let ids: Vec<HandoffId> = page.items.into_iter().filter(|one| *one <= last).map(|(_, id)| id).collect();
            let is_last = ids.len() < DEAD_PAGE;
            moved += self.move_dead(ids, step).await?;
            match page.next {
                Some(next) if !is_last => after = Some(next),
                _ => return Ok(moved),
            }
        }
    }

    /// The dead letter of a destination that died last.
    fn last_dead(&self, destination: &str) -> Result<Option<TimedHandoff>, JournalError> {
        keys::check_name(destination)?;
        let range = keys::prefix(keys::of_destination(destination));
        let mut last = None;
        self.engine()?.scan(Space::Dead, &range, Direction::Backward, &mut |key, _| {
            last = keys::read_timed(key);
            ControlFlow::Break(())
        })?;
        Ok(last)
    }
}
