//! A server that speaks S3 on loopback: the tests start it, kill it and start it again on the same objects. Its first line on
//! standard output is its address.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;

/// Serves the buckets that are the folders of a directory
#[derive(Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long)]
    listen: SocketAddr,
    /// The key that requests are signed with
    #[arg(long)]
    access_key: String,
    /// Its secret
    #[arg(long)]
    secret_key: String,
    /// Holds the buckets
    directory: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let files = FileSystem::new(&arguments.directory).map_err(|error| anyhow!("{error:?}"))?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(arguments.access_key, arguments.secret_key));
    let service = service.build();
    let listener =
        TcpListener::bind(arguments.listen).await.with_context(|| format!("cannot listen at {}", arguments.listen))?;
    println!("{}", listener.local_addr()?);
    loop {
        let (connection, _) = listener.accept().await?;
        let service = service.clone();
        // The client sees when a connection ends badly.
        tokio::spawn(async move {
            Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(connection), service).await.ok()
        });
    }
}
