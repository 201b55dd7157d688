//! What is measured, and where: arguments that most commands share.

use std::{fs, path::PathBuf};

use anyhow::Result;
use tempfile::TempDir;

/// The gateway that is measured, and a directory for its files.
#[derive(clap::Args, Debug)]
pub struct Subject {
    /// The hookgate binary (of the same profile as this program).
    #[arg(long, env = "HOOKGATE_BIN")]
    pub hookgate: PathBuf,
    /// Where stores and files are made; must be on the disk that is meant.
    #[arg(long, default_value = "target/bench")]
    pub directory: PathBuf,
}

impl Subject {
    /// A directory below it that is removed in the end.
    pub fn scratch(&self) -> Result<TempDir> {
        fs::create_dir_all(&self.directory)?;
        Ok(tempfile::tempdir_in(&self.directory)?)
    }
}
