//! `hookgate providers`

use clap::{Args, Subcommand};
use hookgate_bundled::GENERIC;
use hookgate_known_providers::{COMPONENT, KnownProvider, all, find, presets};
use hookgate_model::human::did_you_mean;
use serde::Serialize;

use super::{
    Exit,
    output::{Format, Table},
};

/// Look at the providers that are known by name
#[derive(Debug, Subcommand)]
pub enum Providers {
    List(List),
    Show(Show),
}

impl Providers {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Providers::List(list) => list.run(),
            Providers::Show(show) => show.run(),
        }
    }
}

/// List every provider whose name can be written as the plugin of a source
///
/// CONFIDENCE says how the signature scheme is known: "official vectors" are deliveries that the provider publishes,
/// "provider's SDK" is its own library, "reported" means that other projects describe it. PLUGIN is the component.
///
/// Examples:
///   hookgate providers list
///   hookgate providers list --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct List {
    #[command(flatten)]
    format: Format,
}

/// Show a provider: its documentation, a source to paste, and what is known about the identity of its events
///
/// Examples:
///   hookgate providers show razorpay
///   hookgate providers show razorpay --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Show {
    /// Its name
    name: String,
    #[command(flatten)]
    format: Format,
}

/// A line of the list.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    pub name: &'static str,
    pub title: &'static str,
    /// None for a component of the provider's own, which is tested against vectors.
    pub confidence: Option<&'static str>,
    /// The component.
    pub plugin: &'static str,
}

/// Every provider by name: those with a component of their own, and the rows of known providers.
pub fn listed() -> Vec<Listed> {
    let own = hookgate_bundled::titles().filter(|(name, _)| !GENERIC.contains(name));
    let own = own.map(|(name, title)| Listed { name, title, confidence: None, plugin: name });
    let has_component = |name: &str| hookgate_bundled::names().any(|bundled| bundled == name);
    let rows = all().iter().filter(|row| !has_component(row.name)).map(|row| Listed {
        name: row.name,
        title: row.title,
        confidence: Some(row.confidence.as_str()),
        plugin: COMPONENT,
    });
    let mut listed: Vec<Listed> = own.chain(rows).collect();
    listed.sort_by_key(|listed| listed.name);
    listed
}

impl List {
    fn run(self) -> anyhow::Result<Exit> {
        self.format.print(&listed(), |listed| table(listed))?;
        Ok(Exit::Ok)
    }
}

fn table(listed: &[Listed]) -> Table {
    let mut table = Table::new(["NAME", "TITLE", "CONFIDENCE", "PLUGIN"]);
    for Listed { name, title, confidence, plugin } in listed {
        table.row([name, title, confidence.unwrap_or("a component of its own"), plugin].map(str::to_owned));
    }
    table
}

/// A provider, as JSON.
#[derive(Serialize)]
struct Shown {
    name: &'static str,
    title: &'static str,
    documentation: &'static str,
    confidence: &'static str,
    plugin: &'static str,
    identity: &'static str,
    identity_checked: &'static str,
    identity_found: bool,
    retry_resigned: &'static str,
    tolerance_checked: &'static str,
    probe: &'static str,
    secret_handover: &'static str,
    notes: &'static str,
    settings: Vec<(&'static str, &'static str)>,
    /// A source to paste into a configuration.
    source: String,
}

impl Show {
    fn run(self) -> anyhow::Result<Exit> {
        let has_component = hookgate_bundled::names().any(|bundled| bundled == self.name);
        if has_component && !GENERIC.contains(&self.name.as_str()) {
            return self.show_component();
        }
        let Some(row) = find(&self.name) else {
            let names = listed().into_iter().map(|listed| listed.name).chain(presets().iter().map(|(name, _)| *name));
            anyhow::bail!(
                "there is no known provider {:?}{}; `hookgate providers list` shows all of them",
                self.name,
                did_you_mean(&self.name, names)
            );
        };
        self.format.print(&shown(row), text)?;
        Ok(Exit::Ok)
    }

    /// Its descriptor says everything else.
    fn show_component(&self) -> anyhow::Result<Exit> {
        let source = format!("[[source]]\nname = \"{0}\"\nplugin = \"{0}\"\n", self.name);
        let json = serde_json::json!({ "name": self.name, "plugin": self.name, "source": source });
        self.format.print(&json, |_| {
            Table::pairs([
                ("name", self.name.clone()),
                ("plugin", format!("{}, a component of its own", self.name)),
                ("secrets and settings", format!("hookgate plugin inspect {}", self.name)),
            ])
        })?;
        Ok(Exit::Ok)
    }
}

fn shown(row: &KnownProvider) -> Shown {
    Shown {
        name: row.name,
        title: row.title,
        documentation: row.documentation,
        confidence: row.confidence.as_str(),
        plugin: COMPONENT,
        identity: identity(row),
        identity_checked: row.identity_checked,
        identity_found: row.identity_found,
        retry_resigned: row.retry_resigned,
        tolerance_checked: row.tolerance_checked,
        probe: row.probe,
        secret_handover: row.secret_handover,
        notes: row.notes,
        settings: row.settings().to_vec(),
        source: source(row),
    }
}

