//! `hookgate edge build` and `hookgate edge manifest`

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use hookgate_gateway::edge::{self, Application, ContentCodings, Platform};
use hookgate_known_providers::COMPONENT;
use hookgate_model::human::bytes;
use hookgate_sandbox::{Origin, Plugin, read_component};
use serde::Serialize;

use crate::cli::{
    Exit,
    output::{self, Format, Table},
    sandbox::{self, Directory},
};

/// Run plugins on Spin and other platforms, in front of a gateway
#[derive(Debug, Subcommand)]
pub enum Edge {
    Build(Build),
    Manifest(Manifest),
}

impl Edge {
    pub async fn run(self) -> Result<Exit> {
        match self {
            Edge::Build(build) => build.run().await,
            Edge::Manifest(manifest) => manifest.run().await,
        }
    }
}

/// Compose plugins, unchanged, into components for the edge
///
/// Each becomes one component, NAME.wasm, which receives deliveries at /in/NAME, verifies them with the plugin, and forwards
/// their events to an origin. Its imports are checked against the interfaces of the platform.
///
/// Examples:
///   hookgate edge build --plugin stripe --plugin github
///   hookgate edge build --plugin ./plugins/acme.wasm --platform wasi --out components
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Build {
    #[command(flatten)]
    plugins: Plugins,
    /// The platform of the components
    #[arg(long, value_enum, default_value = "spin")]
    platform: Platform,
    /// Decode bodies that were sent compressed (gzip, deflate, br, zstd), instead of refusing them: about 300 KiB more
    #[arg(long)]
    content_codings: bool,
    /// The directory for the components
    #[arg(long, value_name = "DIR", default_value = "edge-components")]
    out: PathBuf,
    #[command(flatten)]
    format: Format,
}

/// Write a Spin manifest for plugins at the edge
///
/// It is printed to standard output: a route, a component and its variables for each plugin. The components are those in
/// --out, written by `hookgate edge build`.
///
/// Examples:
///   hookgate edge manifest --plugin stripe --plugin github > spin.toml
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Manifest {
    #[command(flatten)]
    plugins: Plugins,
    /// The directory with the components
    #[arg(long, value_name = "DIR", default_value = "edge-components")]
    out: PathBuf,
    /// The command that builds them, for `spin build`; by default `hookgate edge build` with the same plugins
    #[arg(long, value_name = "COMMAND")]
    build: Option<String>,
}

/// Which plugins.
#[derive(Args, Debug)]
struct Plugins {
    /// A plugin's name, or the file of its component
    #[arg(long = "plugin", value_name = "NAME|FILE", required = true)]
    names: Vec<String>,
    #[command(flatten)]
    directory: Directory,
}

/// A plugin for the edge.
struct Named {
    /// Of its component's file, and of its source.
    name: String,
    component: Vec<u8>,
    plugin: Plugin,
}

impl Plugins {
    /// Loads them, since a component that no gateway can load is of no use at the edge either.
    async fn load(&self) -> Result<Vec<Named>> {
        let (sandbox, catalog) = (self.directory.sandbox()?, self.directory.catalog()?);
        let mut all: Vec<Named> = Vec::new();
        for name in &self.names {
            let found = sandbox::load(name, &catalog, &sandbox).await?;
            if let Some(provider) = found.provider {
                bail!(
                    "{0} is a known provider, which the plugin {COMPONENT} reads: write --plugin {COMPONENT}, and set the \
                     variable setting_provider = \"{0}\" of its component in the manifest",
                    provider.name
                );
            }
            let named = Named {
                name: found.plugin.descriptor().name.clone(),
                component: component(name, &found.origin)?,
                plugin: found.plugin,
            };
            if all.iter().any(|other| other.name == named.name) {
                bail!("the plugin {} is there twice", named.name);
            }
            all.push(named);
        }
        Ok(all)
    }
}

fn component(name: &str, origin: &Origin) -> Result<Vec<u8>> {
    match origin {
        Origin::File(path) => Ok(read_component(path)?),
        Origin::Bundled => {
            hookgate_bundled::component(name).map(<[u8]>::to_vec).context("a bundled plugin without a component")
        }
    }
}

#[derive(Serialize)]
struct Report {
    file: PathBuf,
    plugin: String,
    version: String,
    platform: String,
    size_bytes: usize,
    imports: Vec<String>,
}

impl Build {
    async fn run(self) -> Result<Exit> {
        let codings = if self.content_codings { ContentCodings::Decoded } else { ContentCodings::Refused };
        let mut reports = Vec::new();
        for Named { name, component, plugin } in self.plugins.load().await? {
            let composed = edge::compose(&component, self.platform, codings)
                .with_context(|| format!("the plugin {name} cannot go to the edge"))?;
            let file = self.out.join(format!("{name}.wasm"));
            write(&file, &composed.component)?;
            reports.push(Report {
                file,
                plugin: name,
                version: plugin.descriptor().version.clone(),
                platform: self.platform.to_string(),
                size_bytes: composed.component.len(),
                imports: composed.imports,
            });
        }
        self.format.print(&reports, |reports| table(reports))?;
        Ok(Exit::Ok)
    }
}

fn write(file: &Path, component: &[u8]) -> Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).with_context(|| format!("cannot make the directory {}", directory.display()))?;
    fs::write(file, component).with_context(|| format!("cannot write {}", file.display()))
}

fn table(reports: &[Report]) -> Table {
    let mut table = Table::new(["component", "plugin", "for", "size"]);
    for report in reports {
        table.row([
            report.file.display().to_string(),
            format!("{} {}", report.plugin, report.version),
            report.platform.clone(),
            bytes(report.size_bytes as u64),
        ]);
    }
    table
}

impl Manifest {
    async fn run(self) -> Result<Exit> {
        let plugins = self.plugins.load().await?;
        let names: Vec<String> = self.plugins.names.iter().map(|name| format!(" --plugin {name}")).collect();
        let build =
            self.build.unwrap_or_else(|| format!("hookgate edge build{} --out {}", names.concat(), self.out.display()));
        let descriptors: Vec<_> = plugins.iter().map(|named| named.plugin.descriptor()).collect();
        let application = Application { plugins: &descriptors, components: &self.out, build: &build };
        output::line(edge::manifest(&application).trim_end())?;
        Ok(Exit::Ok)
    }
}
