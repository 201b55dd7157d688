//! The interface `capabilities`: each function a line over `hookgate-capabilities`.
//!
//! What ends a plugin's call in the gateway traps here, and ends the whole request: the platform answers 500, and the
//! provider tries again.

use std::{cell::Cell, rc::Rc};

use hookgate_capabilities as own;

use crate::{
    Capabilities,
    bindings::exports::hookgate::provider::capabilities::{
        self as lent, Digest, Encoding, Guest, GuestDelivery, GuestEvent, GuestKeySet, GuestSecret, Identity,
        JsonValue, KeyError, KeyField, KeyFormat, Part, Scheme, SecretError,
    },
    convert,
    keys::Asked,
};

/// A delivery in the plugin's hands, and where it is noted which keys it misses.
pub struct Delivery {
    pub delivery: own::Delivery,
    pub asked: Rc<Asked>,
    /// Where it is noted that the URL was read, if it is not to be trusted.
    pub untrusted_url: Option<Rc<Cell<bool>>>,
}

/// An event in its hands.
pub struct Event(pub own::Event);

/// A secret in its hands.
pub struct Secret(own::Secret);

/// Fetched keys in its hands.
pub struct KeySet {
    keys: own::KeySet,
    asked: Rc<Asked>,
}

impl Guest for Capabilities {
    type Delivery = Delivery;
    type Event = Event;
    type KeySet = KeySet;
    type Secret = Secret;
}

impl GuestDelivery for Delivery {
    fn method(&self) -> String {
        self.delivery.method()
    }

    fn url(&self) -> String {
        if let Some(noted) = &self.untrusted_url {
            noted.set(true);
        }
        self.delivery.url()
    }

    fn query(&self, name: String) -> Option<String> {
        self.delivery.query(&name)
    }

    fn header(&self, name: String) -> Option<Vec<u8>> {
        self.delivery.header(&name)
    }

    fn headers(&self, name: String) -> Vec<Vec<u8>> {
        self.delivery.headers(&name)
    }

    fn header_names(&self) -> Vec<String> {
        self.delivery.header_names()
    }

    fn received_at(&self) -> u64 {
        self.delivery.received_at()
    }

    fn body_length(&self) -> u64 {
        self.delivery.body_length()
    }

    fn body(&self, offset: u64, length: u64) -> Vec<u8> {
        self.delivery.body(offset, length)
    }

    fn body_digest(&self, digest: Digest) -> Vec<u8> {
        self.delivery.body_digest(convert::digest(digest))
    }

    fn json(&self, pointers: Vec<String>) -> Result<Vec<Option<JsonValue>>, String> {
        json_values(kept(self.delivery.try_json(&pointers)))
    }

    fn setting(&self, name: String) -> Option<String> {
        self.delivery.setting(&name)
    }

    fn authenticated_by(&self) -> Vec<String> {
        self.delivery.authenticated_by()
    }

    fn secret(
        &self,
        name: String,
        encoding: Encoding,
        strip_prefix: Option<String>,
    ) -> Result<lent::Secret, SecretError> {
        let secret = kept(self.delivery.try_secret(&name, convert::encoding(encoding), strip_prefix.as_deref()));
        secret.map(handle).map_err(convert::secret_error)
    }

    fn fetched_keys(
        &self,
        url: String,
        format: KeyFormat,
        fields: Vec<(String, KeyField)>,
        at: String,
    ) -> Result<lent::KeySet, KeyError> {
        let request = convert::key_request(url, format, fields, at);
        let keys = self.asked.unless_needed(self.delivery.try_fetched_keys(request)).map_err(convert::key_error)?;
        Ok(lent::KeySet::new(KeySet { keys, asked: self.asked.clone() }))
    }
}

impl GuestEvent for Event {
    fn id(&self) -> String {
        self.0.id()
    }

    fn source(&self) -> String {
        self.0.source()
    }

    fn identity(&self) -> Identity {
        convert::identity(&self.0.admitted_as)
    }

    fn payload_length(&self) -> u64 {
        self.0.payload_length()
    }

    fn payload(&self, offset: u64, length: u64) -> Vec<u8> {
        self.0.payload(offset, length)
    }

    fn json(&self, pointers: Vec<String>) -> Result<Vec<Option<JsonValue>>, String> {
        json_values(kept(self.0.try_json(&pointers)))
    }

    fn delivery(&self) -> lent::Delivery {
        lent::Delivery::new(Delivery { delivery: self.0.delivery(), asked: Rc::default(), untrusted_url: None })
    }
}

impl GuestSecret for Secret {
    fn verify_mac(&self, digest: Digest, message: Vec<Part>, tag: Vec<u8>) -> bool {
        self.0.verify_mac(convert::digest(digest), &convert::parts(&message), &tag)
    }

    fn mac(&self, digest: Digest, message: Vec<Part>) -> Vec<u8> {
        self.0.mac(convert::digest(digest), &convert::parts(&message))
    }

    fn equals(&self, candidate: Vec<u8>) -> bool {
        self.0.equals(&candidate)
    }

    fn verify_digest(&self, digest: Digest, message: Vec<Part>, tag: Vec<u8>) -> bool {
        self.0.verify_digest(convert::digest(digest), &convert::parts(&message), &tag)
    }

    fn verify_signature(&self, scheme: Scheme, message: Vec<Part>, signature: Vec<u8>) -> bool {
        self.0.verify_signature(convert::scheme(scheme), &convert::parts(&message), &signature)
    }

    fn sign(&self, scheme: Scheme, message: Vec<Part>) -> Result<Vec<u8>, String> {
        self.0.sign(convert::scheme(scheme), &convert::parts(&message))
    }

    fn hashed(&self, digest: Digest) -> lent::Secret {
        handle(self.0.hashed(convert::digest(digest)))
    }

    fn with_suffix(&self, suffix: Vec<u8>) -> lent::Secret {
        handle(self.0.with_suffix(&suffix))
    }
}

impl GuestKeySet for KeySet {
    fn verify_signature(
        &self,
        key_id: Option<String>,
        scheme: Scheme,
        message: Vec<Part>,
        signature: Vec<u8>,
    ) -> Result<bool, KeyError> {
        let message = convert::parts(&message);
        let answer = self.keys.try_verify_signature(key_id.as_deref(), convert::scheme(scheme), &message, &signature);
        self.asked.unless_needed(answer).map_err(convert::key_error)
    }

    fn member(&self, key_id: Option<String>, name: String) -> Option<JsonValue> {
        self.keys.member(key_id.as_deref(), &name).map(convert::json_value)
    }
}

fn handle(secret: own::Secret) -> lent::Secret {
    lent::Secret::new(Secret(secret))
}

fn json_values(answer: Result<own::Json, String>) -> Result<Vec<Option<JsonValue>>, String> {
    answer.map(|json| json.values.into_iter().map(|value| value.map(convert::json_value)).collect())
}

/// The plugin has broken the contract where there is none: its call ends.
fn kept<R>(answer: Result<R, own::CapabilityError>) -> R {
    answer.unwrap_or_else(|broken| panic!("{broken}"))
}
