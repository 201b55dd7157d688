//! `hookgate dead-letters discard`

use anyhow::Result;
use clap::Args;
use hookgate_gateway::admin::view::Discarded;

use super::Which;
use crate::cli::{Exit, gateway::GatewayAddress, output};

/// Give dead letters up
///
/// They count as finished: their history stays until the event's retention ends, and then the disk is free of them. It
/// fails when one that is named is not a dead letter, and when the destination that is named has none.
///
/// Examples:
///   hookgate dead-letters discard orders/01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f/0
///   hookgate dead-letters discard --destination orders
///   hookgate dead-letters discard --all
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Discard {
    #[command(flatten)]
    gateway: GatewayAddress,
    #[command(flatten)]
    which: Which,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Discard {
    pub async fn run(self) -> Result<Exit> {
        let least = self.which.least();
        let order = self.which.order();
        let discarded: Discarded = self.gateway.gateway()?.post("/dead-letters/discard", &order).await?;
        match self.json {
            true => output::json(&discarded)?,
            false => output::line(format_args!("{} given up", discarded.discarded))?,
        }
        Ok(if discarded.discarded < least { Exit::Failed } else { Exit::Ok })
    }
}
