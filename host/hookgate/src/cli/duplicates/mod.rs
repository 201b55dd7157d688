//! `hookgate duplicates`

mod admit;
mod list;
mod show;

use clap::Subcommand;

use super::Exit;

/// Look at what a running gateway dropped because it had come before, and admit it after all
#[derive(Debug, Subcommand)]
pub enum Duplicates {
    List(list::List),
    Show(show::Show),
    Admit(admit::Admit),
}

impl Duplicates {
    pub async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Duplicates::List(list) => list.run().await,
            Duplicates::Show(show) => show.run().await,
            Duplicates::Admit(admit) => admit.run().await,
        }
    }
}
