//! A refused delivery, judged again with one thing changed at a time.

use std::sync::Arc;

use bytes::Bytes;
use hookgate_capabilities::{Body, Delivery, Refusal, Request, SecretText, Secrets};
use hookgate_model::{human, limits, redact::Texts};
use hookgate_sandbox::sent_at;
use jiff::Timestamp;

use super::variants::{bodies, urls};
use crate::{
    live::Live,
    refused_deliveries::{Cause, Finding, Subject},
    sources::Inbound,
};

/// The changes that would make the delivery authentic, as far as they are tried here.
pub(super) async fn findings(live: &Live, source: &str, subject: &Subject, is_stale: bool) -> Vec<Finding> {
    let Some(inbound) = live.sources.get(source) else { return Vec::new() };
    let mut case = Case { inbound, subject, received_at: subject.request.received_at };
    let mut found = Vec::new();
    if is_stale {
        match case.at_another_time().await {
            Some(finding) => return vec![finding],
            // The signature is both old and wrong. Other findings show at the time of the signature.
            None => case.received_at = case.time_of_signature().await.unwrap_or(case.received_at),
        }
    }
    found.extend(case.with_trimmed_secrets().await);
    found.extend(case.with_other_secrets().await);
    found.extend(case.with_another_body().await);
    found.extend(case.with_another_url().await);
    found.extend(case.at_other_sources(live).await);
    found
}

/// A refused delivery at its source.
struct Case<'a> {
    inbound: &'a Inbound,
    subject: &'a Subject,
    /// The time of the judgement.
    received_at: u64,
}

/// A judgement, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Judged {
    Authentic,
    Stale,
    Other,
}

