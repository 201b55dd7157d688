//! Every key of the configuration, once. The keys of sinks and of methods of authentication stand beside their code.
//!
//! A key that is here and not read, or read and not here, fails a test.

use hookgate_model::{
    limits,
    ordering::{Late, OnFailure},
};
use hookgate_settings::{Key, Kind, key, required};
use strum::VariantNames;

use super::{ClientAuth, DataRef, EngineKind, Fallback, KeyOf, LogFormat, RefusedBodies, ReplayAnswer};

pub(super) const ROOT: &[Key] = &[
    key("server", Kind::Table(SERVER), "The listener for providers."),
    key("store", Kind::Table(STORE), "The embedded store that keeps the journal."),
    key("admin", Kind::Table(ADMIN), "The listener for operators: API, metrics, health."),
    key("egress", Kind::Table(EGRESS), "Where destinations may be."),
    key("plugins", Kind::Table(PLUGINS), "Where plugins come from and what one call may use."),
    key("log", Kind::Table(LOG), "Logs, on standard error."),
    key("diagnosis", Kind::Table(DIAGNOSIS), "What is kept of refused deliveries."),
    key("claims", Kind::Table(CLAIMS), "Where large bodies are kept, for sources with `claim-check`."),
    key("source", Kind::Tables(SOURCE), "An inbound endpoint, `/in/NAME`."),
    key("destination", Kind::Tables(DESTINATION), "Where events go. Each has exactly one sink: `http`, for instance."),
    key("route", Kind::Tables(ROUTE), "From sources to destinations."),
];

const SERVER: &[Key] = &[
    key("listen", Kind::Address("127.0.0.1:8080"), "Where to listen; port 0 takes a free one."),
    key(
        "public-url",
        Kind::Url,
        "What providers see, without `/in/...`; some of them sign it. Without it `http://` and the listener's address.",
    ),
    key(
        "trusted-proxies",
        Kind::Networks,
        "Proxies whose `X-Forwarded-For` is believed. A request through one of them without its sender's address has no known sender.",
    ),
    key(
        "connections",
        Kind::Count(&limits::CONNECTIONS),
        "Connections at once; when all are taken, one on which nothing moves makes room, or the next one waits.",
    ),
    key(
        "header-timeout",
        Kind::Duration(&limits::HEADER_TIMEOUT_MS),
        "For the whole head of a request, and for taking an answer.",
    ),
    key("body-timeout", Kind::Duration(&limits::BODY_TIMEOUT_MS), "For the whole body of a request."),
    key(
        "body-memory",
        Kind::Bytes(&limits::BODY_MEMORY_BYTES),
        "Bodies of all deliveries together that are in memory at once; further ones are answered 503. Each address and source has a share.",
    ),
    key("drain-timeout", Kind::Duration(&limits::DRAIN_TIMEOUT_MS), "How long a shutdown waits for what is in flight."),
    key("tls", Kind::Table(TLS), "TLS on this listener; without it none."),
];

const TLS: &[Key] = &[
    required(
        "certificate",
        Kind::Path(None),
        "The listener's certificate and those between it and its authority, in PEM.",
    ),
    required("key", Kind::Path(None), "Its private key, in PEM. The files are read again when they change."),
    key("client-ca", Kind::Path(None), "Certificates of the authorities that clients' certificates are from, in PEM."),
    key(
        "client-auth",
        Kind::Choice(ClientAuth::VARIANTS),
        "Whether clients are asked for a certificate, and whether there is a connection without one.",
    ),
];

const STORE: &[Key] = &[
    key("path", Kind::Path(Some("data")), "A directory, made when it is missing; for one gateway only."),
    key("engine", Kind::Choice(EngineKind::VARIANTS), "Which engine keeps it."),
    key(
        "retention",
        Kind::Duration(&limits::STORE_RETENTION_MS),
        "How long events that need nothing more are kept, to be shown and replayed.",
    ),
    key(
        "headroom",
        Kind::Bytes(&limits::STORE_HEADROOM_BYTES),
        "Disk to leave free: when less is left, deliveries are answered 503.",
    ),
    key("cache", Kind::Bytes(&limits::STORE_CACHE_BYTES), "Memory for the engine's cache."),
    key(
        "seal-key",
        Kind::Secret,
        "Seals the secrets that providers hand over; without it a key that the store makes for itself.",
    ),
];

const ADMIN: &[Key] = &[
    key("listen", Kind::Address("127.0.0.1:8081"), "Where to listen."),
    key("token", Kind::Secret, "Bearer token; must be there when the listener is not on loopback."),
];

const EGRESS: &[Key] = &[key(
    "allow",
    Kind::Networks,
    "Networks that destinations may be in although the egress guard refuses them by itself.",
)];

