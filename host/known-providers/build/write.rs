//! Writes the rows as Rust: the settings apart from everything else, so that a plugin which needs only the settings does
//! not carry the rest.

use std::fmt::Write;

use crate::read::Row;

/// The text of the two tables, in the order of the rows.
pub fn tables(rows: &[Row]) -> String {
    let mut settings = String::from("static PRESETS: &[Preset] = &[\n");
    let mut about = String::from("static PROVIDERS: &[KnownProvider] = &[\n");
    for row in rows {
        // Writing to a String cannot fail.
        _ = writeln!(settings, "    ({:?}, &{:?}),", row.name, row.settings.iter().map(pair).collect::<Vec<_>>());
        _ = writeln!(
            about,
            "    KnownProvider {{ name: {:?}, title: {:?}, documentation: {:?}, confidence: Confidence::{}, \
             identity_checked: {:?}, identity_found: {}, retry_resigned: {:?}, tolerance_checked: {:?}, probe: {:?}, \
             secret_handover: {:?}, notes: {:?} }},",
            row.name,
            row.title,
            row.documentation,
            confidence(&row.confidence),
            row.identity_checked,
            row.identity_found,
            row.retry_resigned,
            row.tolerance_checked,
            row.probe,
            row.secret_handover,
            row.notes
        );
    }
    format!("{settings}];\n\n{about}];\n")
}

fn pair((name, value): &(String, String)) -> (&str, &str) {
    (name, value)
}

fn confidence(words: &str) -> &'static str {
    match words {
        "official vectors" => "OfficialVectors",
        "provider's SDK" => "Sdk",
        "documentation" => "Documentation",
        _ => "Reported",
    }
}
