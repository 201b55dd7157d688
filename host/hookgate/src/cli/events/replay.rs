//! `hookgate events replay`

use anyhow::Result;
use clap::Args;
use hookgate_gateway::admin::view::{ReplayOrder, Replayed};

use crate::cli::{
    Exit,
    gateway::{GatewayAddress, escaped},
    output,
};

/// Hand an event on once more
///
/// To wherever it went before, or to the destinations named with --to; or, with --transform, through the plugin as it is
/// now and the routes. Receivers see the same event id as before.
///
/// Examples:
///   hookgate events replay 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f
///   hookgate events replay 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f --to orders --to audit
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Replay {
    #[command(flatten)]
    gateway: GatewayAddress,
    /// The event's id
    id: String,
    /// A destination
    #[arg(long, value_name = "DESTINATION", conflicts_with = "transform")]
    to: Vec<String>,
    /// Have the plugin transform it again
    #[arg(long)]
    transform: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub async fn run(self) -> Result<Exit> {
        let path = format!("/events/{}/replay", escaped(&self.id));
        let order = ReplayOrder { destinations: self.to, transform: self.transform };
        let replayed: Replayed = self.gateway.gateway()?.post(&path, &order).await?;
        match (self.json, replayed.transform) {
            (true, _) => output::json(&replayed)?,
            (false, true) => output::line(format_args!("{} is transformed again", replayed.event))?,
            (false, false) => {
                output::line(format_args!("{} is on its way to {}", replayed.event, replayed.destinations.join(", ")))?;
            }
        }
        Ok(Exit::Ok)
    }
}
