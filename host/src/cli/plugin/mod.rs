//! `hookgate plugin`: what plugins there are, what is in one, whether it does what it promises, and writing one.

mod build;
mod dev;
mod inspect;
mod list;
mod new;
mod project;
mod template;
mod test;
mod times;
mod vectors;

use clap::Subcommand;

use super::Exit;

/// Look at plugins, test them, and write your own
#[derive(Debug, Subcommand)]
pub enum Plugin {
    List(list::List),
    Inspect(inspect::Inspect),
    New(new::New),
    Build(build::Build),
    Test(test::Test),
    Dev(dev::Dev),
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
        }
    }
}
