//! The list of keys as the reference in `docs/operating/configuration.md`.

use hookgate_model::limits::{BURST, Range};

use hookgate_settings::{
    Key, Kind,
    value::{show_bytes, show_duration},
};

use super::keys::ROOT;

/// Every key of the configuration, as Markdown: a table for each section.
pub fn reference() -> String {
    ROOT.iter().map(section).collect::<Vec<_>>().join("\n")
}

fn section(key: &Key) -> String {
    let (heading, keys) = match key.kind {
        Kind::Tables(keys) => (format!("[[{}]]", key.name), keys),
        Kind::Table(keys) => (format!("[{}]", key.name), keys),
        _ => (key.name.to_owned(), &[][..]),
    };
    let mut rows = Vec::new();
    add_rows(&mut rows, "", keys);
    let head = "| Key | Takes | Default | What it does |\n|---|---|---|---|\n";
    format!("### `{heading}`\n\n{}\n\n{head}{}", key.doc, rows.concat())
}

/// A row for each key; those of a table follow it, with its name before theirs.
fn add_rows(rows: &mut Vec<String>, before: &str, keys: &[Key]) {
    for key in keys {
        let name = format!("{before}{}", key.name);
        let default = if key.required { "required".to_owned() } else { default(key.kind) };
        rows.push(format!("| `{name}` | {} | {default} | {} |\n", takes(key.kind), key.doc));
        if let Kind::Table(keys) = key.kind {
            add_rows(rows, &format!("{name}."), keys);
        }
    }
}

fn takes(kind: Kind) -> String {
    let bounded = |range: &Range, show: fn(u64) -> String| {
        format!("{}, {} to {}", kind.takes(), show(range.min), show(range.max))
    };
    match kind {
        Kind::Choice(words) => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(" or "),
        Kind::Duration(range) => bounded(range, show_duration),
        Kind::Bytes(range) => bounded(range, show_bytes),
        Kind::Count(range) => bounded(range, |n| n.to_string()),
        Kind::Burst => bounded(&BURST, |n| n.to_string()),
        _ => kind.takes().to_owned(),
    }
}

fn default(kind: Kind) -> String {
    let code = |text: &str| format!("`\"{text}\"`");
    match kind {
        Kind::Address(default) | Kind::Text(default) | Kind::Rate(Some(default)) => code(default),
        Kind::Path(Some(default)) if default.contains(' ') => default.to_owned(),
        Kind::Path(Some(default)) => code(default),
        Kind::Choice(words) => words.first().map_or_else(String::new, |word| code(word)),
        Kind::Duration(range) => code(&show_duration(range.default)),
        Kind::Bytes(range) => code(&show_bytes(range.default)),
        Kind::Count(range) => format!("`{}`", range.default),
        Kind::Burst => "the count of `rate`".to_owned(),
        Kind::Rate(None) => "no limit".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_reference_in_the_docs_is_the_list_of_keys() {
        hookgate_golden::check_docs_part("operating/configuration.md", "keys", &super::reference());
    }
}
