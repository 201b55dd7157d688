//! `hookgate secrets forget`

use anyhow::Result;
use clap::{ArgGroup, Args};
use hookgate_gateway::admin::view::{ForgetOrder, Forgotten};

use crate::cli::{Exit, gateway::GatewayAddress, output};

/// Forget secrets that were handed over
///
/// Deliveries that are signed with them are refused from then on. A source that has none left takes the next one that is
/// handed over. It fails when fewer were forgotten than were named.
///
/// Examples:
///   hookgate secrets forget asana 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f
///   hookgate secrets forget asana --all
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, group = ArgGroup::new("which").required(true))]
pub struct Forget {
    #[command(flatten)]
    gateway: GatewayAddress,
    /// The source
    source: String,
    /// Which, as the list has them
    #[arg(value_name = "VERSION", group = "which")]
    versions: Vec<String>,
    /// All that the source has
    #[arg(long, group = "which")]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Forget {
    pub async fn run(self) -> Result<Exit> {
        let named = self.versions.len();
        let order = ForgetOrder { source: self.source, versions: self.versions, all: self.all };
        let forgotten: Forgotten = self.gateway.gateway()?.post("/secrets/forget", &order).await?;
        match self.json {
            true => output::json(&forgotten)?,
            false => output::line(format_args!("{} forgotten", forgotten.forgotten))?,
        }
        Ok(if forgotten.forgotten < named { Exit::Failed } else { Exit::Ok })
    }
}
