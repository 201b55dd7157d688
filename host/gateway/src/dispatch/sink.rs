//! What a destination is made of.

use std::time::Duration;

use hookgate_config::{Destination, Target};
use hookgate_model::limits;
use hookgate_net::egress::Guard;

use super::{
    Parcel,
    http::{EndpointError, HttpEndpoint},
    lines::Lines,
    outcome::Outcome,
};

/// A destination, ready to be handed events.
#[derive(Debug)]
pub enum Sink {
    /// An HTTP endpoint.
    Http(Box<HttpEndpoint>),
    /// A file or standard output.
    Lines(Lines),
}

impl Sink {
    /// Makes a destination ready; nothing is connected or opened yet.
    pub fn new(destination: &Destination, guard: &Guard) -> Result<Sink, EndpointError> {
        Ok(match &destination.target {
            Target::Http(http) => {
                Sink::Http(Box::new(HttpEndpoint::new(http, destination.concurrency, guard.clone())?))
            }
            Target::Jsonl { path } => Sink::Lines(Lines::file(path.clone())),
            Target::Stdout => Sink::Lines(Lines::stdout()),
        })
    }

    /// How many events one attempt takes.
    pub fn batch(&self) -> usize {
        match self {
            Sink::Http(_) => 1,
            Sink::Lines(_) => limits::ATTEMPT_LINES_MAX,
        }
    }

    /// How many attempts may be made at once: lines are written one batch after the other.
    pub fn concurrency(&self, configured: usize) -> usize {
        match self {
            Sink::Http(_) => configured.max(1),
            Sink::Lines(_) => 1,
        }
    }

    /// Tries once to hand these over; an outcome for each, in order.
    pub async fn attempt(&self, parcels: &[Parcel], within: Duration) -> Vec<Outcome> {
        match self {
            Sink::Lines(lines) => lines.append(parcels, within).await,
            Sink::Http(endpoint) => {
                let mut outcomes = Vec::with_capacity(parcels.len());
                for parcel in parcels {
                    outcomes.push(endpoint.attempt(parcel, within).await);
                }
                outcomes
            }
        }
    }
}
