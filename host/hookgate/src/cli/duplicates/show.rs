//! `hookgate duplicates show`

use anyhow::Result;
use clap::Args;
use hookgate_gateway::admin::view::{Duplicate, DuplicateContent, DuplicateSummary};
use hookgate_model::human::{bytes, printable};

use crate::cli::{
    Exit,
    gateway::{GatewayAddress, escaped},
    output::{self, Table, or_dash},
};

/// Show a dropped duplicate with what it brought
///
/// Examples:
///   hookgate duplicates show 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f
///   hookgate duplicates show 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f --payload --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Show {
    #[command(flatten)]
    gateway: GatewayAddress,
    /// The duplicate's own id, as the list has it
    id: String,
    /// With its bytes
    #[arg(long)]
    payload: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    pub async fn run(self) -> Result<Exit> {
        let path = format!("/duplicates/{}", escaped(&self.id));
        let query = [("payload", Some(self.payload.to_string()))];
        let duplicate: Duplicate = self.gateway.gateway()?.get(&path, &query).await?;
        if self.json {
            output::json(&duplicate)?
        } else {
            output::line(story(&duplicate))?
        }
        Ok(Exit::Ok)
    }
}

fn story(duplicate: &Duplicate) -> String {
    let Duplicate { summary, request, payload } = duplicate;
    let mut parts = vec![pairs(summary).to_string()];
    if let Some(request) = request {
        let mut table = Table::new(["HEADER", "VALUE"]);
        for header in &request.headers {
            table.row([header.name.clone(), header.value.clone()]);
        }
        parts.push(format!("{} {}\n\n{table}", request.method, printable(&request.url)));
    }
    match payload.as_ref().map(|payload| (&payload.text, &payload.base64)) {
        Some((Some(text), _)) => parts.push(text.split('\n').map(printable).collect::<Vec<_>>().join("\n")),
        Some((None, Some(base64))) => parts.push(format!("base64: {base64}")),
        Some((None, None)) | None => {}
    }
    parts.join("\n\n")
}

fn pairs(duplicate: &DuplicateSummary) -> Table {
    let known_by = output::word(duplicate.known_by);
    let replayed = if duplicate.replayed { " (under another id: a replay)" } else { "" };
    let content = match duplicate.content {
        DuplicateContent::Own => "kept with the duplicate",
        DuplicateContent::First => "the same as that of the first event",
        DuplicateContent::NotKept => "not kept: it was too large",
    };
    Table::pairs([
        ("duplicate", duplicate.id.clone()),
        ("duplicate of", duplicate.duplicate_of.clone()),
        ("source", duplicate.source.clone()),
        ("dropped", duplicate.dropped_at.to_string()),
        ("kept until", duplicate.kept_until.to_string()),
        ("known by", format!("{known_by}{replayed}")),
        ("provider's id", or_dash(duplicate.provider_id.as_ref())),
        ("kind", or_dash(duplicate.kind.as_ref())),
        ("trace", duplicate.trace.clone()),
        ("payload", format!("{}, SHA-256 {}", bytes(duplicate.payload_bytes), duplicate.payload_sha256)),
        ("content", content.to_owned()),
        ("admitted as", or_dash(duplicate.admitted_as.as_ref())),
    ])
}
