//! For the tests of readers: a table out of a text.

use std::{io, path::Path};

use toml::de::DeTable;

use crate::{Context, Environment, Key, Problem, Problems, SecretFile, SecretText, Table};

/// Has every variable; its value is `a long secret of NAME`.
struct EveryVariable;

impl Environment for EveryVariable {
    fn variable(&self, name: &str) -> Option<String> {
        Some(format!("a long secret of {name}"))
    }

    fn file(&self, path: &Path) -> io::Result<SecretFile> {
        Ok(SecretFile { text: SecretText::new(std::fs::read_to_string(path)?), exposed: false })
    }
}

/// Reads a text in TOML as one table with these keys: what the reader makes of it, and every mistake and warning.
///
/// # Panics
/// The text is not TOML, or the reader forgets a key.
pub fn read<T>(text: &str, keys: &'static [Key], reader: impl FnOnce(&Table<'_>) -> T) -> (T, Vec<Problem>) {
    let document = DeTable::parse(text).unwrap_or_else(|error| panic!("not TOML: {error}"));
    let (problems, empty) = (Problems::new("test.toml", text), DeTable::new());
    let unread = |path: &str| assert!(std::thread::panicking(), "`{path}` is in the list of keys and never read");
    let context = Context {
        problems: &problems,
        environment: &EveryVariable,
        base_dir: Path::new("/base"),
        empty: &empty,
        unread,
    };
    let read = reader(&Table::new(context, String::new(), 0, keys, document.get_ref()));
    let (errors, warnings) = problems.finish();
    (read, errors.into_iter().chain(warnings).collect())
}