/// What happens to a second delivery of the same event.
fn identity(row: &KnownProvider) -> &'static str {
    match (row.setting("id"), row.setting("identity")) {
        (Some(_), _) => "an id identifies events: a second delivery with the same id is a duplicate",
        (None, Some("payload")) => "the payload identifies events: equal bytes are a duplicate",
        (None, Some("delivery")) if row.setting("fresh").is_some() => {
            "every delivery is a new event, unless its bytes and the value that `fresh` names are the same"
        }
        (None, Some("delivery")) => "every delivery is a new event: a retry cannot be distinguished from a new event",
        (None, _) => "not declared: equal bytes are a duplicate within idempotency.fallback-window",
    }
}

/// A source to paste. Its settings are comments: they hold without being written.
fn source(row: &KnownProvider) -> String {
    let signing = if row.setting("handover").is_some() {
        "{ handed-over = true }".to_owned()
    } else {
        format!("{{ env = \"{}_SECRET\" }}", row.name.to_uppercase().replace('-', "_"))
    };
    let mut lines = vec![
        "[[source]]".to_owned(),
        format!("name = \"{}\"", row.name),
        format!("plugin = \"{}\"", row.name),
        format!("secrets.signing = {signing}"),
    ];
    if row.setting("challenge-token").is_some() {
        lines.push("secrets.verify-token = { env = \"VERIFY_TOKEN\" }".to_owned());
    }
    if row.settings().iter().any(|(_, value)| value.contains("{app-id}")) {
        lines.push("settings.app-id = \"...\"".to_owned());
    }
    lines.push("# The settings behind the name; write one out to override it:".to_owned());
    lines.extend(row.settings().iter().map(|(name, value)| format!("# settings.{name} = {}", toml_value(value))));
    lines.join("\n")
}

/// A setting as TOML: the list that it is kept as in JSON is one in TOML too, and a text is quoted as JSON quotes it.
fn toml_value(value: &str) -> String {
    let is_list = value.starts_with('[') && serde_json::from_str::<Vec<String>>(value).is_ok();
    if is_list { value.to_owned() } else { serde_json::Value::from(value).to_string() }
}

fn text(shown: &Shown) -> String {
    let mut table = Table::pairs([
        ("name", shown.name.to_owned()),
        ("title", shown.title.to_owned()),
        ("documentation", shown.documentation.to_owned()),
        ("confidence", shown.confidence.to_owned()),
        ("plugin", shown.plugin.to_owned()),
        ("identity", shown.identity.to_owned()),
    ]);
    let guessed = if shown.identity_found { "" } else { " (a guess that loses no event)" };
    for (name, text) in [
        ("checked", format!("{}{guessed}", shown.identity_checked)),
        ("retry signed anew", shown.retry_resigned.to_owned()),
        ("age", shown.tolerance_checked.to_owned()),
        ("setup", shown.probe.to_owned()),
        ("secret", shown.secret_handover.to_owned()),
        ("notes", shown.notes.to_owned()),
    ] {
        if !text.is_empty() {
            table.row([name.to_owned(), text]);
        }
    }
    format!("{table}\n\n{}", shown.source)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hookgate_known_providers::settings::{SETTINGS, Spec};

    use super::*;

    #[test]
    fn a_component_goes_before_a_row_of_its_name() {
        let plugin = |name: &str| listed().into_iter().find(|listed| listed.name == name).map(|listed| listed.plugin);
        assert_eq!(plugin("razorpay"), Some("hmac"));
        assert_eq!(plugin("stripe"), Some("stripe"));
        assert_eq!(plugin("hmac"), None);
    }

    #[test]
    fn the_source_to_paste_is_toml_with_the_settings_in_effect() {
        for row in all() {
            let text = source(row);
            let uncommented = text.replace("# settings.", "settings.");
            let parsed = toml::de::DeTable::parse(&uncommented);
            assert!(parsed.is_ok(), "{uncommented}");
        }
        let razorpay = source(find("razorpay").unwrap());
        assert!(
            razorpay.contains("plugin = \"razorpay\"\nsecrets.signing = { env = \"RAZORPAY_SECRET\" }"),
            "{razorpay}"
        );
        assert!(razorpay.contains("# settings.signature = \"header:X-Razorpay-Signature\""), "{razorpay}");
    }

    /// The table of settings in docs/writing-a-plugin.md.
    #[test]
    fn the_documented_settings_are_those_of_the_plugin() {
        let cell = |text: &str| text.replace('|', "\\|");
        let row = |spec: &Spec| {
            let default = spec.default.map_or_else(String::new, |default| format!("`{default}`"));
            format!("| `{}` | {default} | {} |\n", spec.name, cell(spec.description))
        };
        let rows: String = SETTINGS.iter().map(row).collect();
        let table = format!("| setting | default | what it does |\n|---|---|---|\n{rows}");
        hookgate_golden::check_docs_part("writing-a-plugin.md", "hmac-settings", &table);
    }
}
