//! How a key of the configuration is described: its name, what it takes, its default, what it does.
//!
//! The reader of a table takes types, bounds and defaults from here, the did-you-mean its names, and
//! `docs/operating/configuration.md` its reference.

use hookgate_model::limits::Range;

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Kebab-case.
    pub name: &'static str,
    /// What it takes, with default and bounds.
    pub kind: Kind,
    /// Whether it must be there.
    pub required: bool,
    /// One line.
    pub doc: &'static str,
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A table of its own.
    Table(&'static [Key]),
    /// A list of tables.
    Tables(&'static [Key]),
    /// IP address and port.
    Address(&'static str),
    /// An absolute URL.
    Url,
    /// A list of networks.
    Networks,
    /// A list of patterns of URLs.
    UrlPatterns,
    /// A path, relative to the configuration file; the default in words, or empty.
    Path(Option<&'static str>),
    /// A name: lower-case letters, digits, `-` and `_`.
    Name,
    /// A name or a list of names.
    Names,
    /// Any text.
    Text(&'static str),
    /// A text or a list of texts.
    Texts,
    /// One of these; the first is the default.
    Choice(&'static [&'static str]),
    /// A duration.
    Duration(&'static Range),
    /// A size.
    Bytes(&'static Range),
    /// A whole number.
    Count(&'static Range),
    /// A whole number whose default is the count of the rate beside it.
    Burst,
    /// A number per period.
    Rate(Option<&'static str>),
    /// A reference to a secret.
    Secret,
    /// One or several, newest first.
    Secrets,
    /// Of each name one or several, newest first.
    NamedSecrets,
    /// Values by name.
    Settings,
    /// Texts or secrets by name.
    Headers,
    /// An event pattern.
    Pattern,
}

/// A key that may be left out.
pub const fn key(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, kind, required: false, doc }
}

/// A key that must be there.
pub const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, kind, required: true, doc }
}

/// The keys of several lists in one. `N` is the number of all of them; another number does not compile where the list is a
/// constant.
pub const fn joined<const N: usize>(lists: &[&[Key]]) -> [Key; N] {
    let mut all = [lists[0][0]; N];
    let (mut list, mut next) = (0, 0);
    while list < lists.len() {
        let mut at = 0;
        while at < lists[list].len() {
            all[next] = lists[list][at];
            at += 1;
            next += 1;
        }
        list += 1;
    }
    assert!(next == N, "N is not the number of keys in the lists");
    all
}

impl Kind {
    /// What the key takes, in words.
    pub fn takes(self) -> &'static str {
        match self {
            Kind::Table(_) => "a table",
            Kind::Tables(_) => "a list of tables",
            Kind::Address(_) => "an address with a port",
            Kind::Url => "a URL",
            Kind::Networks => "a list of networks",
            Kind::UrlPatterns => "a list of URL patterns",
            Kind::Path(_) => "a path",
            Kind::Name => "a name",
            Kind::Names => "a name or a list of names",
            Kind::Text(_) => "a text",
            Kind::Texts => "a text or a list of texts",
            Kind::Choice(_) => "one of a few words",
            Kind::Duration(_) => "a duration",
            Kind::Bytes(_) => "a size",
            Kind::Count(_) | Kind::Burst => "a whole number",
            Kind::Rate(_) => "a rate",
            Kind::Secret => "a secret",
            Kind::Secrets => "a secret or a list of them",
            Kind::NamedSecrets => "a table of secrets",
            Kind::Settings => "a table of settings",
            Kind::Headers => "a table of headers",
            Kind::Pattern => "an event pattern",
        }
    }

    /// How it is written, as an instruction.
    pub fn instead(self) -> String {
        match self {
            Kind::Table(_) => "write a table: [name], or name = { key = value }".to_owned(),
            Kind::Tables(_) => "write [[name]] above each of them".to_owned(),
            Kind::Address(default) => {
                format!("write an IP address and a port: \"{default}\", \"0.0.0.0:80\", \"[::1]:80\"")
            }
            Kind::Url => "write it in full: \"https://hooks.example.com\"".to_owned(),
            Kind::UrlPatterns => {
                "write a list of URLs, with * for what varies: [\"https://keys.example.com/*.pem\"]".to_owned()
            }
            Kind::Networks => "write a list of networks: [\"10.0.0.0/8\", \"fd00::/8\"]".to_owned(),
            Kind::Path(_) => "write a path, absolute or from the configuration file's directory: \"data\"".to_owned(),
            Kind::Name => "write lower-case letters, digits, - and _, at most 64: \"stripe-eu\"".to_owned(),
            Kind::Names => "write a name or a list of names: \"orders\", [\"orders\", \"audit\"]".to_owned(),
            Kind::Text(default) => format!("write a text in quotes: \"{default}\""),
            Kind::Texts => "write a text or a list of texts: \"orders\", [\"orders\", \"audit\"]".to_owned(),
            Kind::Choice(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                format!("write one of {}", quoted.join(", "))
            }
            Kind::Duration(_) => {
                "write a number and a unit in quotes: \"250ms\", \"10s\", \"5m\", \"2h\", \"7d\"".to_owned()
            }
            Kind::Bytes(_) => {
                "write a whole number and a unit in quotes: \"512B\", \"64KiB\", \"1MiB\", \"2GiB\"".to_owned()
            }
            Kind::Count(range) => format!("write a whole number without quotes: {}", range.default),
            Kind::Burst => "write a whole number without quotes: 400".to_owned(),
            Kind::Rate(_) => "write how many in what time, in quotes: \"200/s\", \"30/m\", \"5/10s\"".to_owned(),
            Kind::Secret => "write { env = \"NAME\" } or { file = \"PATH\" }".to_owned(),
            Kind::Secrets => {
                "write { env = \"NAME\" } or { file = \"PATH\" }, or a list of them, newest first".to_owned()
            }
            Kind::NamedSecrets => "write secrets.NAME = { env = \"NAME\" }, or a list of them, newest first".to_owned(),
            Kind::Settings => "write settings = { name = value }".to_owned(),
            Kind::Pattern => {
                "write filter = { type = [{ prefix = \"com.stripe.\" }] }, or the same as JSON in a text".to_owned()
            }
            Kind::Headers => "write headers = { \"x-name\" = \"text\", \"x-key\" = { env = \"NAME\" } }".to_owned(),
        }
    }
}
