//! `hookgate plugin replay`

use std::path::Path;

use anyhow::Result;
use bytes::Bytes;
use clap::Args;
use hookgate_config::duration_ms;
use hookgate_gateway::admin::view::{PluginReplay, Time};
use hookgate_model::clock::now_ms;
use hookgate_sandbox::read_component;

use super::diff::{delivery, with_parts};
use crate::cli::{
    Exit,
    gateway::{GatewayArgs, escaped},
    output::{self, Table, age},
    sandbox::is_file,
};

/// Have a version judge stored deliveries, and show what it would have done
///
/// The running gateway lets the version judge each delivery again, with the source's current secrets, and compares the result
/// with the recorded events and with the active version's verdict. The verdicts have no effect, and nothing reaches a
/// destination. Exit status 0 if nothing differs, 1 if something does.
///
/// Examples:
///   hookgate plugin replay ./github-2.wasm --source github --since 24h
///   hookgate plugin replay github --source github --limit 100 --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Replay {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// A component's file, or a version that the gateway has: the hash of its component, or a plugin's name
    #[arg(value_name = "FILE|HASH|NAME")]
    version: String,
    /// The source whose deliveries are judged
    #[arg(long)]
    source: String,
    /// Only deliveries admitted within that time; by default all that are stored
    #[arg(long, value_name = "DURATION", value_parser = since)]
    since: Option<u64>,
    /// The largest number of deliveries, newest first
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: u64,
}

fn since(text: &str) -> Result<u64, String> {
    duration_ms(text).map_err(|why| format!("it {why}; write 24h or 7d"))
}

impl Replay {
    pub async fn run(self) -> Result<Exit> {
        let (version, component) = if is_file(&self.version) {
            (None, Bytes::from(read_component(Path::new(&self.version))?))
        } else {
            (Some(self.version), Bytes::new())
        };
        let since = self.since.map(|ms| Time(now_ms().saturating_sub(ms)).to_string());
        let query = [("version", version), ("since", since), ("limit", Some(self.limit.to_string()))];
        let path = format!("/sources/{}/replay-plugin", escaped(&self.source));
        let gateway = self.gateway.gateway()?;
        let replay: PluginReplay = gateway.send(&path, &query, "application/wasm", component).await?;
        self.gateway.format.print(&replay, report)?;
        Ok(if replay.differing > 0 { Exit::Failed } else { Exit::Ok })
    }
}

fn report(replay: &PluginReplay) -> String {
    let not_judged: u64 = replay.not_judged.values().sum();
    let why = replay.not_judged.iter().map(|(why, count)| format!("{} {count}", output::word(why)));
    let why = why.collect::<Vec<_>>().join(", ");
    let mut text = Table::pairs([
        ("source", replay.source.clone()),
        ("version", format!("{} {}", replay.candidate.name, replay.candidate.hash)),
        ("active", format!("{} {}", replay.active.name, replay.active.hash)),
        ("judged", replay.judged.to_string()),
        ("not judged", if why.is_empty() { not_judged.to_string() } else { format!("{not_judged} ({why})") }),
        ("unlike recorded", with_parts(replay.recorded.differing, &replay.recorded.parts)),
        ("unlike active", with_parts(replay.at_work.differing, &replay.at_work.parts)),
    ])
    .to_string();
    if !replay.differences.is_empty() {
        let mut table = Table::new(["AGE", "DELIVERY", "UNLIKE", "WHAT", "BEFORE", "WOULD BE"]);
        for found in &replay.differences {
            let difference = &found.difference;
            table.row([
                age(difference.at.0),
                delivery(difference),
                output::word(found.against),
                difference.what.clone(),
                difference.before.clone(),
                difference.after.clone(),
            ]);
        }
        text += &format!("\n\n{table}");
    }
    if replay.more {
        text += "\n\nthere are older deliveries; a larger --limit includes them";
    }
    text
}
