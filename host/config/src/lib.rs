//! The configuration as plain data, checked whole before anything starts.

mod destination;
mod filter;
mod keys;
mod plugins;
mod read;
mod reference;
mod relations;
mod route;
mod source;
#[cfg(test)]
mod tests;
mod tls;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    num::NonZeroU32,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

pub use hookgate_auth::Auth;
use hookgate_capabilities::UrlPattern;
use hookgate_filter::Pattern;
use hookgate_model::component_signature::TrustedKey;
use hookgate_model::ordering::SourceOrdering;
pub use hookgate_net::tls::ClientAuth;
pub use hookgate_settings::{
    ConfigErrors, Egress, Environment, Problem, ProcessEnvironment, Rate, SecretFile, SecretText, Warning,
    value::{bytes as size_bytes, duration_ms},
};
pub use hookgate_sinks::Target;
use ipnet::IpNet;
pub use plugins::KnownPlugins;
pub use read::FindPlugins;
pub use reference::reference;
use strum::{EnumString, IntoStaticStr, VariantNames};
pub use tls::read_tls_files;
use zeroize::Zeroizing;

/// Everything that an operator can say.
#[derive(Debug)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[store]`
    pub store: Store,
    /// `store.seal-key`: seals the secrets that providers hand over; none: a key that the store makes for itself.
    pub seal_key: Option<SecretText>,
    /// `[admin]`
    pub admin: Admin,
    /// `[egress]`
    pub egress: Egress,
    /// `[plugins]`
    pub plugins: Plugins,
    /// `[log]`
    pub log: Log,
    /// `[diagnosis]`
    pub diagnosis: Diagnosis,
    /// `[claims]`
    pub claims: Claims,
    /// `[[source]]`
    pub sources: Vec<Arc<Source>>,
    /// `[[destination]]`
    pub destinations: Vec<Arc<Destination>>,
    /// `[[route]]`
    pub routes: Vec<Route>,
}

/// The listener for providers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What providers see, without a trailing slash; some of them sign it. None: `http://` and the listener's address.
    pub public_url: Option<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// For the whole head of a request.
    pub header_timeout: Duration,
    /// For the whole body of a request.
    pub body_timeout: Duration,
    /// Bodies of all deliveries together that are in memory at once, in bytes.
    pub body_memory: u64,
    /// How long a shutdown waits for what is in flight.
    pub drain_timeout: Duration,
    /// TLS on the listener.
    pub tls: Option<Tls>,
}

/// The files of TLS on the listener, all in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// The authorities of clients' certificates.
    pub client_ca: Option<PathBuf>,
    /// Whether clients are asked for one.
    pub client_auth: ClientAuth,
}

/// Which engine keeps the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, EnumString, VariantNames, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum EngineKind {
    /// The default.
    #[default]
    Fjall,
    /// The second engine.
    Sled,
}

impl EngineKind {
    /// Its name, as in the configuration.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The embedded store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// A directory; made when missing.
    pub path: PathBuf,
    /// Which engine.
    pub engine: EngineKind,
    /// How long events that need nothing more are kept.
    pub retention: Duration,
    /// Bytes of disk to leave free: below, deliveries are answered 503.
    pub headroom: u64,
    /// Bytes of memory for the engine's cache.
    pub cache: u64,
}

/// The listener for operators.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Bearer token; must be there when the listener is not on loopback.
    pub token: Option<SecretText>,
}

/// Where plugins come from and what they may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugins {
    /// `*.wasm` files of this directory are plugins, named as the file.
    pub directory: Option<PathBuf>,
    /// Where ahead-of-time artifacts are kept; none: `plugins` below the store's path.
    pub cache: Option<PathBuf>,
    /// One of these must have signed every component that is not bundled; empty: nothing need be signed.
    pub trusted_keys: Vec<TrustedKey>,
    /// What plugins that are not bundled may use.
    pub grants: BTreeSet<Grant>,
    /// For one call of a plugin.
    pub timeout: Duration,
    /// Bytes of linear memory for one call.
    pub memory: u64,
    /// Calls at once.
    pub concurrency: u32,
}

/// Something that a plugin may use only when the operator says so, unless it is bundled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// WASI 0.2.
    Wasi,
}

/// Structured logs, on stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// As `RUST_LOG`: `info`, `hookgate=debug,info`.
    pub filter: String,
    /// JSON lines or text.
    pub format: LogFormat,
}

/// What is kept of refused deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Whether their bodies are kept.
    pub bodies: bool,
}

/// What happens to the bodies of refused deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum RefusedBodies {
    #[default]
    Drop,
    Keep,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// Where large bodies are kept.
#[derive(Clone, Debug)]
pub struct Claims {
    /// A directory: for bodies that arrive, and for all of them when there is no bucket.
    pub path: PathBuf,
    /// A bucket.
    pub s3: Option<Bucket>,
    /// What receivers see, without a trailing slash; none: the server's.
    pub public_url: Option<String>,
    /// How long a link is good.
    pub url_ttl: Duration,
    /// Sign the links, newest first; empty: a key of the gateway's own.
    pub keys: Vec<SecretText>,
    /// Whose URL events name.
    pub dataref: DataRef,
}

impl Claims {
    /// Whether two say the same.
    pub fn is_same(&self, other: &Claims) -> bool {
        let keys =
            |claims: &Claims| claims.keys.iter().map(|key| key.expose().to_owned()).map(Zeroizing::new).collect();
        let plain = |claims: &Claims| (claims.path.clone(), claims.public_url.clone(), claims.url_ttl, claims.dataref);
        let (own, others): (Vec<_>, Vec<_>) = (keys(self), keys(other));
        plain(self) == plain(other)
            && own == others
            && self.s3.as_ref().map(Bucket::all) == other.s3.as_ref().map(Bucket::all)
    }
}

