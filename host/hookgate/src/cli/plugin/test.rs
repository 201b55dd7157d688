//! `hookgate plugin test`

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Args;
use hookgate_sandbox::{
    Catalog, Plugin,
    vectors::{self, Named},
};

use super::{
    project::{Project, Target, is_crate},
    vectors::{Ran, Report, run_all, timing},
};
use crate::cli::{
    Exit,
    output::{self, Format},
    sandbox::{self, Directory},
    send::pair,
};

/// Run a plugin's conformance vectors in the sandbox
///
/// A vector is a delivery and the verdict that it must get. Without --vectors, those in the component are run. A file has a
/// JSON object or an array of them; if they name a provider, those of this plugin are run, or those of --provider, or all of
/// them with --all. A vector without a time of receipt is received at the time of sending in its headers.
///
/// If the plugin is a crate (by default the current directory), its native tests are run first; then it is built, and its
/// vectors are run in the sandbox.
///
/// It prints one line per vector, and fails if a verdict differs or if there are no vectors.
///
/// Examples:
///   hookgate plugin test
///   hookgate plugin test stripe --time
///   hookgate plugin test ./my-provider.wasm --vectors cases.json --json
///   hookgate plugin test hmac --vectors cases.json --provider calendly --set provider=calendly
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Test {
    /// A crate's directory, a plugin's name, or a component's file
    #[arg(value_name = "DIR|NAME|FILE", default_value = ".")]
    plugin: String,
    /// Vectors to run instead of the component's own
    #[arg(long, value_name = "FILE")]
    vectors: Vec<PathBuf>,
    /// Run the vectors that name this provider, instead of those that name the plugin
    #[arg(long, value_name = "NAME", requires = "vectors", conflicts_with = "all")]
    provider: Vec<String>,
    /// A setting of the source, for vectors that do not set it themselves
    #[arg(long, value_name = "SETTING=VALUE", value_parser = pair('='))]
    set: Vec<(String, String)>,
    /// Run the vectors of every provider
    #[arg(long, requires = "vectors")]
    all: bool,
    /// Skip the native tests of a crate
    #[arg(long)]
    no_native: bool,
    /// Also measure how long a verification takes
    #[arg(long)]
    time: bool,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    directory: Directory,
    #[command(flatten)]
    format: Format,
}

impl Test {
    pub async fn run(self) -> Result<Exit> {
        let catalog = self.directory.catalog()?;
        let plugin = match self.project(&catalog)? {
            Some(project) => {
                if !self.no_native && !project.test(!self.format.json)? {
                    eprintln!("the native tests have failed; the vectors are not run in the sandbox");
                    return Ok(Exit::Failed);
                }
                self.directory.sandbox()?.load(&project.build()?.component).await?
            }
            None => sandbox::load(&self.plugin, &catalog, &self.directory.sandbox()?).await?.plugin,
        };
        let report = self.judge(&plugin).await?;
        self.format.print(&report, Report::to_string)?;
        Ok(if report.is_good() { Exit::Ok } else { Exit::Failed })
    }

    /// The crate, if one is meant.
    fn project(&self, catalog: &Catalog) -> Result<Option<Project>> {
        let directory = Path::new(&self.plugin);
        let is_plugin = catalog.origin(&self.plugin).is_some();
        if is_plugin || !(is_crate(directory) || self.plugin == ".") {
            return Ok(None);
        }
        Project::open(directory, &self.target).map(Some)
    }

    async fn judge(&self, plugin: &Plugin) -> Result<Report> {
        let vectors = self.read(plugin)?;
        let timing = if self.time { timing(plugin, &vectors, &self.set).await } else { None };
        let ended = |ran: &Ran| if self.format.json { Ok(()) } else { output::line(ran) };
        let report = run_all(plugin, vectors, &self.set, ended).await?;
        Ok(Report { timing, ..report })
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
