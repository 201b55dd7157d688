//! Reads the data file of known providers and checks each row.

use std::{collections::BTreeMap, fmt};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{place, settings, template};

/// A provider, as the data file describes it.
#[derive(Debug)]
pub struct Row {
    pub name: String,
    pub title: String,
    pub documentation: String,
    pub confidence: String,
    /// Names and values, those of the base included.
    pub settings: Vec<(String, String)>,
    pub identity_checked: String,
    pub identity_found: bool,
    pub retry_resigned: String,
    pub tolerance_checked: String,
    pub probe: String,
    pub secret_handover: String,
    pub notes: String,
}

/// What is wrong, and in which line.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    pub line: usize,
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.what)
    }
}

type Table<'t> = DeTable<'t>;
type Value<'t> = Spanned<DeValue<'t>>;
/// Names and values of settings.
type Settings = Vec<(String, String)>;

/// The keys of a row.
const KEYS: [&str; 13] = [
    "name",
    "title",
    "documentation",
    "confidence",
    "base",
    "settings",
    "identity-checked",
    "identity-found",
    "retry-resigned",
    "tolerance-checked",
    "probe",
    "secret-handover",
    "notes",
];

/// How a row's signature scheme is known, from the best evidence to the weakest.
const CONFIDENCES: [&str; 4] = ["official vectors", "provider's SDK", "documentation", "reported"];

/// Whether a retry is signed anew.
const RESIGNED: [&str; 4] = ["yes", "no", "none", "unknown"];

/// Every row of the data file, in its order.
///
/// # Errors
/// Every mistake, each with its line.
pub fn rows(text: &str) -> Result<Vec<Row>, Vec<Mistake>> {
    let line_of = |at: usize| text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
    let document = DeTable::parse(text).map_err(|error| {
        let line = line_of(error.span().map_or(0, |span| span.start));
        vec![Mistake { line, what: error.message().to_owned() }]
    })?;
    let mut reading = Reading { line_of: &line_of, mistakes: Vec::new() };
    let rows = reading.document(document.get_ref());
    if reading.mistakes.is_empty() { Ok(rows) } else { Err(reading.mistakes) }
}

struct Reading<'l> {
    line_of: &'l dyn Fn(usize) -> usize,
    mistakes: Vec<Mistake>,
}

