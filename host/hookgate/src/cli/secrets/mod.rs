//! `hookgate secrets`

mod forget;
mod list;
mod open;

use clap::Subcommand;

use super::Exit;

/// Look at the secrets that providers have handed over in handshakes, let further ones in, forget some
#[derive(Debug, Subcommand)]
pub enum Secrets {
    List(list::List),
    Open(open::Open),
    Forget(forget::Forget),
}

impl Secrets {
    pub async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Secrets::List(list) => list.run().await,
            Secrets::Open(open) => open.run().await,
            Secrets::Forget(forget) => forget.run().await,
        }
    }
}
