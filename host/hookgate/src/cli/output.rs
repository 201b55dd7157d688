//! The output of commands: aligned tables, ages, JSON.

use std::{
    fmt,
    io::{self, Write},
};

use clap::Args;
use hookgate_model::{
    clock::now_ms,
    human::{printable, span},
};
use serde::Serialize;

/// How a command prints its result.
#[derive(Args, Clone, Copy, Debug)]
pub struct Format {
    /// Print JSON
    // At the end of the help, wherever the group is included.
    #[arg(long, display_order = 900)]
    pub json: bool,
}

impl Format {
    /// Prints a value as one JSON document or as `text`.
    pub fn print<T: Serialize, D: fmt::Display>(self, value: &T, text: impl FnOnce(&T) -> D) -> io::Result<()> {
        if self.json { json(value) } else { line(text(value)) }
    }
}

/// Writes a line to standard output. A closed reader is an error like any other; `run` then ends quietly.
pub fn line(text: impl fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Writes a value as one JSON document.
pub fn json(value: &impl Serialize) -> io::Result<()> {
    line(serde_json::to_string_pretty(value).map_err(io::Error::other)?)
}

/// Rows with aligned columns, two spaces apart.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        Table { rows: vec![headings.map(str::to_owned).into()] }
    }

    /// Pairs of a name and a value, without a heading.
    pub fn pairs<const N: usize>(pairs: [(&str, String); N]) -> Self {
        Table { rows: pairs.map(|(name, value)| vec![name.to_owned(), value]).into() }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| length(cell)).max();
        (0..columns).map(|column| width(column).unwrap_or(0)).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for (at, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| {
                let cell = printable(cell);
                let padding = width.saturating_sub(length(&cell));
                format!("{cell}{:padding$}", "")
            });
            let text = cells.collect::<Vec<_>>().join("  ");
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{}", text.trim_end())?;
        }
        Ok(())
    }
}

fn length(cell: &str) -> usize {
    cell.chars().count()
}

/// A page of a list, and the option that leads to the next one.
pub fn page(table: &impl fmt::Display, next_page: Option<&String>) -> String {
    let more = next_page.map(|token| format!("\n\nmore with: --page {token}"));
    format!("{table}{}", more.unwrap_or_default())
}

/// How long ago a moment was, in milliseconds since the epoch.
pub fn age(at: u64) -> String {
    span(now_ms().saturating_sub(at))
}

/// `5 minutes ago`
pub fn ago(at: u64) -> String {
    format!("{} ago", age(at))
}

/// The text, or a dash if there is none.
pub fn or_dash(text: Option<impl fmt::Display>) -> String {
    text.map_or_else(|| "-".to_owned(), |text| text.to_string())
}

/// The name of an enumeration's value in JSON.
pub fn word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_spaces() {
        let mut table = Table::new(["NAME", "WHAT"]);
        table.row(["größe".to_owned(), "x".to_owned()]);
        table.row(["a".to_owned(), String::new()]);
        assert_eq!(table.to_string(), "NAME   WHAT\ngröße  x\na");
    }

    #[test]
    fn control_characters_are_removed() {
        let mut table = Table::new(["A"]);
        table.row(["x\x1b[31m\ny".to_owned()]);
        assert_eq!(table.to_string(), "A\nx [31m y");
    }
}