impl Reading<'_> {
    fn wrong(&mut self, at: usize, what: impl Into<String>) {
        self.mistakes.push(Mistake { line: (self.line_of)(at), what: what.into() });
    }

    fn document(&mut self, document: &Table<'_>) -> Vec<Row> {
        for key in document.keys().filter(|key| !["base", "provider"].contains(&key.get_ref().as_ref())) {
            self.wrong(key.span().start, format!("{:?} is neither `base` nor `provider`", key.get_ref()));
        }
        let bases = self.bases(document);
        let mut rows: Vec<Row> = Vec::new();
        let Some(DeValue::Array(items)) = document.get("provider").map(Spanned::get_ref) else {
            self.wrong(0, "there is no [[provider]]");
            return rows;
        };
        for item in items {
            let at = item.span().start;
            let DeValue::Table(table) = item.get_ref() else {
                self.wrong(at, "a provider is a table");
                continue;
            };
            let row = self.row(at, table, &bases);
            match rows.last() {
                Some(last) if last.name == row.name => self.wrong(at, format!("{:?} stands twice", row.name)),
                Some(last) if last.name > row.name => {
                    self.wrong(
                        at,
                        format!("{:?} must stand before {:?}: rows are sorted by name", row.name, last.name),
                    );
                }
                _ => (),
            }
            rows.push(row);
        }
        rows
    }

    fn bases(&mut self, document: &Table<'_>) -> BTreeMap<String, Settings> {
        let mut bases = BTreeMap::new();
        let Some(DeValue::Table(tables)) = document.get("base").map(Spanned::get_ref) else { return bases };
        for (name, value) in tables {
            match value.get_ref() {
                DeValue::Table(settings) => _ = bases.insert(name.get_ref().to_string(), self.settings(settings)),
                _ => self.wrong(value.span().start, "a base is a table of settings"),
            }
        }
        bases
    }

    fn row(&mut self, at: usize, table: &Table<'_>, bases: &BTreeMap<String, Settings>) -> Row {
        for key in table.keys().filter(|key| !KEYS.contains(&key.get_ref().as_ref())) {
            self.wrong(
                key.span().start,
                format!("a provider has no key {:?}; it has {}", key.get_ref(), KEYS.join(", ")),
            );
        }
        let name = self.required(at, table, "name");
        if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            self.wrong(at, format!("the name {name:?} is not of lower-case letters, digits and dashes"));
        }
        let mut settings = match table.get("base").map(|value| (value.span().start, text(value))) {
            None => Vec::new(),
            Some((at, base)) => bases.get(&base.unwrap_or_default()).cloned().unwrap_or_else(|| {
                self.wrong(at, format!("{name} names a base that is not there"));
                Vec::new()
            }),
        };
        match table.get("settings").map(Spanned::get_ref) {
            Some(DeValue::Table(own)) => {
                let own = self.settings(own);
                settings.retain(|(name, _)| own.iter().all(|(known, _)| known != name));
                settings.extend(own);
            }
            _ => self.wrong(at, format!("{name} has no [provider.settings]")),
        }
        settings.sort_by_key(|(name, _)| settings::SETTINGS.iter().position(|known| known.name == name));
        if !settings.iter().any(|(name, _)| name == "signature") {
            self.wrong(at, format!("{name} does not say where the signature is"));
        }
        Row {
            title: self.required(at, table, "title"),
            documentation: self.documentation(at, table),
            confidence: self.word(at, table, "confidence", &CONFIDENCES, None),
            identity_checked: self.required(at, table, "identity-checked"),
            identity_found: match table.get("identity-found").map(Spanned::get_ref) {
                None => true,
                Some(DeValue::Boolean(found)) => *found,
                Some(_) => {
                    self.wrong(at, format!("{name}: identity-found is true or false"));
                    false
                }
            },
            retry_resigned: self.word(at, table, "retry-resigned", &RESIGNED, Some("unknown")),
            tolerance_checked: self.optional(table, "tolerance-checked"),
            probe: self.optional(table, "probe"),
            secret_handover: self.optional(table, "secret-handover"),
            notes: self.optional(table, "notes"),
            settings,
            name,
        }
    }

    fn required(&mut self, at: usize, table: &Table<'_>, key: &str) -> String {
        let value = self.optional(table, key);
        if value.is_empty() {
            self.wrong(at, format!("`{key}` is missing"));
        }
        value
    }

    fn optional(&mut self, table: &Table<'_>, key: &str) -> String {
        let Some(value) = table.get(key) else { return String::new() };
        text(value).unwrap_or_else(|| {
            self.wrong(value.span().start, format!("`{key}` is a text"));
            String::new()
        })
    }

    fn word(&mut self, at: usize, table: &Table<'_>, key: &str, words: &[&str], default: Option<&str>) -> String {
        let word = match (table.get(key), default) {
            (None, Some(default)) => return default.to_owned(),
            _ => self.required(at, table, key),
        };
        if !words.contains(&word.as_str()) {
            self.wrong(at, format!("`{key}` is {word:?}; write one of: {}", words.join(", ")));
        }
        word
    }

    fn documentation(&mut self, at: usize, table: &Table<'_>) -> String {
        let url = self.required(at, table, "documentation");
        if !url.starts_with("https://") {
            self.wrong(at, format!("`documentation` is {url:?}, which is not a URL of https"));
        }
        url
    }

    fn settings(&mut self, table: &Table<'_>) -> Settings {
        let mut settings = Vec::new();
        for (name, value) in table {
            let at = name.span().start;
            if !settings::SETTINGS.iter().any(|known| known.name == name.get_ref()) || name.get_ref() == "provider" {
                self.wrong(at, format!("the plugin hmac has no setting {:?}", name.get_ref()));
                continue;
            }
            match setting_texts(value) {
                None => {
                    self.wrong(at, format!("`{}` is a text, a number, a boolean or a list of texts", name.get_ref()))
                }
                Some(texts) => {
                    if let Some(why) = texts.iter().find_map(|text| grammar(name.get_ref(), text).err()) {
                        self.wrong(at, format!("`{}`: {why}", name.get_ref()));
                    }
                    settings.push((name.get_ref().to_string(), setting_text(value, &texts)));
                }
            }
        }
        settings
    }
}

fn text(value: &Value<'_>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        _ => None,
    }
}

/// The texts of a setting: one, or those of a list.
fn setting_texts(value: &Value<'_>) -> Option<Vec<String>> {
    match value.get_ref() {
        DeValue::Array(items) => items.iter().map(text).collect(),
        DeValue::Integer(number) => Some(vec![number.as_str().to_owned()]),
        DeValue::Boolean(truth) => Some(vec![truth.to_string()]),
        _ => Some(vec![text(value)?]),
    }
}

/// A setting as the host gives it to a plugin: a list as JSON.
fn setting_text(value: &Value<'_>, texts: &[String]) -> String {
    let json = |text: &String| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"));
    match (value.get_ref(), texts) {
        (DeValue::Array(_), texts) => format!("[{}]", texts.iter().map(json).collect::<Vec<_>>().join(",")),
        (_, [text]) => text.clone(),
        _ => String::new(),
    }
}

/// What can be checked of a value without the plugin: its test reads every row completely.
fn grammar(name: &str, text: &str) -> Result<(), String> {
    match settings::SETTINGS.iter().find(|known| known.name == name).map(|known| known.grammar) {
        Some(settings::Grammar::Place) => place::Place::parse(text).map(drop),
        Some(settings::Grammar::Path) => place::Path::parse(text).map(drop),
        Some(settings::Grammar::Template) => template::parse(text).map(drop),
        Some(settings::Grammar::OneOf(words)) if !words.contains(&text) => {
            Err(format!("{text:?} is not one of: {}", words.join(", ")))
        }
        Some(settings::Grammar::Number) => match text.parse::<u64>() {
            Ok(_) => Ok(()),
            Err(_) if name == "tolerance-future" && text == "any" => Ok(()),
            Err(_) => Err(format!("{text:?} is not a whole number")),
        },
        Some(settings::Grammar::OneOf(_) | settings::Grammar::Text) | None => Ok(()),
    }
}
