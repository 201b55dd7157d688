use std::sync::Arc;

use hookgate_capabilities as capabilities;
use hookgate_capabilities::{
    Accepted, Body, CloudEvent, Confirmation, Delivery, Enrollment, Proofs, Refusal, Reply, Request,
};
use hookgate_model::{
    event::{Sender, methods},
    limits,
};
use hookgate_sandbox::{Broken, Function, Judged};

use super::{
    DeliveryContext,
    reply::Outcome,
    straight::{Straight, StraightPath},
};
use crate::{
    claims::Upload, diagnosis, fetched_keys::KeysError, ingress::Refused, refused_deliveries::Subject,
    replay_protection, trial::Judgement,
};

/// A delivery that its plugin has found authentic. Only [`DeliveryContext::verify`] makes one, so that nothing unverified
/// can be committed.
pub(super) struct Verified {
    pub(super) request: Arc<Request>,
    pub(super) body: Body,
    pub(super) accepted: Accepted,
    /// The signatures that were checked, if the source has replay protection.
    pub(super) proofs: Option<Proofs>,
    /// Part of its JSON counted as absent.
    pub(super) is_incomplete: bool,
    /// The events in their final form, if they were transformed in the same call.
    pub(super) straight: Option<Straight>,
    /// The body's way into the object store, if it goes there.
    pub(super) upload: Option<Box<Upload>>,
    /// Keeps other modules from making one.
    _private: (),
}

/// What an authentic delivery asks for.
pub(super) enum Verdict {
    Admit(Box<Verified>),
    Answer(Reply),
    Confirm(Confirmation),
    Enroll(Enrollment),
}

impl DeliveryContext<'_> {
    /// Has the plugin judge the delivery. On any failure it is not admitted.
    pub(super) async fn verify(
        &self,
        request: Arc<Request>,
        body: Body,
        upload: Option<Box<Upload>>,
        senders: &[Sender],
    ) -> Result<Verdict, Refused> {
        let verdict = self.verdict(request.clone(), body.clone(), upload, senders).await;
        match &verdict {
            Ok(_) => self.inbound.refusals.authentic_from(self.client),
            Err(refused) => {
                let subject = Subject { request, body, senders: senders.to_vec() };
                diagnosis::note(self.live, &self.inbound.source.name, refused, self.client, self.trace, subject);
            }
        }
        verdict
    }

    async fn verdict(
        &self,
        request: Arc<Request>,
        body: Body,
        upload: Option<Box<Upload>>,
        senders: &[Sender],
    ) -> Result<Verdict, Refused> {
        let inbound = self.inbound;
        let mut delivery = Delivery::new(request.clone(), inbound.settings.clone(), inbound.secrets.get())
            .with_body(body.clone())
            .with_keys(inbound.keys.of(self.provider).clone())
            .from_known_sender(methods(senders));
        let proofs = replay_protection::proofs_for(&inbound.source);
        if let Some(proofs) = &proofs {
            delivery = delivery.noting(proofs.clone());
        }
        let straight = StraightPath::new(self, &request, &body, senders, &delivery);
        let (judgement, transformed) = self.judge(&delivery, &straight).await?;
        if let Some(shadow) = self.shadow {
            shadow.record(inbound, &request, &body, senders, &judgement);
        }
        match judgement.map_err(refused_for_broken)?.map_err(refused_by_plugin)? {
            capabilities::Verdict::Admit(accepted) => {
                let straight = straight.finish(&accepted, transformed);
                let is_incomplete = delivery.is_incomplete();
                let verified =
                    Verified { request, body, accepted, proofs, is_incomplete, straight, upload, _private: () };
                Ok(Verdict::Admit(Box::new(verified)))
            }
            capabilities::Verdict::Answer(reply) => Ok(Verdict::Answer(reply)),
            capabilities::Verdict::Confirm(confirmation) => Ok(Verdict::Confirm(confirmation)),
            capabilities::Verdict::Enroll(enrollment) => Ok(Verdict::Enroll(enrollment)),
        }
    }

    /// The plugin's judgement, with all keys that it needs, and what it made of the events of the straight path. The plugin
    /// does not wait for keys: they are fetched, and it starts over.
    async fn judge(
        &self,
        delivery: &Delivery,
        straight: &StraightPath<'_>,
    ) -> Result<(Judgement, Vec<Result<Vec<CloudEvent>, String>>), Refused> {
        let (provider, breakers) = (self.provider, &self.inbound.breakers);
        let permit = breakers.ask(provider.hash(), Function::Verify, self.client.counted().address());
        let permit = permit.map_err(Refused::PluginOut)?;
        let events_of = |accepted: &Accepted| straight.events(accepted);
        let mut judged = provider.verify_and_transform(delivery.clone(), &events_of).await;
        for _ in 0..limits::KEY_ROUNDS_MAX {
            let Err(Broken::KeysNeeded(need)) = &judged else { break };
            let fetched = self.inbound.keys.of(provider).fetch(need, Some(self.client)).await;
            // A failed fetch does not make the delivery a forgery.
            fetched.map_err(|error| Refused::KeysUnavailable(error.to_string()))?;
            judged = provider.verify_and_transform(delivery.clone(), &events_of).await;
        }
        breakers.report(provider.hash(), permit, &judged);
        Ok(match judged {
            Ok(Judged { verdict, transformed }) => (Ok(verdict), transformed),
            Err(broken) => (Err(broken), Vec::new()),
        })
    }

    /// Confirms a subscription before the provider gets its reply. If that fails, the provider asks again.
    pub(super) async fn confirm(&self, confirmation: Confirmation) -> Result<Outcome, Refused> {
        let confirmed = self.inbound.keys.of(self.provider).confirm(&confirmation.url).await;
        confirmed.map_err(|error| Refused::ConfirmationFailed(error.to_string()))?;
        tracing::info!(source = self.inbound.source.name, trace = %self.trace, "a subscription was confirmed");
        Ok(Outcome::Answered(confirmation.reply))
    }

    /// Lists a delivery that was refused before its plugin saw it.
    pub(super) fn note_unjudged(&self, refused: &Refused) {
        diagnosis::note_unjudged(&self.inbound.refusals, refused, self.client, self.trace);
    }
}

fn refused_for_broken(broken: Broken) -> Refused {
    match broken {
        Broken::KeysNeeded(_) => Refused::KeysUnavailable(KeysError::TooManyRounds.to_string()),
        Broken::Body(text) => Refused::ClaimFailed(text),
        Broken::NoTurn => Refused::Overloaded,
        broken => Refused::PluginBroken(broken.cause(), broken.to_string()),
    }
}

fn refused_by_plugin(refusal: Refusal) -> Refused {
    match refusal {
        Refusal::Unauthenticated(text) => Refused::Unauthenticated(text),
        Refusal::Stale(text) => Refused::Stale(text),
        Refusal::Malformed(text) => Refused::Malformed(text),
        Refusal::Unsupported(text) => Refused::Unsupported(text),
        Refusal::Misconfigured(text) => Refused::Misconfigured(text),
    }
}
