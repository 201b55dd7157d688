//! One call of a plugin: what the guest can reach while it runs.
//!
//! The guest holds handles; what they stand for lives here, in [`Call`], and goes with it. Every function of the WIT
//! interface `capabilities` is a few lines over `hookgate-capabilities`, which has the substance.

use std::time::Duration;

use hookgate_capabilities::{Delivery, Event, KeySet, Secret};
use hookgate_model::limits;
use wasmtime::{
    Result, bail,
    component::{HasSelf, Linker, Resource},
};

use super::{
    bindings::hookgate::provider::capabilities::{
        self as lent, Digest, Encoding, Host, HostDelivery, HostEvent, HostKeySet, HostSecret, Identity, JsonValue,
        KeyError, KeyField, KeyFormat, Part, Scheme, SecretError,
    },
    convert,
    wasi::Wasi,
};

/// What a guest's `delivery` handle stands for: the one of this call.
pub struct DeliveryHandle;
/// What a guest's `event` handle stands for: the one of this call.
pub struct EventHandle;
/// What a guest's `secret` handle stands for: an entry of [`Call::secrets`].
pub struct SecretHandle;
/// What a guest's `key-set` handle stands for: an entry of [`Call::key_sets`].
pub struct KeySetHandle;

/// The state of one call.
pub struct Call {
    pub delivery: Delivery,
    pub event: Option<Event>,
    secrets: Lent<Secret>,
    key_sets: Lent<KeySet>,
    pub memory: MemoryBudget,
    pub time: CallTime,
    pub wasi: Option<Box<Wasi>>,
}

impl Call {
    pub fn new(delivery: Delivery, event: Option<Event>, time: CallTime, memory_bytes: usize) -> Self {
        Call {
            delivery,
            event,
            secrets: Lent::default(),
            key_sets: Lent::default(),
            memory: MemoryBudget::new(memory_bytes),
            time,
            wasi: None,
        }
    }

    /// The guest has judged the delivery, and is to transform its events before the reply: with little time, and without what
    /// it was lent to judge the delivery.
    pub fn begin_transforming(&mut self) {
        self.time.is_short = true;
        self.time.max = self.time.max.min(self.time.used + limits::PLUGIN_SHORT_TIME);
        self.secrets = Lent::default();
        self.key_sets = Lent::default();
    }

    /// Has the guest's handles stand for an event and the delivery that brought it.
    pub fn lend_event(&mut self, event: Event) {
        self.delivery = event.delivery();
        self.event = Some(event);
    }

    fn event(&self) -> Result<&Event> {
        self.event.as_ref().ok_or_else(|| wasmtime::format_err!("there is no event in this call"))
    }

    fn secret_of(&self, handle: &Resource<SecretHandle>) -> Result<&Secret> {
        self.secrets.get(handle.rep())
    }

    fn lend(&mut self, secret: Secret) -> Result<Resource<SecretHandle>> {
        Ok(Resource::new_own(self.secrets.add(secret)?))
    }
}

/// How long a call has computed, and how long it may.
pub struct CallTime {
    pub used: Duration,
    pub max: Duration,
    /// A provider waits for more than this call: it gets none of the turns of long calls.
    pub is_short: bool,
}

impl CallTime {
    /// None used yet.
    pub fn at_most(max: Duration) -> Self {
        CallTime { used: Duration::ZERO, max, is_short: false }
    }
}

/// What handles of one kind stand for, by their numbers.
struct Lent<T>(Vec<Option<T>>);

impl<T> Default for Lent<T> {
    fn default() -> Self {
        Lent(Vec::new())
    }
}

impl<T> Lent<T> {
    fn get(&self, number: u32) -> Result<&T> {
        match self.0.get(number as usize) {
            Some(Some(lent)) => Ok(lent),
            _ => bail!("the handle of something that was dropped"),
        }
    }

    fn add(&mut self, lent: T) -> Result<u32> {
        let free = self.0.iter().position(Option::is_none);
        let at = free.unwrap_or(self.0.len());
        if at >= limits::PLUGIN_HANDLES_MAX {
            bail!("more than {} handles of one kind open at once", limits::PLUGIN_HANDLES_MAX);
        }
        match free {
            Some(at) => self.0[at] = Some(lent),
            None => self.0.push(Some(lent)),
        }
        Ok(at as u32)
    }

    fn drop(&mut self, number: u32) {
        if let Some(entry) = self.0.get_mut(number as usize) {
            *entry = None;
        }
    }
}

/// Adds what the host lends to a linker.
pub fn add_to_linker(linker: &mut Linker<Call>) -> Result<()> {
    super::bindings::hookgate::provider::types::add_to_linker::<_, HasSelf<Call>>(linker, |call| call)?;
    lent::add_to_linker::<_, HasSelf<Call>>(linker, |call| call)
}

