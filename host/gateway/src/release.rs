//! The task that lets the journal release held events when it is their turn ([`hookgate_journal::reorder`]).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hookgate_journal::{Journal, JournalError};
use tokio::time::sleep;

use crate::live::{Current, Live};

/// Between two releases. Events that become due in this time are released in one write.
const RELEASE_PAUSE: Duration = Duration::from_millis(5);
/// The longest sleep. The clock by which held events wait stops while the machine is suspended.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// Before the journal is asked again after a failure.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);

/// Releases due events, without end. After a reload the new rules apply to events that are held already; sources that are no
/// longer ordered hold nothing.
pub async fn run(journal: Journal, current: Current) {
    let mut in_force: Option<Arc<Live>> = None;
    loop {
        if let Err(error) = step(&journal, &current, &mut in_force).await {
            tracing::warn!(%error, "held events wait for the store");
            sleep(JOURNAL_PAUSE).await;
        }
    }
}

async fn step(journal: &Journal, current: &Current, in_force: &mut Option<Arc<Live>>) -> Result<(), JournalError> {
    let live = current.get();
    if !in_force.as_ref().is_some_and(|before| Arc::ptr_eq(before, &live)) {
        let holding = journal.holding();
        for source in holding {
            let rules = live.sources.get(&source).and_then(|inbound| inbound.source.ordering.as_ref());
            journal.bring_forward(&source, rules).await?;
        }
        *in_force = Some(live.clone());
    }
    let due = journal.next_release()?;
    if due != Some(Duration::ZERO) {
        tokio::select! {
            () = journal.release_nears().notified() => return Ok(()),
            () = sleep(due.unwrap_or(SLEEP_MAX).clamp(RELEASE_PAUSE, SLEEP_MAX)) => {}
        }
    }
    if due.is_some() {
        let late = live.config.sources.iter().filter_map(|source| {
            let rules = source.ordering.as_ref()?;
            Some((source.name.clone(), rules.late))
        });
        let late: BTreeMap<_, _> = late.collect();
        if !journal.release(late).await? {
            sleep(RELEASE_PAUSE).await;
        }
    }
    Ok(())
}
