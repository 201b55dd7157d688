//! `hookgate plugin list`

use clap::Args;
use hookgate_sandbox::Plugin;
use serde::Serialize;

use crate::cli::{
    Exit,
    output::{Format, Table},
    sandbox::Directory,
};

/// List the plugins that a source can name
///
/// The plugins embedded in this binary and, with --directory, those of a directory, which take precedence.
///
/// Examples:
///   hookgate plugin list
///   hookgate plugin list --directory /etc/hookgate/plugins --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct List {
    #[command(flatten)]
    directory: Directory,
    #[command(flatten)]
    format: Format,
}

#[derive(Serialize)]
struct Listed {
    name: String,
    origin: String,
    #[serde(flatten)]
    state: State,
}

#[derive(Serialize)]
#[serde(untagged)]
enum State {
    Usable { version: String, summary: String, hash: String, signs: bool },
    Broken { error: String },
}

impl List {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let catalog = self.directory.catalog()?;
        let sandbox = self.directory.sandbox()?;
        let mut all = Vec::new();
        for (name, origin) in catalog.list() {
            let state = match catalog.load(name, &sandbox).await {
                Ok(plugin) => usable(&plugin),
                Err(error) => State::Broken { error: error.to_string() },
            };
            all.push(Listed { name: name.to_owned(), origin: origin.to_string(), state });
        }
        self.format.print(&all, |all| table(all))?;
        Ok(Exit::Ok)
    }
}

fn usable(plugin: &Plugin) -> State {
    let descriptor = plugin.descriptor();
    State::Usable {
        version: descriptor.version.clone(),
        summary: descriptor.summary.clone(),
        hash: plugin.hash().to_owned(),
        signs: plugin.can_sign(),
    }
}

fn table(all: &[Listed]) -> Table {
    let mut table = Table::new(["NAME", "VERSION", "ORIGIN", "SIGNS", "SUMMARY"]);
    for Listed { name, origin, state } in all {
        let (version, signs, summary) = match state {
            State::Usable { version, summary, signs, .. } => {
                (version.as_str(), if *signs { "yes" } else { "no" }, summary.clone())
            }
            State::Broken { error } => ("-", "-", format!("BROKEN: {error}")),
        };
        table.row([name.clone(), version.to_owned(), origin.clone(), signs.to_owned(), summary]);
    }
    table
}
