//! `hookgate secrets`

use anyhow::Result;
use clap::{ArgGroup, Args, Subcommand};
use hookgate_config::duration_ms;
use hookgate_gateway::admin::view::{ForgetOrder, Forgotten, OpenOrder, Opened, SecretList, SourceSecrets};
use hookgate_model::{clock::now_ms, human::span};

use super::{
    Exit,
    gateway::GatewayArgs,
    output::{Table, ago, or_dash},
};

/// Look at the secrets that providers have handed over in handshakes, accept further ones, forget some
#[derive(Debug, Subcommand)]
pub enum Secrets {
    List(List),
    Open(Open),
    Forget(Forget),
}

/// List the secrets that providers have handed over, without their values
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
    gateway: GatewayArgs,
}

/// Let a source accept further secrets for a while
///
/// A source accepts its first secret by itself, and further ones only during this time. Register the webhook at the
/// provider meanwhile. A restart ends it.
///
/// Examples:
///   hookgate secrets open asana
///   hookgate secrets open asana --for 1h
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Open {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The source
    source: String,
    /// For how long: whole seconds, at most a day
    #[arg(long = "for", value_name = "DURATION", default_value = "10m", value_parser = seconds)]
    seconds: u64,
}

/// Forget secrets that were handed over
///
/// Deliveries that are signed with them are refused from then on. A source that has no secret left accepts the next one
/// that is handed over. The command fails if fewer secrets were forgotten than were named.
///
/// Examples:
///   hookgate secrets forget asana 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f
///   hookgate secrets forget asana --all
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, group = ArgGroup::new("which").required(true))]
pub struct Forget {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The source
    source: String,
    /// The secrets' versions, from the list
    #[arg(value_name = "VERSION", group = "which")]
    versions: Vec<String>,
    /// All secrets of the source
    #[arg(long, group = "which")]
    all: bool,
}

impl Secrets {
    pub async fn run(self) -> Result<Exit> {
        match self {
            Secrets::List(list) => list.gateway.show("/secrets", &[], table).await,
            Secrets::Open(open) => open.run().await,
            Secrets::Forget(forget) => forget.run().await,
        }
    }
}

impl Open {
    async fn run(self) -> Result<Exit> {
        let order = OpenOrder { source: self.source, seconds: Some(self.seconds) };
        let text = |opened: &Opened| format!("{} accepts further secrets until {}", opened.source, opened.open_until);
        self.gateway.order("/secrets/open", &order, text).await?;
        Ok(Exit::Ok)
    }
}

fn seconds(text: &str) -> Result<u64, String> {
    let milliseconds = duration_ms(text).map_err(|why| format!("it {why}; write 10m or 1h"))?;
    Ok(milliseconds.div_ceil(1000))
}

impl Forget {
    async fn run(self) -> Result<Exit> {
        let named = self.versions.len();
        let order = ForgetOrder { source: self.source, versions: self.versions, all: self.all };
        let text = |answer: &Forgotten| format!("{} forgotten", answer.forgotten);
        let Forgotten { forgotten } = self.gateway.order("/secrets/forget", &order, text).await?;
        Ok(if forgotten < named { Exit::Failed } else { Exit::Ok })
    }
}

fn table(list: &SecretList) -> Table {
    let now = now_ms();
    let mut table = Table::new(["SOURCE", "SECRET", "VERSION", "HANDED OVER", "ACCEPTS FURTHER"]);
    for SourceSecrets { source, open_until, secrets } in &list.sources {
        let open = or_dash(open_until.map(|until| format!("for {}", span(until.0.saturating_sub(now)))));
        if secrets.is_empty() {
            let none = || "-".to_owned();
            table.row([source.clone(), none(), none(), none(), "the first one".to_owned()]);
        }
        for secret in secrets {
            let age = ago(secret.handed_over_at.0);
            table.row([source.clone(), secret.secret.clone(), secret.version.clone(), age, open.clone()]);
        }
    }
    table
}
