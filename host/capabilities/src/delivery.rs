//! One HTTP request from a provider, as a plugin sees it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    Body, CapabilityError, Digest, Encoding, FetchedKeys, KeyError, KeyField, KeyFormat, KeyRequest, KeySet, Proofs,
    Request, Secret, SecretError, SecretSpec, Secrets,
    body::Bodies,
    json::{self, Json, JsonAnswer},
    message::Message,
};

/// One HTTP request from a provider, with what its source is configured with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Delivery {
    request: Arc<Request>,
    bodies: Bodies,
    settings: Arc<BTreeMap<String, String>>,
    secrets: Option<Arc<Secrets>>,
    proofs: Option<Proofs>,
    keys: Keys,
    authenticated_by: Arc<[String]>,
    prefixes: Arc<Prefixes>,
    /// Set when part of its JSON counted as absent; shared by all clones.
    is_incomplete: Arc<AtomicBool>,
}

/// The prefixes that a plugin may have taken off, by the name of the secret. A prefix that is not listed could be
/// chosen at run time, and the secret be found out piece by piece.
#[derive(Debug, Default)]
pub struct Prefixes(BTreeMap<String, Vec<String>>);

impl From<BTreeMap<String, Vec<String>>> for Prefixes {
    fn from(listed: BTreeMap<String, Vec<String>>) -> Self {
        Prefixes(listed)
    }
}

impl Prefixes {
    /// Those that the plugin's descriptor lists.
    pub fn of(secrets: &[SecretSpec]) -> Self {
        Prefixes(secrets.iter().map(|spec| (spec.name.clone(), spec.prefixes.clone())).collect())
    }

    fn list(&self, secret: &str, prefix: &str) -> bool {
        self.0.get(secret).is_some_and(|listed| listed.iter().any(|known| known == prefix))
    }
}

/// What the host has fetched; none where it fetches nothing.
#[derive(Clone, Default)]
struct Keys(Option<Arc<dyn FetchedKeys>>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Keys" } else { "no keys" })
    }
}

impl Delivery {
    /// A delivery to be judged or signed.
    pub fn new(request: Arc<Request>, settings: Arc<BTreeMap<String, String>>, secrets: Arc<Secrets>) -> Self {
        Delivery::with(request, settings, Some(secrets))
    }

    /// A delivery of the past, for `transform`: every secret is missing.
    pub fn without_secrets(request: Arc<Request>, settings: Arc<BTreeMap<String, String>>) -> Self {
        Delivery::with(request, settings, None)
    }

    fn with(request: Arc<Request>, settings: Arc<BTreeMap<String, String>>, secrets: Option<Arc<Secrets>>) -> Self {
        let bodies = Bodies::of(Body::Memory(request.body.clone()));
        Delivery {
            request,
            bodies,
            settings,
            secrets,
            proofs: None,
            keys: Keys::default(),
            authenticated_by: Arc::default(),
            prefixes: Arc::default(),
            is_incomplete: Arc::default(),
        }
    }

    /// The same with the body that plugins read: without its content codings, or kept out of the request.
    ///
    /// Signatures are checked over the request's own bytes, unless the body was kept out of it.
    pub fn with_body(self, body: Body) -> Self {
        let bodies = if self.request.body.is_empty() { Bodies::of(body) } else { Bodies { read: body, ..self.bodies } };
        Delivery { bodies, ..self }
    }

    /// The same with signatures checked over the body as plugins read it. Some senders sign what they compress, others what
    /// is compressed.
    pub fn signed_as_decoded(self) -> Self {
        Delivery { bodies: Bodies::of(self.bodies.read), ..self }
    }

    /// Whether the body was received with a content coding, so that a signature may be one of two bodies.
    pub fn has_content_coding(&self) -> bool {
        self.bodies.differ()
    }

    /// The body as plugins read it; for the host.
    pub fn read_body(&self) -> &Body {
        &self.bodies.read
    }

    /// As it is, with what is proven of it noted.
    pub fn noting(mut self, proofs: Proofs) -> Self {
        self.proofs = Some(proofs);
        self
    }

    /// The same with keys that the host fetches. Without them a plugin that asks for keys ends with the answer that
    /// they are needed.
    pub fn with_keys(self, keys: Arc<dyn FetchedKeys>) -> Self {
        Delivery { keys: Keys(Some(keys)), ..self }
    }

    /// The same from a sender whom the source's `auth` knows, in these ways.
    pub fn from_known_sender(self, authenticated_by: Arc<[String]>) -> Self {
        Delivery { authenticated_by, ..self }
    }

    /// The same for a plugin that may have these prefixes taken off its secrets.
    pub fn with_prefixes(self, prefixes: Arc<Prefixes>) -> Self {
        Delivery { prefixes, ..self }
    }