impl super::bindings::hookgate::provider::types::Host for Call {}
impl Host for Call {}

impl HostDelivery for Call {
    fn method(&mut self, _: Resource<DeliveryHandle>) -> Result<String> {
        Ok(self.delivery.method())
    }

    fn url(&mut self, _: Resource<DeliveryHandle>) -> Result<String> {
        Ok(self.delivery.url())
    }

    fn query(&mut self, _: Resource<DeliveryHandle>, name: String) -> Result<Option<String>> {
        Ok(self.delivery.query(&name))
    }

    fn header(&mut self, _: Resource<DeliveryHandle>, name: String) -> Result<Option<Vec<u8>>> {
        Ok(self.delivery.header(&name))
    }

    fn headers(&mut self, _: Resource<DeliveryHandle>, name: String) -> Result<Vec<Vec<u8>>> {
        Ok(self.delivery.headers(&name))
    }

    fn header_names(&mut self, _: Resource<DeliveryHandle>) -> Result<Vec<String>> {
        Ok(self.delivery.header_names())
    }

    fn received_at(&mut self, _: Resource<DeliveryHandle>) -> Result<u64> {
        Ok(self.delivery.received_at())
    }

    fn body_length(&mut self, _: Resource<DeliveryHandle>) -> Result<u64> {
        Ok(self.delivery.body_length())
    }

    fn body(&mut self, _: Resource<DeliveryHandle>, offset: u64, length: u64) -> Result<Vec<u8>> {
        Ok(self.delivery.try_body(offset, length)?)
    }

    fn body_digest(&mut self, _: Resource<DeliveryHandle>, digest: Digest) -> Result<Vec<u8>> {
        Ok(self.delivery.try_body_digest(convert::digest(digest))?)
    }

    fn json(
        &mut self,
        _: Resource<DeliveryHandle>,
        pointers: Vec<String>,
    ) -> Result<Result<Vec<Option<JsonValue>>, String>> {
        Ok(self.delivery.try_json(&pointers)?.map(json_values))
    }

    fn setting(&mut self, _: Resource<DeliveryHandle>, name: String) -> Result<Option<String>> {
        Ok(self.delivery.setting(&name))
    }

    fn authenticated_by(&mut self, _: Resource<DeliveryHandle>) -> Result<Vec<String>> {
        Ok(self.delivery.authenticated_by())
    }

    fn secret(
        &mut self,
        _: Resource<DeliveryHandle>,
        name: String,
        encoding: Encoding,
        strip_prefix: Option<String>,
    ) -> Result<Result<Resource<SecretHandle>, SecretError>> {
        match self.delivery.try_secret(&name, convert::encoding(encoding), strip_prefix.as_deref())? {
            Ok(secret) => self.lend(secret).map(Ok),
            Err(error) => Ok(Err(convert::secret_error(error))),
        }
    }

    fn fetched_keys(
        &mut self,
        _: Resource<DeliveryHandle>,
        url: String,
        format: KeyFormat,
        fields: Vec<(String, KeyField)>,
        at: String,
    ) -> Result<Result<Resource<KeySetHandle>, KeyError>> {
        match self.delivery.try_fetched_keys(convert::key_request(url, format, fields, at))? {
            Ok(keys) => Ok(Ok(Resource::new_own(self.key_sets.add(keys)?))),
            Err(error) => Ok(Err(convert::key_error(error))),
        }
    }

    fn drop(&mut self, _: Resource<DeliveryHandle>) -> Result<()> {
        Ok(())
    }
}

impl HostEvent for Call {
    fn id(&mut self, _: Resource<EventHandle>) -> Result<String> {
        Ok(self.event()?.id())
    }

    fn source(&mut self, _: Resource<EventHandle>) -> Result<String> {
        Ok(self.event()?.source())
    }

    fn identity(&mut self, _: Resource<EventHandle>) -> Result<Identity> {
        Ok(convert::identity(&self.event()?.identity()))
    }

    fn payload_length(&mut self, _: Resource<EventHandle>) -> Result<u64> {
        Ok(self.event()?.payload_length())
    }

    fn payload(&mut self, _: Resource<EventHandle>, offset: u64, length: u64) -> Result<Vec<u8>> {
        Ok(self.event()?.try_payload(offset, length)?)
    }

    fn json(
        &mut self,
        _: Resource<EventHandle>,
        pointers: Vec<String>,
    ) -> Result<Result<Vec<Option<JsonValue>>, String>> {
        Ok(self.event()?.try_json(&pointers)?.map(json_values))
    }

    fn delivery(&mut self, _: Resource<EventHandle>) -> Result<Resource<DeliveryHandle>> {
        Ok(Resource::new_own(0))
    }

