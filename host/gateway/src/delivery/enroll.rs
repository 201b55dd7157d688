use hookgate_capabilities::Enrollment;

use super::{DeliveryContext, commit::refused_by_store, reply::Outcome};
use crate::{enrollment::NotEnrolled, ingress::Refused};

impl DeliveryContext<'_> {
    /// Keeps a secret that the provider hands over. A reply that repeats the secret is sent only when it is durable.
    pub(super) async fn enroll(&self, enrollment: Enrollment) -> Result<Outcome, Refused> {
        let source = &self.inbound.source;
        // A reply without the secret only acknowledges the request, so the provider can send it again.
        let acknowledgement = (!enrollment.is_repeated()).then(|| enrollment.reply.clone());
        match (self.gateway.enrollments.enroll(source, enrollment).await, acknowledgement) {
            (Ok(reply), _) => Ok(Outcome::Answered(reply)),
            (Err(NotEnrolled::Closed(why)), Some(reply)) => {
                self.inbound.rates.spend_answered().map_err(Refused::RateLimited)?;
                tracing::info!(source = source.name, "answered and not kept: {why}");
                Ok(Outcome::Answered(reply))
            }
            (Err(NotEnrolled::Closed(why)), None) => Err(Refused::HandoverClosed(why)),
            (Err(NotEnrolled::Store(error)), _) => Err(refused_by_store(error)),
        }
    }
}
