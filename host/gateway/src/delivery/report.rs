//! What is counted and logged of deliveries.

use hookgate_journal::Admitted;
use hookgate_model::trace::TraceId;
use metrics::Gauge;

use super::{DeliveryContext, Gateway, reply::Outcome};
use crate::{
    ingress::{Client, Refused},
    sources::Inbound,
};

impl Gateway {
    pub(super) fn count(&self, inbound: Option<&Inbound>, outcome: &Result<Outcome, Refused>) {
        match (inbound.map(|inbound| &inbound.metrics), outcome) {
            (Some(metrics), Err(refused)) => metrics.refused(refused.cause()),
            (None, Err(refused)) => self.metrics.refusals.count(refused.cause()),
            (Some(metrics), Ok(Outcome::Answered(_))) => metrics.answered.increment(1),
            (Some(metrics), Ok(Outcome::Admitted { admitted, .. })) => {
                let new = admitted.iter().filter(|event| matches!(event, Admitted::New(_))).count();
                metrics.events.increment(new as u64);
                if new > 0 { metrics.accepted.increment(1) } else { metrics.duplicate.increment(1) }
            }
            // Without a source there is no success.
            (None, Ok(_)) => {}
        }
    }

    /// Logs a refusal. Of a client that is refused all the time only some are logged, each with the number of those that
    /// were left out before it.
    pub(super) fn report_refusal(&self, refused: &Refused, inbound: Option<&Inbound>, client: Client, trace: &TraceId) {
        let untold = match refused {
            Refused::TooManyFailures(exceeded) => exceeded.untold,
            _ => self.refusals.untold(client),
        };
        let Some(untold) = untold else { return };
        let (cause, inside) = (refused.cause(), refused.inside());
        let (source, untold) = (inbound.map(|inbound| inbound.source.name.as_str()), (untold > 0).then_some(untold));
        if refused.is_ours() {
            tracing::error!(source, cause, %client, %trace, inside, untold, "a delivery could not be taken");
        } else {
            tracing::info!(source, cause, %client, %trace, inside, untold, "a delivery was refused");
        }
    }
}

impl DeliveryContext<'_> {
    /// Counts a failed verification against the address of the sender, never against the source. The deliveries of an
    /// address over its limit are still verified: behind a shared address a forger must not silence the provider.
    pub(super) fn count_failure(&self, refused: Refused) -> Refused {
        match refused {
            Refused::NoCredentials(..)
            | Refused::WrongCredentials(..)
            | Refused::Forbidden(..)
            | Refused::Unauthenticated(_)
            | Refused::Stale(_)
            | Refused::HandoverClosed(_)
            | Refused::Replayed => match self.inbound.rates.spend_failure(self.client) {
                Ok(()) => refused,
                Err(exceeded) => Refused::TooManyFailures(exceeded),
            },
            _ => refused,
        }
    }
}

/// Counts a request while it is worked on, also if its sender goes away.
pub(super) struct InFlight<'a>(&'a Gauge);

impl<'a> InFlight<'a> {
    pub(super) fn new(gauge: &'a Gauge) -> Self {
        gauge.increment(1);
        InFlight(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
