//! Every limit and default in one place, units last in the names.
//!
//! What an operator can set is a [`Range`]: the default and the bounds within which a value makes sense. The reader of
//! the configuration takes both from here, and so does the reference in `docs/operating/configuration.md`.

use std::{num::NonZeroU32, time::Duration};

pub use hookgate_capabilities::limits::*;

/// The default of a key, and the least and the greatest value that it takes.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// When the key is not set.
    pub default: u64,
    /// Inclusive.
    pub min: u64,
    /// Inclusive.
    pub max: u64,
}

impl Range {
    const fn new(default: u64, min: u64, max: u64) -> Range {
        assert!(min <= default && default <= max);
        Range { default, min, max }
    }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

// The way in.

/// Connections from providers at once. One costs about 30 KiB and a descriptor: where the hard limit of open files is below
/// what 4,096 and the rest need, fewer are taken (`descriptors`).
pub const CONNECTIONS: Range = Range::new(4_096, 1, 100_000);
/// Streams of one HTTP/2 connection at once: requests that are not answered, and answers that are not taken.
pub const STREAMS_OF_CONNECTION_MAX: u32 = 64;
/// Bytes of one stream's body that come before they are asked for. Enough for 2.5 MB/s over 100 ms.
pub const STREAM_WINDOW_BYTES: u32 = 256 * KIB as u32;
/// The same for all streams of a connection together: what a sender can have waiting in memory, beside the heads.
pub const CONNECTION_WINDOW_BYTES: u32 = 512 * KIB as u32;
/// Requests of one listener that are worked on, without their bodies: heads, and [`REQUEST_BYTES`] for each.
pub const REQUESTS_BYTES_MAX: u64 = 64 * MIB;
/// What a request takes besides its head.
pub const REQUEST_BYTES: usize = 4 * KIB as usize;
/// A request with no more than this is small: an eighth of the room is for those.
pub const SMALL_REQUEST_BYTES_MAX: u64 = 16 * KIB;
/// What must be taken of an answer a second, beyond `server.header-timeout`: slower readers are let go.
pub const ANSWER_BYTES_A_SECOND_MIN: u64 = 64 * KIB;
/// Bytes of an answer that are given to the protocol at once.
pub const ANSWER_PIECE_BYTES: usize = 16 * KIB as usize;
/// When all places are taken, one is made free on which nothing has moved for this long.
pub const RESTING_TIME_MIN: Duration = Duration::from_secs(1);
/// Connections to the admin API at once.
pub const ADMIN_CONNECTIONS: usize = 128;
/// Descriptors that connections leave to the store, its logs and everything else.
pub const DESCRIPTORS_RESERVED: u64 = 256;
/// For the whole head of a request. A provider's arrives in one packet or two; who takes longer holds a connection.
pub const HEADER_TIMEOUT_MS: Range = Range::new(10 * SECOND_MS, 100, 5 * MINUTE_MS);
/// For the whole body of a request. Providers give up by themselves after 3 to 30 seconds.
pub const BODY_TIMEOUT_MS: Range = Range::new(30 * SECOND_MS, 100, 10 * MINUTE_MS);
/// How long a shutdown waits. Below the 30 seconds after which Kubernetes kills.
pub const DRAIN_TIMEOUT_MS: Range = Range::new(25 * SECOND_MS, 100, 10 * MINUTE_MS);
/// The body of a delivery. Nearly all are below 64 KiB; GitHub's reach 25 MiB, which is for its source to allow.
pub const BODY_BYTES: Range = Range::new(MIB, 1, 64 * GIB);
/// Bodies with a content coding that are decoded at once. Each takes some milliseconds a MiB, and a window of up to 16 MiB.
pub const DECODERS_MAX: usize = 4;
/// The largest body that is taken into memory; larger ones need a claim check.
pub const BODY_IN_MEMORY_BYTES_MAX: u64 = 64 * MIB;

/// Bodies of all deliveries together that are in memory at once; a delivery that finds no room is answered 503. What comes
/// on top while a delivery is stored is about twice its body.
pub const BODY_MEMORY_BYTES: Range = Range::new(256 * MIB, MIB, 64 * GIB);

/// A body with no more than this is small: an eighth of the room for bodies is for those.
pub const SMALL_BODY_BYTES_MAX: u64 = 64 * KIB;

/// How often the files of `server.tls` are read, to be used once they have changed.
pub const TLS_FILES_EVERY: Duration = Duration::from_secs(2);

/// Names in one `basic` or `api-key`, entries of one list, and alternatives in `auth`.
pub const AUTH_ENTRIES_MAX: usize = 100;
/// What is still read of a body whose sender is not let in.
pub const AUTH_DISCARD_BYTES_MAX: usize = 64 * 1024;
/// What is kept of a sender's proven name, in bytes.
pub const AUTH_SUBJECT_BYTES_MAX: usize = 256;
/// A bearer token. Those with many groups in them reach 8 KiB.
pub const JWT_BYTES_MAX: usize = 16 * 1024;
/// How far a token's issuer's clock may be off.
pub const JWT_CLOCK_SKEW_MS: Range = Range::new(30 * SECOND_MS, 0, 5 * MINUTE_MS);
/// RFC 7518, 3.2: the key of HS256 has at least as many bytes as the digest.
pub const JWT_SECRET_BYTES_MIN: usize = 32;
/// RFC 7518, 3.3: the least bits of an RSA key.
pub const JWT_RSA_BITS_MIN: usize = 2048;
/// Keys of one set that are looked at; the large issuers have about ten.
pub const JWKS_KEYS_MAX: usize = 64;

/// What is still read of a body that is refused, so that the sender sees the answer.
pub const DISCARD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long that may take.
pub const DISCARD_TIME_MAX: Duration = Duration::from_secs(2);
/// Headers of one request.
pub const HEADERS_MAX: usize = 128;
/// The head of a request: the request line and all headers, in bytes.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Addresses with failed verifications that are remembered at once. When they are more, those with room again are forgotten,
/// and while that is not enough all failures count together.
pub const FAILING_ADDRESSES_MAX: usize = 10_000;
/// How often failures of an address that is over its limit are logged; in between they are counted.
pub const FAILURES_TOLD_EVERY: Duration = Duration::from_secs(60);
/// Refusals of one address that are logged; beyond it they are logged as seldom.
pub const REFUSALS_TOLD_A_SECOND: NonZeroU32 = NonZeroU32::new(50).unwrap();
/// Event ids in the `hookgate-event` header of a reply.
pub const REPLY_EVENT_IDS_MAX: usize = 20;

// Diagnosis of refused deliveries.

/// Refused deliveries that are kept of one source; half of them for addresses that have sent authentic deliveries.
pub const REFUSALS_OF_SOURCE_MAX: usize = 64;
/// Those of one address.
pub const REFUSALS_OF_ADDRESS_MAX: usize = 8;
/// Names and values of headers that are kept of one.
pub const REFUSED_HEAD_BYTES_MAX: usize = 4 * 1024;
/// Its URL.
pub const REFUSED_URL_BYTES_MAX: usize = 1024;
/// Its method.
pub const REFUSED_METHOD_BYTES_MAX: usize = 32;
/// Its body, where `diagnosis.bodies` keeps it.
pub const REFUSED_BODY_BYTES_MAX: usize = 16 * 1024;
/// Addresses of one source that are remembered for having sent authentic deliveries.
pub const KNOWN_SENDERS_OF_SOURCE: usize = 256;
/// Diagnoses of one source that are made at once after a pause; then one a second.
pub const DIAGNOSES_BURST: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// A body that is looked into.
pub const DIAGNOSED_BODY_BYTES_MAX: usize = MIB as usize;
/// A body that is written as other programs would write it.
pub const DIAGNOSED_JSON_BYTES_MAX: usize = 64 * 1024;
/// The beginning of a body, in which times are looked for.
pub const DIAGNOSED_TIMES_BODY_BYTES: usize = 4 * 1024;
/// Times at which a delivery is judged.
pub const DIAGNOSED_TIMES_MAX: usize = 16;
/// URLs with which it is judged.
pub const DIAGNOSED_URLS_MAX: usize = 64;
/// Other sources at which it is judged.
pub const DIAGNOSED_SOURCES_MAX: usize = 50;

// Claims.

/// The largest body of a source with a claim check that is still kept in the journal and sent with its event.
pub const CLAIM_ABOVE_BYTES: Range = Range::new(256 * KIB, 1, BODY_IN_MEMORY_BYTES_MAX);
/// How long a link to a claim is good: an attempt makes a new one, so this is for the receiver to fetch it. S3 allows 7
/// days.
pub const CLAIM_URL_TTL_MS: Range = Range::new(DAY_MS, SECOND_MS, 7 * DAY_MS);
/// What a large body must bring a second, beyond the body's own time-out: slower senders are let go.
pub const CLAIM_BYTES_A_SECOND_MIN: u64 = 256 * KIB;
/// Bytes that are written to the spool file at once. One such block is in memory while the next one comes.
pub const CLAIM_BLOCK_BYTES: usize = MIB as usize;
/// The same where it goes to a bucket as well: a part. S3 wants 5 MiB at least and 10,000 parts at most.
pub const CLAIM_PART_BYTES: usize = 8 * MIB as usize;
/// Bytes written between two looks at the room on the disk.
pub const CLAIM_ROOM_BYTES: u64 = 16 * MIB;
/// For one request to a bucket, all its tries together, and for its next bytes.
pub const CLAIM_STORE_TIME_MAX: Duration = Duration::from_secs(30);
/// Bytes that are fetched from a bucket at once where a plugin reads a claim.
pub const CLAIM_FETCH_BYTES: usize = 4 * MIB as usize;
/// Bytes that are read at once where a claim is sent.
pub const CLAIM_SENT_BLOCK_BYTES: u64 = 64 * KIB;
/// Claims that are sent at once; a block of each is in memory. Further ones are answered 503.
pub const CLAIM_READERS_MAX: u64 = 64;
/// How long a request for a claim waits for a place.
pub const CLAIM_PLACE_TIME_MAX: Duration = Duration::from_secs(2);
/// How often it is looked for bodies that were left behind on their way in, beyond the look at the start.
pub const CLAIM_LEFT_BEHIND_EVERY: Duration = Duration::from_secs(10 * 60);
/// What has not been written for this long, and is not on its way, was left behind.
pub const CLAIM_LEFT_BEHIND_AGE: Duration = Duration::from_secs(60 * 60);
/// Payloads that are parts of one large body, taken together, as a multiple of it: each is hashed.
pub const CLAIM_PARTS_MAX: u64 = 4;
/// What a call of a plugin may take longer for each second's worth of a body: the host reads and hashes it within the call, by
/// each live version of a secret.
pub const PLUGIN_BODY_BYTES_A_SECOND: u64 = 4 * MIB;

// The sandbox.

/// For one call of a plugin: a thousand times what a verification takes, and still short for one that loops.
pub const PLUGIN_TIMEOUT_MS: Range = Range::new(250, 1, 10 * SECOND_MS);
/// Linear memory of one call. The body stays with the host, so that plugins need little.
pub const PLUGIN_MEMORY_BYTES: Range = Range::new(32 * MIB, MIB, GIB);
/// Calls at once; more wait their turn. A call takes microseconds of one processor, so that a few would do.
pub const PLUGIN_CONCURRENCY: Range = Range::new(64, 1, 1_000);

/// A guest's stack on the host's side: what its calls nest, in bytes.
pub const PLUGIN_STACK_BYTES_MAX: usize = 512 * 1024;
/// Core instances in one component; Python's have 38: one for each of its libraries, and adapters.
pub const PLUGIN_CORE_INSTANCES_MAX: u32 = 48;
/// Linear memories in one component.
pub const PLUGIN_MEMORIES_MAX: u32 = 4;
/// Tables in one component.
pub const PLUGIN_TABLES_MAX: u32 = 8;
/// Elements in one table; JavaScript's engine has about 13,000.
pub const PLUGIN_TABLE_ELEMENTS_MAX: usize = 32 * 1024;
/// The engine's own record of an instance, in bytes.
pub const PLUGIN_INSTANCE_BYTES_MAX: usize = 1024 * 1024;
/// Memory of a finished call that is wiped and kept for the next one, in bytes a slot.
pub const PLUGIN_RESIDENT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bodies below are judged on the runtime's own threads: what the host hashes of them takes about a millisecond. Larger
/// ones get a thread of their own, so that they hold up no other work.
pub const PLUGIN_WORKER_BODY_BYTES_MAX: u64 = 256 * KIB;
/// Handles that a guest may hold at once.
pub const PLUGIN_HANDLES_MAX: usize = 256;
/// Bytes that a guest may pass to the host in one call or answer; besides the largest body.
pub const PLUGIN_PASSED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Of the calls at once, one plugin has at most this fraction: a plugin that loops leaves room for all others.
pub const PLUGIN_SHARE_OF_CALLS: u32 = 4;
/// How long a delivery waits for its plugin's turn; then it is answered 503.
pub const PLUGIN_TURN_TIME_MAX: Duration = Duration::from_secs(10);
/// A call that has computed for longer goes on only as one of few (half of the processors): the other half is for those
/// that take microseconds.
pub const PLUGIN_SHORT_TIME: Duration = Duration::from_millis(5);
/// Events of one delivery that are transformed before the reply; those of a larger one are transformed after it.
pub const EARLY_TRANSFORMS_MAX: usize = 16;
/// How long no event is transformed before the reply after the process has died during such a call: the delivery comes again,
/// goes into the inbox, and can be identified there if it ends the process again.
pub const EARLY_TRANSFORM_REST: Duration = Duration::from_secs(60 * 60);
/// Broken calls in a row that open a plugin's breaker.
pub const PLUGIN_BREAKER_FAILURES_MAX: u32 = 20;
/// The first pause of a sender before the plugin is tried again for it.
pub const PLUGIN_BREAKER_PAUSE_FIRST: Duration = Duration::from_secs(1);
/// The longest one.
pub const PLUGIN_BREAKER_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Senders that an open breaker distinguishes; further ones wait together.
pub const PLUGIN_BREAKER_SENDERS_MAX: usize = 1_000;
/// Breakers of one source: two for each version that was tried lately.
pub const PLUGIN_BREAKERS_OF_SOURCE_MAX: usize = 16;
/// Bytes of a component file.
pub const PLUGIN_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Functions of a component, all its modules together; Python and its standard library have about 30,000.
pub const PLUGIN_FUNCTIONS_MAX: usize = 200_000;
/// Bytes of their code.
pub const PLUGIN_CODE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of one of them: the time of compiling grows faster than a function does. Interpreters have loops of about 100 KiB.
pub const PLUGIN_FUNCTION_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of the conformance vectors in a component; they are kept for as long as it is loaded.
pub const PLUGIN_VECTORS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Signatures of a component of which the keys are shown.
pub const PLUGIN_SIGNATURES_MAX: usize = 16;
/// Exports of a component that are shown; a plugin has four.
pub const PLUGIN_EXPORTS_MAX: usize = 64;
/// Local variables of one function.
pub const PLUGIN_FUNCTION_LOCALS_MAX: usize = 10_000;
/// The same times its blocks: the compiler follows each variable through each block. The main loop of an interpreter
/// has some hundreds of variables and some thousands of blocks.
pub const PLUGIN_FUNCTION_LOCALS_TIMES_BLOCKS_MAX: usize = 20_000_000;
/// How long a component that is not bundled may take to be compiled and tried in a process of its own. Python takes some
/// seconds.
pub const PLUGIN_TRIAL_TIME_MAX: Duration = Duration::from_secs(180);
/// Memory of that process: what is written to, not what is reserved.
pub const PLUGIN_TRIAL_MEMORY_BYTES_MAX: u64 = 4 * GIB;
/// What that process may answer.
pub const PLUGIN_TRIAL_ANSWER_BYTES_MAX: u64 = 64 * KIB;
/// Entries of the history of plugins' versions; older ones are dropped.
pub const PLUGIN_HISTORY_MAX: u64 = 1_000;
/// Versions of one plugin that are kept; beyond it unused versions are removed, oldest first.
pub const PLUGIN_VERSIONS_MAX: usize = 32;
/// The latest deliveries of a source that a version must judge as they were judged before it is put to work.
pub const PLUGIN_RECORDED_MAX: usize = 50;
/// Pages of [`TRIAL_PAGE_EFFORT`] deliveries that are looked through for them.
pub const PLUGIN_RECORDED_PAGES_MAX: usize = 50;
/// What is kept of the reason of a refusal, in bytes.
pub const PLUGIN_REASON_BYTES_MAX: usize = 1024;
/// How often the directory of plugins is looked at.
pub const PLUGIN_WATCH_PAUSE: Duration = Duration::from_secs(2);
/// Calls by which `hookgate plugin test --time` measures, and how long that may take.
pub const PLUGIN_TIMED_CALLS_MAX: usize = 1_000;
/// The second of these.
pub const PLUGIN_TIMED_MAX: Duration = Duration::from_secs(5);
/// How often commands that follow files look at them.
pub const WATCH_EVERY: Duration = Duration::from_millis(300);
/// Lines of a guest's output that reach the log, a call.
pub const PLUGIN_LOG_BYTES_MAX: usize = 4 * 1024;

// Versions on trial.

/// Bodies of deliveries that wait for a version on trial, or are being judged by it, in units of the next constant. Further
/// ones are not compared: nothing waits for a trial.
pub const TRIAL_ROOM_UNITS: usize = 256;
/// A delivery takes one of these and as many as its body needs.
pub const TRIAL_UNIT_BYTES: usize = 64 * KIB as usize;
/// Deliveries that versions on trial judge at once.
pub const TRIAL_CALLS_MAX: usize = 2;
/// Events of one delivery whose outputs are compared.
pub const TRIAL_TRANSFORMS_OF_DELIVERY_MAX: usize = 16;
/// Differences of one delivery that are kept.
pub const TRIAL_DIFFERENCES_OF_DELIVERY_MAX: usize = 20;
/// Differences of one version at one source that are kept: the last ones.
pub const TRIAL_DIFFERENCES_MAX: u64 = 1_000;
/// Of one delivery, the event ids that are kept with a difference.
pub const TRIAL_EVENT_IDS_MAX: usize = 20;
/// What is kept of a text that differs, in bytes.
pub const TRIAL_TEXT_BYTES_MAX: usize = 256;
/// Versions of which something is known, a source; then the one that was counted longest ago is forgotten.
pub const TRIALS_OF_SOURCE_MAX: usize = 16;
/// Stored deliveries that a version is tried on, where it is not said, and at most.
pub const TRIAL_REPLAY_DELIVERIES: Range = Range::new(1_000, 1, 100_000);
/// How long that may take; what is left then is logged. Below the minute for which the command line waits.
pub const TRIAL_REPLAY_TIME_MAX: Duration = Duration::from_secs(45);
/// Differences that its report names.
pub const TRIAL_REPLAY_DIFFERENCES_MAX: usize = 100;
/// Stored deliveries that are in memory at once, unless the first alone has more bytes.
pub const TRIAL_PAGE_DELIVERIES: usize = 32;
/// As above.
pub const TRIAL_PAGE_BYTES_MAX: usize = 8 * MIB as usize;
/// Deliveries of all sources that are looked at for one such page.
pub const TRIAL_PAGE_EFFORT: usize = 1_000;

// Filters.

/// Levels of fields in a pattern.
pub const FILTER_DEPTH_MAX: usize = 32;
/// Levels of a document that is read as a pattern, or shown beside one.
pub const FILTER_LEVELS_MAX: usize = 128;
/// Arrays within each other in an event that are looked into.
pub const FILTER_ARRAYS_DEPTH_MAX: usize = 16;
/// Ways to combine the alternatives of a pattern's `$or`s; as in EventBridge.
pub const FILTER_COMBINATIONS_MAX: usize = 1_000;
/// Tests of all combinations of all routes together. One costs about 100 bytes of memory; the fields and texts of patterns
/// come on top, and are bounded by the size of the configuration.
pub const FILTER_TESTS_MAX: usize = 200_000;
/// A pattern or event that `hookgate filter test` reads.
pub const FILTER_FILE_BYTES_MAX: u64 = 64 * MIB;
// Secrets that are handed over in a handshake.

/// Of one name of one source: each webhook at Asana has its own. A forged delivery is checked against all.
pub const ENROLLED_VERSIONS_MAX: usize = 32;
/// How long an operator lets a source take further ones.
pub const HANDOVER_WINDOW_MS: Range = Range::new(10 * MINUTE_MS, SECOND_MS, DAY_MS);
/// Characters of `store.seal-key`: 32 random bytes make 44 of base64.
pub const SEAL_KEY_CHARS_MIN: usize = 32;

// The journal.

/// How long finished events are kept, to be shown and replayed.
pub const STORE_RETENTION_MS: Range = Range::new(7 * DAY_MS, SECOND_MS, 365 * DAY_MS);
/// Disk to leave free: an engine needs room to reopen and to compact.
pub const STORE_HEADROOM_BYTES: Range = Range::new(GIB, MIB, 1_024 * GIB);
/// Memory for the engine's cache.
pub const STORE_CACHE_BYTES: Range = Range::new(64 * MIB, MIB, 64 * GIB);
/// How long an idempotency key is remembered. Providers that retry do so for up to three days (Stripe).
pub const IDEMPOTENCY_TTL_MS: Range = Range::new(72 * HOUR_MS, SECOND_MS, 90 * DAY_MS);
/// How long equal bytes count as the same event where nothing declares what identifies one.
pub const IDEMPOTENCY_FALLBACK_WINDOW_MS: Range = Range::new(10 * MINUTE_MS, SECOND_MS, 90 * DAY_MS);

/// Duplicates of one event that are recorded; further ones are counted.
pub const DUPLICATES_OF_EVENT_MAX: usize = 16;
/// Deliveries of one source that are recorded because something of them was dropped; then the oldest ones are forgotten.
pub const DUPLICATES_OF_SOURCE_MAX: u64 = 10_000;
/// What these take on disk, their bodies included.
pub const DUPLICATES_OF_SOURCE_BYTES_MAX: u64 = 256 * MIB;
/// Duplicates that one order has admitted.
pub const DUPLICATES_ADMITTED_AT_ONCE: usize = 100;

/// How long a signature is remembered, where `replay` is on.
pub const REPLAY_WINDOW_MS: Range = Range::new(DAY_MS, SECOND_MS, 90 * DAY_MS);

// The order of events.

/// How long an event with a time is held. Providers that send several events of one change do so within a second or two.
pub const ORDERING_WINDOW_MS: Range = Range::new(2 * SECOND_MS, 1, HOUR_MS);
/// How long an event waits for missing numbers. First retries of most providers come within seconds to a minute.
pub const ORDERING_GAP_TIMEOUT_MS: Range = Range::new(30 * SECOND_MS, 1, DAY_MS);
/// Events of one ordering key that are held. One that arrives may release them all, in one write.
pub const ORDERING_PER_KEY: Range = Range::new(1_000, 1, 10_000);
/// Events of one source that are held, on disk: about 250 bytes each beside the delivery.
pub const ORDERING_PER_SOURCE: Range = Range::new(100_000, 1, 100_000_000);
/// How far the time of an event may lie ahead of its receipt.
pub const ORDERING_AHEAD_MS: Range = Range::new(HOUR_MS, 0, 365 * DAY_MS);
/// How long an ordering key is remembered after its last event; 100 to 200 bytes on disk.
pub const ORDERING_MEMORY_MS: Range = Range::new(DAY_MS, SECOND_MS, 90 * DAY_MS);

// The way out.

/// Attempts at once at one destination.
pub const DESTINATION_CONCURRENCY: Range = Range::new(16, 1, 1_024);
/// For one attempt, from connecting to the end of the answer's head. Standard Webhooks recommends 15 to 30 seconds.
pub const ATTEMPT_TIMEOUT_MS: Range = Range::new(30 * SECOND_MS, 100, 5 * MINUTE_MS);
/// Attempts before an event becomes a dead letter: with the pauses below about a day.
pub const RETRY_ATTEMPTS: Range = Range::new(36, 1, 1_000);
/// The base of the backoff: the first pause, before it is spread; each further one is twice as long.
pub const RETRY_FIRST_MS: Range = Range::new(SECOND_MS, 10, HOUR_MS);
/// The longest pause.
pub const RETRY_MAX_MS: Range = Range::new(HOUR_MS, 10, 7 * DAY_MS);

/// Events transformed at once.
pub const TRANSFORMS_MAX: usize = 64;
/// Of them, those of one source.
pub const TRANSFORMS_OF_SOURCE_MAX: usize = 24;
/// Events in memory between inbox and queues, most of them as an id only.
pub const FANOUT_EVENTS_MAX: usize = 4096;
/// Bodies of waiting events; further events are read again when it is their turn.
pub const FANOUT_WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Records of events that were committed in their final form and whose handoffs have not been tried, in memory; further events
/// are read from the store.
pub const RECENT_EVENTS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Attempts in flight, of all destinations.
pub const ATTEMPTS_MAX: usize = 4096;
/// Handoffs of one destination in memory that wait for their attempt; at least the first, at most the second number.
pub const DISPATCH_WINDOW: (usize, usize) = (64, 2048);
/// Bodies of the events that one attempt takes into memory, unless the first event alone has more.
pub const ATTEMPT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Lines that are written and synced together.
pub const ATTEMPT_LINES_MAX: usize = 512;
/// Of these, lines of one ordering key: they are recorded in one write of the store, which stays small.
pub const ATTEMPT_RUN_MAX: usize = 64;
/// How far back from its end a file of lines is searched for the beginning of a torn line.
pub const TORN_LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// For resolving a destination's name and connecting to one of its addresses.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried.
pub const CONNECT_ADDRESSES_MAX: usize = 8;
/// The head of a destination's answer.
pub const ANSWER_HEAD_BYTES_MAX: usize = 64 * 1024;
/// What goes into the history of a refusal's body; with the rest of the text it stays below 1 KiB.
pub const ANSWER_KEPT_BYTES_MAX: usize = 768;
/// What is read of a destination's answer so that the connection can be used again.
pub const ANSWER_DRAINED_BYTES_MAX: usize = 64 * 1024;
/// How long that may take.
pub const ANSWER_DRAIN_TIME_MAX: Duration = Duration::from_secs(1);
/// The longest wait that a destination's `Retry-After` can bring about for one event.
pub const RETRY_AFTER_TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The least that is waited after a 429 and after an attempt without an answer, unless the policy's longest pause is shorter.
/// Svix waits as long (`OVERLOAD_PENALTY_SECS` in server/svix-server/src/worker.rs of svix-webhooks).
pub const RETRY_FLOOR: Duration = Duration::from_secs(60);
/// How far a pause is spread to either side of its step, in percent.
pub const RETRY_SPREAD_PERCENT: u32 = 20;
/// Failures of a destination in a row that open its breaker.
pub const BREAKER_FAILURES_MAX: u32 = 10;
/// The longest pause between two attempts at a destination that is away, unless it asks for longer.
pub const BREAKER_PAUSE_MAX: Duration = Duration::from_secs(30);
/// The longest that a `Retry-After` keeps everything else from the destination.
pub const BREAKER_ASKED_PAUSE_MAX: Duration = Duration::from_secs(5 * 60);

/// Attempts that may start at once when a breaker has closed; each second the number of those that have started may double.
pub const RAMP_FIRST: u32 = 16;
/// When a breaker has been closed for this long, attempts have no bound but those of the destination.
pub const RAMP_TIME: Duration = Duration::from_secs(10);

/// Process deaths during an event's transformation after which it is a dead letter.
pub const TRANSFORM_DEATHS_MAX: u8 = 3;
/// Events whose transformation is noted at once, those among them that a process has not survived included.
pub const SUSPECTS_MAX: u64 = 1024;

// Clocks.

/// How far the wall clock may move otherwise than the steady one before that counts as a jump. NTP slews a clock by less and
/// steps it by more than an eighth of a second; nothing is lost by seconds.
pub const CLOCK_JUMP_MS: u64 = 10 * SECOND_MS;
/// How long the wall clock must stay where it has jumped to before anything is forgotten by it.
pub const CLOCK_SETTLE_MS: u64 = HOUR_MS;
/// How often the time by which work waits is written down while nothing else is written: a crash loses no more of it.
pub const WAIT_TIME_NOTED_EVERY: Duration = Duration::from_secs(60);

// Documents that the host fetches: key sets, certificates.

/// For one of them, from resolving the name to the last byte. Providers wait 5 to 30 seconds for their answer.
pub const FETCH_TIME_MAX: Duration = Duration::from_secs(5);
/// Fetches of documents that have verified nothing yet, for one source; further ones are answered 503. Forgers can make up
/// key ids and, within a pattern, URLs, and each is asked of the provider with the operator's credentials. Documents that
/// have verified a signature once are fetched again without a bound of this kind.
pub const KEY_FETCHES_OF_STRANGERS: (u32, Duration) = (15, Duration::from_secs(60));
/// Of these, the ones of one address.
pub const KEY_FETCHES_OF_ADDRESS: (u32, Duration) = (5, Duration::from_secs(60));
/// Addresses whose fetches are counted apart; further ones count together.
pub const KEY_FETCHING_ADDRESSES_MAX: usize = 1_000;
/// The size of one. Key sets have some KiB; with chains of certificates in them some tens.
pub const FETCHED_BYTES_MAX: usize = 128 * 1024;
/// How many are remembered.
pub const FETCHED_DOCUMENTS_MAX: usize = 128;
/// Who waits for documents at once; further ones are answered 503.
pub const FETCH_WAITS_MAX: usize = 64;
/// Of these, the ones that wait for a document that has verified nothing yet.
pub const FETCH_STRANGERS_MAX: usize = 48;
/// Connections that are kept for each host.
pub const FETCH_IDLE_CONNECTIONS: usize = 2;
/// How long a document is used without asking again, where its server does not say.
pub const FETCHED_AGE_DEFAULT: Duration = Duration::from_secs(60 * 60);
/// As above, whatever its server says.
pub const FETCHED_AGE_MIN: Duration = Duration::from_secs(60);
/// As above.
pub const FETCHED_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How much longer a document stands in for a newer one while its server fails.
pub const FETCHED_STALE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a server is left alone after a failure.
pub const FETCH_FAILURE_PAUSE: Duration = Duration::from_secs(5);
/// How often a document that is fresh is asked for anew because it lacks a key.
pub const FETCH_ANEW_PAUSE: Duration = Duration::from_secs(30);

// Rates.

/// How many in one period of a rate.
pub const RATE_COUNT_MAX: u32 = 1_000_000;
/// The shortest period of a rate.
pub const RATE_PERIOD_MS_MIN: u64 = SECOND_MS;
/// The longest period of a rate.
pub const RATE_PERIOD_MS_MAX: u64 = DAY_MS;
/// How many at once.
pub const BURST: Range = Range::new(1, 1, RATE_COUNT_MAX as u64);
/// Failed verifications from one address. An honest provider has none; a forger learns nothing from ten a second.
pub const FAILURES: &str = "10/s";

// The configuration itself.

/// The file.
pub const CONFIG_BYTES_MAX: u64 = MIB;
/// Dots in one key: `a.b.c` has two. The grammar needs three.
pub const CONFIG_KEY_DOTS_MAX: usize = 64;
/// Mistakes reported at once.
pub const PROBLEMS_MAX: usize = 1_000;
/// The name of a source, a destination or a plugin; it stands in URLs, file names and metrics.
pub const NAME_BYTES_MAX: usize = 64;
/// One version of a secret: a public key in PEM is the longest of them.
pub const SECRET_BYTES_MAX: u64 = 64 * KIB;
/// Live versions of one secret. Each failed verification tries all.
pub const SECRET_VERSIONS_MAX: usize = 8;
/// The admin token: 16 random bytes make 22 characters of base64.
pub const ADMIN_TOKEN_BYTES_MIN: usize = 16;
/// What signs links to claims: as much as 24 random bytes in base64.
pub const CLAIM_KEY_BYTES_MIN: usize = 32;
/// Standard Webhooks, "Signature scheme": the secret of a symmetric signature has at least 24 bytes.
pub const SIGNING_SECRET_BYTES_MIN: usize = 24;
/// As above: at most 64.
pub const SIGNING_SECRET_BYTES_MAX: usize = 64;

// A duplicate is answered with the id of the event that came first: that one should still be there to be shown.
const _: () = assert!(IDEMPOTENCY_TTL_MS.default <= STORE_RETENTION_MS.default);
// Any body that was in memory can be kept.
const _: () = assert!(BODY_IN_MEMORY_BYTES_MAX < DUPLICATES_OF_SOURCE_BYTES_MAX);
// What a signature belongs to is known for as long as the signature itself.
const _: () = assert!(REPLAY_WINDOW_MS.default <= IDEMPOTENCY_TTL_MS.default);
const _: () = assert!(RETRY_FIRST_MS.default <= RETRY_MAX_MS.default && RETRY_FIRST_MS.max <= RETRY_MAX_MS.max);
// Whatever the retries, an event outlives them.
const _: () = assert!(RETRY_ATTEMPTS.default * RETRY_MAX_MS.default <= STORE_RETENTION_MS.default);
// All plugins together stay within what a small machine has.
const _: () = assert!(PLUGIN_CONCURRENCY.default * PLUGIN_MEMORY_BYTES.default <= 2 * GIB);
const _: () = assert!(SIGNING_SECRET_BYTES_MIN < SIGNING_SECRET_BYTES_MAX);
// 10,000 parts must hold the largest body.
const _: () = assert!(CLAIM_PART_BYTES as u64 * 10_000 >= BODY_BYTES.max);
const _: () = assert!(RATE_PERIOD_MS_MIN < RATE_PERIOD_MS_MAX);
// A document that callers wait for stays among the known ones until it has come.
const _: () = assert!(FETCH_WAITS_MAX < FETCHED_DOCUMENTS_MAX);
const _: () = assert!(FETCH_STRANGERS_MAX < FETCH_WAITS_MAX);
const _: () = assert!(KEY_FETCHES_OF_ADDRESS.0 < KEY_FETCHES_OF_STRANGERS.0);
