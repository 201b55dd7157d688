//! `cargo xtask bench`

use anyhow::Result;
use clap::Args;

use crate::chore;

/// For the benchmark; everything with a report when nothing is said.
#[derive(Args)]
pub struct Bench {
    /// A part of it, or its options: `cargo xtask bench run --rounds 9`, `cargo xtask bench sandbox`, `cargo xtask bench help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Bench {
    /// Builds the gateway as it is shipped and the benchmark, and runs it.
    pub fn run(self) -> Result<()> {
        chore::need_wasm_target()?;
        let gateway = chore::build_gateway(chore::For::Bench)?;
        let mut bench = chore::cargo();
        bench.args(["run", "--release", "--package", "hookgate-bench", "--"]).env("HOOKGATE_BIN", gateway);
        match self.arguments.is_empty() {
            true => bench.arg("run"),
            false => bench.args(self.arguments),
        };
        chore::run(&mut bench)
    }
}