/// A bucket that speaks S3.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Where it is, without a trailing slash; none: Amazon's own.
    pub endpoint: Option<String>,
    /// The id of the key.
    pub access_key: SecretText,
    /// The key.
    pub secret_key: SecretText,
    /// Before the names of objects.
    pub prefix: String,
}

impl Bucket {
    fn all(&self) -> Zeroizing<Vec<String>> {
        let Bucket { name, region, endpoint, access_key, secret_key, prefix } = self;
        let endpoint = endpoint.as_deref().unwrap_or_default();
        let all = [name, region, endpoint, access_key.expose(), secret_key.expose(), prefix];
        Zeroizing::new(all.map(str::to_owned).to_vec())
    }
}

/// Whose URL events name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum DataRef {
    /// The gateway's.
    #[default]
    Gateway,
    /// The object's own.
    Object,
}

/// An inbound endpoint, `/in/{name}`.
#[derive(Debug)]
pub struct Source {
    /// Unique; lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// The plugin's name.
    pub plugin: String,
    /// The SHA-256 of the only component that may judge its deliveries, in hex; none: whatever is activated.
    pub pin: Option<String>,
    /// What its plugin may use, beside what all may.
    pub grants: BTreeSet<Grant>,
    /// Live versions of each secret, newest first.
    pub secrets: BTreeMap<String, Vec<SecretText>>,
    /// The secrets that the provider may hand over in a handshake.
    pub handed_over: BTreeSet<String>,
    /// Settings for the plugin.
    pub settings: BTreeMap<String, String>,
    /// Who may send.
    pub auth: Auth,
    /// What it may cost.
    pub limits: SourceLimits,
    /// How duplicates are known.
    pub idempotency: Idempotency,
    /// Bodies of more bytes go to the object store; none: all bodies stay in the journal.
    pub claim_check: Option<u64>,
    /// How a signature is known again; none when it is not.
    pub replay: Option<Replay>,
    /// How its events are kept in order; none: they are not.
    pub ordering: Option<SourceOrdering>,
    /// What the plugin may have the host fetch, beside what a bundled one names itself.
    pub keys: Keys,
}

impl Source {
    /// A source of which nothing else is configured, for tests.
    #[doc(hidden)]
    pub fn of_plugin(name: &str, plugin: &str) -> Source {
        let once = Rate { count: NonZeroU32::MIN, per: Duration::from_secs(1), burst: NonZeroU32::MIN };
        let ttl = Duration::from_secs(60);
        Source {
            name: name.to_owned(),
            plugin: plugin.to_owned(),
            pin: None,
            grants: BTreeSet::new(),
            secrets: BTreeMap::new(),
            handed_over: BTreeSet::new(),
            settings: BTreeMap::new(),
            auth: Auth::default(),
            limits: SourceLimits { rate: None, body: 1 << 20, failures: once },
            idempotency: Idempotency { ttl, key: KeyOf::Id, fallback: Fallback::None, fallback_window: ttl },
            claim_check: None,
            replay: None,
            ordering: None,
            keys: Keys::default(),
        }
    }
}

/// What a plugin may have the host fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Documents with keys.
    pub allow: Vec<UrlPattern>,
    /// URLs by which a subscription is confirmed.
    pub confirm: Vec<UrlPattern>,
}

/// The limits of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLimits {
    /// Verified deliveries.
    pub rate: Option<Rate>,
    /// Bytes of body.
    pub body: u64,
    /// Failed verifications from one address.
    pub failures: Rate,
}

/// How duplicates are known.
#[derive(Debug)]
pub struct Idempotency {
    /// How long a key is remembered.
    pub ttl: Duration,
    /// What an event is known by.
    pub key: KeyOf,
    /// What an event is known by where the plugin does not declare it.
    pub fallback: Fallback,
    /// How long an event is known again where the plugin does not declare by what.
    pub fallback_window: Duration,
}

/// How a signature is known again that was seen before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// How long it is remembered.
    pub window: Duration,
    /// What a delivery is answered that brings it under another id.
    pub answer: ReplayAnswer,
}

/// What is answered to a signature that came before under another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum ReplayAnswer {
    /// As to a duplicate.
    #[default]
    Duplicate,
    /// 401
    Refuse,
}

/// What an event is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum KeyOf {
    /// The provider's id of it.
    #[default]
    Id,
    /// A hash of the exact payload, whatever its id.
    Payload,
}

/// What stands in for an event's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Fallback {
    /// A hash of the exact payload: the same bytes again are a duplicate.
    #[default]
    Payload,
    /// Nothing: every delivery without an id is a new event.
    None,
}

/// Where events go.
#[derive(Debug)]
pub struct Destination {
    /// Unique.
    pub name: String,
    /// What it is.
    pub target: Target,
    /// Attempts in a period.
    pub rate: Option<Rate>,
    /// Attempts at once.
    pub concurrency: usize,
    /// For one attempt.
    pub timeout: Duration,
    /// When attempts are spent.
    pub retry: Retry,
}

/// When attempts are spent.
#[derive(Clone, Debug)]
pub struct Retry {
    /// Attempts in all, the first one counted.
    pub attempts: u32,
    /// The backoff's base.
    pub first: Duration,
    /// The longest pause.
    pub max: Duration,
}

/// Sources to destinations.
#[derive(Debug)]
pub struct Route {
    /// Names of sources; `*` for all.
    pub from: Vec<String>,
    /// Names of destinations.
    pub to: Vec<String>,
    /// Which events; none for all of them.
    pub filter: Option<Pattern>,
}
