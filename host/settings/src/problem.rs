//! What is wrong with a configuration, where, and what to write instead.

use std::{cell::RefCell, fmt};

use hookgate_model::limits::PROBLEMS_MAX;
use serde::Serialize;

/// One mistake (or doubt), with its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The file, as it was named.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub instead: String,
}

/// Something that works, and is probably not meant.
pub type Warning = Problem;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigErrors {
    /// There is no text to read.
    #[error("cannot read the configuration {file}: {reason}; write one there, or name another with --config")]
    Unreadable {
        /// As it was named.
        file: String,
        /// What the operating system says.
        reason: String,
    },
    /// Every mistake in it, in the order of their places.
    #[error("{}", listed(.0))]
    Mistakes(Vec<Problem>),
}

impl ConfigErrors {
    /// The mistakes; none when the file could not be read.
    pub fn problems(&self) -> &[Problem] {
        match self {
            ConfigErrors::Unreadable { .. } => &[],
            ConfigErrors::Mistakes(problems) => problems,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}\n    {}", self.file, self.line, self.column, self.what, self.instead)
    }
}

fn listed(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    let count = match problems.len() {
        1 => "1 mistake".to_owned(),
        n => format!("{n} mistakes"),
    };
    format!("{}\n{count} in the configuration; nothing was started", lines.join("\n"))
}

/// Collects what is found while reading one text; places are byte offsets into it.
pub struct Problems<'t> {
    file: &'t str,
    text: &'t str,
    line_starts: Vec<usize>,
    /// The text is not even TOML: what is missing may stand in the part that could not be read.
    broken: RefCell<bool>,
    errors: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl<'t> Problems<'t> {
    /// Nothing found yet in this text of that file.
    pub fn new(file: &'t str, text: &'t str) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Problems {
            file,
            text,
            line_starts,
            broken: RefCell::new(false),
            errors: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    /// A mistake.
    pub fn error(&self, at: usize, what: impl Into<String>, instead: impl Into<String>) {
        push(&self.errors, self.problem(at, what.into(), instead.into()));
    }

    /// Something that works, and is probably not meant.
    pub fn warning(&self, at: usize, what: impl Into<String>, instead: impl Into<String>) {
        push(&self.warnings, self.problem(at, what.into(), instead.into()));
    }

    /// Something is not there that ought to be.
    pub fn missing(&self, at: usize, what: impl Into<String>, instead: impl Into<String>) {
        if !*self.broken.borrow() {
            self.error(at, what, instead);
        }
    }

    /// The text breaks the grammar of TOML at that place.
    pub fn syntax(&self, at: usize, what: &str, instead: impl Into<String>) {
        *self.broken.borrow_mut() = true;
        self.error(at, what, instead);
    }

    /// The line of a byte offset.
    pub fn line(&self, at: usize) -> usize {
        self.place(at).0
    }

    /// Errors and warnings, each in the order of their places.
    pub fn finish(self) -> (Vec<Problem>, Vec<Problem>) {
        let mut errors = self.errors.into_inner();
        let mut warnings = self.warnings.into_inner();
        errors.sort();
        errors.dedup();
        warnings.sort();
        warnings.dedup();
        (errors, warnings)
    }

    fn problem(&self, at: usize, what: String, instead: String) -> Problem {
        let (line, column) = self.place(at);
        Problem { file: self.file.to_owned(), line, column, what, instead }
    }

    /// Line and column of a byte offset, both within the text.
    fn place(&self, at: usize) -> (usize, usize) {
        let at = self.text.floor_char_boundary(at.min(self.text.trim_end().len()));
        let line = self.line_starts.partition_point(|start| *start <= at).max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        (line, self.text.get(start..at).map_or(0, |before| before.chars().count()) + 1)
    }
}

fn push(into: &RefCell<Vec<Problem>>, problem: Problem) {
    let mut problems = into.borrow_mut();
    if problems.len() < PROBLEMS_MAX {
        problems.push(problem);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let problems = Problems::new("f", "a = 1\nß = 2\n\n");
        assert_eq!(problems.place(0), (1, 1));
        assert_eq!(problems.place(6), (2, 1));
        assert_eq!(problems.place(8), (2, 2));
        assert_eq!(problems.place(usize::MAX), (2, 6));
        assert_eq!(Problems::new("f", "").place(7), (1, 1));
    }

    #[test]
    fn what_is_missing_is_not_told_of_a_broken_text() {
        let problems = Problems::new("f", "a =");
        problems.missing(0, "before", "");
        problems.syntax(0, "broken", "");
        problems.missing(0, "after", "");
        let (errors, _) = problems.finish();
        assert_eq!(errors.iter().map(|e| e.what.as_str()).collect::<Vec<_>>(), ["before", "broken"]);
    }

    #[test]
    fn a_problem_reads_as_compilers_write_them() {
        let problems = Problems::new("hookgate.toml", "x = 1\ny = 2");
        problems.error(6, "`y` is wrong", "write z");
        let errors = ConfigErrors::Mistakes(problems.finish().0);
        assert_eq!(
            errors.to_string(),
            "hookgate.toml:2:1: `y` is wrong\n    write z\n1 mistake in the configuration; nothing was started"
        );
    }
}