    /// The request itself; for the host, plugins have the other methods.
    pub fn request(&self) -> &Arc<Request> {
        &self.request
    }

    /// Upper case, as received.
    pub fn method(&self) -> String {
        self.request.method.clone()
    }

    /// Absolute, as the provider saw it.
    pub fn url(&self) -> String {
        self.request.url.clone()
    }

    /// The first query parameter of that name, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let (_, after) = self.request.url.split_once('?')?;
        let query = after.split('#').next().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
    }

    /// The first value of a header; names in any case.
    pub fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.values(name).next().map(<[u8]>::to_vec)
    }

    /// All values of a header, in order.
    pub fn headers(&self, name: &str) -> Vec<Vec<u8>> {
        self.values(name).map(<[u8]>::to_vec).collect()
    }

    /// The names of all headers, lower case, in order, each once.
    pub fn header_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (name, _) in &self.request.headers {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// When the host received it, in milliseconds since the epoch.
    pub fn received_at(&self) -> u64 {
        self.request.received_at
    }

    /// In bytes.
    pub fn body_length(&self) -> u64 {
        self.bodies.read.length()
    }

    /// Whether the body is kept outside memory.
    pub fn is_stored(&self) -> bool {
        self.bodies.read.in_memory().is_none()
    }

    /// A stretch of the body, cut where the body ends.
    ///
    /// # Panics
    /// As every method here that reads the body, where its `try_` twin errs.
    pub fn body(&self, offset: u64, length: u64) -> Vec<u8> {
        kept(self.try_body(offset, length))
    }

    /// The digest of the whole body, in the form that signatures are checked over.
    pub fn body_digest(&self, digest: Digest) -> Vec<u8> {
        kept(self.try_body_digest(digest))
    }

    /// What stands at each JSON Pointer (RFC 6901) of the body.
    pub fn json(&self, pointers: &[&str]) -> JsonAnswer {
        kept(self.try_json(pointers)).map(|json| json.values)
    }

    /// As [`Delivery::body`], for the host: the error ends the plugin's call.
    pub fn try_body(&self, offset: u64, length: u64) -> Result<Vec<u8>, CapabilityError> {
        self.bodies.read.read(offset, length)
    }

    /// As [`Delivery::body_digest`], for the host.
    pub fn try_body_digest(&self, digest: Digest) -> Result<Vec<u8>, CapabilityError> {
        digest.of(&Message::of(&self.bodies), &[])
    }

    /// As [`Delivery::json`], for the host: the outer error ends the plugin's call.
    pub fn try_json<P: AsRef<str>>(&self, pointers: &[P]) -> Result<Result<Json, String>, CapabilityError> {
        self.select(&self.bodies.read, pointers)
    }

    /// Whether part of its JSON, or of an event's, counted as absent in any answer so far.
    pub fn is_incomplete(&self) -> bool {
        self.is_incomplete.load(Ordering::Relaxed)
    }

    fn select<P: AsRef<str>>(&self, document: &Body, pointers: &[P]) -> Result<Result<Json, String>, CapabilityError> {
        let answer = json::select(document, pointers)?;
        if answer.as_ref().is_ok_and(|json| json.is_incomplete) {
            self.is_incomplete.store(true, Ordering::Relaxed);
        }
        Ok(answer)
    }

    /// A setting of the source, as text.
    pub fn setting(&self, name: &str) -> Option<String> {
        self.settings.get(name).cloned()
    }

    /// The ways in which the source's `auth` knew the sender: `jwt`, `basic`, ...; empty where there is no `auth`.
    pub fn authenticated_by(&self) -> Vec<String> {
        self.authenticated_by.to_vec()
    }

    /// A secret of the source.
    ///
    /// # Errors
    /// There is none of this name, or no version of it is in this encoding (or each has no bytes at all).
    ///
    /// # Panics
    /// Where its `try_` twin errs: the descriptor does not list the prefix.
    pub fn secret(&self, name: &str, encoding: Encoding, strip_prefix: Option<&str>) -> Result<Secret, SecretError> {
        kept(self.try_secret(name, encoding, strip_prefix))
    }

    /// As [`Delivery::secret`], for the host: the outer error ends the plugin's call.
    pub fn try_secret(
        &self,
        name: &str,
        encoding: Encoding,
        strip_prefix: Option<&str>,
    ) -> Result<Result<Secret, SecretError>, CapabilityError> {
        if strip_prefix.is_some_and(|prefix| !self.prefixes.list(name, prefix)) {
            return Err(CapabilityError::UnlistedPrefix(name.to_owned()));
        }
        let Some(secrets) = &self.secrets else { return Ok(Err(SecretError::Missing)) };
        let keys = secrets.open(name, encoding, strip_prefix);
        Ok(keys.map(|keys| Secret::new(keys, self.bodies.clone(), self.proofs.clone())))
    }

    /// Keys that the host fetches, if it may, from a URL: by GET, or by POST of a JSON object of `fields` where there are
    /// some. `at` is a JSON Pointer to the key or key set in the document; empty for all of it.
    ///
    /// # Errors
    /// The source may not have them fetched, or the document holds no key that can be used.
    ///
    /// # Panics
    /// Where its `try_` twin errs: they must be fetched first.
    pub fn fetched_keys(
        &self,
        url: &str,
        format: KeyFormat<'_>,
        fields: &[(&str, KeyField<'_>)],
        at: &str,
    ) -> Result<KeySet, KeyError> {
        let fields = fields.iter().map(|(name, field)| ((*name).to_owned(), (*field).into())).collect();
        let request = KeyRequest { url: url.to_owned(), format: format.into(), fields, at: at.to_owned() };
        self.try_fetched_keys(request).unwrap_or_else(|broken| panic!("{broken}"))
    }

    /// As [`Delivery::fetched_keys`], for the host: the outer error ends the plugin's call.
    pub fn try_fetched_keys(&self, request: KeyRequest) -> Result<Result<KeySet, KeyError>, CapabilityError> {
        KeySet::open(self.keys.0.as_ref(), request, self.bodies.clone(), self.request.received_at)
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.request.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])
    }
}

