//! What SNS sends: a JSON object, and what of it is signed.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>

use hookgate_plugin_sdk::{
    Delivery, Part, Refusal, Scheme,
    answer::forged,
    borders::{self, Piece},
    encoding::{from_base64, part},
    fields,
};

/// The label of the one value that may hold line breaks.
const MESSAGE: &str = "Message\n";

/// A value in the signed text.
fn piece<'v>((label, value): (&'static str, &'v str)) -> Piece<'v> {
    match label {
        MESSAGE => Piece::anything(value.as_bytes()),
        label => Piece::until(b'\n', label.trim_end(), value),
    }
}

/// The kinds of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What was published.
    Notification,
    /// This endpoint was subscribed; SNS sends nothing before the subscription is confirmed.
    Subscription,
    /// The subscription has ended.
    Unsubscription,
}

/// A message of SNS, not verified.
#[derive(Debug)]
pub struct Envelope {
    pub kind: Kind,
    pub message_id: String,
    pub topic: String,
    pub subject: Option<String>,
    pub message: String,
    pub timestamp: String,
    pub subscribe_url: Option<String>,
    token: Option<String>,
    pub scheme: Scheme,
    pub signature: Vec<u8>,
    pub certificate_url: String,
}

impl Kind {
    /// In the words of SNS.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Notification => "Notification",
            Kind::Subscription => "SubscriptionConfirmation",
            Kind::Unsubscription => "UnsubscribeConfirmation",
        }
    }

    fn named(name: &str) -> Option<Kind> {
        [Kind::Notification, Kind::Subscription, Kind::Unsubscription].into_iter().find(|kind| kind.name() == name)
    }
}

impl Envelope {
    /// Reads a delivery.
    ///
    /// # Errors
    /// Malformed, unsupported, or, where a field is missing without which nothing is signed, unauthenticated.
    pub fn of(delivery: &Delivery) -> Result<Envelope, Refusal> {
        let [kind, id, topic, subject, message, timestamp, url, token, version, signature, certificate] = fields::of(
            delivery,
            [
                "/Type",
                "/MessageId",
                "/TopicArn",
                "/Subject",
                "/Message",
                "/Timestamp",
                "/SubscribeURL",
                "/Token",
                "/SignatureVersion",
                "/Signature",
                "/SigningCertURL",
            ],
        )?;
        let missing = |name: &str| forged(&format!("{name} is missing"));
        let kind = kind.text().ok_or_else(|| missing("Type"))?;
        let kind = Kind::named(&kind).ok_or_else(|| Refusal::Unsupported(format!("a message of Type {kind:?}")))?;
        let scheme = match version.text().as_deref() {
            Some("1") => Scheme::RsaPkcs1Sha1,
            Some("2") => Scheme::RsaPkcs1Sha256,
            _ => return Err(Refusal::Unsupported("SignatureVersion is neither 1 nor 2".to_owned())),
        };
        let signature = signature.text().ok_or_else(|| missing("Signature"))?;
        let envelope = Envelope {
            kind,
            message_id: id.text().ok_or_else(|| missing("MessageId"))?,
            topic: topic.text().ok_or_else(|| missing("TopicArn"))?,
            subject: subject.text(),
            message: message.text().ok_or_else(|| missing("Message"))?,
            timestamp: timestamp.text().ok_or_else(|| missing("Timestamp"))?,
            subscribe_url: url.text(),
            token: token.text(),
            scheme,
            signature: from_base64(&signature).ok_or_else(|| forged("Signature is not base64"))?,
            certificate_url: certificate.text().ok_or_else(|| missing("SigningCertURL"))?,
        };
        let is_whole = envelope.subscribe_url.is_some() && envelope.token.is_some();
        if kind == Kind::Notification || is_whole { Ok(envelope) } else { Err(missing("SubscribeURL or Token")) }
    }

    /// Checks that the signed text has no other split. A message may hold line breaks; nothing else of SNS does.
    ///
    /// # Errors
    /// Unauthenticated: a value holds a line break, so that lines could be moved between the values.
    pub fn check_borders(&self) -> Result<(), Refusal> {
        let pieces: Vec<_> =
            self.lines().flat_map(|line| [Piece::Fixed(line.0), piece(line), Piece::Fixed("\n")]).collect();
        borders::check(&pieces).map_err(|why| forged(&why.to_string()))
    }

    /// What is signed.
    pub fn signed_parts(&self) -> Vec<Part<'_>> {
        self.lines().flat_map(|(label, value)| [part(label), part(value), part("\n")]).collect()
    }

    /// Labels and values, a line each, in the order of the labels.
    fn lines(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let (url, token) = match self.kind {
            Kind::Notification => (None, None),
            Kind::Subscription | Kind::Unsubscription => (self.subscribe_url.as_deref(), self.token.as_deref()),
        };
        // Confirmations have no subject, and none would be signed with them.
        let subject = self.subject.as_deref().filter(|_| self.kind == Kind::Notification);
        let lines = [
            (MESSAGE, Some(self.message.as_str())),
            ("MessageId\n", Some(&self.message_id)),
            ("Subject\n", subject),
            ("SubscribeURL\n", url),
            ("Timestamp\n", Some(&self.timestamp)),
            ("Token\n", token),
            ("TopicArn\n", Some(&self.topic)),
            ("Type\n", Some(self.kind.name())),
        ];
        lines.into_iter().filter_map(|(label, value)| Some((label, value?)))
    }
}
