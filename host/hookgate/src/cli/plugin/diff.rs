//! `hookgate plugin diff`

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args;
use hookgate_gateway::admin::view::{Comparison, Difference, DifferenceList, Part, Trial, TrialMode};
use hookgate_model::{clock::now_ms, human::span};
use serde::Serialize;

use crate::cli::{
    Exit,
    gateway::{GatewayAddress, escaped},
    output::{self, Table},
};

/// Show in what a version on trial differs from the active one
///
/// What a version that sees live deliveries beside the active one (as a shadow) judges differently: how many deliveries,
/// and in what. Of bodies and data only length and digest are shown. Exit status 0 when nothing differs, 1 when something
/// does.
///
/// Examples:
///   hookgate plugin diff stripe
///   hookgate plugin diff stripe --limit 500 --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Diff {
    #[command(flatten)]
    gateway: GatewayAddress,
    /// The source
    source: String,
    /// Of the version with this hash; else of the one on trial, or the one that was tried last
    #[arg(long, value_name = "HASH")]
    candidate: Option<String>,
    /// How many differences, at most 500
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u16,
    /// The page, as the one before it says
    #[arg(long, value_name = "TOKEN")]
    page: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Both<'a> {
    trial: &'a Trial,
    differences: &'a DifferenceList,
}

impl Diff {
    pub async fn run(self) -> Result<Exit> {
        let gateway = self.gateway.gateway()?;
        let path = format!("/sources/{}", escaped(&self.source));
        let trial: Trial = gateway.get(&format!("{path}/trial"), &[]).await?;
        let query = [("candidate", self.candidate), ("limit", Some(self.limit.to_string())), ("page", self.page)];
        let list: DifferenceList = gateway.get(&format!("{path}/differences"), &query).await?;
        let compared = trial.comparisons.iter().find(|one| Some(&one.candidate) == list.candidate.as_ref());
        match self.json {
            true => output::json(&Both { trial: &trial, differences: &list })?,
            false => print(&trial, compared, &list)?,
        }
        let differs = compared.is_some_and(|compared| compared.differing > 0) || !list.differences.is_empty();
        Ok(if differs { Exit::Failed } else { Exit::Ok })
    }
}

fn print(trial: &Trial, compared: Option<&Comparison>, list: &DifferenceList) -> std::io::Result<()> {
    let tried = match (&trial.candidate, trial.mode, trial.percent) {
        (Some(candidate), Some(TrialMode::Shadow), _) => format!("{} {} (shadow)", candidate.name, candidate.hash),
        (Some(candidate), _, Some(percent)) => format!("{} {} (canary, {percent} %)", candidate.name, candidate.hash),
        _ => "-".to_owned(),
    };
    output::line(Table::pairs([
        ("source", trial.source.clone()),
        ("active", format!("{} {}", trial.active.name, trial.active.hash)),
        ("on trial", tried),
    ]))?;
    let Some(compared) = compared else { return output::line("\nnothing was compared yet") };
    let now = now_ms();
    let ago = |time: u64| format!("{} ago", span(now.saturating_sub(time)));
    output::line(format_args!(
        "\n{}",
        Table::pairs([
            ("version", compared.candidate.clone()),
            ("since", ago(compared.since.0)),
            ("last", ago(compared.last.0)),
            ("compared", compared.compared.to_string()),
            ("differing", with_parts(compared.differing, &compared.parts)),
            ("not compared", not_compared(compared)),
        ])
    ))?;
    print_differences(&list.differences)?;
    match &list.next_page {
        Some(token) => output::line(format_args!("\nmore with: --page {token}")),
        None => Ok(()),
    }
}

fn not_compared(compared: &Comparison) -> String {
    let Comparison { skipped_busy, skipped_large, not_judged, .. } = compared;
    match skipped_busy + skipped_large + not_judged {
        0 => "0".to_owned(),
        all => format!(
            "{all} ({skipped_busy} too many at once, {skipped_large} too large, {not_judged} could not be judged)"
        ),
    }
}

/// `3 (verdict 1, output 2)`
pub fn with_parts(differing: u64, parts: &BTreeMap<Part, u64>) -> String {
    let each = parts.iter().map(|(part, count)| format!("{} {count}", part.word())).collect::<Vec<_>>();
    if each.is_empty() { differing.to_string() } else { format!("{differing} ({})", each.join(", ")) }
}

fn print_differences(differences: &[Difference]) -> std::io::Result<()> {
    if differences.is_empty() {
        return Ok(());
    }
    let now = now_ms();
    let mut table = Table::new(["AGE", "DELIVERY", "WHAT", "AT WORK", "ON TRIAL"]);
    for difference in differences {
        table.row([
            span(now.saturating_sub(difference.at.0)),
            delivery(difference),
            difference.what.clone(),
            difference.before.clone(),
            difference.after.clone(),
        ]);
    }
    output::line(format_args!("\n{table}"))
}

/// Its first event, where it has one that was admitted; else its trace.
pub fn delivery(difference: &Difference) -> String {
    difference.events.first().cloned().unwrap_or_else(|| format!("trace {}", difference.trace))
}
