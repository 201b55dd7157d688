//! `cargo xtask bench`

use std::process::Command;

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
        chore::need_wasm_targets()?;
        if self.arguments == ["edge"] {
            return edge();
        }
        let gateway = chore::build_gateway(chore::For::Bench)?;
        let mut bench = Command::new(chore::target_directory()?.join("release/hookgate-bench"));
        bench.current_dir(chore::workspace()).env("HOOKGATE_BIN", gateway);
        if self.arguments.is_empty() {
            bench.arg("run")
        } else {
            bench.args(self.arguments)
        };
        chore::run(&mut bench)
    }
}

/// The edge, which is built with other features of wasmtime than the gateway, and so is measured by a binary of its own.
fn edge() -> Result<()> {
    let target = chore::target_directory()?;
    let gateway = chore::build_gateway(chore::For::EdgeBench)?;
    chore::run(Command::new(gateway).args(["edge", "build", "--plugin", "stripe", "--out"]).arg(target.join("edge")))?;
    let mut hello = chore::cargo();
    hello.args(["build", "--package", "hookgate-edge-hello", "--profile", "edge", "--target", "wasm32-wasip2"]);
    chore::run(&mut hello)?;
    let mut bench = chore::cargo();
    bench.args(["run", "--release", "--package", "hookgate-edge-host", "--bin", "hookgate-edge-bench", "--"]);
    bench.arg(target.join("edge/stripe.wasm")).arg(target.join("wasm32-wasip2/edge/hookgate_edge_hello.wasm"));
    chore::run(&mut bench)
}
