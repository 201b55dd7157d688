//! Why a delivery was refused, as a person would find out: what would have to be different for its signature to be right.
//!
//! A refused delivery is judged again with one thing changed at a time: another secret, the body as a proxy would rewrite
//! it, another URL, another time ([`judge`]). The result is for the operator only. It never reaches the sender, who could use it
//! to guess secrets: it is found after the reply, and kept with the refused deliveries of the source
//! ([`crate::refused_deliveries`]).

mod json;
mod judge;
mod variants;

use std::sync::Arc;

use bytes::Bytes;
use hookgate_model::{limits, redact::Mask, trace::TraceId};

use crate::{
    ingress::{Client, Refused},
    live::Live,
    refused_deliveries::{DiagnosisState, Finding, Refusals, RefusedDelivery, Subject},
};

/// Notes a delivery that its plugin has refused, and starts a diagnosis beside the reply.
pub fn note(live: &Arc<Live>, source: &str, refused: &Refused, client: Client, trace: &TraceId, subject: Subject) {
    let Some(inbound) = live.sources.get(source) else { return };
    let refusals = inbound.refusals.clone();
    let mask = Mask::of(&inbound.secrets.by_name());
    let shown = RefusedDelivery::new(&subject, &mask, live.config.diagnosis.bodies);
    refusals.take(refused, client, trace, Some(shown));
    let is_signature = matches!(refused, Refused::Unauthenticated(_) | Refused::Stale(_));
    let fits = |body: &Bytes| body.len() <= limits::DIAGNOSED_BODY_BYTES_MAX;
    if !is_signature || !subject.body.in_memory().is_some_and(fits) {
        return refusals.set_diagnosis(trace, DiagnosisState::NotPossible);
    }
    let Some(permit) = refusals.may_work(client) else { return refusals.set_diagnosis(trace, DiagnosisState::TooMany) };
    let (live, source, trace) = (live.clone(), source.to_owned(), *trace);
    let is_stale = matches!(refused, Refused::Stale(_));
    tokio::spawn(async move {
        let findings = judge::findings(&live, &source, &subject, is_stale).await;
        for Finding { cause, text } in &findings {
            let cause = cause.name();
            tracing::debug!(source, %trace, cause, text, "why a delivery was refused");
        }
        refusals.set_diagnosis(&trace, DiagnosisState::Found(findings));
        drop(permit);
    });
}

/// Notes a delivery that was refused before its plugin saw it.
pub fn note_unjudged(refusals: &Refusals, refused: &Refused, client: Client, trace: &TraceId) {
    refusals.take(refused, client, trace, None);
    refusals.set_diagnosis(trace, DiagnosisState::NotPossible);
}
