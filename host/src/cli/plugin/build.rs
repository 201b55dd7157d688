//! `hookgate plugin build`

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use super::project::{self, Project, Target};
use crate::{
    cli::{
        Exit,
        output::{self, Table},
        sandbox,
    },
    human::bytes,
};

/// Build a plugin's crate into a component
///
/// Compiles it for wasm32-unknown-unknown (the target is added with rustup where it is missing), makes a component of it with
/// its vectors inside, sees that a gateway can load it, and writes plugins/NAME.wasm: a directory for --directory and
/// plugins.directory. NAME is that of the package, without hookgate-plugin- before it.
///
/// Examples:
///   hookgate plugin build
///   hookgate plugin build ./acme --out /etc/hookgate/plugins
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Build {
    /// The plugin's crate
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Where NAME.wasm goes; `plugins` in the crate when it is not said
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    limits: sandbox::Limits,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    file: PathBuf,
    name: String,
    version: String,
    size_bytes: usize,
    hash: String,
}

impl Build {
    pub async fn run(self) -> Result<Exit> {
        let project = Project::open(&self.directory, &self.target)?;
        let built = project.build()?;
        let plugin = self.limits.sandbox()?.load(&built.component).await;
        let plugin = plugin.context("it has been built, and no gateway can load it")?;
        let file = project::put(&built, &self.out.unwrap_or_else(|| project.out()))?;
        let descriptor = plugin.descriptor();
        let report = Report {
            file,
            name: built.name,
            version: descriptor.version.clone(),
            size_bytes: plugin.size_bytes(),
            hash: plugin.hash().to_owned(),
        };
        match self.json {
            true => output::json(&report)?,
            false => output::line(Table::pairs([
                ("component", project::shown(&report.file)),
                ("plugin", format!("{} {}", report.name, report.version)),
                ("size", bytes(report.size_bytes as u64)),
                ("sha256", report.hash),
            ]))?,
        }
        Ok(Exit::Ok)
    }
}
