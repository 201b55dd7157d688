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
    output::{Format, Table},
    sandbox::Limits,
};

/// Build a plugin's crate into a component
///
/// Compiles it for wasm32-unknown-unknown (rustup adds the target if it is missing), makes a component with its vectors,
/// checks that a gateway can load it, and writes plugins/NAME.wasm, for use with --directory and plugins.directory. NAME is
/// the package's name without the prefix hookgate-plugin-.
///
/// A file built with another language's tools (a component, or a core module described by wit-bindgen) gets the vectors of
/// --vectors, and is otherwise treated the same.
///
/// Examples:
///   hookgate plugin build
///   hookgate plugin build ./acme --out /etc/hookgate/plugins
///   hookgate plugin build courier.wasm --vectors vectors.json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Build {
    /// The plugin's crate, or a file built with another language's tools
    #[arg(value_name = "DIR|FILE", default_value = ".")]
    plugin: PathBuf,
    /// The directory for NAME.wasm; by default `plugins` in the crate, or beside the file
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Vectors to put into a file built with another language's tools
    #[arg(long, value_name = "FILE")]
    vectors: Vec<PathBuf>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    format: Format,
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
        let (built, out) = if self.plugin.is_file() { self.foreign()? } else { self.of_crate()? };
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
        self.format.print(&report, |report| {
            Table::pairs([
                ("component", project::shown(&report.file)),
                ("plugin", format!("{} {}", report.name, report.version)),
                ("size", bytes(report.size_bytes as u64)),
                ("sha256", report.hash.clone()),
            ])
        })?;
        Ok(Exit::Ok)
    }

    fn of_crate(&self) -> Result<(Built, PathBuf)> {
        if !self.vectors.is_empty() {
            bail!("a crate has its vectors in vectors/; --vectors is for files built with another language's tools");
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
