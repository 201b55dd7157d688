//! `[[destination]]`: where events go, and whether the egress guard will let them.

use hookgate_model::handoff::{ORDERING, TRANSFORM};
use hookgate_settings::{Egress, Table, value};
use hookgate_sinks::Target;

use crate::{Destination, Retry, relations::Declared};

/// Reads one destination; none when something that has no default is missing or wrong.
pub(super) fn read_destination(table: &Table<'_>, egress: &Egress, declared: &mut Declared) -> Option<Destination> {
    let name = table.parsed("name", value::name);
    if let Some(name) = &name {
        declared.destination(table.problems(), name, table.place("name"));
        let own = [(TRANSFORM, "that have no form yet"), (ORDERING, "that came after their turn")];
        if let Some((own, events)) = own.iter().find(|(own, _)| name == own) {
            let what = format!("`destination.name`: {own} is the gateway's own, for events {events}");
            table.problems().error(table.place("name"), what, "take another name");
        }
    }
    let target = Target::read(table, egress);
    let rate = table.rate_and_burst();
    let concurrency = usize::try_from(table.count("concurrency")).unwrap_or(usize::MAX);
    let timeout = table.duration("timeout");
    let retry = read_retry(&table.table("retry"));
    Some(Destination { name: name?, target: target?, rate, concurrency, timeout, retry })
}

fn read_retry(table: &Table<'_>) -> Retry {
    let attempts = u32::try_from(table.count("attempts")).unwrap_or(u32::MAX);
    let retry = Retry { attempts, first: table.duration("first"), max: table.duration("max") };
    if retry.first > retry.max {
        let what = "`destination.retry`: the first pause is longer than the longest one";
        table.problems().error(table.place("first"), what, "write a first that is at most max");
    }
    retry
}
