//! `hookgate plugin build`

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use hookgate_model::human::bytes;
use hookgate_plugin_build::{Built, encode_foreign, vectors_of};
use serde::Serialize;

use super::project::{self, Project, Target};
use crate::cli::{
    Exit,
    output::{self, Table},
    sandbox::Limits,
};

/// Build a plugin's crate into a component
///
/// Compiles it for wasm32-unknown-unknown (the target is added with rustup where it is missing), makes a component of it with
/// its vectors inside, sees that a gateway can load it, and writes plugins/NAME.wasm: a directory for --directory and
/// plugins.directory. NAME is that of the package, without hookgate-plugin- before it.
///
/// What another language's tools have made of a plugin, a component or a core module that wit-bindgen has described, is given
/// the vectors of --vectors, and otherwise treated the same.
///
/// Examples:
///   hookgate plugin build
///   hookgate plugin build ./acme --out /etc/hookgate/plugins
///   hookgate plugin build courier.wasm --vectors vectors.json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Build {
    /// The plugin's crate, or a file that another language's tools have made
    #[arg(value_name = "DIR|FILE", default_value = ".")]
    plugin: PathBuf,
    /// Where NAME.wasm goes; `plugins` in the crate, or beside the file, when it is not said
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Vectors to put into what another language's tools have made
    #[arg(long, value_name = "FILE")]
    vectors: Vec<PathBuf>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    limits: Limits,
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
        let (built, out) = match self.plugin.is_file() {
            true => self.foreign()?,
            false => self.of_crate()?,
        };
        let plugin = self.limits.sandbox()?.load(&built.component).await;
        let plugin = plugin.context("it has been built, and no gateway can load it")?;
        let file = project::put(&built, &out)?;
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

    fn of_crate(&self) -> Result<(Built, PathBuf)> {
        if !self.vectors.is_empty() {
            bail!("a crate has its vectors in vectors/; --vectors is for what another language's tools have made");
        }
        let project = Project::open(&self.plugin, &self.target)?;
        Ok((project.build()?, self.out.clone().unwrap_or_else(|| project.out())))
    }

    fn foreign(&self) -> Result<(Built, PathBuf)> {
        let file = self.plugin.display();
        let wasm = fs::read(&self.plugin).with_context(|| format!("cannot read {file}"))?;
        let component = encode_foreign(wasm, &vectors_of(&self.vectors)?);
        let component = component.with_context(|| format!("{file} does not make a component"))?;
        let name = self.plugin.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let beside = self.plugin.parent().unwrap_or(Path::new(".")).join(project::OUT);
        Ok((Built { name, component }, self.out.clone().unwrap_or(beside)))
    }
}
