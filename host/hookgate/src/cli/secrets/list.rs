//! `hookgate secrets list`

use anyhow::Result;
use clap::Args;
use hookgate_gateway::admin::view::{SecretList, SourceSecrets};
use hookgate_model::{clock::now_ms, human::span};

use crate::cli::{
    Exit,
    gateway::GatewayAddress,
    output::{self, Table, or_dash},
};

/// List the secrets that providers have handed over; never what they are
///
/// Each has a version, by which it can be forgotten.
///
/// Examples:
///   hookgate secrets list
///   hookgate secrets list --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct List {
    #[command(flatten)]
    gateway: GatewayAddress,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl List {
    pub async fn run(self) -> Result<Exit> {
        let list: SecretList = self.gateway.gateway()?.get("/secrets", &[]).await?;
        match self.json {
            true => output::json(&list)?,
            false => output::line(table(&list, now_ms()))?,
        }
        Ok(Exit::Ok)
    }
}

fn table(list: &SecretList, now: u64) -> Table {
    let mut table = Table::new(["SOURCE", "SECRET", "VERSION", "HANDED OVER", "TAKES FURTHER ONES"]);
    for SourceSecrets { source, open_until, secrets } in &list.sources {
        let open = or_dash(open_until.map(|until| format!("for {}", span(until.0.saturating_sub(now)))));
        if secrets.is_empty() {
            let none = || "-".to_owned();
            table.row([source.clone(), none(), none(), none(), "the first one".to_owned()]);
        }
        for secret in secrets {
            let ago = format!("{} ago", span(now.saturating_sub(secret.handed_over_at.0)));
            table.row([source.clone(), secret.secret.clone(), secret.version.clone(), ago, open.clone()]);
        }
    }
    table
}
