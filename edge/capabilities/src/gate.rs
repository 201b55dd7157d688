//! The interface `gate`: everything for one request.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    sync::Arc,
};

use hookgate_capabilities::{
    self as own, KeyRequest, Prefixes, SecretText, Secrets, UrlPattern,
    known_by::{self, Occurrences},
    rules,
};

use crate::{
    Capabilities,
    bindings::exports::hookgate::{
        edge::gate::{
            Admitted, CloudEvent, Delivery, Descriptor, EventBorrow, Guest, GuestGate, KeyNeed, Outgoing, Request,
            SecretText as Text, SignedBody, Source, Verdict,
        },
        provider::capabilities::Event,
    },
    convert,
    keys::{self, Asked, Given},
    lent,
    pack::Parcel,
    render,
};

/// The gateway's default of `idempotency.fallback-window`.
const UNDECLARED_WINDOW_MS: u64 = 600_000;

/// One request.
pub struct Gate {
    source: Source,
    settings: Arc<BTreeMap<String, String>>,
    /// As received.
    request: Arc<own::Request>,
    /// The body as plugins read it, without its content codings.
    body: own::Body,
    is_url_trusted: bool,
    has_read_untrusted_url: Rc<Cell<bool>>,
    secrets: Arc<Secrets>,
    prefixes: Arc<Prefixes>,
    nonce: u64,
    /// Events so far that are known by their bytes.
    occurrences: RefCell<Occurrences>,
    given: Arc<Given>,
    asked: Rc<Asked>,
    /// What the last need was about.
    needed: RefCell<Option<Arc<KeyRequest>>>,
    parcel: RefCell<Parcel>,
}

impl Guest for Capabilities {
    type Gate = Gate;
}