/// An event that was admitted, as `transform` sees it.
#[derive(Clone, Debug)]
pub struct Event {
    /// The host's own id of the event.
    pub event_id: String,
    /// The name of its source.
    pub source_name: String,
    /// As `verify` gave it.
    pub admitted_as: crate::Identity,
    /// Its own bytes.
    pub payload_bytes: Body,
    /// What brought it, without secrets.
    pub brought_by: Delivery,
}

impl Event {
    /// The host's own id of the event, unique for ever.
    pub fn id(&self) -> String {
        self.event_id.clone()
    }

    /// The name of its source in the configuration.
    pub fn source(&self) -> String {
        self.source_name.clone()
    }

    /// As `verify` gave it.
    pub fn identity(&self) -> crate::Identity {
        self.admitted_as.clone()
    }

    /// In bytes.
    pub fn payload_length(&self) -> u64 {
        self.payload_bytes.length()
    }

    /// A stretch of the payload, cut where it ends.
    ///
    /// # Panics
    /// As [`Event::json`], where the host's `try_` twin errs.
    pub fn payload(&self, offset: u64, length: u64) -> Vec<u8> {
        kept(self.try_payload(offset, length))
    }

    /// As [`Delivery::json`], of the payload.
    pub fn json(&self, pointers: &[&str]) -> JsonAnswer {
        kept(self.try_json(pointers)).map(|json| json.values)
    }

    /// As [`Event::payload`], for the host: the error ends the plugin's call.
    pub fn try_payload(&self, offset: u64, length: u64) -> Result<Vec<u8>, CapabilityError> {
        self.payload_bytes.read(offset, length)
    }

    /// As [`Event::json`], for the host: the outer error ends the plugin's call.
    pub fn try_json<P: AsRef<str>>(&self, pointers: &[P]) -> Result<Result<Json, String>, CapabilityError> {
        self.brought_by.select(&self.payload_bytes, pointers)
    }

    /// The delivery that brought it.
    pub fn delivery(&self) -> Delivery {
        self.brought_by.clone()
    }
}

impl crate::Payload {
    /// The event's own bytes, out of the body of its delivery.
    ///
    /// # Errors
    /// The range lies outside the body.
    pub fn of(&self, body: &bytes::Bytes) -> Result<bytes::Bytes, CapabilityError> {
        let own = self.within(&Body::Memory(body.clone()))?;
        // A part of what is in memory is in memory.
        Ok(own.in_memory().cloned().unwrap_or_default())
    }

    /// As [`Payload::of`](crate::Payload::of), wherever the body is.
    ///
    /// # Errors
    /// The range lies outside the body.
    pub fn within(&self, body: &Body) -> Result<Body, CapabilityError> {
        match self {
            crate::Payload::Body => Ok(body.clone()),
            crate::Payload::BodyRange(range) => body.slice(*range),
            crate::Payload::Bytes(bytes) => Ok(Body::Memory(bytes.clone().into())),
        }
    }
}

fn kept<R>(answer: Result<R, CapabilityError>) -> R {
    answer.unwrap_or_else(|broken| panic!("{broken}"))
}
