//! Amazon SNS over HTTP: an RSA signature over some fields of the envelope, under the certificate that it names.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>
//!
//! SNS has a `MessageId` for each message published, and sends it again with the same one.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | all | MessageId | MessageId | has a different one | docs.aws.amazon.com, HTTP/HTTPS headers: "unique for each message published", and kept when SNS sends it again | yes |

mod endpoint;
mod envelope;

use hookgate_plugin_sdk::{
    CloudEvent, Confirmation, Delivery, Descriptor, Event, EventData, Identity, KeyError, KeyFormat, KnownBy, Ordering,
    Position, Provider, Refusal, Reply, Verdict,
    answer::{self, attribute, cloud_event, forged},
    export, jwt, setting,
    time::{self, Window},
};

use crate::envelope::{Envelope, Kind};

/// The plugin.
pub struct AwsSns;

export!(AwsSns, vectors_only);

/// SNS tries again for an hour at most, with the same timestamp.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html>
const TOLERANCE: u64 = 7200;

impl Provider for AwsSns {
    fn describe() -> Descriptor {
        Descriptor {
            settings: vec![
                answer::setting("topics", None, "ARNs of the topics to take: one or a list; a * at the end of one"),
                answer::setting("confirm", Some("true"), "whether subscriptions to those topics are confirmed"),
                answer::setting("data", Some("envelope"), "what is the event: envelope, or message (without it)"),
                answer::setting("tolerance", Some("7200"), "seconds that a message lives; 0: for ever"),
            ],
            headers: answer::headers(&["x-amz-sns-rawdelivery"]),
            // Regional endpoints only, as in AWS's own validator for Java (`CertificateUrlValidator` of
            // https://github.com/aws/aws-sdk-java-v2/tree/master/services-custom/sns-message-manager).
            key_urls: answer::urls(&[
                "https://sns.{region}.amazonaws.com/SimpleNotificationService-*.pem",
                "https://sns.{region}.amazonaws.com.cn/SimpleNotificationService-*.pem",
            ]),
            confirm_urls: answer::urls(&[
                "https://sns.{region}.amazonaws.com/?Action=ConfirmSubscription&TopicArn=*&Token=*",
                "https://sns.{region}.amazonaws.com.cn/?Action=ConfirmSubscription&TopicArn=*&Token=*",
            ]),
            ..answer::descriptor(
                "aws-sns",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &[
                    "https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html",
                    "https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html",
                ],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        let topics = topics(delivery)?;
        let (confirms, unwraps) = (setting::flag(delivery, "confirm", true)?, unwraps(delivery)?);
        let tolerance = setting::whole(delivery, "tolerance", TOLERANCE)?;
        if delivery.header("x-amz-sns-rawdelivery").is_some() {
            return Err(forged("raw message delivery has no signature: switch it off at the subscription"));
        }
        let envelope = Envelope::of(delivery)?;
        // Before the signature: any SNS customer can have messages signed, for a topic of their own.
        if !topics.iter().any(|topic| fits(topic, &envelope.topic)) {
            return Err(forged(&format!("the topic {} is not in settings.topics", envelope.topic)));
        }
        authenticate(delivery, &envelope)?;
        let sent_at = time::rfc3339(&envelope.timestamp);
        let sent_at = sent_at.ok_or_else(|| Refusal::Malformed("Timestamp is not a time".to_owned()))?;
        time::check(delivery, sent_at, tolerance, Window::Both)?;
        match (envelope.kind, envelope.subscribe_url.clone()) {
            (Kind::Subscription, Some(url)) if confirms && !endpoint::may_be_ours(&url) => {
                Err(forged("SubscribeURL does not lead to SNS"))
            }
            (Kind::Subscription, Some(url)) if confirms => Ok(Verdict::Confirm(Confirmation { url, reply: empty() })),
            (Kind::Notification, _) if unwraps => {
                let identity = identity(&envelope, sent_at);
                Ok(answer::admit_bytes(identity, envelope.message.into_bytes()))
            }
            _ => Ok(answer::admit(identity(&envelope, sent_at))),
        }
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let kind = identity.kind.clone().unwrap_or_default();
        let topic = attribute(&identity, "topic").unwrap_or_default();
        let is_json = event.json(&[]).is_ok();
        let media = if is_json { "application/json" } else { "text/plain" };
        let data = if event.payload_length() == 0 { EventData::None } else { EventData::Payload };
        Ok(vec![CloudEvent {
            subject: attribute(&identity, "subject"),
            time: identity.occurred_at,
            data_content_type: Some(media.to_owned()),
            data,
            ..cloud_event(
                answer::provider_id(&identity).unwrap_or_else(|| event.id()),
                topic,
                format!("com.amazonaws.sns.{kind}"),
            )
        }])
    }
}

/// The topics to take: any AWS account can have SNS sign a message of its own.
fn topics(delivery: &Delivery) -> Result<Vec<String>, Refusal> {
    let topics = setting::words(delivery, "topics");
    let wrong = |text: String| Err(Refusal::Misconfigured(text));
    match topics.iter().find(|topic| !topic.starts_with("arn:") || topic.trim_end_matches('*').contains('*')) {
        Some(topic) => wrong(format!("settings.topics: {topic:?} is not an ARN, or has a * that is not at its end")),
        None if topics.is_empty() => wrong("settings.topics is not set: name the topics to take".to_owned()),
        None => Ok(topics),
    }
}

fn fits(pattern: &str, topic: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => topic.starts_with(beginning),
        None => topic == pattern,
    }
}

fn unwraps(delivery: &Delivery) -> Result<bool, Refusal> {
    match delivery.setting("data").as_deref() {
        None | Some("envelope") => Ok(false),
        Some("message") => Ok(true),
        Some(other) => Err(Refusal::Misconfigured(format!("settings.data is neither envelope nor message: {other:?}"))),
    }
}

fn authenticate(delivery: &Delivery, envelope: &Envelope) -> Result<(), Refusal> {
    envelope.check_borders()?;
    let url = &envelope.certificate_url;
    let names = endpoint::certificate_names(url).ok_or_else(|| forged("SigningCertURL does not lead to SNS"))?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let keys = match delivery.fetched_keys(url, KeyFormat::Certificate(&names), &[], "") {
        Ok(keys) => keys,
        // The sender has named it.
        Err(KeyError::NotAllowed) => return Err(forged("SigningCertURL does not lead to SNS")),
        Err(error) => return Err(jwt::refusal(error, "the certificate of SNS")),
    };
    match keys.verify_signature(None, envelope.scheme, &envelope.signed_parts(), &envelope.signature) {
        Ok(true) => Ok(()),
        Ok(false) => Err(forged("Signature does not fit the message")),
        Err(error) => Err(jwt::refusal(error, "the certificate of SNS")),
    }
}

fn identity(envelope: &Envelope, sent_at: u64) -> Identity {
    Identity {
        known_by: answer::id_or(Some(envelope.message_id.clone()), KnownBy::Undeclared),
        kind: Some(envelope.kind.name().to_owned()),
        occurred_at: Some(sent_at),
        // Topics that number their messages (FIFO) do not deliver over HTTP.
        ordering: answer::id(Some(envelope.topic.clone()))
            .map(|key| Ordering { key, position: Position::Timestamp(sent_at) }),
        attributes: answer::attributes([
            ("topic", answer::id(Some(envelope.topic.clone()))),
            ("subject", answer::id(envelope.subject.clone())),
        ]),
    }
}

fn empty() -> Reply {
    Reply { status: 200, headers: Vec::new(), body: Vec::new() }
}
