//! `hookgate dead-letters show`

use anyhow::Result;
use clap::Args;
use hookgate_gateway::admin::view::{DeadLetter, DeadLetterId};

use super::parse_id;
use crate::cli::{
    Exit, events,
    gateway::{GatewayAddress, escaped},
    output,
};

/// Show a dead letter: its event's whole story, with every attempt
///
/// Example:
///   hookgate dead-letters show orders/01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f/0
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Show {
    #[command(flatten)]
    gateway: GatewayAddress,
    /// Which, as the list has it
    #[arg(value_name = "DESTINATION/EVENT/OUTPUT", value_parser = parse_id)]
    id: DeadLetterId,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    pub async fn run(self) -> Result<Exit> {
        let DeadLetterId { destination, event, output } = &self.id;
        let path = format!("/dead-letters/{}/{}/{output}", escaped(destination), escaped(event));
        let letter: DeadLetter = self.gateway.gateway()?.get(&path, &[]).await?;
        match self.json {
            true => output::json(&letter)?,
            false => output::line(events::story(&letter.event))?,
        }
        Ok(Exit::Ok)
    }
}
