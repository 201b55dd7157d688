//! `hookgate plugin`: what plugins there are, what is in one, whether it does what it promises, and in what a version differs.

mod diff;
mod inspect;
mod list;
mod replay;
mod test;
mod times;

use clap::Subcommand;

use super::Exit;

/// Look at plugins, test them, and try versions of them
#[derive(Debug, Subcommand)]
pub enum Plugin {
    List(list::List),
    Inspect(inspect::Inspect),
    Test(test::Test),
    Diff(diff::Diff),
    Replay(replay::Replay),
}

impl Plugin {
    pub async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Plugin::List(list) => list.run().await,
            Plugin::Inspect(inspect) => inspect.run().await,
            Plugin::Test(test) => test.run().await,
            Plugin::Diff(diff) => diff.run().await,
            Plugin::Replay(replay) => replay.run().await,
        }
    }
}