const PLUGINS: &[Key] = &[
    key(
        "directory",
        Kind::Path(None),
        "`*.wasm` files of this directory are plugins beside the bundled ones, named as the file.",
    ),
    key(
        "cache",
        Kind::Path(Some("`plugins` in the store's path")),
        "Where compiled plugins are kept. Any user who can write there can run code as the gateway.",
    ),
    key(
        "trusted-keys",
        Kind::Texts,
        "Ed25519 public keys, in base64 or PEM: one of them must have signed every component that is not bundled. Without it \
         nothing need be signed.",
    ),
    key(
        "grants",
        Kind::Texts,
        "What plugins that are not bundled may use for every source: `wasi` (WASI 0.2, with no files, network or real clock).",
    ),
    key(
        "timeout",
        Kind::Duration(&limits::PLUGIN_TIMEOUT_MS),
        "For one call of a plugin, and a second more for each 4 MiB of the body.",
    ),
    key("memory", Kind::Bytes(&limits::PLUGIN_MEMORY_BYTES), "Linear memory of one call."),
    key("concurrency", Kind::Count(&limits::PLUGIN_CONCURRENCY), "Calls at once; further ones wait."),
];

const LOG: &[Key] = &[
    key("filter", Kind::Text("info"), "What is logged: `info`, or by module as in `hookgate=debug,info`."),
    key("format", Kind::Choice(LogFormat::VARIANTS), "Lines for people or for machines."),
];

const DIAGNOSIS: &[Key] = &[key(
    "bodies",
    Kind::Choice(RefusedBodies::VARIANTS),
    "Whether `hookgate diagnose` shows the bodies of refused deliveries, up to 16 KiB of each. They are kept in memory only. \
     What is found out about a delivery does not depend on it.",
)];

const CLAIMS: &[Key] = &[
    key(
        "path",
        Kind::Path(Some("`claims` in the store's path")),
        "Where bodies are written while they arrive, and kept when there is no `s3`; for one gateway only.",
    ),
    key("s3", Kind::Table(S3), "A bucket that speaks S3, in place of the directory."),
    key("public-url", Kind::Url, "What receivers see, without `/claims/...`. Without it that of the server."),
    key("url-ttl", Kind::Duration(&limits::CLAIM_URL_TTL_MS), "How long a link is good, counted from each attempt."),
    key("key", Kind::Secrets, "Signs the links; without it the gateway makes a key of its own."),
    key(
        "dataref",
        Kind::Choice(DataRef::VARIANTS),
        "Whose URL events name: the gateway's, or the object's own in the bucket (signed by the bucket's keys).",
    ),
];

const S3: &[Key] = &[
    required("bucket", Kind::Text("bodies"), "Its name."),
    key("region", Kind::Text("us-east-1"), "Its region."),
    key("endpoint", Kind::Url, "Where it is; without it Amazon's own."),
    required("access-key", Kind::Secret, "The id of the key."),
    required("secret-key", Kind::Secret, "The key."),
    key("prefix", Kind::Text(""), "Stands before the names of the objects: `hookgate/`."),
];

const CLAIM_CHECK: &[Key] =
    &[key("above", Kind::Bytes(&limits::CLAIM_ABOVE_BYTES), "Bodies above it go to the object store.")];

const SOURCE: &[Key] = &[
    required("name", Kind::Name, "Unique; it stands in the URL."),
    required(
        "plugin",
        Kind::Name,
        "The plugin that knows the provider (`hookgate plugin list`), or the name of a known provider (`hookgate providers \
         list`).",
    ),
    key(
        "secrets",
        Kind::NamedSecrets,
        "What the plugin checks against, by the names that `hookgate plugin inspect` shows; `{ handed-over = true }` for one \
         that the provider hands over in a handshake.",
    ),
    key("pin", Kind::Text(""), "The SHA-256 of the component, in hex: the source uses no other version of the plugin."),
    key("grants", Kind::Texts, "What the plugin may use although it is not bundled; as `plugins.grants`."),
    key("settings", Kind::Settings, "Settings of the plugin, by the names that `hookgate plugin inspect` shows."),
    key(
        "auth",
        Kind::Table(hookgate_auth::KEYS),
        "Who may send, before the plugin is asked; all that is written here must hold.",
    ),
    key("limits", Kind::Table(SOURCE_LIMITS), "What the source may cost."),
    key("idempotency", Kind::Table(IDEMPOTENCY), "How duplicates are known."),
    key(
        "replay",
        Kind::Table(REPLAY),
        "Catches what was captured and is sent again under another id: `replay = {}` switches it on.",
    ),
    key(
        "ordering",
        Kind::Table(ORDERING),
        "Keeps the events of each ordering key in order; `ordering = {}` is enough.",
    ),
    key("keys", Kind::Table(SOURCE_KEYS), "What the plugin may have the host fetch, beside what a bundled one names."),
    key("claim-check", Kind::Table(CLAIM_CHECK), "Keeps large bodies in an object store, and sends links to them."),
];

const SOURCE_KEYS: &[Key] = &[
    key(
        "allow",
        Kind::UrlPatterns,
        "Documents with public keys. `*` stands for a part of a path or a query, `{region}` for a region of AWS in the host.",
    ),
    key("confirm", Kind::UrlPatterns, "URLs that are got to confirm a subscription."),
];

