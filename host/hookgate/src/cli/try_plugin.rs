//! `hookgate try-plugin`, which the gateway starts by itself.

use clap::Args;
use hookgate_sandbox::child;

use super::Exit;

/// Try a component before the gateway uses it
///
/// The gateway and other commands start it by themselves, so that a component that kills its process kills this one. It reads
/// an order and the component from standard input, and answers on standard output. It is not for operators.
///
/// Examples:
///   hookgate try-plugin <order-and-component
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct TryPlugin;

impl TryPlugin {
    pub async fn run(self) -> anyhow::Result<Exit> {
        child::try_component().await?;
        Ok(Exit::Ok)
    }
}
