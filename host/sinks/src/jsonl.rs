//! A file of JSON lines.

use std::path::PathBuf;

use hookgate_net::egress::Guard;
use hookgate_settings::{Key, Kind as Takes, STRANGERS, Table, key, required};

use crate::{Kind, Settings, Sink, SinkError, Target, lines::Lines};

/// This kind of sink.
pub const KIND: Kind = Kind {
    key: key("jsonl", Takes::Table(KEYS), "A file of JSON lines, appended to."),
    example: "jsonl = { path = \"events.jsonl\" }",
    read: |table, _| Some(read(table)?.into()),
};

const KEYS: &[Key] = &[required("path", Takes::Path(None), "The file; made when it is missing.")];

/// A file of JSON lines, appended to.
#[derive(Debug)]
pub struct Jsonl {
    /// The file.
    pub path: PathBuf,
}

fn read(table: &Table<'_>) -> Option<Jsonl> {
    let path = table.path("path")?;
    table.warn_if_exposed("path", &path, STRANGERS);
    Some(Jsonl { path })
}

impl From<Jsonl> for Target {
    fn from(settings: Jsonl) -> Target {
        Target::new(&KIND, settings)
    }
}

impl Settings for Jsonl {
    fn describe(&self) -> Option<String> {
        Some(self.path.display().to_string())
    }

    fn open(&self, _: &Guard, _: usize) -> Result<Box<dyn Sink>, SinkError> {
        Ok(Box::new(Lines::file(self.path.clone())))
    }
}
