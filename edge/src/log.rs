//! The log: standard error, as the platform collects it.

use std::{
    fmt::Display,
    io::{self, Write},
};

/// Writes a line in one piece. The requests of an instance share the log, and pieces of their lines would mix.
pub fn line(cause: &str, text: impl Display) {
    let line = format!("{cause}: {text}\n");
    // A failure of the log cannot be reported anywhere.
    _ = io::stderr().write_all(line.as_bytes());
}
