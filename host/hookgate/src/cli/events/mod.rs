//! `hookgate events`

mod list;
mod replay;
mod show;

use clap::Subcommand;

use super::Exit;

/// Look at what a running gateway has admitted, and hand it on once more
#[derive(Debug, Subcommand)]
pub enum Events {
    List(list::List),
    Show(show::Show),
    Replay(replay::Replay),
}

impl Events {
    pub async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Events::List(list) => list.run().await,
            Events::Show(show) => show.run().await,
            Events::Replay(replay) => replay.run().await,
        }
    }
}

pub use show::story;