const SOURCE_LIMITS: &[Key] = &[
    key("rate", Kind::Rate(None), "Verified deliveries; above it they are answered 429."),
    key("burst", Kind::Burst, "Verified deliveries at once."),
    key(
        "body",
        Kind::Bytes(&limits::BODY_BYTES),
        "Bytes of a body; above it a delivery is answered 413. More than 64MiB need `claim-check`.",
    ),
    key(
        "failures",
        Kind::Rate(Some(limits::FAILURES)),
        "Failed verifications from one address; above it they are answered 429 instead of 401",
    ),
];

const IDEMPOTENCY: &[Key] = &[
    key("ttl", Kind::Duration(&limits::IDEMPOTENCY_TTL_MS), "How long an event is known again."),
    key(
        "key",
        Kind::Choice(KeyOf::VARIANTS),
        "What an event is known by: what the plugin declares (as a rule the provider's id of it), or always a hash of the \
         exact payload. Where ids are not signed (GitHub, Shopify), only the hash also stops a captured delivery that is \
         sent again under another id.",
    ),
    key(
        "fallback",
        Kind::Choice(Fallback::VARIANTS),
        "What an event is known by where the plugin does not declare it: a hash of the exact payload, for \
         `fallback-window`; or nothing, so that every delivery is a new event.",
    ),
    key(
        "fallback-window",
        Kind::Duration(&limits::IDEMPOTENCY_FALLBACK_WINDOW_MS),
        "How long an equal payload counts as the same event where the plugin does not declare what identifies one: long \
         enough for a retry whose reply was lost, and short enough not to take tomorrow's event for today's.",
    ),
];

const REPLAY: &[Key] = &[
    key(
        "window",
        Kind::Duration(&limits::REPLAY_WINDOW_MS),
        "How long a signature is known again; not longer than `idempotency.ttl`.",
    ),
    key(
        "answer",
        Kind::Choice(ReplayAnswer::VARIANTS),
        "What a delivery is answered whose signature came before under another id: as a duplicate, or 401.",
    ),
];

const ORDERING: &[Key] = &[
    key(
        "window",
        Kind::Duration(&limits::ORDERING_WINDOW_MS),
        "How long an event with a time is held for earlier ones.",
    ),
    key(
        "gap-timeout",
        Kind::Duration(&limits::ORDERING_GAP_TIMEOUT_MS),
        "How long an event with a number waits for missing ones.",
    ),
    key(
        "late",
        Kind::Choice(Late::VARIANTS),
        "What becomes of an event whose turn is past: it is delivered and marked, a dead letter of `ordering`, or kept and \
         not delivered.",
    ),
    key("per-key", Kind::Count(&limits::ORDERING_PER_KEY), "Events of one ordering key that are held at most."),
    key("per-source", Kind::Count(&limits::ORDERING_PER_SOURCE), "Events of the source that are held at most."),
    key(
        "ahead",
        Kind::Duration(&limits::ORDERING_AHEAD_MS),
        "How far an event's time may lie ahead of its receipt; beyond, the time of its receipt stands in.",
    ),
    key(
        "memory",
        Kind::Duration(&limits::ORDERING_MEMORY_MS),
        "How long after its last event an ordering key is remembered.",
    ),
    key(
        "on-failure",
        Kind::Choice(OnFailure::VARIANTS),
        "What a dead letter means for the events behind it at a destination: they go on, or wait until it is redriven or \
         discarded.",
    ),
];

const DESTINATION: &[Key] = &hookgate_settings::joined::<{ hookgate_sinks::KEYS.len() + 6 }>(&[
    &[required("name", Kind::Name, "Unique.")],
    &hookgate_sinks::KEYS,
    &[
        key("rate", Kind::Rate(None), "Attempts."),
        key("burst", Kind::Burst, "Attempts that the rate lets through at once."),
        key("concurrency", Kind::Count(&limits::DESTINATION_CONCURRENCY), "Attempts in flight at once."),
        key("timeout", Kind::Duration(&limits::ATTEMPT_TIMEOUT_MS), "For one attempt."),
        key("retry", Kind::Table(RETRY), "When attempts are spent."),
    ],
]);

const RETRY: &[Key] = &[
    key("attempts", Kind::Count(&limits::RETRY_ATTEMPTS), "Attempts in all, the first one counted."),
    key(
        "first",
        Kind::Duration(&limits::RETRY_FIRST_MS),
        "The first pause; each further one is twice as long. Pauses are spread by up to 20 %.",
    ),
    key("max", Kind::Duration(&limits::RETRY_MAX_MS), "The longest pause of all."),
];

const ROUTE: &[Key] = &[
    required("from", Kind::Names, "A source, a list of sources, or `\"*\"` for all."),
    required("to", Kind::Names, "A destination or a list of destinations."),
    key(
        "filter",
        Kind::Pattern,
        "Which events, by an event pattern as Amazon EventBridge has them, over the CloudEvent; without it all.",
    ),
];
