//! What people and scripts read: aligned tables, ages, one JSON document.

use std::{
    fmt,
    io::{self, Write},
};

use hookgate_model::human::printable;
use serde::Serialize;

/// Writes a line to standard output. A reader that is gone is an error like any other: `run` ends quietly then.
pub fn line(text: impl fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Writes a value as one JSON document.
pub fn json(value: &impl Serialize) -> io::Result<()> {
    line(serde_json::to_string_pretty(value).map_err(io::Error::other)?)
}

/// Rows whose columns stand below each other, two spaces apart.
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

/// A dash where there is nothing.
pub fn or_dash(text: Option<impl fmt::Display>) -> String {
    text.map_or_else(|| "-".to_owned(), |text| text.to_string())
}

/// The word that JSON has for a value of an enumeration.
pub fn word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_and_lines_have_no_spaces_at_their_end() {
        let mut table = Table::new(["NAME", "WHAT"]);
        table.row(["größe".to_owned(), "x".to_owned()]);
        table.row(["a".to_owned(), String::new()]);
        assert_eq!(table.to_string(), "NAME   WHAT\ngröße  x\na");
    }

    #[test]
    fn what_would_steer_the_terminal_is_taken_out() {
        let mut table = Table::new(["A"]);
        table.row(["x\x1b[31m\ny".to_owned()]);
        assert_eq!(table.to_string(), "A\nx [31m y");
    }
}
