//! Counts the references to each object of the object store. An object is listed for removal when its last reference goes.

use uuid::Uuid;

use crate::{
    Journal,
    engine::{self, Space},
    record::keys::{self, ClaimEntry},
    types::JournalError,
    write::{Draft, Kind},
};

impl Journal {
    /// Whether a delivery refers to an object. The writer looks, after everything that was sent to it before: so the
    /// effect of a commit whose outcome got lost is visible.
    pub async fn has_claim(&self, object: Uuid) -> Result<bool, JournalError> {
        let key = keys::claim(ClaimEntry::Kept, object);
        self.write(Kind::Progress, move |draft| Ok(draft.get(Space::Claims, &key)?.is_some())).await
    }

    /// Objects that no delivery refers to any more.
    pub fn released_claims(&self, limit: usize) -> Result<Vec<Uuid>, JournalError> {
        let range = keys::prefix(vec![ClaimEntry::Released as u8]);
        engine::collect(&*self.engine()?, Space::Claims, &range, limit, keys::read_claim)
    }

    /// Forgets objects that are removed.
    pub async fn forget_claims(&self, objects: Vec<Uuid>) -> Result<(), JournalError> {
        let forget = move |draft: &mut Draft<'_>| {
            for object in objects {
                draft.writes.delete(Space::Claims, keys::claim(ClaimEntry::Released, object));
            }
            Ok(())
        };
        self.write(Kind::Progress, forget).await
    }
}

/// A delivery has its body in the object.
pub(super) fn refer(draft: &mut Draft<'_>, delivery: Uuid, object: Uuid) -> Result<(), JournalError> {
    let of_delivery = keys::claim(ClaimEntry::OfDelivery, delivery);
    draft.writes.put(Space::Claims, of_delivery, object.as_bytes().to_vec());
    hold(draft, object)
}

/// The delivery that has its body in the object goes.
pub(super) fn release(draft: &mut Draft<'_>, delivery: Uuid, object: Uuid) -> Result<(), JournalError> {
    draft.writes.delete(Space::Claims, keys::claim(ClaimEntry::OfDelivery, delivery));
    let_go(draft, object)
}

/// Adds a reference to the object.
pub(super) fn hold(draft: &mut Draft<'_>, object: Uuid) -> Result<(), JournalError> {
    let others = references(draft, object)?;
    set(draft, object, others.saturating_add(1));
    Ok(())
}

/// Removes a reference to the object.
pub(super) fn let_go(draft: &mut Draft<'_>, object: Uuid) -> Result<(), JournalError> {
    let others = references(draft, object)?.saturating_sub(1);
    if others > 0 {
        set(draft, object, others);
    } else {
        draft.writes.delete(Space::Claims, keys::claim(ClaimEntry::Kept, object));
        draft.writes.put(Space::Claims, keys::claim(ClaimEntry::Released, object), Vec::new());
    }
    Ok(())
}

/// Nearly all objects have one reference, which is written as an empty value; more are written as `count:4`.
fn set(draft: &mut Draft<'_>, object: Uuid, references: u32) {
    let value = if references == 1 { Vec::new() } else { references.to_be_bytes().to_vec() };
    draft.writes.put(Space::Claims, keys::claim(ClaimEntry::Kept, object), value);
}

fn references(draft: &Draft<'_>, object: Uuid) -> Result<u32, JournalError> {
    let kept = draft.get(Space::Claims, &keys::claim(ClaimEntry::Kept, object))?;
    Ok(kept.map_or(0, |count| count.try_into().map_or(1, u32::from_be_bytes)))
}