impl GuestGate for Gate {
    fn new(source: Source, request: Request) -> Self {
        let Request { method, url, is_url_trusted, headers, received_at, body, decoded_body, nonce } = request;
        let body = bytes::Bytes::from(body);
        let read_body = decoded_body.map_or_else(|| body.clone(), bytes::Bytes::from);
        // One by one: collecting into a map brings a sort along, some 15 KiB of the component.
        let (mut texts, mut settings, mut prefixes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for Text { name, versions, prefixes: listed } in &source.secrets {
            texts.insert(name.clone(), versions.iter().map(|text| SecretText::new(text.clone())).collect());
            prefixes.insert(name.clone(), listed.clone());
        }
        for (name, value) in &source.settings {
            settings.insert(name.clone(), value.clone());
        }
        Gate {
            settings: Arc::new(settings),
            body: own::Body::Memory(read_body),
            request: Arc::new(own::Request { method, url, headers, received_at, body }),
            is_url_trusted,
            has_read_untrusted_url: Rc::default(),
            secrets: Arc::new(Secrets::new(texts)),
            prefixes: Arc::new(prefixes.into()),
            nonce,
            occurrences: RefCell::default(),
            given: Arc::new(Given::new(&source.key_urls)),
            asked: Rc::default(),
            needed: RefCell::default(),
            parcel: RefCell::default(),
            source,
        }
    }

    fn delivery(&self, signed: SignedBody) -> Delivery {
        let delivery = own::Delivery::new(self.request.clone(), self.settings.clone(), self.secrets.clone())
            .with_body(self.body.clone())
            .with_keys(self.given.clone())
            .with_prefixes(self.prefixes.clone());
        let delivery = match signed {
            SignedBody::AsReceived => delivery,
            SignedBody::Decoded => delivery.signed_as_decoded(),
        };
        let untrusted_url = (!self.is_url_trusted).then(|| self.has_read_untrusted_url.clone());
        Delivery::new(lent::Delivery { delivery, asked: self.asked.clone(), untrusted_url })
    }

    fn has_read_untrusted_url(&self) -> bool {
        self.has_read_untrusted_url.get()
    }

    fn key_needed(&self) -> Result<Option<KeyNeed>, String> {
        let Some(need) = self.asked.take() else { return Ok(None) };
        *self.needed.borrow_mut() = Some(need.request.clone());
        keys::need(&self.source, &need).map(Some)
    }

    fn give_keys(&self, document: Vec<u8>, is_new: bool) -> Result<(), String> {
        match self.needed.borrow().as_ref() {
            Some(request) => self.given.give(request, &document, is_new),
            None => Err("no keys are needed".to_owned()),
        }
    }

    fn accept(&self, verdict: Verdict, plugin: Descriptor) -> Result<Vec<Admitted>, String> {
        let verdict = convert::verdict(verdict);
        rules::verdict(&verdict, self.body.length(), &convert::descriptor(plugin))?;
        match verdict {
            own::Verdict::Admit(accepted) => {
                Ok(accepted.events.into_iter().map(|event| self.admitted(event)).collect())
            }
            own::Verdict::Answer(_) | own::Verdict::Confirm(_) | own::Verdict::Enroll(_) => Ok(Vec::new()),
        }
    }

    fn may_confirm(&self, url: String, plugin: Descriptor) -> bool {
        let mut patterns = plugin.confirm_urls.iter().filter_map(|pattern| UrlPattern::new(pattern).ok());
        patterns.any(|pattern| pattern.fits(&url))
    }

    fn add(&self, event: EventBorrow<'_>, outputs: Vec<CloudEvent>) -> Result<(), String> {
        let event = &event.get::<lent::Event>().0;
        let outputs: Vec<_> = outputs.into_iter().map(convert::cloud_event).collect();
        self.parcel.borrow_mut().add(event.event_id.clone(), render::render(event, &outputs)?);
        Ok(())
    }

    fn pack(&self, secret: String, timestamp: u64) -> Result<Option<Outgoing>, String> {
        let packed = self.parcel.take().pack(&secret, timestamp)?;
        Ok(packed.map(|(headers, body)| Outgoing {
            headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
            body,
        }))
    }
}

impl Gate {
    /// An event for the plugin's `transform`.
    fn admitted(&self, admission: own::Admission) -> Admitted {
        let own::Admission { identity, payload } = admission;
        let payload_bytes = kept(payload.within(&self.body));
        let id = hex::encode(self.key_of(&identity.known_by, &payload_bytes));
        let event = own::Event {
            event_id: id.clone(),
            source_name: self.source.name.clone(),
            admitted_as: identity,
            payload_bytes,
            brought_by: own::Delivery::without_secrets(self.request.clone(), self.settings.clone())
                .with_body(self.body.clone()),
        };
        Admitted { id, event: Event::new(lent::Event(event)) }
    }

    /// What the event is known by here and at the origin. Where nothing identifies it for good, time does: equal bytes are
    /// one event within [`UNDECLARED_WINDOW_MS`] of the clock.
    fn key_of(&self, known_by: &own::KnownBy, payload: &own::Body) -> known_by::IdempotencyKey {
        let source = &self.source.name;
        let by_delivery = |fresh: &[u8]| {
            let key = kept(known_by::by_delivery(source, fresh, payload));
            self.occurrences.borrow_mut().distinct(key)
        };
        match known_by {
            own::KnownBy::Id(id) => known_by::by_id(source, id),
            own::KnownBy::Payload => kept(known_by::by_payload(source, payload)),
            own::KnownBy::Delivery(Some(fresh)) => by_delivery(fresh.as_bytes()),
            own::KnownBy::Delivery(None) => {
                let moment = [self.request.received_at.to_be_bytes(), self.nonce.to_be_bytes()];
                by_delivery(moment.as_flattened())
            }
            own::KnownBy::Undeclared => by_delivery(&(self.request.received_at / UNDECLARED_WINDOW_MS).to_be_bytes()),
        }
    }
}

/// The plugin's word was checked before; in memory nothing else goes wrong.
fn kept<R>(answer: Result<R, own::CapabilityError>) -> R {
    answer.unwrap_or_else(|broken| panic!("{broken}"))
}
