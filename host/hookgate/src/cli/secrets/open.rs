//! `hookgate secrets open`

use anyhow::Result;
use clap::Args;
use hookgate_config::duration_ms;
use hookgate_gateway::admin::view::{OpenOrder, Opened};

use crate::cli::{Exit, gateway::GatewayAddress, output};

/// Let a source take further secrets for a while
///
/// The first one a source takes by itself; further ones only now. Register the webhook at the provider within that time.
/// A restart ends it.
///
/// Examples:
///   hookgate secrets open asana
///   hookgate secrets open asana --for 1h
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Open {
    #[command(flatten)]
    gateway: GatewayAddress,
    /// The source
    source: String,
    /// For how long: whole seconds, at most a day
    #[arg(long = "for", value_name = "DURATION", default_value = "10m", value_parser = seconds)]
    seconds: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<u64, String> {
    let milliseconds = duration_ms(text).map_err(|why| format!("it {why}; write 10m or 1h"))?;
    Ok(milliseconds.div_ceil(1000))
}

impl Open {
    pub async fn run(self) -> Result<Exit> {
        let order = OpenOrder { source: self.source, seconds: Some(self.seconds) };
        let opened: Opened = self.gateway.gateway()?.post("/secrets/open", &order).await?;
        match self.json {
            true => output::json(&opened)?,
            false => output::line(format_args!("{} takes further secrets until {}", opened.source, opened.open_until))?,
        }
        Ok(Exit::Ok)
    }
}
