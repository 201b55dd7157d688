//! How much a plugin may say: the numbers of `wit/provider.wit`.

/// Events in one delivery.
pub const PLUGIN_EVENTS_MAX: usize = 1_000;
/// Cloud events made of one event.
pub const PLUGIN_OUTPUTS_MAX: usize = 100;
/// What is kept of a refusal's text, in bytes.
pub const PLUGIN_TEXT_BYTES_MAX: usize = 512;
/// A reply's body.
pub const PLUGIN_REPLY_BYTES_MAX: usize = 64 * 1024;
/// A reply's headers.
pub const PLUGIN_REPLY_HEADERS_MAX: usize = 32;
/// A provider's id of an event.
pub const EVENT_ID_BYTES_MAX: usize = 512;
/// A provider's word for what happened.
pub const EVENT_KIND_BYTES_MAX: usize = 256;
/// An ordering key.
pub const ORDERING_KEY_BYTES_MAX: usize = 512;
/// Attributes (or extensions) of an event.
pub const EVENT_ATTRIBUTES_MAX: usize = 32;
/// All attributes of an event together.
pub const EVENT_ATTRIBUTES_BYTES_MAX: usize = 8 * 1024;
/// One attribute of a cloud event, or the name of one. CloudEvents has no bound, and asks for events of 64 KiB to be taken.
pub const CLOUD_EVENT_ATTRIBUTE_BYTES_MAX: usize = 64 * 1024;
/// Extension attributes of a cloud event.
pub const CLOUD_EVENT_EXTENSIONS_MAX: usize = 1024;
/// A secret that is handed over in a handshake; Asana's have 32 characters.
pub const ENROLLED_SECRET_BYTES_MAX: usize = 1024;
/// Prefixes that a plugin lists for one secret. The plugin for all plain schemes lists those of every provider it knows.
pub const SECRET_PREFIXES_MAX: usize = 16;
/// One of them.
pub const SECRET_PREFIX_BYTES_MAX: usize = 64;
/// The URL of a document with keys, or of a confirmation.
pub const FETCHED_URL_BYTES_MAX: usize = 2048;
/// All texts of a request for keys together: the URL, the names of a certificate, fields, and the pointer.
pub const KEY_REQUEST_BYTES_MAX: usize = 4 * 1024;
/// Fields of a request for keys.
pub const KEY_REQUEST_FIELDS_MAX: usize = 16;
/// A plugin's version.
pub const PLUGIN_VERSION_BYTES_MAX: usize = 64;
/// Pages of documentation that a plugin names.
pub const PLUGIN_DOCUMENTATION_MAX: usize = 16;
/// Patterns of URLs that a plugin names, of each kind.
pub const PLUGIN_URLS_MAX: usize = 16;
/// Times that one delivery is judged anew because keys had to be fetched for it.
pub const KEY_ROUNDS_MAX: usize = 4;
/// Content codings of one body, one over the other. No sender is known to use more than one.
pub const CONTENT_CODINGS_MAX: usize = 3;
/// Bytes that a byte with a content coding may stand for. JSON reaches 10 to 50; a bomb 1,000 (gzip) and more. Apache's
/// `DeflateInflateRatioLimit` is the same.
pub const DECODED_RATIO_MAX: u64 = 200;
/// A body that has no more bytes than these is let through whatever its ratio.
pub const DECODED_SMALL_BYTES: u64 = 64 << 10;
