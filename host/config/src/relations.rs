//! What holds between the parts: names that stand once, and nothing that leads nowhere.

use std::collections::BTreeMap;

use hookgate_model::limits::FILTER_TESTS_MAX;

use hookgate_settings::{Problems, value::show_bytes};

use super::{Route, Server, Source};

/// The names of sources and destinations, each with its place; also of entries that are wrong otherwise, so that one
/// mistake is not reported twice.
#[derive(Default)]
pub(super) struct Declared {
    pub sources: BTreeMap<String, usize>,
    pub destinations: BTreeMap<String, usize>,
}

impl Declared {
    pub fn source(&mut self, problems: &Problems<'_>, name: &str, at: usize) {
        declare(&mut self.sources, problems, "sources", name, at);
    }

    pub fn destination(&mut self, problems: &Problems<'_>, name: &str, at: usize) {
        declare(&mut self.destinations, problems, "destinations", name, at);
    }
}

fn declare(names: &mut BTreeMap<String, usize>, problems: &Problems<'_>, what: &str, name: &str, at: usize) {
    match names.get(name) {
        Some(first) => {
            let line = problems.line(*first);
            problems.error(
                at,
                format!("two {what} have the name \"{name}\"; the first is in line {line}"),
                "give each its own",
            );
        }
        None => _ = names.insert(name.to_owned(), at),
    }
}

/// Reports sources that take bodies larger than the room for bodies.
pub(super) fn check_body_memory<'s>(
    problems: &Problems<'_>,
    declared: &Declared,
    server: &Server,
    sources: impl Iterator<Item = &'s Source>,
) {
    let in_memory = |source: &Source| source.limits.body.min(source.claim_check.unwrap_or(u64::MAX));
    for source in sources.filter(|source| in_memory(source) > server.body_memory) {
        let (limit, memory) = (show_bytes(in_memory(source)), show_bytes(server.body_memory));
        let what =
            format!("the source \"{}\" takes bodies of {limit}, and `server.body-memory` is {memory}", source.name);
        let at = declared.sources.get(&source.name).copied().unwrap_or_default();
        problems.error(at, what, "set `server.body-memory` to several times the largest `limits.body`");
    }
}

/// Reports filters that are too large together; each one was checked by itself.
pub(super) fn check_filters(problems: &Problems<'_>, at: usize, routes: &[Route]) {
    let tests: usize = routes.iter().filter_map(|route| route.filter.as_ref()).map(|filter| filter.size().tests).sum();
    if tests > FILTER_TESTS_MAX {
        let what = format!("the filters of all routes come to {tests} tests; {FILTER_TESTS_MAX} are taken");
        problems.error(
            at,
            what,
            "each alternative of an `$or` repeats the tests beside it: use fewer `$or`s, or shorter ones",
        );
    }
}

/// Warns of sources and destinations that no route touches.
pub(super) fn warn_of_loose_ends(problems: &Problems<'_>, declared: &Declared, routes: &[Route]) {
    let from = |name: &String| routes.iter().any(|route| route.from.iter().any(|from| from == name || from == "*"));
    let to = |name: &String| routes.iter().any(|route| route.to.contains(name));
    for (name, at) in declared.sources.iter().filter(|(name, _)| !from(name)) {
        let what = format!("no route leads from the source \"{name}\": its events are kept and go nowhere");
        problems.warning(*at, what, format!("add a [[route]] with from = \"{name}\""));
    }
    for (name, at) in declared.destinations.iter().filter(|(name, _)| !to(name)) {
        let what = format!("no route leads to the destination \"{name}\"");
        problems.warning(*at, what, format!("add a [[route]] with to = \"{name}\""));
    }
}
