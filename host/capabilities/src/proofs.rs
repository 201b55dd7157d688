//! What was proven while a delivery was judged: which signatures were found right.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use sha2::{Digest as _, Sha256};

/// Signatures that are noted of one delivery; as many as it may have events.
const PROOFS_MAX: usize = 1_000;

/// A signature that was found right, as a hash. The same signature of the same message is the same proof.
pub type Proof = [u8; 32];

/// The signatures of one delivery that were found right. Cheap to clone; all clones are one.
///
/// Tokens are not signatures: comparing with [`Secret::equals`](crate::Secret::equals) proves nothing of this
/// delivery in particular.
#[derive(Clone, Default)]
pub struct Proofs(Arc<Mutex<Vec<Proof>>>);

/// What a proof is made of.
pub(crate) enum Proven<'a> {
    /// A MAC or a digest with a secret in it: there is one for each message and key.
    Tag(&'a [u8]),
    /// The SHA-256 of a message under a public-key scheme. Its signature itself is not a mark: others of the same
    /// message can be made of it without the key (ECDSA), or by signing once more.
    Message(u8, &'a [u8]),
}

impl Proofs {
    pub(crate) fn note(&self, proven: &Proven<'_>) {
        let mut hash = Sha256::new();
        match proven {
            Proven::Tag(tag) => hash.update([&[1], *tag].concat()),
            Proven::Message(scheme, message) => {
                hash.update([2, *scheme]);
                hash.update(message);
            }
        }
        let proof: Proof = hash.finalize().into();
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() < PROOFS_MAX && !noted.contains(&proof) {
            noted.push(proof);
        }
    }

    /// Those noted so far, in their order, each once.
    pub fn noted(&self) -> Vec<Proof> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proofs({})", self.noted().len())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use ed25519_dalek::{Signer, SigningKey};

    use super::*;
    use crate::{Delivery, Digest, Encoding, Part, Request, Scheme, Secret, SecretText, Secrets};

    fn secret(text: &str, encoding: Encoding, proofs: Option<&Proofs>) -> Secret {
        let request = Request {
            method: "POST".into(),
            url: "https://h/in/x".into(),
            headers: Vec::new(),
            received_at: 0,
            body: "body".into(),
        };
        let texts = BTreeMap::from([("s".to_owned(), vec![SecretText::new(text.to_owned())])]);
        let mut delivery = Delivery::new(request.into(), Arc::default(), Arc::new(Secrets::new(texts)));
        if let Some(proofs) = proofs {
            delivery = delivery.noting(proofs.clone());
        }
        delivery.secret("s", encoding, None).unwrap()
    }

    #[test]
    fn only_what_verifies_is_noted_and_once() {
        let proofs = Proofs::default();
        let secret = secret("key", Encoding::Utf8, Some(&proofs));
        let tag = secret.mac(Digest::Sha256, &[Part::Body]);
        assert!(!secret.verify_mac(Digest::Sha256, &[Part::Body], b"wrong"));
        assert!(!secret.verify_digest(Digest::Sha256, &[Part::Secret], b"wrong"));
        assert!(secret.equals(b"key") && proofs.noted().is_empty());
        assert!(secret.verify_mac(Digest::Sha256, &[Part::Body], &tag));
        assert!(secret.verify_mac(Digest::Sha256, &[Part::Body], &tag));
        assert_eq!(proofs.noted().len(), 1);
        let digest = sha1::Sha1::digest(b"keyx");
        assert!(secret.verify_digest(Digest::Sha1, &[Part::Secret, Part::Bytes(b"x")], &digest));
        let derived = secret.with_suffix(b"&");
        let tag = derived.mac(Digest::Sha1, &[Part::Body]);
        assert!(derived.verify_mac(Digest::Sha1, &[Part::Body], &tag));
        assert_eq!(proofs.noted().len(), 3);
    }

    #[test]
    fn of_a_public_key_signature_the_message_is_what_counts() {
        let proofs = Proofs::default();
        let key = SigningKey::from_bytes(&[7; 32]);
        let secret = secret(&hex::encode(key.verifying_key().as_bytes()), Encoding::Hex, Some(&proofs));
        for (message, noted) in [("a", 1), ("a", 1), ("b", 2)] {
            let signature = key.sign(message.as_bytes()).to_bytes();
            assert!(secret.verify_signature(Scheme::Ed25519, &[Part::Bytes(message.as_bytes())], &signature));
            assert_eq!(proofs.noted().len(), noted, "{message}");
        }
    }

    #[test]
    fn their_number_is_bounded_and_nothing_is_noted_unasked() {
        let proofs = Proofs::default();
        (0..2_000_u32).for_each(|n| proofs.note(&Proven::Tag(&n.to_be_bytes())));
        assert_eq!(proofs.noted().len(), PROOFS_MAX);
        let unasked = secret("key", Encoding::Utf8, None);
        let tag = unasked.mac(Digest::Sha256, &[Part::Body]);
        assert!(unasked.verify_mac(Digest::Sha256, &[Part::Body], &tag));
    }
}
