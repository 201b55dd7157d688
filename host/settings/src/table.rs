//! A cursor over one table of the configuration: each key is asked for once, by name; what is wrong is collected.
//!
//! Every `read` gives a value whatever the text says: what is missing or wrong becomes the default, so that reading goes
//! on and finds the next mistake. Where there is no default it gives `None`.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use hookgate_capabilities::UrlPattern;
pub use hookgate_model::human::did_you_mean;
use hookgate_model::{
    limits::{self, Range},
    private,
};
use ipnet::IpNet;
use strum::VariantNames;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    key::{Key, Kind},
    problem::Problems,
    value,
};

/// Mode bits of all users but the owner.
pub const ANY_OTHER: u32 = 0o077;

/// Mode bits of users outside the file's group: a group is given on purpose.
pub const STRANGERS: u32 = 0o007;

/// A value and where it stands.
pub type Value<'t> = Spanned<DeValue<'t>>;

/// What every reader of a part needs.
#[derive(Clone, Copy)]
pub struct Context<'t> {
    /// Collects what is wrong.
    pub problems: &'t Problems<'t>,
    /// What the configuration refers to outside its text.
    pub environment: &'t dyn crate::environment::Environment,
    /// Paths are relative to it.
    pub base_dir: &'t std::path::Path,
    /// Stands in for a table that is not there.
    pub empty: &'t DeTable<'t>,
    /// Called with the name of a key that a table describes and its reader did not ask for: it would be accepted and
    /// ignored. A test fails there.
    pub unread: fn(&str),
}