impl Case<'_> {
    /// Times in the headers and at the beginning of the body.
    fn times(&self) -> Vec<u64> {
        let request = &self.subject.request;
        let body = self.body();
        let start = &body[..body.len().min(limits::DIAGNOSED_TIMES_BODY_BYTES)];
        let mut places = request.headers.clone();
        places.push((String::new(), start.to_vec()));
        let mut times: Vec<u64> = sent_at::of_headers(&places).into_iter().map(|time| (time * 1000.0) as u64).collect();
        times.dedup();
        times.truncate(limits::DIAGNOSED_TIMES_MAX);
        times
    }

    async fn at_another_time(&self) -> Option<Finding> {
        for time in self.times() {
            if self.judge(self.inbound, &self.request(|request| request.received_at = time), None).await
                == Judged::Authentic
            {
                return Some(clock(self.subject.request.received_at, time));
            }
        }
        None
    }

    /// A time at which the signature is not too old, although it is still wrong.
    async fn time_of_signature(&self) -> Option<u64> {
        for time in self.times() {
            let request = self.request(|request| request.received_at = time);
            if self.judge(self.inbound, &request, None).await != Judged::Stale {
                return Some(time);
            }
        }
        None
    }

    async fn with_trimmed_secrets(&self) -> Option<Finding> {
        let configured = self.texts();
        let trim =
            |text: &SecretText| SecretText::new(text.expose().trim().trim_matches(['"', '\'']).trim().to_owned());
        let trimmed: Texts =
            configured.iter().map(|(name, texts)| (name.clone(), texts.iter().map(trim).collect())).collect();
        let is_changed = |name: &str, texts: &[SecretText]| {
            configured.get(name).is_some_and(|before| before.iter().zip(texts).any(|(a, b)| a.expose() != b.expose()))
        };
        let changed: Vec<&str> =
            trimmed.iter().filter(|(name, texts)| is_changed(name, texts)).map(|(name, _)| name.as_str()).collect();
        if changed.is_empty() {
            return None;
        }
        let names = changed.iter().map(|name| format!("secrets.{name}")).collect::<Vec<_>>().join(", ");
        let text = format!(
            "the signature is right when blanks, line breaks and quotes around {names} are taken away: take them away \
             where the secret is set"
        );
        self.is_authentic_under(&trimmed).await.then_some(Finding { cause: Cause::TrimmedSecret, text })
    }

    /// Each secret of the source in the place of each other one.
    async fn with_other_secrets(&self) -> Option<Finding> {
        let texts = self.texts();
        for name in texts.keys() {
            for (other, versions) in texts.iter().filter(|(other, _)| *other != name) {
                let mut swapped = Texts::clone(&texts);
                swapped.insert(name.clone(), versions.clone());
                if self.is_authentic_under(&swapped).await {
                    let text = format!(
                        "the signature is right under secrets.{other} in place of secrets.{name}: the two are swapped in \
                         the configuration"
                    );
                    return Some(Finding { cause: Cause::OtherSecret, text });
                }
            }
        }
        None
    }

    async fn with_another_body(&self) -> Option<Finding> {
        for variant in bodies(&self.body()) {
            let request = self.request(|request| request.body = variant.form.clone());
            if self.judge_body(variant.form, self.inbound, &request, None).await == Judged::Authentic {
                let text = format!(
                    "the signature is right for the body {}: something between the provider and hookgate rewrites the \
                     body; have it pass the bytes on unchanged",
                    variant.what
                );
                return Some(Finding { cause: Cause::RewrittenBody, text });
            }
        }
        None
    }

    async fn with_another_url(&self) -> Option<Finding> {
        for variant in urls(&self.subject.request) {
            let request = self.request(|request| request.url.clone_from(&variant.form));
            if self.judge(self.inbound, &request, None).await == Judged::Authentic {
                let path = variant.form.find("/in/").unwrap_or(variant.form.len());
                let text = format!(
                    "the signature is right for the URL {}: set server.public-url to what the provider calls, such as \
                     {:?}",
                    hookgate_model::redact::url(&variant.what),
                    &variant.form[..path]
                );
                return Some(Finding { cause: Cause::Url, text });
            }
        }
        None
    }

    /// The delivery at the other sources, and other sources' secrets here.
    async fn at_other_sources(&self, live: &Live) -> Vec<Finding> {
        let mut found = Vec::new();
        let here = &self.inbound.source;
        let mut others: Vec<&Inbound> = live.sources.all().filter(|other| other.source.name != here.name).collect();
        others.sort_by_key(|other| (other.source.plugin != here.plugin, &other.source.name));
        others.truncate(limits::DIAGNOSED_SOURCES_MAX);
        for other in others {
            let name = &other.source.name;
            let request = self.request(|_| {});
            if self.judge(other, &request, None).await == Judged::Authentic && !self.is_let_in_by_anything(other).await
            {
                let text = format!(
                    "the delivery is authentic for the source {name:?}: give the provider the URL /in/{name}, or this \
                     source that secret and those settings"
                );
                found.push(Finding { cause: Cause::OtherSource, text });
            } else if other.source.plugin == here.plugin && self.is_authentic_under(&other.secrets.by_name()).await {
                let text = format!("the signature is right under the secrets of the source {name:?}");
                found.push(Finding { cause: Cause::SecretOfOtherSource, text });
            }
        }
        found
    }

    /// Whether a source accepts the delivery with any secret. Then its judgement proves nothing.
    async fn is_let_in_by_anything(&self, other: &Inbound) -> bool {
        let made_up = |name: &String| (name.clone(), vec![SecretText::new(hex::encode(rand::random::<[u8; 32]>()))]);
        let secrets: Texts = other.secrets.by_name().keys().map(made_up).collect();
        self.judge(other, &self.request(|_| {}), Some(&secrets)).await == Judged::Authentic
    }

    /// Only bodies in memory are diagnosed.
    fn body(&self) -> Bytes {
        self.subject.body.in_memory().cloned().unwrap_or_default()
    }

    async fn is_authentic_under(&self, secrets: &Texts) -> bool {
        self.judge(self.inbound, &self.request(|_| {}), Some(secrets)).await == Judged::Authentic
    }

    /// The request with something changed.
    fn request(&self, change: impl FnOnce(&mut Request)) -> Arc<Request> {
        let mut request = Request { received_at: self.received_at, ..Request::clone(&self.subject.request) };
        change(&mut request);
        Arc::new(request)
    }

    fn texts(&self) -> Arc<Texts> {
        self.inbound.secrets.by_name()
    }

    /// Judges a request with the plugin of a source, under its own or other secrets. Nothing is fetched or counted.
    async fn judge(&self, inbound: &Inbound, request: &Arc<Request>, secrets: Option<&Texts>) -> Judged {
        self.judge_body(self.body(), inbound, request, secrets).await
    }

    /// The same for another body.
    async fn judge_body(
        &self,
        body: Bytes,
        inbound: &Inbound,
        request: &Arc<Request>,
        secrets: Option<&Texts>,
    ) -> Judged {
        let provider = inbound.plugin.get().active.uncounted();
        let secrets = match secrets {
            Some(texts) => Arc::new(Secrets::new(texts.clone())),
            None => inbound.secrets.get(),
        };
        let delivery = Delivery::new(request.clone(), inbound.settings.clone(), secrets)
            .with_body(Body::Memory(body))
            .with_keys(inbound.keys.of(&provider).clone())
            .from_known_sender(hookgate_model::event::methods(&self.subject.senders));
        match provider.verify(delivery).await {
            Ok(Ok(_)) => Judged::Authentic,
            Ok(Err(Refusal::Stale(_))) => Judged::Stale,
            Ok(Err(_)) | Err(_) => Judged::Other,
        }
    }
}

/// Both times are in milliseconds since the epoch.
fn clock(received_at: u64, signed_at: u64) -> Finding {
    let off = human::span(received_at.abs_diff(signed_at));
    let when = Timestamp::from_millisecond(i64::try_from(signed_at).unwrap_or(i64::MAX)).unwrap_or_default();
    let text = if received_at >= signed_at {
        format!(
            "the signature is right, and {off} old: it was made at {when}. The delivery was sent again unchanged, was held \
             up on the way, or this machine's clock is fast"
        )
    } else {
        format!(
            "the signature is right, and {off} ahead: it was made at {when}. This machine's clock is slow, or the \
             sender's is fast"
        )
    };
    Finding { cause: Cause::Clock, text }
}
