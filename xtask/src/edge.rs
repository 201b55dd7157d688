//! `cargo xtask edge`

use anyhow::Result;
use clap::Args;

use crate::chore;

/// Which plugins go to the edge; those of `spin.toml` when nothing is said.
#[derive(Args)]
pub struct Edge {
    /// A plugin's name, or the file of its component
    #[arg(long = "plugin", value_name = "NAME|FILE", default_values = ["stripe", "github"])]
    plugins: Vec<String>,
    /// Where the components are to run: spin or wasi
    #[arg(long, default_value = "spin")]
    platform: String,
}

impl Edge {
    /// Builds the gateway, and has it compose the components into `target/edge`: there `spin.toml` looks for them, wherever
    /// cargo builds.
    pub fn run(self) -> Result<()> {
        chore::need_wasm_targets()?;
        let gateway = chore::build_gateway(chore::For::Demo)?;
        let mut build = std::process::Command::new(gateway);
        build.current_dir(chore::workspace()).args(["edge", "build", "--platform", &self.platform]);
        build.args(self.plugins.iter().flat_map(|plugin| ["--plugin", plugin]));
        chore::run(build.arg("--out").arg(chore::workspace().join("target/edge")))
    }
}
