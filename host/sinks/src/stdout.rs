//! Standard output: for a collector of logs, and for trying things out.

use hookgate_net::egress::Guard;
use hookgate_settings::{Kind as Takes, key};

use crate::{Kind, Settings, Sink, SinkError, Target, lines::Lines};

/// This kind of sink.
pub const KIND: Kind = Kind {
    key: key("stdout", Takes::Table(&[]), "Standard output, a JSON line an event: `stdout = {}`."),
    example: "stdout = {}",
    read: |_, _| Some(Stdout.into()),
};

/// Standard output, a JSON line an event.
#[derive(Debug)]
pub struct Stdout;

impl From<Stdout> for Target {
    fn from(settings: Stdout) -> Target {
        Target::new(&KIND, settings)
    }
}

impl Settings for Stdout {
    fn describe(&self) -> Option<String> {
        None
    }

    fn open(&self, _: &Guard, _: usize) -> Result<Box<dyn Sink>, SinkError> {
        Ok(Box::new(Lines::stdout()))
    }
}
