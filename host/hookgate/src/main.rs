//! The `hookgate` binary: parse, run, exit.

mod cli;

use std::{process::ExitCode, time::Duration};

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(cli::run(cli));
            // A write to a full pipe without a reader, or to a disk that hangs, must not keep the process alive.
            runtime.shutdown_timeout(Duration::from_secs(1));
            exit
        }
        Err(error) => {
            eprintln!("error: the operating system gives no threads: {error}");
            ExitCode::FAILURE
        }
    }
}
