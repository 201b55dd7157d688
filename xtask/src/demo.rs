//! `cargo xtask demo`

use anyhow::{Result, bail};
use clap::Args;

use crate::chore;

/// What to do when the demonstration is over.
#[derive(Args)]
pub struct Demo {
    /// Exit when all has been shown: status 0 only if all came out right. Without it the gateway is left running
    #[arg(long)]
    once: bool,
    /// Show the edge instead: a plugin in a component for Spin, in front of the gateway
    #[arg(long)]
    edge: bool,
}

impl Demo {
    /// Builds and shows.
    pub fn run(self) -> Result<()> {
        chore::need_wasm_targets()?;
        println!("Building hookgate and its plugins; the first time takes some minutes.");
        let purpose = if self.edge { chore::For::EdgeDemo } else { chore::For::Demo };
        let gateway = chore::build_gateway(purpose)?;
        let built = chore::target_directory()?.join("debug");
        let demo = if self.edge { "hookgate-edge-demo" } else { "hookgate-demo" };
        let mut command = std::process::Command::new(built.join(demo));
        command.env("HOOKGATE_BIN", gateway).env("HOOKGATE_EDGE_HOST", built.join("hookgate-edge-host"));
        let status = command.args(self.once.then_some("--once")).status()?;
        if !status.success() {
            bail!("the demonstration did not come out right");
        }
        Ok(())
    }
}
