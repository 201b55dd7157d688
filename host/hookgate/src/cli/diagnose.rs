//! `hookgate diagnose`

use anyhow::Result;
use clap::Args;
use hookgate_gateway::admin::view::{Diagnosis, Refusal, RefusalList, RefusedRequest};
use hookgate_model::human::{bytes, printable};

use super::{
    Exit,
    gateway::{GatewayArgs, escaped},
    output::{Table, age, or_dash},
};

/// Show why a running gateway refused deliveries
///
/// For a wrong signature it shows what would make it valid: the secret of another source, a blank around the
/// secret, a body that a proxy has rewritten, another URL, another time. The latest refused deliveries of each source are
/// kept in memory, a few of each address; the diagnosis is never sent to the sender.
///
/// Examples:
///   hookgate diagnose
///   hookgate diagnose --source stripe
///   hookgate diagnose 0af7651916cd43dd8448eb211c80319c
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Diagnose {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// One delivery, by its trace: the reply's header hookgate-trace, and the log
    trace: Option<String>,
    /// Only those of this source
    #[arg(long, value_name = "NAME", conflicts_with = "trace")]
    source: Option<String>,
}

impl Diagnose {
    pub async fn run(self) -> Result<Exit> {
        match self.trace {
            Some(trace) => self.gateway.show(&format!("/refusals/{}", escaped(&trace)), &[], story).await,
            None => self.gateway.show("/refusals", &[("source", self.source)], overview).await,
        }
    }
}

fn overview(list: &RefusalList) -> String {
    if list.refusals.is_empty() {
        return "no delivery was refused since the gateway started".to_owned();
    }
    let mut table = Table::new(["AGO", "SOURCE", "FROM", "CAUSE", "TRACE"]);
    let mut parts = Vec::new();
    for refusal in &list.refusals {
        table.row([
            age(refusal.at.0),
            refusal.source.clone(),
            or_dash(refusal.client.as_ref()),
            refusal.cause.clone(),
            refusal.trace.clone(),
        ]);
        parts.extend(refusal.findings.iter().map(|finding| format!("{}: {}", refusal.trace, printable(&finding.text))));
    }
    let mut text = table.to_string();
    if !parts.is_empty() {
        text.push_str(&format!("\n\n{}", parts.join("\n")));
    }
    if list.left_out > 0 {
        text.push_str(&format!("\n\n{} more are not kept", list.left_out));
    }
    text
}

fn story(refusal: &Refusal) -> String {
    let head = Table::pairs([
        ("trace", refusal.trace.clone()),
        ("source", refusal.source.clone()),
        ("refused", refusal.at.to_string()),
        ("from", or_dash(refusal.client.as_ref())),
        ("cause", refusal.cause.clone()),
        ("reason", refusal.reason.clone()),
    ]);
    let mut parts = vec![head.to_string(), diagnosis(refusal)];
    parts.extend(refusal.request.as_ref().map(request));
    parts.join("\n\n")
}

fn diagnosis(refusal: &Refusal) -> String {
    match refusal.diagnosis {
        Diagnosis::Pending => "it is being looked into; ask again".to_owned(),
        Diagnosis::NotPossible => {
            "it was not looked into: its signature is not why it was refused, or its body is too large".to_owned()
        }
        Diagnosis::TooMany => "it was not looked into: too many were refused at the same time".to_owned(),
        Diagnosis::Done if refusal.findings.is_empty() => {
            "no other secret, body, URL or time that was tried makes the signature right: it was made with a secret that \
             this gateway does not have, or the delivery is forged"
                .to_owned()
        }
        Diagnosis::Done => {
            refusal.findings.iter().map(|finding| printable(&finding.text)).collect::<Vec<_>>().join("\n")
        }
    }
}

fn request(request: &RefusedRequest) -> String {
    let mut lines = vec![format!("{} {}", printable(&request.method), printable(&request.url))];
    lines.extend(request.headers.iter().map(|header| format!("{}: {}", header.name, printable(&header.value))));
    match &request.body {
        Some(body) => lines.extend(["".to_owned(), body.lines().map(printable).collect::<Vec<_>>().join("\n")]),
        None => lines.push(format!("\n(a body of {})", bytes(request.body_bytes))),
    }
    lines.join("\n")
}
