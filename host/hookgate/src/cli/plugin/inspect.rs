//! `hookgate plugin inspect`

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use hookgate_capabilities::{Descriptor, UrlPattern};
use hookgate_config::{Config, Grant, Source};
use hookgate_gateway::versions::fit;
use hookgate_known_providers::KnownProvider;
use hookgate_model::human::bytes;
use hookgate_sandbox::Plugin;
use serde::Serialize;

use crate::cli::{
    Exit, configuration,
    output::{self, Format, Table},
    sandbox::{self, Directory, Found},
};

/// Show a plugin's descriptor and what is in its component
///
/// Secrets and settings are those that a source with this plugin has in the configuration. "Pure" means that the component
/// imports only hookgate's own interfaces; one that is not pure needs the grant `wasi`, unless it is bundled, and gets WASI
/// without files, network or a real clock. With --config it shows what that configuration grants to the plugin's sources.
///
/// Examples:
///   hookgate plugin inspect stripe
///   hookgate plugin inspect ./my-provider.wasm --json
///   hookgate plugin inspect stripe --config hookgate.toml
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Inspect {
    /// A plugin's name, that of a known provider, or a component's file
    #[arg(value_name = "NAME|FILE")]
    plugin: String,
    #[command(flatten)]
    directory: Directory,
    /// A configuration, to show its grants
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

/// What the component may use for a source.
#[derive(Serialize)]
struct Granted {
    source: String,
    pin: Option<String>,
    wasi: bool,
    keys: Vec<String>,
    confirm: Vec<String>,
    /// Why it may not work for the source; none when it may.
    refused: Option<String>,
}

#[derive(Serialize)]
struct Inspected<'a> {
    #[serde(flatten)]
    descriptor: &'a Descriptor,
    origin: String,
    hash: &'a str,
    size_bytes: usize,
    imports: &'a [String],
    exports: &'a [String],
    pure: bool,
    signs: bool,
    vectors: usize,
    bundled: bool,
    /// What must be granted to it.
    needs: Vec<&'static str>,
    /// The ids of the keys that have signed it.
    signed_by: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    granted: Vec<Granted>,
}

impl Inspect {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let catalog = self.directory.catalog()?;
        let found = sandbox::load(&self.plugin, &catalog, &self.directory.sandbox()?).await?;
        let mut inspected = inspected(&found);
        if let Some(file) = &self.config {
            let (config, _) = configuration::load(file)?;
            let name = &found.plugin.descriptor().name;
            let of_plugin = |source: &&Arc<Source>| source.plugin == *name || source.plugin == self.plugin;
            let sources = config.sources.iter().filter(of_plugin);
            inspected.granted = sources.map(|source| granted(&config, source, &found.plugin)).collect();
        }
        let known = found
            .provider
            .map(|KnownProvider { name, .. }| format!("{name} is a known provider: hookgate providers show {name}"));
        self.format.print(&inspected, |inspected| {
            parts(inspected).into_iter().chain(known).collect::<Vec<_>>().join("\n\n")
        })?;
        Ok(Exit::Ok)
    }
}

fn inspected(Found { plugin, origin, .. }: &Found) -> Inspected<'_> {
    Inspected {
        descriptor: plugin.descriptor(),
        origin: origin.to_string(),
        hash: plugin.hash(),
        size_bytes: plugin.size_bytes(),
        imports: plugin.imports(),
        exports: plugin.exports(),
        pure: is_pure(plugin),
        signs: plugin.can_sign(),
        vectors: count_vectors(plugin),
        bundled: plugin.is_bundled(),
        needs: if plugin.needs_wasi() && !plugin.is_bundled() { vec!["wasi"] } else { Vec::new() },
        signed_by: plugin.signed_by().iter().map(ToString::to_string).collect(),
        granted: Vec::new(),
    }
}

