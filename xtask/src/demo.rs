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
}

impl Demo {
    /// Builds and shows.
    pub fn run(self) -> Result<()> {
        chore::need_wasm_target()?;
        println!("Building hookgate and its plugins; the first time takes some minutes.");
        let gateway = chore::build_gateway(chore::For::Demo)?;
        let demo = chore::target_directory()?.join("debug").join("hookgate-demo");
        let mut command = std::process::Command::new(demo);
        let status = command.args(self.once.then_some("--once")).env("HOOKGATE_BIN", gateway).status()?;
        if !status.success() {
            bail!("the demonstration did not come out right");
        }
        Ok(())
    }
}
