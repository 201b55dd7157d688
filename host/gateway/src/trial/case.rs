//! A delivery that several versions judge, and the answer of each.

use std::{collections::BTreeMap, sync::Arc};

use hookgate_capabilities::{
    Accepted, Admission, Body, CloudEvent, Delivery, Event, Identity, Payload, Request, Verdict,
};
use hookgate_model::{
    event::{EventId, Sender},
    limits, redact,
};
use hookgate_sandbox::{Broken, Provider};
use uuid::Uuid;

use super::answer::{Answer, EventSummary, Judgement, Outputs};
use crate::sources::{Inbound, VersionKeys};
use hookgate_cloudevents as cloudevents;

/// A delivery as all versions get it: with the same time, secrets, settings and cached keys. Judging it has no effect: no
/// signature is noted and no key is fetched.
pub struct Case {
    source: String,
    request: Arc<Request>,
    body: Body,
    settings: Arc<BTreeMap<String, String>>,
    known_by: Arc<[String]>,
    keys: VersionKeys,
    delivery: Delivery,
    id: Uuid,
}

/// Why a version could not judge a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotJudged {
    /// It needs keys that are not cached.
    Keys,
    /// The body cannot be read.
    Body,
}

impl Case {
    /// A delivery of a source. `transform` sees its events under ids of the delivery `id`.
    pub fn new(inbound: &Inbound, request: Arc<Request>, body: Body, senders: &[Sender], id: Uuid) -> Case {
        let known_by = hookgate_model::event::methods(senders);
        let request = if redact::has_references(&request) {
            let mut whole = Arc::unwrap_or_clone(request);
            redact::put_back(&mut whole, &inbound.secrets.by_name());
            Arc::new(whole)
        } else {
            request
        };
        let delivery = Delivery::new(request.clone(), inbound.settings.clone(), inbound.secrets.get())
            .with_body(body.clone())
            .from_known_sender(known_by.clone());
        let (source, settings, keys) = (inbound.source.name.clone(), inbound.settings.clone(), inbound.keys.clone());
        Case { source, request, body, settings, known_by, keys, delivery, id }
    }

    /// The body. It is not in memory if it is in the object store.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The judgement of a version's `verify`.
    pub async fn judge(&self, version: &Provider) -> Judgement {
        version.verify(self.delivery.clone().with_keys(self.keys.of(version).clone())).await
    }

    /// The answer of a version.
    ///
    /// # Errors
    /// It cannot judge the delivery.
    pub async fn ask(&self, version: &Provider) -> Result<Answer, NotJudged> {
        let judged = self.judge(version).await;
        self.answer(version, &judged).await
    }

    /// The answer of a version that has judged the delivery already.
    ///
    /// # Errors
    /// It could not judge the delivery.
    pub async fn answer(&self, version: &Provider, judged: &Judgement) -> Result<Answer, NotJudged> {
        match judged {
            Err(Broken::KeysNeeded(_)) => Err(NotJudged::Keys),
            // A version without a turn has not judged it either.
            Err(Broken::Body(_) | Broken::NoTurn) => Err(NotJudged::Body),
            Ok(Ok(Verdict::Admit(Accepted { events, reply }))) => {
                let mut said = BTreeMap::new();
                for (place, event) in (0_u16..).zip(events) {
                    // A bounded number of transformations is enough to find differences.
                    let outputs = if usize::from(place) < limits::TRIAL_TRANSFORMS_OF_DELIVERY_MAX {
                        self.outputs(version, place, event).await?
                    } else {
                        Outputs::Unknown
                    };
                    said.insert(place, self.event(&event.identity, &event.payload, outputs)?);
                }
                Ok(Answer::admitted(said, reply.as_ref()))
            }
            judged => Ok(Answer::of(judged)),
        }
    }

    /// The recorded answer: events by their places, with their outputs if they were transformed by then.
    ///
    /// # Errors
    /// An event lies outside the body.
    pub fn kept(&self, events: &[(u16, Admission, Option<Vec<CloudEvent>>)]) -> Result<Answer, NotJudged> {
        let said = events.iter().map(|(place, admission, outputs)| {
            let outputs = outputs.clone().map_or(Outputs::Unknown, Outputs::Made);
            Ok((*place, self.event(&admission.identity, &admission.payload, outputs)?))
        });
        Ok(Answer::kept(said.collect::<Result<_, NotJudged>>()?))
    }

    fn event(&self, identity: &Identity, payload: &Payload, outputs: Outputs) -> Result<EventSummary, NotJudged> {
        EventSummary::new(identity, payload, &self.body, outputs).map_err(|_| NotJudged::Body)
    }

    async fn outputs(&self, version: &Provider, place: u16, event: &Admission) -> Result<Outputs, NotJudged> {
        let lent = Event {
            event_id: EventId { delivery: self.id, index: place }.to_string(),
            source_name: self.source.clone(),
            admitted_as: event.identity.clone(),
            payload_bytes: event.payload.within(&self.body).map_err(|_| NotJudged::Body)?,
            brought_by: Delivery::without_secrets(self.request.clone(), self.settings.clone())
                .with_body(self.body.clone())
                .from_known_sender(self.known_by.clone()),
        };
        match version.transform(lent).await {
            Ok(Ok(outputs)) => Ok(match cloudevents::check_all(&outputs) {
                Ok(()) => Outputs::Made(outputs),
                Err(why) => Outputs::Failed(why),
            }),
            Ok(Err(why)) => Ok(Outputs::Failed(why)),
            // A version without a turn has not judged it either.
            Err(Broken::Body(_) | Broken::NoTurn) => Err(NotJudged::Body),
            Err(broken) => Ok(Outputs::Failed(broken.to_string())),
        }
    }
}

/// Bytes of memory that a judgement takes, beside the body.
pub fn bytes_of(judged: &Judgement) -> usize {
    let Ok(Ok(Verdict::Admit(Accepted { events, .. }))) = judged else { return 0 };
    let own = events.iter().map(|event| match &event.payload {
        Payload::Bytes(bytes) => bytes.len(),
        Payload::Body | Payload::BodyRange(_) => 0,
    });
    own.sum()
}
