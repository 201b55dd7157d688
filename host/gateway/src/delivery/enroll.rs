use hookgate_capabilities::Enrollment;

use super::{DeliveryContext, commit::refused_by_store, reply::Outcome};
use crate::{handed_over::NotTaken, ingress::Refused};

impl DeliveryContext<'_> {
    /// Keeps a secret that the provider hands over. A reply that repeats the secret is sent only when it is durable.
    pub(super) async fn enroll(&self, enrollment: Enrollment) -> Result<Outcome, Refused> {
        let source = &self.inbound.source;
        // A reply without the secret only acknowledges the request, so the provider can send it again.
        let acknowledgement = (!enrollment.is_repeated()).then(|| enrollment.reply.clone());
        match (self.gateway.handed_over.take(source, enrollment).await, acknowledgement) {
            (Ok(reply), _) => Ok(Outcome::Answered(reply)),
            (Err(NotTaken::Closed(why)), Some(reply)) => {
                self.inbound.rates.spend_answered().map_err(Refused::RateLimited)?;
                tracing::info!(source = source.name, "answered and not kept: {why}");
                Ok(Outcome::Answered(reply))
            }
            (Err(NotTaken::Closed(why)), None) => Err(Refused::HandoverClosed(why)),
            (Err(NotTaken::Store(error)), _) => Err(refused_by_store(error)),
        }
    }
}
