//! Who an event is: the values at the paths that the settings name.

use hookgate_plugin_sdk::{Identity, KnownBy, Ordering, Position, Refusal, answer, form, header};

use crate::{
    moment,
    place::{Path, Place, Reader},
    settings::Settings,
};

/// The settings that hold a path.
pub const PATHS: [&str; 6] = ["id", "kind", "time", "subject", "ordering-key", "sequence"];

/// The paths of a source, in the order of [`PATHS`].
pub fn paths(settings: &Settings<'_>) -> Result<[Option<Path>; 6], Refusal> {
    let mut paths = [const { None }; 6];
    for (path, name) in paths.iter_mut().zip(PATHS) {
        *path = settings.parsed(name, Path::parse)?;
    }
    Ok(paths)
}

/// Who the event is.
///
/// # Errors
/// Misconfigured: a path that is none. Malformed: the body says that it is JSON, and is not.
pub fn of(settings: &Settings<'_>, reader: &Reader<'_>) -> Result<Identity, Refusal> {
    let paths = paths(settings)?;
    let mut pointers: Vec<&str> = paths
        .iter()
        .flatten()
        .flat_map(Path::places)
        .filter_map(|place| match place {
            Place::Json(pointer) => Some(pointer.as_str()),
            _ => None,
        })
        .collect();
    pointers.sort_unstable();
    pointers.dedup();
    let scalars = reader.scalars(&pointers)?;
    let value = |place: &Place| -> Result<Option<String>, Refusal> {
        Ok(match place {
            Place::Json(pointer) => {
                let at = pointers.iter().position(|known| known == pointer);
                at.and_then(|at| scalars.get(at).cloned().flatten())
            }
            Place::Header(name) => header::first(reader.delivery, name),
            Place::Query(name) => reader.delivery.query(name),
            Place::Form(name) => form::value(reader.form(), name),
        })
    };
    let at = |path: &Option<Path>| match path {
        Some(path) => path.value(value),
        None => Ok(None),
    };
    let [id, kind, time, subject, key, sequence] = paths.each_ref().map(at);
    let (id, kind, time, subject, key, sequence) = (id?, kind?, time?, subject?, key?, sequence?);
    let occurred_at = time.as_deref().and_then(moment::of_any_look);
    let position = match (sequence.and_then(|number| number.parse().ok()), occurred_at) {
        (Some(sequence), _) => Position::Sequence(sequence),
        (None, Some(at)) => Position::Timestamp(at),
        (None, None) => Position::Arrival,
    };
    let otherwise = match settings.parsed("identity", declared)? {
        Some(Declared::Payload) => KnownBy::Payload,
        Some(Declared::Delivery) => {
            let fresh = settings.parsed("fresh", Path::parse)?;
            let lenient = |place: &Place| Ok::<_, Refusal>(reader.lenient(place));
            KnownBy::Delivery(fresh.map(|path| path.value(lenient)).transpose()?.flatten().and_then(short))
        }
        None => KnownBy::Undeclared,
    };
    Ok(Identity {
        known_by: answer::id_or(id, otherwise),
        kind: answer::kind(kind),
        occurred_at,
        ordering: answer::id(key).map(|key| Ordering { key, position }),
        attributes: answer::attributes([("subject", answer::id(subject))]),
    })
}

/// What tells events apart where they have no id.
enum Declared {
    Payload,
    Delivery,
}

fn declared(text: &str) -> Result<Declared, String> {
    match text {
        "payload" => Ok(Declared::Payload),
        "delivery" => Ok(Declared::Delivery),
        _ => Err(format!("{text:?} is neither payload nor delivery")),
    }
}

/// What is made anew for each delivery, if it is not longer than the host takes.
fn short(fresh: String) -> Option<String> {
    answer::id(Some(fresh))
}
