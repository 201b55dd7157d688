//! `[[route]]`: from sources that there are to destinations that there are.

use hookgate_settings::{Table, did_you_mean, quoted};

use super::{Route, filter::read_filter, relations::Declared};

/// Reads one route; unknown names are reported and skipped.
pub(super) fn read_route(table: &Table<'_>, declared: &Declared) -> Route {
    let sources: Vec<&str> = declared.sources.keys().map(String::as_str).collect();
    let destinations: Vec<&str> = declared.destinations.keys().map(String::as_str).collect();
    Route {
        from: read_ends(table, "from", "source", &sources),
        to: read_ends(table, "to", "destination", &destinations),
        filter: read_filter(table),
    }
}

fn read_ends(table: &Table<'_>, key: &'static str, what: &str, known: &[&str]) -> Vec<String> {
    let every = |name: &str| name == "*" && key == "from";
    let (there, nowhere): (Vec<_>, Vec<_>) =
        table.names(key).into_iter().partition(|(name, _)| every(name) || known.contains(&name.as_str()));
    for (name, at) in nowhere {
        let near = did_you_mean(&name, known.iter().copied());
        let instead = if known.is_empty() {
            format!("add a [[{what}]] with that name")
        } else {
            format!("add a [[{what}]] with that name, or take one of: {}", known.join(", "))
        };
        table.problems().missing(at, format!("`route.{key}`: there is no {what} {}{near}", quoted(&name)), instead);
    }
    let mut names: Vec<String> = there.into_iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    names
}
