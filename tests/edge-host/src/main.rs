//! `hookgate-edge-host`: runs an edge component without Spin, for a first try.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Parser;
use hookgate_edge_host::{Edge, Options, engine, serve};
use tokio::net::TcpListener;
use wasmtime::{Result, error::Context as _};

/// Run a component that `hookgate edge build` has made, without Spin
#[derive(Parser)]
struct Arguments {
    /// The component
    component: PathBuf,
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: String,
    /// A variable, as the component names it
    #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = pair)]
    variables: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it has no =")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let component = std::fs::read(&arguments.component);
    let component = component.with_context(|| format!("cannot read {}", arguments.component.display()))?;
    let variables: BTreeMap<String, String> = arguments.variables.into_iter().collect();
    let edge = Edge::new(&engine()?, &component, Options { variables, ..Options::default() })?;
    let listener = TcpListener::bind(&arguments.listen).await;
    let listener = listener.with_context(|| format!("cannot listen at {}", arguments.listen))?;
    println!("listening at http://{}", listener.local_addr()?);
    serve(listener, edge).await
}