fn granted(config: &Config, source: &Source, plugin: &Plugin) -> Granted {
    let urls = |own: &[UrlPattern], named: &[String]| {
        let named = if plugin.is_bundled() { named } else { &[] };
        own.iter().map(ToString::to_string).chain(named.iter().cloned()).collect()
    };
    let is_granted = config.plugins.grants.contains(&Grant::Wasi) || source.grants.contains(&Grant::Wasi);
    Granted {
        source: source.name.clone(),
        pin: source.pin.clone(),
        wasi: plugin.is_bundled() || is_granted,
        keys: urls(&source.keys.allow, &plugin.descriptor().key_urls),
        confirm: urls(&source.keys.confirm, &plugin.descriptor().confirm_urls),
        refused: fit::allowed(&config.plugins, source, plugin).err(),
    }
}

fn is_pure(plugin: &Plugin) -> bool {
    plugin.imports().iter().all(|import| import.starts_with("hookgate:"))
}

/// Each section is a JSON list of vectors; invalid ones do not count, and `plugin test` says why.
fn count_vectors(plugin: &Plugin) -> usize {
    let lists =
        plugin.vectors().iter().filter_map(|text| serde_json::from_str::<Vec<serde::de::IgnoredAny>>(text).ok());
    lists.map(|list| list.len()).sum()
}

/// What the sandbox knows of a plugin, as tables.
fn parts(inspected: &Inspected<'_>) -> Vec<String> {
    let descriptor = inspected.descriptor;
    let head = Table::pairs([
        ("name", descriptor.name.clone()),
        ("version", descriptor.version.clone()),
        ("summary", descriptor.summary.clone()),
        ("documentation", descriptor.documentation.join(" ")),
        ("origin", inspected.origin.clone()),
        ("sha256", inspected.hash.to_owned()),
        ("size", bytes(inspected.size_bytes as u64)),
        ("imports", inspected.imports.join(" ")),
        ("exports", inspected.exports.join(" ")),
        ("pure", yes_no(inspected.pure)),
        ("bundled", yes_no(inspected.bundled)),
        ("needs grants", or_none(&inspected.needs.iter().map(|need| (*need).to_owned()).collect::<Vec<_>>())),
        ("signed by", or_none(&inspected.signed_by)),
        ("signs", yes_no(inspected.signs)),
        ("vectors", inspected.vectors.to_string()),
        ("headers", descriptor.headers.join(" ")),
        ("has fetched", descriptor.key_urls.join(" ")),
        ("confirms at", descriptor.confirm_urls.join(" ")),
    ]);
    let mut parts = vec![head.to_string()];
    if !descriptor.secrets.is_empty() {
        let mut table = Table::new(["SECRET", "REQUIRED", "HANDED OVER", "PREFIXES", "WHAT IT IS"]);
        for spec in &descriptor.secrets {
            let given = yes_no(spec.handed_over);
            let prefixes = spec.prefixes.join(" ");
            table.row([spec.name.clone(), yes_no(spec.required), given, prefixes, spec.description.clone()]);
        }
        parts.push(table.to_string());
    }
    if !descriptor.settings.is_empty() {
        let mut table = Table::new(["SETTING", "DEFAULT", "WHAT IT DOES"]);
        for spec in &descriptor.settings {
            table.row([spec.name.clone(), output::or_dash(spec.default.as_ref()), spec.description.clone()]);
        }
        parts.push(table.to_string());
    }
    if !inspected.granted.is_empty() {
        let mut table = Table::new(["SOURCE", "PIN", "WASI", "HAS FETCHED", "CONFIRMS AT", "MAY WORK"]);
        for granted in &inspected.granted {
            let may = granted.refused.clone().unwrap_or_else(|| "yes".to_owned());
            let (keys, confirm) = (or_none(&granted.keys), or_none(&granted.confirm));
            let pin = output::or_dash(granted.pin.as_ref());
            table.row([granted.source.clone(), pin, yes_no(granted.wasi), keys, confirm, may]);
        }
        parts.push(table.to_string());
    }
    parts
}

fn or_none(texts: &[String]) -> String {
    if texts.is_empty() { "-".to_owned() } else { texts.join(" ") }
}

fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}
