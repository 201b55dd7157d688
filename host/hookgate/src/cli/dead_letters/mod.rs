//! `hookgate dead-letters`

mod discard;
mod list;
mod redrive;
mod show;

use clap::{ArgGroup, Args, Subcommand};
use hookgate_gateway::admin::view::{DeadLetterId, RedriveOrder};

use super::Exit;

/// Look at what a running gateway could not deliver, and send it on its way again or give it up
#[derive(Debug, Subcommand)]
pub enum DeadLetters {
    List(list::List),
    Show(show::Show),
    Redrive(redrive::Redrive),
    Discard(discard::Discard),
}

impl DeadLetters {
    pub async fn run(self) -> anyhow::Result<Exit> {
        match self {
            DeadLetters::List(list) => list.run().await,
            DeadLetters::Show(show) => show.run().await,
            DeadLetters::Redrive(redrive) => redrive.run().await,
            DeadLetters::Discard(discard) => discard.run().await,
        }
    }
}

/// Which dead letters an order is about.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("which").required(true))]
struct Which {
    /// Which, as the list has them
    #[arg(value_name = "DESTINATION/EVENT/OUTPUT", value_parser = parse_id, group = "which")]
    ids: Vec<DeadLetterId>,
    /// All of a destination
    #[arg(long, value_name = "DESTINATION", group = "which")]
    destination: Option<String>,
    /// All there are
    #[arg(long, group = "which")]
    all: bool,
}

impl Which {
    /// How many must be found for the command to succeed: all that are named, of a destination one at least.
    fn least(&self) -> usize {
        if self.destination.is_some() { 1 } else { self.ids.len() }
    }

    fn order(self) -> RedriveOrder {
        RedriveOrder { ids: self.ids, destination: self.destination, all: self.all }
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
