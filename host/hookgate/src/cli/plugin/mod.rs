//! `hookgate plugin`: list, inspect, write, test and sign plugins, and manage their versions in a running gateway.

mod activate;
mod build;
mod dev;
mod diff;
mod inspect;
mod install;
mod list;
mod new;
mod project;
mod replay;
mod sign;
mod template;
mod test;
mod vectors;
mod versions;

use clap::Subcommand;

use super::Exit;

/// List, write, test and sign plugins, and try and replace them in a running gateway
#[derive(Debug, Subcommand)]
pub enum Plugin {
    List(list::List),
    Inspect(inspect::Inspect),
    New(new::New),
    Build(build::Build),
    Test(test::Test),
    Dev(dev::Dev),
    Sign(sign::Sign),
    Replay(replay::Replay),
    Install(install::Install),
    Diff(diff::Diff),
    Versions(versions::Versions),
    Activate(activate::Activate),
    Rollback(activate::Rollback),
    Promote(activate::Promote),
    StopTrial(activate::StopTrial),
    History(versions::History),
    Remove(versions::Remove),
}

impl Plugin {
    pub async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Plugin::List(list) => list.run().await,
            Plugin::Inspect(inspect) => inspect.run().await,
            Plugin::New(new) => new.run(),
            Plugin::Build(build) => build.run().await,
            Plugin::Test(test) => test.run().await,
            Plugin::Dev(dev) => dev.run().await,
            Plugin::Sign(sign) => sign.run().await,
            Plugin::Replay(replay) => replay.run().await,
            Plugin::Install(install) => install.run().await,
            Plugin::Diff(diff) => diff.run().await,
            Plugin::Versions(versions) => versions.run().await,
            Plugin::Activate(activate) => activate.run().await,
            Plugin::Rollback(rollback) => rollback.which.order("rollback").await,
            Plugin::Promote(promote) => promote.which.order("promote").await,
            Plugin::StopTrial(stop) => stop.which.order("stop-trial").await,
            Plugin::History(history) => history.run().await,
            Plugin::Remove(remove) => remove.run().await,
        }
    }
}

/// `10%` or `10`.
fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse();
    number.ok().filter(|percent| (1..=99).contains(percent)).ok_or_else(|| "write 1% to 99%".to_owned())
}
