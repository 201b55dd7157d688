//! `hookgate plugin replay`

use std::path::Path;

use anyhow::Result;
use bytes::Bytes;
use clap::Args;
use hookgate_config::duration_ms;
use hookgate_gateway::admin::view::{PluginReplay, Time};
use hookgate_model::{clock::now_ms, human::span};
use hookgate_sandbox::read_component;

use super::diff::{delivery, with_parts};
use crate::cli::{
    Exit,
    gateway::{GatewayAddress, escaped},
    output::{self, Table},
    sandbox::is_file,
};

/// Have a version judge stored deliveries, and show what it would have done
///
/// The running gateway judges each delivery once more, with the source's secrets as they are now, and compares with the
/// events that are kept of it and with what the active version says. Nothing of it has an effect, and nothing reaches a
/// destination. Exit status 0 when nothing differs, 1 when something does.
///
/// Examples:
///   hookgate plugin replay ./github-2.wasm --source github --since 24h
///   hookgate plugin replay github --source github --limit 100 --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Replay {
    #[command(flatten)]
    gateway: GatewayAddress,
    /// A component's file, or a version that the gateway has: the hash of its component, or a plugin's name
    #[arg(value_name = "FILE|HASH|NAME")]
    version: String,
    /// The source whose deliveries are judged
    #[arg(long)]
    source: String,
    /// Those admitted within that time; else all that are kept
    #[arg(long, value_name = "DURATION", value_parser = since)]
    since: Option<u64>,
    /// The newest so many
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn since(text: &str) -> Result<u64, String> {
    duration_ms(text).map_err(|why| format!("it {why}; write 24h or 7d"))
}

impl Replay {
    pub async fn run(self) -> Result<Exit> {
        let (version, component) = match is_file(&self.version) {
            true => (None, Bytes::from(read_component(Path::new(&self.version))?)),
            false => (Some(self.version), Bytes::new()),
        };
        let since = self.since.map(|ms| Time(now_ms().saturating_sub(ms)).to_string());
        let query = [("version", version), ("since", since), ("limit", Some(self.limit.to_string()))];
        let path = format!("/sources/{}/replay-plugin", escaped(&self.source));
        let gateway = self.gateway.gateway()?;
        let replay: PluginReplay = gateway.send(&path, &query, "application/wasm", component).await?;
        match self.json {
            true => output::json(&replay)?,
            false => print(&replay)?,
        }
        Ok(if replay.differing > 0 { Exit::Failed } else { Exit::Ok })
    }
}

fn print(replay: &PluginReplay) -> std::io::Result<()> {
    let not_judged: u64 = replay.not_judged.values().sum();
    let why = replay.not_judged.iter().map(|(why, count)| format!("{} {count}", output::word(why)));
    let why = why.collect::<Vec<_>>().join(", ");
    output::line(Table::pairs([
        ("source", replay.source.clone()),
        ("version", format!("{} {}", replay.candidate.name, replay.candidate.hash)),
        ("active", format!("{} {}", replay.active.name, replay.active.hash)),
        ("judged", replay.judged.to_string()),
        ("not judged", if why.is_empty() { not_judged.to_string() } else { format!("{not_judged} ({why})") }),
        ("unlike recorded", with_parts(replay.recorded.differing, &replay.recorded.parts)),
        ("unlike active", with_parts(replay.at_work.differing, &replay.at_work.parts)),
    ]))?;
    if !replay.differences.is_empty() {
        let now = now_ms();
        let mut table = Table::new(["AGE", "DELIVERY", "UNLIKE", "WHAT", "BEFORE", "WOULD BE"]);
        for found in &replay.differences {
            let difference = &found.difference;
            table.row([
                span(now.saturating_sub(difference.at.0)),
                delivery(difference),
                output::word(found.against),
                difference.what.clone(),
                difference.before.clone(),
                difference.after.clone(),
            ]);
        }
        output::line(format_args!("\n{table}"))?;
    }
    match replay.more {
        true => output::line("\nthere are older deliveries; --limit takes more of them in"),
        false => Ok(()),
    }
}
