//! Keeps the object store in step with the journal: removes unfinished uploads, and objects that no event needs any more.

use std::time::Duration;

use hookgate_journal::Journal;
use hookgate_model::limits;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{Claims, objects::blocking, upload::left_behind};

/// Between two looks for objects to remove.
const PAUSE: Duration = Duration::from_secs(1);
/// After a failure.
const FAILED_PAUSE: Duration = Duration::from_secs(5);
/// Objects that are forgotten in one write.
const PAGE: usize = 64;

/// Runs until it is dropped.
pub async fn run(claims: Claims, journal: Journal) {
    let mut looked = Instant::now();
    loop {
        if looked.elapsed() >= limits::CLAIM_LEFT_BEHIND_EVERY {
            looked = Instant::now();
            look_for_left_behind(&claims).await;
        }
        let doubtful = std::mem::take(&mut *claims.0.doubtful.lock());
        let mut failed = false;
        for object in doubtful {
            failed |= !find_out(&claims, &journal, object).await;
        }
        if let Err(error) = remove_released(&claims, &journal).await {
            tracing::warn!(%error, "large bodies that no event needs cannot be removed yet");
            failed = true;
        }
        if failed {
            sleep(FAILED_PAUSE).await;
            continue;
        }
        tokio::select! {
            () = claims.0.grown.notified() => {}
            () = sleep(PAUSE) => {}
        }
    }
}

/// Looks for files in `incoming` that belong to no upload in progress. There are none unless hookgate has a defect.
async fn look_for_left_behind(claims: &Claims) {
    let incoming = claims.0.incoming.clone();
    let left = blocking(move || {
        left_behind(&incoming, limits::CLAIM_LEFT_BEHIND_AGE)
            .map_err(|error| super::ClaimError::of_path(&incoming, &error))
    });
    match left.await {
        Ok(left) => left.into_iter().filter(|object| !claims.is_under_way(*object)).for_each(|object| {
            tracing::warn!(%object, "a large body was left behind on its way in");
            claims.doubt(object);
        }),
        Err(error) => tracing::warn!(%error, "the directory of uploads cannot be read"),
    }
}

/// Settles an object that may have been committed. The journal's writer answers after all earlier commits. False if this has to
/// be tried again.
async fn find_out(claims: &Claims, journal: &Journal, object: Uuid) -> bool {
    match journal.has_claim(object).await {
        Ok(true) => {
            if let Err(error) = claims.settled(object).await {
                tracing::debug!(%error, "a note about a large body is left behind");
            }
            true
        }
        Ok(false) => claims.discard(object).await,
        Err(_) => {
            claims.doubt_later(object);
            false
        }
    }
}

/// Removes the objects of deliveries that are not kept any more, then their records in the journal.
async fn remove_released(claims: &Claims, journal: &Journal) -> anyhow::Result<()> {
    loop {
        let page = journal.released_claims(PAGE)?;
        for object in &page {
            if let Err(error) = claims.0.objects.remove(*object).await {
                claims.0.metrics.remove_failed.increment(1);
                return Err(error.into());
            }
            claims.0.metrics.removed.increment(1);
        }
        let last = page.len() < PAGE;
        if !page.is_empty() {
            journal.forget_claims(page).await?;
        }
        if last {
            return Ok(());
        }
    }
}
