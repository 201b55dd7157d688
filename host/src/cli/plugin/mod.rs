//! `hookgate plugin`: what plugins there are, what is in one, and whether it does what it promises.

mod inspect;
mod list;
mod test;
mod times;

use clap::Subcommand;

use super::Exit;

/// Look at plugins and test them
#[derive(Debug, Subcommand)]
pub enum Plugin {
    List(list::List),
    Inspect(inspect::Inspect),
    Test(test::Test),
}

impl Plugin {
    pub async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Plugin::List(list) => list.run().await,
            Plugin::Inspect(inspect) => inspect.run().await,
            Plugin::Test(test) => test.run().await,
        }
    }
}
