//! The table: one line for each server, medians of rounds.

use super::Measured;
use crate::report::{least, median, most, ratios};

/// A server and its rounds.
pub struct Row {
    /// What it is.
    pub name: &'static str,
    /// Whether a delivery is on the disk before it is answered.
    is_durable: bool,
    /// Its rounds.
    pub rounds: Vec<Measured>,
}

impl Row {
    /// A server that has not been measured yet.
    pub fn new(name: &'static str, is_durable: bool) -> Row {
        Row { name, is_durable, rounds: Vec::new() }
    }

    fn each(&self, figure: impl Fn(&Measured) -> f64) -> Vec<f64> {
        self.rounds.iter().map(figure).collect()
    }

    fn per_second(&self) -> Vec<f64> {
        self.each(|round| round.per_second)
    }

    /// Processor time of a delivery, in microseconds.
    fn cpu_us(&self) -> Vec<f64> {
        self.each(|round| round.cpu_seconds * 1e6 / round.deliveries as f64)
    }

    /// Of a delivery, over all rounds together: some servers write much of it once in several rounds.
    fn bytes(&self, figure: impl Fn(&Measured) -> Option<u64>) -> String {
        let deliveries: usize = self.rounds.iter().map(|round| round.deliveries).sum();
        let bytes: Option<u64> = self.rounds.iter().map(figure).sum();
        bytes.map_or_else(|| "not known".to_owned(), |bytes| format!("{:.0}", bytes as f64 / deliveries as f64))
    }
}

/// Prints the table. The first row is what all others are compared with.
pub fn print(rows: &[Row], rounds: usize, seconds: f64) {
    println!("\n## Peers: GitHub deliveries of 1 KiB, 64 connections, medians of {rounds} rounds of {seconds} s\n");
    println!(
        "| | on disk before the 200 | deliveries/s | p50, ms | p99, ms | CPU, µs a delivery | written by the disk, bytes a delivery | pages changed, bytes a delivery | throughput of hookgate (to a file) to it (min-max) | CPU of it to hookgate |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let Some(first) = rows.first() else { return };
    for row in rows {
        let faster = ratios(&first.per_second(), &row.per_second());
        println!(
            "| {} | {} | {:.0} | {:.1} | {:.1} | {:.0} | {} | {} | **{:.2}** ({:.2}-{:.2}) | {:.2} |",
            row.name,
            if row.is_durable { "yes" } else { "no, nothing is stored" },
            median(&row.per_second()),
            median(&row.each(|round| round.p50_us)) / 1e3,
            median(&row.each(|round| round.p99_us)) / 1e3,
            median(&row.cpu_us()),
            row.bytes(|round| round.disk_bytes),
            row.bytes(|round| round.written_bytes),
            median(&faster),
            least(&faster),
            most(&faster),
            median(&ratios(&row.cpu_us(), &first.cpu_us())),
        );
    }
}
