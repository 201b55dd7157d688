//! `hookgate check`

use clap::Args;
use hookgate_config::{ConfigErrors, Problem, Warning};
use serde::Serialize;

use super::{Exit, configuration::ConfigFile, output::Format};

/// Check a configuration and report every mistake in it
///
/// Nothing is started and nothing is written. Each mistake has its file, line and column, and what to write instead.
/// Secrets are looked up in the environment and in files, as the gateway would; they are never shown.
///
/// Examples:
///   hookgate check
///   hookgate check --config /etc/hookgate/hookgate.toml --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Check {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    format: Format,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    /// The file could not be read at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
    errors: Vec<Problem>,
    warnings: Vec<Warning>,
    #[serde(skip)]
    summary: String,
}

impl Check {
    pub fn run(self) -> anyhow::Result<Exit> {
        let report = self.report();
        self.format.print(&report, text)?;
        Ok(if report.ok { Exit::Ok } else { Exit::Failed })
    }

    fn report(&self) -> Report {
        match self.file.check() {
            Ok((config, warnings)) => {
                let counts = [
                    count(config.sources.len(), "source"),
                    count(config.destinations.len(), "destination"),
                    count(config.routes.len(), "route"),
                ];
                let summary = format!("ok: {}, {}", counts.join(", "), count(warnings.len(), "warning"));
                Report { ok: true, unreadable: None, errors: Vec::new(), warnings, summary }
            }
            Err(errors) => {
                let unreadable = matches!(errors, ConfigErrors::Unreadable { .. }).then(|| errors.to_string());
                let summary = unreadable.clone().unwrap_or_else(|| count(errors.problems().len(), "mistake"));
                let errors = errors.problems().to_vec();
                Report { ok: false, unreadable, errors, warnings: Vec::new(), summary }
            }
        }
    }
}

fn text(report: &Report) -> String {
    let errors = report.errors.iter().map(|error| format!("error: {error}\n"));
    let warnings = report.warnings.iter().map(|warning| format!("warning: {warning}\n"));
    errors.chain(warnings).chain([report.summary.clone()]).collect()
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
