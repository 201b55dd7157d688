//! Keeps object store and journal in step: removes what was left unfinished, and what no event needs any more.

use std::time::Duration;

use tokio::time::sleep;
use uuid::Uuid;

use super::Claims;
use crate::journal::{Journal, JournalError};

/// Between two looks at what is to be removed.
const PAUSE: Duration = Duration::from_secs(1);
/// After something could not be done.
const FAILED_PAUSE: Duration = Duration::from_secs(5);
/// Objects that are forgotten in one write.
const PAGE: usize = 64;

/// Works until it is dropped.
pub async fn run(claims: Claims, journal: Journal) {
    loop {
        let doubtful =
            std::mem::take(&mut *claims.0.doubtful.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let mut failed = false;
        for object in doubtful {
            failed |= find_out(&claims, &journal, object).await.is_err();
        }
        if let Err(error) = remove_released(&claims, &journal).await {
            tracing::warn!(%error, "large bodies that no event needs cannot be removed yet");
            failed = true;
        }
        match failed {
            true => sleep(FAILED_PAUSE).await,
            false => tokio::select! {
                () = claims.0.grown.notified() => {}
                () = sleep(PAUSE) => {}
            },
        }
    }
}

/// An object of which nobody knows whether it was committed. The journal's writer answers, behind whatever was still on
/// its way to it.
async fn find_out(claims: &Claims, journal: &Journal, object: Uuid) -> Result<(), JournalError> {
    match journal.has_claim(object).await {
        Ok(true) => {
            if let Err(error) = claims.settled(object).await {
                tracing::debug!(%error, "a note about a large body is left behind");
            }
            Ok(())
        }
        Ok(false) => {
            claims.discard(object).await;
            Ok(())
        }
        Err(error) => {
            claims.0.doubtful.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(object);
            Err(error)
        }
    }
}

/// Removes the objects of deliveries that are not kept any more, then what the journal still knew of them.
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
