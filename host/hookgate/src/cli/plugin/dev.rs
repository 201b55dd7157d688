//! `hookgate plugin dev`

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, Result};
use clap::Args;
use hookgate_model::human::bytes;
use hookgate_plugin_build::Built;
use hookgate_sandbox::vectors::carried;
use tokio::sync::oneshot;

use super::{
    project::{self, Project, Target},
    vectors,
};
use crate::cli::{
    Exit,
    dev::{self, Gateway},
    output,
    sandbox::{Directory, Limits},
    watch::Watch,
};

/// Work on a plugin, with a gateway that always runs its newest version
///
/// Builds the crate, runs its vectors in the sandbox, and starts a gateway with the plugin as its only source, as `hookgate dev`
/// does. Whenever a file of the crate changes, it is built again, and if its vectors pass it replaces the running version: no
/// delivery is lost, and the secret stays the same. If it does not build, or a vector fails, the previous version stays.
///
/// With --no-gateway the component is only written to `plugins` in the crate, for a running `hookgate dev --directory`.
///
/// Examples:
///   hookgate plugin dev
///   hookgate plugin dev ./acme --forward http://localhost:3000/webhooks
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Dev {
    /// The plugin's crate
    #[arg(value_name = "DIR", default_value = ".")]
    crate_directory: PathBuf,
    /// Do not start a gateway
    #[arg(long)]
    no_gateway: bool,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    gateway: Gateway,
    #[command(flatten)]
    limits: Limits,
}

impl Dev {
    pub async fn run(self) -> Result<Exit> {
        let project = Project::open(&self.crate_directory, &self.target)?;
        if !self.no_gateway {
            self.gateway.check_addresses()?;
        }
        let made = project.clone();
        let mut watch = Watch::new(project.directory(), move |path| !made.is_made(path));
        // A gateway has its sources from the start: there must be one good version first.
        let name = loop {
            if let Some(name) = self.renew(&project).await {
                break name;
            }
            watch.changed().await;
        };
        let following = self.follow(&project, watch);
        if self.no_gateway {
            match following.await {}
        }
        let (directory, only) = (Directory::of(project.out(), self.limits), [name]);
        tokio::select! {
            ended = dev::run(&self.gateway, &directory, &only) => ended,
            never = following => match never {},
        }
    }

    async fn follow(&self, project: &Project, mut watch: Watch<impl Fn(&Path) -> bool>) -> Infallible {
        loop {
            watch.changed().await;
            self.renew(project).await;
        }
    }

    /// Builds and tests the plugin, and puts the component where a gateway finds it. Returns its name, or reports a failure.
    async fn renew(&self, project: &Project) -> Option<String> {
        match self.try_to_renew(project).await {
            Ok(name) => name,
            Err(error) => {
                eprintln!("{error:#}\nwaiting for a change");
                None
            }
        }
    }

    async fn try_to_renew(&self, project: &Project) -> Result<Option<String>> {
        let built = build_aside(project).await?;
        let plugin = self.limits.sandbox()?.load(&built.component).await;
        let plugin = plugin.context("it has been built, and no gateway can load it")?;
        let failures = |ran: &vectors::Ran| if ran.ok { Ok(()) } else { output::line(ran) };
        let report = vectors::run_all(&plugin, carried(&plugin)?, &[], failures).await?;
        output::line(&report)?;
        if report.failed > 0 {
            output::line("it is not put to use; waiting for a change")?;
            return Ok(None);
        }
        let file = project::put(&built, &project.out())?;
        let (file, size) = (project::shown(&file), bytes(plugin.size_bytes() as u64));
        output::line(format_args!("{file}  {size}  sha256 {}", plugin.hash()))?;
        Ok(Some(built.name))
    }
}

/// Builds on a thread of its own, so that the command can end meanwhile.
async fn build_aside(project: &Project) -> Result<Built> {
    let (done, built) = oneshot::channel();
    let project = project.clone();
    thread::Builder::new().name("build".into()).spawn(move || drop(done.send(project.build())))?;
    built.await.context("the build has ended without a result")?
}
