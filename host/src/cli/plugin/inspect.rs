//! `hookgate plugin inspect`

use clap::Args;
use hookgate_capabilities::Descriptor;
use serde::Serialize;

use crate::{
    cli::{
        Exit,
        output::{self, Table},
        sandbox::{self, Directory, Found},
    },
    human::bytes,
    plugin::Plugin,
};

/// Show what a plugin says of itself and what is in its component
///
/// Secrets and settings are those that a source of this plugin has in the configuration. "Pure" means that the
/// component imports nothing but hookgate's own interfaces; one that is not pure also gets WASI, with nothing granted.
///
/// Examples:
///   hookgate plugin inspect stripe
///   hookgate plugin inspect ./my-provider.wasm --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Inspect {
    /// A plugin's name, or a component's file
    #[arg(value_name = "NAME|FILE")]
    plugin: String,
    #[command(flatten)]
    directory: Directory,
    /// Print JSON
    #[arg(long)]
    json: bool,
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
}

impl Inspect {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let catalog = self.directory.catalog()?;
        let found = sandbox::load(&self.plugin, &catalog, &self.directory.sandbox()?).await?;
        let inspected = inspected(&found);
        match self.json {
            true => output::json(&inspected)?,
            false => print(&inspected)?,
        }
        Ok(Exit::Ok)
    }
}

fn inspected(Found { plugin, origin }: &Found) -> Inspected<'_> {
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
    }
}

fn is_pure(plugin: &Plugin) -> bool {
    plugin.imports().iter().all(|import| import.starts_with("hookgate:"))
}

/// Each section is a JSON list of vectors; what is none counts as nothing, and `plugin test` says why.
fn count_vectors(plugin: &Plugin) -> usize {
    let lists =
        plugin.vectors().iter().filter_map(|text| serde_json::from_str::<Vec<serde::de::IgnoredAny>>(text).ok());
    lists.map(|list| list.len()).sum()
}

fn print(inspected: &Inspected<'_>) -> std::io::Result<()> {
    let descriptor = inspected.descriptor;
    output::line(Table::pairs([
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
        ("signs", yes_no(inspected.signs)),
        ("vectors", inspected.vectors.to_string()),
        ("headers", descriptor.headers.join(" ")),
        ("has fetched", descriptor.key_urls.join(" ")),
        ("confirms at", descriptor.confirm_urls.join(" ")),
    ]))?;
    if !descriptor.secrets.is_empty() {
        let mut table = Table::new(["SECRET", "REQUIRED", "HANDED OVER", "WHAT IT IS"]);
        for spec in &descriptor.secrets {
            let given = yes_no(spec.handed_over);
            table.row([spec.name.clone(), yes_no(spec.required), given, spec.description.clone()]);
        }
        output::line(format_args!("\n{table}"))?;
    }
    if !descriptor.settings.is_empty() {
        let mut table = Table::new(["SETTING", "DEFAULT", "WHAT IT DOES"]);
        for spec in &descriptor.settings {
            table.row([spec.name.clone(), output::or_dash(spec.default.as_ref()), spec.description.clone()]);
        }
        output::line(format_args!("\n{table}"))?;
    }
    Ok(())
}

fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}
