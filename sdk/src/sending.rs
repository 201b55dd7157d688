//! What `sign` needs in most plugins.

use crate::{Delivery, Digest, Outgoing, Part, encoding};

/// The body that is signed and sent: the given one, or an example in its place where it is empty.
pub struct Body {
    example: Option<String>,
}

impl Body {
    /// Makes the example only where it is needed.
    pub fn of(delivery: &Delivery, example: impl FnOnce() -> String) -> Self {
        Body { example: (delivery.body_length() == 0).then(example) }
    }

    /// The body in a message.
    pub fn part(&self) -> Part<'_> {
        self.example.as_deref().map_or(Part::Body, encoding::part)
    }

    /// The request with these headers set.
    pub fn with_headers<const N: usize>(self, headers: [(&str, String); N]) -> Outgoing {
        Outgoing {
            headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            body: self.example.map(String::into_bytes),
        }
    }
}

/// An id in the form of a UUID (version 7): of the time of receipt and the body, so that another send has another one.
pub fn uuid(delivery: &Delivery) -> String {
    let millis = format!("{:012x}", delivery.received_at() & 0xffff_ffff_ffff);
    let digest = encoding::to_hex(&delivery.body_digest(Digest::Sha256));
    format!("{}-{}-7{}-8{}-{}", &millis[..8], &millis[8..], &digest[..3], &digest[3..6], &digest[6..18])
}
