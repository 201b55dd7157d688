//! `hookgate dead-letters`

use anyhow::Result;
use clap::{ArgGroup, Args, Subcommand};
use hookgate_gateway::admin::view::{
    Attempt, DeadLetter, DeadLetterId, DeadLetterList, Discarded, RedriveOrder, Redriven,
};

use super::{
    Exit, events,
    gateway::{GatewayArgs, Page, escaped},
    output::{self, Table, ago, or_dash},
};

/// Look at what a running gateway could not deliver, and send it on its way again or give it up
#[derive(Debug, Subcommand)]
pub enum DeadLetters {
    List(List),
    Show(Show),
    Redrive(Redrive),
    Discard(Discard),
}

/// List dead letters: by destination, oldest first
///
/// The destination `transform` stands for events that could not be transformed.
///
/// Examples:
///   hookgate dead-letters list
///   hookgate dead-letters list --destination orders --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct List {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// Of this destination only
    #[arg(long)]
    destination: Option<String>,
    #[command(flatten)]
    page: Page,
}

/// Show a dead letter: its event's whole story, with every attempt
///
/// Example:
///   hookgate dead-letters show orders/01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f/0
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Show {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The dead letter, from the list
    #[arg(value_name = "DESTINATION/EVENT/OUTPUT", value_parser = parse_id)]
    id: DeadLetterId,
}

/// Send dead letters on their way again
///
/// Their attempts are counted from zero; the history stays. The command fails if one of the named ids is not a dead
/// letter, and if the named destination has none.
///
/// Examples:
///   hookgate dead-letters redrive orders/01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f/0
///   hookgate dead-letters redrive --destination orders
///   hookgate dead-letters redrive --all
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Redrive {
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    which: Which,
}

/// Give up dead letters
///
/// They count as finished: their history stays until the event's retention ends, and then their disk space is freed. The
/// command fails if one of the named ids is not a dead letter, and if the named destination has none.
///
/// Examples:
///   hookgate dead-letters discard orders/01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f/0
///   hookgate dead-letters discard --destination orders
///   hookgate dead-letters discard --all
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Discard {
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    which: Which,
}

/// Which dead letters to redrive or discard.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("which").required(true))]
struct Which {
    /// The dead letters, from the list
    #[arg(value_name = "DESTINATION/EVENT/OUTPUT", value_parser = parse_id, group = "which")]
    ids: Vec<DeadLetterId>,
    /// All of a destination
    #[arg(long, value_name = "DESTINATION", group = "which")]
    destination: Option<String>,
    /// All there are
    #[arg(long, group = "which")]
    all: bool,
}

impl DeadLetters {
    pub async fn run(self) -> Result<Exit> {
        match self {
            DeadLetters::List(List { gateway, destination, page }) => {
                gateway.show("/dead-letters", &page.with([("destination", destination)]), table).await
            }
            DeadLetters::Show(Show { gateway, id: DeadLetterId { destination, event, output } }) => {
                let path = format!("/dead-letters/{}/{}/{output}", escaped(&destination), escaped(&event));
                gateway.show(&path, &[], |letter: &DeadLetter| events::story(&letter.event)).await
            }
            DeadLetters::Redrive(Redrive { gateway, which }) => {
                let (least, order) = which.order();
                let text = |answer: &Redriven| format!("{} on their way again", answer.redriven);
                let Redriven { redriven } = gateway.order("/dead-letters/redrive", &order, text).await?;
                Ok(if redriven < least { Exit::Failed } else { Exit::Ok })
            }
            DeadLetters::Discard(Discard { gateway, which }) => {
                let (least, order) = which.order();
                let text = |answer: &Discarded| format!("{} given up", answer.discarded);
                let Discarded { discarded } = gateway.order("/dead-letters/discard", &order, text).await?;
                Ok(if discarded < least { Exit::Failed } else { Exit::Ok })
            }
        }
    }
}

impl Which {
    /// The order, and how many dead letters it must find for the command to succeed: all of the named ids, at least one of
    /// a destination.
    fn order(self) -> (usize, RedriveOrder) {
        let least = if self.destination.is_some() { 1 } else { self.ids.len() };
        (least, RedriveOrder { ids: self.ids, destination: self.destination, all: self.all })
    }
}

/// Reads `DESTINATION/EVENT/OUTPUT`; without the output it is the first.
fn parse_id(text: &str) -> Result<DeadLetterId, String> {
    let wrong = || "write it as DESTINATION/EVENT/OUTPUT, as `hookgate dead-letters list` does".to_owned();
    let mut parts = text.split('/');
    let (Some(destination), Some(event), output, None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong());
    };
    let output = output.map_or(Ok(0), str::parse).map_err(|_| wrong())?;
    if destination.is_empty() || event.is_empty() {
        return Err(wrong());
    }
    Ok(DeadLetterId { destination: destination.to_owned(), event: event.to_owned(), output })
}

fn table(list: &DeadLetterList) -> String {
    let mut table = Table::new(["ID", "DIED", "TRIES", "BLOCKS", "LAST ATTEMPT"]);
    for letter in &list.dead_letters {
        table.row([
            format!("{}/{}/{}", letter.destination, letter.event, letter.output),
            ago(letter.died_at.0),
            letter.tries.to_string(),
            or_dash(letter.blocks),
            or_dash(letter.last_attempt.as_ref().map(reason)),
        ]);
    }
    output::page(&table, list.next_page.as_ref())
}

fn reason(attempt: &Attempt) -> String {
    match (&attempt.error, attempt.status) {
        (Some(error), _) => error.clone(),
        (None, Some(status)) => status.to_string(),
        (None, None) => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_two_or_three_parts() {
        let id = |output| DeadLetterId { destination: "orders".to_owned(), event: "e.1".to_owned(), output };
        assert_eq!(parse_id("orders/e.1/2"), Ok(id(2)));
        assert_eq!(parse_id("orders/e.1"), Ok(id(0)));
        for text in ["", "orders", "orders/", "/e", "orders/e/x", "orders/e/0/0", "orders/e/70000"] {
            assert!(parse_id(text).is_err(), "{text}");
        }
    }
}