/// One table of the configuration.
pub struct Table<'t> {
    /// Shared by all tables of one configuration.
    pub context: Context<'t>,
    /// As an operator would call it: `server`, `source.limits`.
    path: String,
    /// Where it begins.
    pub at: usize,
    keys: &'static [Key],
    entries: &'t DeTable<'t>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'t> Table<'t> {
    /// A table; its unknown keys are reported at once.
    pub fn new(context: Context<'t>, path: String, at: usize, keys: &'static [Key], entries: &'t DeTable<'t>) -> Self {
        let table = Table { context, path, at, keys, entries, asked: RefCell::default() };
        for (name, _) in entries {
            if !keys.iter().any(|key| key.name == name.get_ref()) {
                table.unknown(name);
            }
        }
        table
    }

    /// The value of a key, with the key; `None` if unset. Reports a missing required key.
    pub fn value(&self, name: &'static str) -> (&'static Key, Option<&'t Value<'t>>) {
        let key = self.key(name);
        let found = self.entries.get(name);
        if found.is_none() && key.required {
            let what = format!("`{}` is missing: {}", self.path_of(name), key.doc);
            self.problems().missing(self.at, what, format!("add {name}; {}", key.kind.instead()));
        }
        (key, found)
    }

    /// Whether the key is set.
    pub fn has(&self, name: &'static str) -> bool {
        self.entries.contains_key(self.key(name).name)
    }

    /// Where the key's value stands; the table's place when it is not set.
    pub fn place(&self, name: &'static str) -> usize {
        self.entries.get(name).map_or(self.at, |value| value.span().start)
    }

    /// Where mistakes are reported.
    pub fn problems(&self) -> &'t Problems<'t> {
        self.context.problems
    }

    /// A table below; an empty one when it is not set.
    pub fn table(&self, name: &'static str) -> Table<'t> {
        let (key, found) = self.value(name);
        let keys = match key.kind {
            Kind::Table(keys) => keys,
            _ => &[],
        };
        let (at, entries) = match found.map(|value| (value, value.get_ref())) {
            Some((value, DeValue::Table(entries))) => (value.span().start, entries),
            Some((value, _)) => {
                self.wrong_type(key, value);
                (value.span().start, self.context.empty)
            }
            None => (self.at, self.context.empty),
        };
        Table::new(self.context, self.path_of(name), at, keys, entries)
    }

    /// The tables of a list; none when it is not set.
    pub fn tables(&self, name: &'static str) -> Vec<Table<'t>> {
        let (key, Some(found)) = self.value(name) else { return Vec::new() };
        let (Kind::Tables(keys), DeValue::Array(items)) = (key.kind, found.get_ref()) else {
            self.wrong_type(key, found);
            return Vec::new();
        };
        let table = |item: &'t Value<'t>| match item.get_ref() {
            DeValue::Table(entries) => {
                Some(Table::new(self.context, self.path_of(name), item.span().start, keys, entries))
            }
            _ => {
                self.wrong_type(key, item);
                None
            }
        };
        items.iter().filter_map(table).collect()
    }

    /// An address with a port, or the default.
    pub fn address(&self, name: &'static str) -> SocketAddr {
        let parse = |text: &str| text.parse::<SocketAddr>().map_err(|_| "is not an address with a port".to_owned());
        let default = match self.key(name).kind {
            Kind::Address(default) => default.parse().ok(),
            _ => None,
        };
        self.parsed(name, parse).or(default).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// A duration within its bounds, or the default.
    pub fn duration(&self, name: &'static str) -> Duration {
        let Kind::Duration(range) = self.key(name).kind else { return Duration::ZERO };
        let within = |text: &str| within(value::duration_ms(text)?, range, value::show_duration);
        Duration::from_millis(self.parsed(name, within).unwrap_or(range.default))
    }

    /// A size within its bounds, or the default.
    pub fn bytes(&self, name: &'static str) -> u64 {
        let Kind::Bytes(range) = self.key(name).kind else { return 0 };
        let within = |text: &str| within(value::bytes(text)?, range, value::show_bytes);
        self.parsed(name, within).unwrap_or(range.default)
    }

    /// A whole number within its bounds, or the default.
    pub fn count(&self, name: &'static str) -> u64 {
        let Kind::Count(range) = self.key(name).kind else { return 0 };
        self.whole(name, range).unwrap_or(range.default)
    }

    /// A rate; the default, if there is one, where it is not set.
    pub fn rate(&self, name: &'static str) -> Option<(NonZeroU32, Duration)> {
        let Kind::Rate(default) = self.key(name).kind else { return None };
        self.parsed(name, value::rate).or_else(|| value::rate(default?).ok())
    }

    /// A rate with the burst beside it.
    pub fn rate_and_burst(&self) -> Option<crate::Rate> {
        let rate = self.rate("rate");
        let burst = self.whole("burst", &limits::BURST).and_then(|n| NonZeroU32::new(u32::try_from(n).ok()?));
        if burst.is_some() && !self.has("rate") {
            let what = format!("`{}` stands alone: it belongs to a rate", self.path_of("burst"));
            self.problems().error(self.place("burst"), what, "add rate = \"200/s\", or leave burst out");
        }
        rate.map(|(count, per)| crate::Rate { count, per, burst: burst.unwrap_or(count) })
    }

    /// One of the words of an enum.
    pub fn choice<T: FromStr + VariantNames + Default>(&self, name: &'static str) -> T {
        debug_assert!(matches!(self.key(name).kind, Kind::Choice(words) if words == T::VARIANTS), "{name}");
        let known = |text: &str| {
            let near = || did_you_mean(text, T::VARIANTS.iter().copied());
            text.parse().map_err(|_| format!("is not a valid value{}", near()))
        };
        self.parsed(name, known).unwrap_or_default()
    }

    /// A text that passes a check.
    pub fn text(&self, name: &'static str, check: impl Fn(&str) -> Result<(), String>) -> String {
        let default = match self.key(name).kind {
            Kind::Text(default) => default,
            _ => "",
        };
        let checked = |text: &str| check(text).map(|()| text.to_owned());
        self.parsed(name, checked).unwrap_or_else(|| default.to_owned())
    }

    /// A path, absolute or below the configuration file's directory; `None` if unset.
    pub fn path(&self, name: &'static str) -> Option<PathBuf> {
        let parse = |text: &str| match text {
            "" => Err("is empty".to_owned()),
            text if text.contains('\0') => Err("holds a NUL character".to_owned()),
            text => Ok(self.context.base_dir.join(text)),
        };
        self.parsed(name, parse)
    }

    /// Warns of a file or directory with payloads in it that other users of the machine can get at: those with the mode bits
    /// `others`.
    pub fn warn_if_exposed(&self, name: &'static str, path: &Path, others: u32) {
        if let Some(mode) = private::exposed_mode(path, others) {
            let what = format!(
                "other users of this machine can get at {} (mode {mode:04o}), which is `{}`",
                path.display(),
                self.path_of(name)
            );
            self.problems().warning(self.place(name), what, format!("chmod go= {}", path.display()));
        }
    }

    /// A list of networks.
    pub fn networks(&self, name: &'static str) -> Vec<IpNet> {
        self.list(name, value::network)
    }

    /// A list of URL patterns.
    pub fn url_patterns(&self, name: &'static str) -> Vec<UrlPattern> {
        self.list(name, UrlPattern::new)
    }

    /// The items of a list of texts.
    fn list<T>(&self, name: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let (key, Some(found)) = self.value(name) else { return Vec::new() };
        let DeValue::Array(items) = found.get_ref() else {
            self.wrong_type(key, found);
            return Vec::new();
        };
        items.iter().filter_map(|item| self.parse_item(key, item, &parse)).collect()
    }

    /// Names with their places.
    pub fn names(&self, name: &'static str) -> Vec<(String, usize)> {
        let (key, Some(found)) = self.value(name) else { return Vec::new() };
        let items = match found.get_ref() {
            DeValue::Array(items) => items.iter().as_slice(),
            _ => std::slice::from_ref(found),
        };
        if items.is_empty() {
            let what = format!("`{}` is empty", self.path_of(name));
            self.problems().error(found.span().start, what, key.kind.instead());
        }
        let named = |item: &'t Value<'t>| {
            let text = self.parse_item(key, item, |text| Ok(text.to_owned()))?;
            Some((text, item.span().start))
        };
        items.iter().filter_map(named).collect()
    }

    /// The texts of a list, or the one text, each parsed; wrong ones are reported and skipped.
    pub fn texts<T>(&self, name: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let (key, Some(found)) = self.value(name) else { return Vec::new() };
        let items = match found.get_ref() {
            DeValue::Array(items) => items.iter().as_slice(),
            _ => std::slice::from_ref(found),
        };
        if items.is_empty() || items.len() > limits::AUTH_ENTRIES_MAX {
            let what = format!("`{}` has {} entries", self.path_of(name), items.len());
            let instead = format!("write 1 to {}, or leave it out", limits::AUTH_ENTRIES_MAX);
            self.problems().error(found.span().start, what, instead);
        }
        items.iter().filter_map(|item| self.parse_item(key, item, &parse)).collect()
    }

    /// The value of a key, parsed from its text; `None` if it is unset, or wrong, which is reported.
    pub fn parsed<T>(&self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let (key, found) = self.value(name);
        self.parse_item(key, found?, parse)
    }

    /// Reports a value of another type than its key takes. The value itself is not shown: it may be a secret.
    pub fn wrong_type(&self, key: &Key, found: &Value<'_>) {
        let (path, kind) = (self.path_of(key.name), found.get_ref().type_str());
        let what = format!("`{path}` takes {}, and this is of type {kind}", key.kind.takes());
        self.problems().error(found.span().start, what, key.kind.instead());
    }

    /// The full name of a key of this table.
    pub fn path_of(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }

    fn parse_item<T>(&self, key: &Key, item: &Value<'_>, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let DeValue::String(text) = item.get_ref() else {
            self.wrong_type(key, item);
            return None;
        };
        let wrong = |reason: String| {
            // A URL may hold a password or a token.
            let shown = if matches!(key.kind, Kind::Url) { "this".to_owned() } else { quoted(text) };
            let what = format!("`{}`: {shown} {reason}", self.path_of(key.name));
            self.problems().error(item.span().start, what, key.kind.instead());
        };
        parse(text).map_err(wrong).ok()
    }

    fn whole(&self, name: &'static str, range: &Range) -> Option<u64> {
        let (key, found) = self.value(name);
        let found = found?;
        let DeValue::Integer(number) = found.get_ref() else {
            self.wrong_type(key, found);
            return None;
        };
        let parsed = u64::from_str_radix(number.as_str(), number.radix()).map_err(|_| "is out of bounds".to_owned());
        let wrong = |reason: String| {
            let what = format!("`{}`: {number} {reason}", self.path_of(name));
            self.problems().error(found.span().start, what, key.kind.instead());
        };
        parsed.and_then(|number| within(number, range, |n| n.to_string())).map_err(wrong).ok()
    }

    fn key(&self, name: &'static str) -> &'static Key {
        self.asked.borrow_mut().insert(name);
        let found = self.keys.iter().find(|key| key.name == name);
        debug_assert!(found.is_some(), "`{}` is read and not in the list of keys", self.path_of(name));
        found.unwrap_or(&NO_KEY)
    }

    fn unknown(&self, name: &Spanned<std::borrow::Cow<'t, str>>) {
        let names = || self.keys.iter().map(|key| key.name);
        let place = match self.path.as_str() {
            "" => "at the top of the file".to_owned(),
            path => format!("in `{path}`"),
        };
        let what = format!("{} is not a key {place}{}", quoted(name.get_ref()), did_you_mean(name.get_ref(), names()));
        let known: Vec<&str> = names().collect();
        let instead = if known.is_empty() {
            "it takes no keys".to_owned()
        } else {
            format!("the keys are: {}", known.join(", "))
        };
        self.problems().error(name.span().start, what, instead);
    }
}

/// Stands in for a key that the list does not have; a test keeps that from happening.
static NO_KEY: Key = Key { name: "", kind: Kind::Text(""), required: false, doc: "" };

impl Drop for Table<'_> {
    fn drop(&mut self) {
        let asked = self.asked.borrow();
        if let Some(key) = self.keys.iter().find(|key| !asked.contains(key.name)) {
            (self.context.unread)(&self.path_of(key.name));
        }
    }
}

fn within(value: u64, range: &Range, show: impl Fn(u64) -> String) -> Result<u64, String> {
    if (range.min..=range.max).contains(&value) {
        Ok(value)
    } else {
        Err(format!("is not between {} and {}", show(range.min), show(range.max)))
    }
}

/// A text of the configuration in quotes, cut where it is long.
pub fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.chars().count() {
        0..=SHOWN => format!("{text:?}"),
        _ => format!("{:?}...", text.chars().take(SHOWN).collect::<String>()),
    }
}
