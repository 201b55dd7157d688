//! `hookgate duplicates admit`

use anyhow::Result;
use clap::Args;
use hookgate_gateway::admin::view::{AdmitOrder, AdmittedList};

use crate::cli::{Exit, gateway::GatewayAddress, output};

/// Admit dropped duplicates after all
///
/// Each becomes a new event under an id of its own, and goes where its source's events go. One that was admitted before
/// stays the event that it is. It fails, and nothing is admitted, when one of them is not known.
///
/// Examples:
///   hookgate duplicates admit 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f
///   hookgate duplicates admit 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f 01980e5c-3b1c-7d4e-8f5a-6b7c8d9e0f1a.1 --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Admit {
    #[command(flatten)]
    gateway: GatewayAddress,
    /// The duplicates' own ids, as the list has them; at most 100
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Admit {
    pub async fn run(self) -> Result<Exit> {
        let order = AdmitOrder { ids: self.ids };
        let list: AdmittedList = self.gateway.gateway()?.post("/duplicates/admit", &order).await?;
        if self.json {
            output::json(&list)?;
            return Ok(Exit::Ok);
        }
        for admitted in &list.admitted {
            let how = if admitted.before { "was admitted before, as" } else { "is admitted as" };
            output::line(format_args!("{} {how} {}", admitted.duplicate, admitted.event))?;
        }
        Ok(Exit::Ok)
    }
}
