//! `hookgate plugin test`

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use crate::{
    cli::{
        Exit, output,
        sandbox::{self, Directory},
        send::pair,
    },
    human::printable,
    plugin::{
        Plugin,
        vectors::{self, Named},
    },
};

/// Run a plugin's conformance vectors in the sandbox
///
/// A vector is a delivery and the verdict that it must get. Without --vectors those that the component carries are run.
/// A file holds a JSON object or an array of them; where they name a provider, those of this plugin are run, or those of
/// --provider, or all of them with --all. A vector that does not say when it was received is received when its own
/// headers say it was sent.
///
/// It prints a line a vector and fails when a verdict differs, or when there is no vector at all.
///
/// Examples:
///   hookgate plugin test stripe
///   hookgate plugin test ./my-provider.wasm --vectors cases.json --json
///   hookgate plugin test hmac --vectors cases.json --provider calendly --set provider=calendly
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Test {
    /// A plugin's name, or a component's file
    #[arg(value_name = "NAME|FILE")]
    plugin: String,
    /// Vectors to run in place of the component's own
    #[arg(long, value_name = "FILE")]
    vectors: Vec<PathBuf>,
    /// Run the vectors that name this provider, in place of those that name the plugin
    #[arg(long, value_name = "NAME", requires = "vectors", conflicts_with = "all")]
    provider: Vec<String>,
    /// A setting of the source, for vectors that do not say it themselves
    #[arg(long, value_name = "SETTING=VALUE", value_parser = pair('='))]
    set: Vec<(String, String)>,
    /// Run the vectors of every provider
    #[arg(long, requires = "vectors")]
    all: bool,
    #[command(flatten)]
    directory: Directory,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What came of a vector.
#[derive(Serialize)]
struct Ran {
    id: String,
    ok: bool,
    /// What differs; empty when it is ok.
    differences: Vec<String>,
}

#[derive(Serialize)]
struct Report {
    plugin: String,
    hash: String,
    passed: usize,
    failed: usize,
    vectors: Vec<Ran>,
}

impl Test {
    pub async fn run(self) -> Result<Exit> {
        let catalog = self.directory.catalog()?;
        let plugin = sandbox::load(&self.plugin, &catalog, &sandbox::new()?).await?.plugin;
        let mut all = Vec::new();
        for vector in self.read(&plugin)? {
            let ran = run(&plugin, vector, &self.set).await;
            if !self.json {
                output::line(&ran)?;
            }
            all.push(ran);
        }
        let failed = all.iter().filter(|ran| !ran.ok).count();
        let (name, hash) = (plugin.descriptor().name.clone(), plugin.hash().to_owned());
        let report = Report { plugin: name, hash, passed: all.len() - failed, failed, vectors: all };
        match self.json {
            true => output::json(&report)?,
            false => output::line(&report)?,
        }
        Ok(if report.failed == 0 && report.passed > 0 { Exit::Ok } else { Exit::Failed })
    }

    fn read(&self, plugin: &Plugin) -> Result<Vec<Named>> {
        if self.vectors.is_empty() {
            return vectors::carried(plugin).context("the vectors in the component");
        }
        let providers = match (self.all, self.provider.as_slice()) {
            (true, _) => None,
            (false, []) => Some(std::slice::from_ref(&plugin.descriptor().name)),
            (false, named) => Some(named),
        };
        let mut all = Vec::new();
        for file in &self.vectors {
            let name = file.display();
            let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
            all.extend(vectors::read(&text, providers).with_context(|| format!("{name} holds no vectors"))?);
        }
        Ok(all)
    }
}

async fn run(plugin: &Plugin, (id, vector): Named, set: &[(String, String)]) -> Ran {
    let differences = match vector {
        Ok(vector) => vectors::differences(plugin, vector, set).await,
        Err(error) => vec![error],
    };
    Ran { id, ok: differences.is_empty(), differences }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.ok {
            true => write!(f, "ok {}", printable(&self.id)),
            false => write!(f, "FAIL {}: {}", printable(&self.id), printable(&self.differences.join("; "))),
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = &self.plugin;
        match self.vectors.is_empty() {
            true => {
                write!(
                    f,
                    "{name}: there are no vectors of it; name a file with --vectors and what they call the provider with \
                     --provider, or build the plugin with some"
                )
            }
            false => write!(f, "{name}: {} passed, {} failed", self.passed, self.failed),
        }
    }
}
