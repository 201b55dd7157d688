//! `hookgate plugin diff`

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args;
use hookgate_gateway::admin::view::{Comparison, Difference, DifferenceList, Part, Trial, TrialMode};
use serde::Serialize;

use crate::cli::{
    Exit,
    gateway::{GatewayArgs, Page, escaped},
    output::{self, Table, age, ago},
};

/// Show how a version on trial differs from the active one
///
/// It counts the live deliveries that a shadow judges differently, and shows the differences. Of bodies and data only length
/// and digest are shown. Exit status 0 if nothing differs, 1 if something does.
///
/// Examples:
///   hookgate plugin diff stripe
///   hookgate plugin diff stripe --limit 500 --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Diff {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The source
    source: String,
    /// The version with this hash; by default the one on trial, or the one that was tried last
    #[arg(long, value_name = "HASH")]
    candidate: Option<String>,
    #[command(flatten)]
    page: Page,
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
        let query = self.page.with([("candidate", self.candidate)]);
        let list: DifferenceList = gateway.get(&format!("{path}/differences"), &query).await?;
        let compared = trial.comparisons.iter().find(|one| Some(&one.candidate) == list.candidate.as_ref());
        let both = Both { trial: &trial, differences: &list };
        self.gateway.format.print(&both, |_| report(&trial, compared, &list))?;
        let differs = compared.is_some_and(|compared| compared.differing > 0) || !list.differences.is_empty();
        Ok(if differs { Exit::Failed } else { Exit::Ok })
    }
}

fn report(trial: &Trial, compared: Option<&Comparison>, list: &DifferenceList) -> String {
    let tried = match (&trial.candidate, trial.mode, trial.percent) {
        (Some(candidate), Some(TrialMode::Shadow), _) => format!("{} {} (shadow)", candidate.name, candidate.hash),
        (Some(candidate), _, Some(percent)) => format!("{} {} (canary, {percent} %)", candidate.name, candidate.hash),
        _ => "-".to_owned(),
    };
    let mut text = Table::pairs([
        ("source", trial.source.clone()),
        ("active", format!("{} {}", trial.active.name, trial.active.hash)),
        ("on trial", tried),
    ])
    .to_string();
    let Some(compared) = compared else { return text + "\n\nnothing has been compared yet" };
    let figures = Table::pairs([
        ("version", compared.candidate.clone()),
        ("since", ago(compared.since.0)),
        ("last", ago(compared.last.0)),
        ("compared", compared.compared.to_string()),
        ("differing", with_parts(compared.differing, &compared.parts)),
        ("not compared", not_compared(compared)),
    ]);
    text += &format!("\n\n{figures}");
    if !list.differences.is_empty() {
        text += &format!("\n\n{}", table(&list.differences));
    }
    output::page(&text, list.next_page.as_ref())
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

fn table(differences: &[Difference]) -> Table {
    let mut table = Table::new(["AGE", "DELIVERY", "WHAT", "ACTIVE", "ON TRIAL"]);
    for difference in differences {
        table.row([
            age(difference.at.0),
            delivery(difference),
            difference.what.clone(),
            difference.before.clone(),
            difference.after.clone(),
        ]);
    }
    table
}

/// Its first event, where it has one that was admitted; else its trace.
pub fn delivery(difference: &Difference) -> String {
    difference.events.first().cloned().unwrap_or_else(|| format!("trace {}", difference.trace))
}