    fn drop(&mut self, _: Resource<EventHandle>) -> Result<()> {
        Ok(())
    }
}

fn json_values(json: hookgate_capabilities::Json) -> Vec<Option<JsonValue>> {
    json.values.into_iter().map(|value| value.map(convert::json_value)).collect()
}

impl HostSecret for Call {
    fn verify_mac(
        &mut self,
        secret: Resource<SecretHandle>,
        digest: Digest,
        message: Vec<Part>,
        tag: Vec<u8>,
    ) -> Result<bool> {
        let secret = self.secret_of(&secret)?;
        Ok(secret.try_verify_mac(convert::digest(digest), &convert::parts(&message), &tag)?)
    }

    fn mac(&mut self, secret: Resource<SecretHandle>, digest: Digest, message: Vec<Part>) -> Result<Vec<u8>> {
        Ok(self.secret_of(&secret)?.try_mac(convert::digest(digest), &convert::parts(&message))?)
    }

    fn equals(&mut self, secret: Resource<SecretHandle>, candidate: Vec<u8>) -> Result<bool> {
        Ok(self.secret_of(&secret)?.equals(&candidate))
    }

    fn verify_digest(
        &mut self,
        secret: Resource<SecretHandle>,
        digest: Digest,
        message: Vec<Part>,
        tag: Vec<u8>,
    ) -> Result<bool> {
        let secret = self.secret_of(&secret)?;
        Ok(secret.try_verify_digest(convert::digest(digest), &convert::parts(&message), &tag)?)
    }

    fn verify_signature(
        &mut self,
        secret: Resource<SecretHandle>,
        scheme: Scheme,
        message: Vec<Part>,
        signature: Vec<u8>,
    ) -> Result<bool> {
        let secret = self.secret_of(&secret)?;
        Ok(secret.try_verify_signature(convert::scheme(scheme), &convert::parts(&message), &signature)?)
    }

    fn sign(
        &mut self,
        secret: Resource<SecretHandle>,
        scheme: Scheme,
        message: Vec<Part>,
    ) -> Result<Result<Vec<u8>, String>> {
        Ok(self.secret_of(&secret)?.try_sign(convert::scheme(scheme), &convert::parts(&message))?)
    }

    fn hashed(&mut self, secret: Resource<SecretHandle>, digest: Digest) -> Result<Resource<SecretHandle>> {
        let hashed = self.secret_of(&secret)?.hashed(convert::digest(digest));
        self.lend(hashed)
    }

    fn with_suffix(&mut self, secret: Resource<SecretHandle>, suffix: Vec<u8>) -> Result<Resource<SecretHandle>> {
        let longer = self.secret_of(&secret)?.try_with_suffix(&suffix)?;
        self.lend(longer)
    }

    fn drop(&mut self, secret: Resource<SecretHandle>) -> Result<()> {
        self.secrets.drop(secret.rep());
        Ok(())
    }
}

impl HostKeySet for Call {
    fn verify_signature(
        &mut self,
        keys: Resource<KeySetHandle>,
        key_id: Option<String>,
        scheme: Scheme,
        message: Vec<Part>,
        signature: Vec<u8>,
    ) -> Result<Result<bool, KeyError>> {
        let (keys, message) = (self.key_sets.get(keys.rep())?, convert::parts(&message));
        let answer = keys.try_verify_signature(key_id.as_deref(), convert::scheme(scheme), &message, &signature)?;
        Ok(answer.map_err(convert::key_error))
    }

    fn member(
        &mut self,
        keys: Resource<KeySetHandle>,
        key_id: Option<String>,
        name: String,
    ) -> Result<Option<JsonValue>> {
        Ok(self.key_sets.get(keys.rep())?.member(key_id.as_deref(), &name).map(convert::json_value))
    }

    fn drop(&mut self, keys: Resource<KeySetHandle>) -> Result<()> {
        self.key_sets.drop(keys.rep());
        Ok(())
    }
}

/// How much linear memory a call may still take, over all memories of the component.
pub struct MemoryBudget {
    left_bytes: usize,
    /// Whether the guest was refused memory: it explains the trap that follows.
    pub exhausted: bool,
}

impl MemoryBudget {
    fn new(bytes: usize) -> Self {
        MemoryBudget { left_bytes: bytes, exhausted: false }
    }
}

impl wasmtime::ResourceLimiter for MemoryBudget {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let more = desired.saturating_sub(current);
        match self.left_bytes.checked_sub(more) {
            Some(left) => self.left_bytes = left,
            None => self.exhausted = true,
        }
        Ok(!self.exhausted)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        Ok(desired <= limits::PLUGIN_TABLE_ELEMENTS_MAX)
    }
}
