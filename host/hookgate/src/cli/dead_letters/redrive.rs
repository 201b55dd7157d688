//! `hookgate dead-letters redrive`

use anyhow::Result;
use clap::Args;
use hookgate_gateway::admin::view::Redriven;

use super::Which;
use crate::cli::{Exit, gateway::GatewayAddress, output};

/// Send dead letters on their way again
///
/// Their attempts are counted from zero; the history stays. It fails when one that is named is not a dead letter, and when
/// the destination that is named has none.
///
/// Examples:
///   hookgate dead-letters redrive orders/01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f/0
///   hookgate dead-letters redrive --destination orders
///   hookgate dead-letters redrive --all
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Redrive {
    #[command(flatten)]
    gateway: GatewayAddress,
    #[command(flatten)]
    which: Which,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Redrive {
    pub async fn run(self) -> Result<Exit> {
        let least = self.which.least();
        let order = self.which.order();
        let redriven: Redriven = self.gateway.gateway()?.post("/dead-letters/redrive", &order).await?;
        match self.json {
            true => output::json(&redriven)?,
            false => output::line(format_args!("{} on their way again", redriven.redriven))?,
        }
        Ok(if redriven.redriven < least { Exit::Failed } else { Exit::Ok })
    }
}
