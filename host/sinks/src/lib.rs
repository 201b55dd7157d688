//! What a destination can be. A sink is a file here: its keys, its reader, its behaviour, its description and its tests; the
//! list of [`KINDS`] names it.
//!
//! Delivery is at least once, under an id that stays the same: a sink may get an event again that it has taken.

mod http;
mod jsonl;
mod lines;
mod outcome;
mod signature;
mod stdout;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use hookgate_capabilities::CloudEvent;
use hookgate_model::{claim::Reference, event::KeptEvent, handoff::HandoffId};
use hookgate_net::egress::Guard;
use hookgate_settings::{Egress, Key, Table};

pub use self::{
    http::{HttpTarget, On4xx},
    jsonl::Jsonl,
    outcome::{Advice, Failure, Health, Outcome},
    stdout::Stdout,
};

/// The kinds of sinks.
pub const KINDS: &[Kind] = &[http::KIND, jsonl::KIND, stdout::KIND];

/// The keys of a destination that make it one of [`KINDS`].
pub const KEYS: [Key; KINDS.len()] = {
    let mut keys = [KINDS[0].key; KINDS.len()];
    let mut at = 0;
    while at < KINDS.len() {
        keys[at] = KINDS[at].key;
        at += 1;
    }
    keys
};

/// A kind of sink, as it stands in the list of them.
pub struct Kind {
    /// Its key in a destination; the name is that of the kind for operators, too.
    key: Key,
    /// How it is written: `stdout = {}`.
    example: &'static str,
    /// Reads its settings; `None` when something in them is missing or wrong, which is reported.
    read: fn(&Table<'_>, &Egress) -> Option<Target>,
}

/// What a destination leads to, as configured.
#[derive(Debug)]
pub struct Target {
    /// The name of its kind.
    pub kind: &'static str,
    settings: Box<dyn Settings>,
}

/// The settings of a sink.
pub trait Settings: fmt::Debug + Send + Sync {
    /// Where it leads, for operators: without credentials; `None` where there is nothing to say.
    fn describe(&self) -> Option<String>;

    /// Makes it ready; nothing is connected or opened yet. `concurrency` is the number of attempts at once.
    ///
    /// # Errors
    /// It cannot be used as it is configured.
    fn open(&self, guard: &Guard, concurrency: usize) -> Result<Box<dyn Sink>, SinkError>;
}

/// A sink that is ready to be handed events.
#[async_trait]
pub trait Sink: fmt::Debug + Send + Sync {
    /// How many events one attempt takes.
    fn batch(&self) -> usize {
        1
    }

    /// How many attempts may be made at once.
    fn concurrency(&self, configured: usize) -> usize {
        configured.max(1)
    }

    /// Tries once to hand these over, at most [`Sink::batch`] of them; an outcome for each, in order.
    async fn attempt(&self, parcels: &[Parcel], within: Duration) -> Vec<Outcome>;
}

/// Why a sink cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SinkError(Box<dyn std::error::Error + Send + Sync>);

impl SinkError {
    fn new(error: impl std::error::Error + Send + Sync + 'static) -> SinkError {
        SinkError(Box::new(error))
    }
}

/// One output of an event on its way to one destination.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Which.
    pub handoff: HandoffId,
    /// The event.
    pub event: KeptEvent,
    /// The output.
    pub output: CloudEvent,
    /// What stands for a payload that is kept elsewhere; its link begins to expire with this attempt.
    pub reference: Option<Reference>,
}

impl Target {
    /// A target of the kind with that key.
    fn new(kind: &Kind, settings: impl Settings + 'static) -> Target {
        Target { kind: kind.key.name, settings: Box::new(settings) }
    }

    /// Reads it from the table of a destination, where exactly one of the kinds is set; `None` when something is missing or
    /// wrong, which is reported.
    pub fn read(table: &Table<'_>, egress: &Egress) -> Option<Target> {
        let mut set = KINDS.iter().filter(|kind| table.has(kind.key.name));
        let targets: Vec<Option<Target>> =
            set.by_ref().map(|kind| (kind.read)(&table.table(kind.key.name), egress)).collect();
        let problem = match targets.len() {
            1 => return targets.into_iter().next().flatten(),
            0 => "none",
            _ => "several",
        };
        let names = listed(KINDS.iter().map(|kind| format!("`{}`", kind.key.name)).collect());
        let what = format!("the destination has {problem} of {names}");
        let examples: Vec<&str> = KINDS.iter().map(|kind| kind.example).collect();
        let instead = format!("write one of {}", examples.join(", "));
        if targets.is_empty() {
            table.problems().missing(table.at, what, instead);
        } else {
            table.problems().error(table.at, what, instead);
        }
        None
    }

    /// Where it leads, for operators: without credentials; `None` where there is nothing to say.
    pub fn describe(&self) -> Option<String> {
        self.settings.describe()
    }

    /// Makes it ready; nothing is connected or opened yet. `concurrency` is the number of attempts at once.
    ///
    /// # Errors
    /// It cannot be used as it is configured.
    pub fn open(&self, guard: &Guard, concurrency: usize) -> Result<Box<dyn Sink>, SinkError> {
        self.settings.open(guard, concurrency)
    }
}

/// `a`, `b` and `c`.
fn listed(names: Vec<String>) -> String {
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}
