//! The settings of the plugin `hmac`: their names, defaults and meaning.

/// What can be written in a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// `header:NAME`, `query:NAME`, `json:/POINTER` or `form:NAME`.
    Place,
    /// Places, joined with ` + `, and alternatives between ` | `.
    Path,
    /// Text with `{slots}` and `[optional parts]`.
    Template,
    /// A whole number; `any` where the description says so.
    Number,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Anything else.
    Text,
}

/// A setting.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// As it stands in a configuration.
    pub name: &'static str,
    /// The value where it is not set.
    pub default: Option<&'static str>,
    /// What can be written in it.
    pub grammar: Grammar,
    /// One line for the operator.
    pub description: &'static str,
}

const fn spec(name: &'static str, default: Option<&'static str>, grammar: Grammar, description: &'static str) -> Spec {
    Spec { name, default, grammar, description }
}

/// Each setting, in the order in which a reader needs them.
pub const SETTINGS: &[Spec] = &[
    spec(
        "provider",
        None,
        Grammar::Text,
        "a known provider, such as linear, whose settings apply unless the source sets its own; `hookgate providers list` \
         shows the names",
    ),
    spec(
        "scheme",
        Some("hmac"),
        Grammar::OneOf(&["hmac", "digest", "token", "basic"]),
        "hmac; digest: a plain digest of content with {secret}; token or basic: the secret itself, which does not cover \
         the body",
    ),
    spec(
        "signature",
        None,
        Grammar::Place,
        "where the signature is: header:NAME (a * at its end stands for a number), query:NAME, json:/POINTER or \
         form:NAME; an array where it may be in several places",
    ),
    spec(
        "format",
        Some("{signature}"),
        Grammar::Template,
        "the form of the signature: sha256={signature}, t={timestamp},v1={signature}; other names make {field:NAME} for the \
         content; {digest} is the name of the digest",
    ),
    spec(
        "separator",
        None,
        Grammar::Text,
        "makes the format a list: the text between its items, which may then repeat and come in any order",
    ),
    spec("group-separator", None, Grammar::Text, "the text between several such lists"),
    spec(
        "strongest",
        Some("false"),
        Grammar::OneOf(&["true", "false"]),
        "true: only the first item of the format that is present counts",
    ),
    spec(
        "digest",
        Some("sha256"),
        Grammar::Text,
        "md5, sha1, sha256, sha384 or sha512; an array where each may be used",
    ),
    spec(
        "encoding",
        Some("hex"),
        Grammar::Text,
        "hex, hex-upper, base64, base64url, base64url-padded or base64-of-hex",
    ),
    spec(
        "key",
        Some("utf8"),
        Grammar::Text,
        "from secret to key: strip:PREFIX with a prefix that `plugin inspect hmac` lists, then utf8, hex, base64 or base64url, then digests or suffix:TEXT; alternatives \
         between |",
    ),
    spec(
        "content",
        Some("{body}"),
        Grammar::Template,
        "the signed text: {timestamp}.{body}; [parts] are left out when a slot in them has no value; an array where each \
         may be signed, or each by its own signature of the format",
    ),
    spec(
        "url-form",
        None,
        Grammar::Text,
        "the form of {url}, {path} and {query} in the content: wire, decoded (%40 as @ and its like, as HubSpot signs) or \
         canonical (escaped once more, as Contentful signs); an array where each may be signed; all three where it is \
         not set",
    ),
    spec(
        "app-id",
        None,
        Grammar::Text,
        "the value of {app-id} in the content: a public name of yours that the provider signs",
    ),
    spec(
        "timestamp",
        None,
        Grammar::Path,
        "where the timestamp is, if not in the format: header:NAME, json:/POINTER, ...",
    ),
    spec("timestamp-unit", Some("auto"), Grammar::OneOf(&["auto", "s", "ms", "iso"]), "s, ms, iso, or auto: detected"),
    spec("tolerance", Some("300"), Grammar::Number, "the maximum age of a signature, in seconds; 0: any age"),
    spec(
        "tolerance-future",
        None,
        Grammar::Number,
        "how far in the future it may be, in seconds, or any; as tolerance where it is not set",
    ),
    spec(
        "id",
        None,
        Grammar::Path,
        "where the event's id is: header:NAME, json:/POINTER, query:NAME or form:NAME, each with =VALUE or \
         !=VALUE behind it where it counts only then; joined with ' + ', alternatives after ' | '",
    ),
    spec(
        "identity",
        None,
        Grammar::OneOf(&["payload", "delivery"]),
        "what identifies events without an id: payload (equal bytes are a duplicate) or delivery (every delivery \
         is a new event); not set: equal bytes are a duplicate for a short time",
    ),
    spec(
        "fresh",
        None,
        Grammar::Path,
        "with identity = delivery: the place of a value that the provider generates for each delivery, as id",
    ),
    spec("kind", None, Grammar::Path, "where the event's kind is, as id"),
    spec("time", None, Grammar::Path, "where the event's time is, as id; in any notation"),
    spec("subject", None, Grammar::Path, "where the name of the event's object is, as id"),
    spec("ordering-key", None, Grammar::Path, "where the name by which events are ordered is, as id"),
    spec(
        "sequence",
        None,
        Grammar::Path,
        "where the event's number within its ordering key is, as id; its time orders it where this is not set",
    ),
    spec(
        "type-prefix",
        None,
        Grammar::Text,
        "the text in front of the kind in CloudEvents; com.PROVIDER or webhook where it is not set",
    ),
    spec("source", None, Grammar::Text, "the source in CloudEvents; the name of hookgate's source where it is not set"),
    spec(
        "challenge",
        None,
        Grammar::Place,
        "where a handshake's challenge is: query:NAME is answered at once, header:NAME and json:/POINTER of authentic \
         deliveries only",
    ),
    spec("challenge-token", None, Grammar::Place, "where the provider repeats secrets.verify-token in a handshake"),
    spec(
        "challenge-reply",
        Some("{challenge}"),
        Grammar::Template,
        "the reply to a handshake: {challenge}, {challenge:json} and {hmac:ENCODING} of it",
    ),
    spec("challenge-status", Some("200"), Grammar::Number, "the status of the reply to a handshake, 200 to 299"),
    spec(
        "challenge-wrong",
        None,
        Grammar::Number,
        "the status of the reply to a handshake with another token, 400 to 499; 401 where this is not set",
    ),
    spec(
        "probe",
        None,
        Grammar::Text,
        "the form of a request by which the provider checks the endpoint, joined with ' + ': unsigned (without a \
         signature; without this word it must be authentic), method:NAME, no-body, and places as of id, with =VALUE \
         or !=VALUE behind them; an array where there are several",
    ),
    spec(
        "probe-reply",
        None,
        Grammar::Template,
        "the body of the reply to a probe, with {PLACE}, or {PLACE:json} in JSON's quotes; an array where each probe has \
         its own",
    ),
    spec("probe-status", Some("200"), Grammar::Number, "the status of the reply to a probe, 200 to 299"),
    spec("probe-type", None, Grammar::Text, "the content type of that reply; detected where it is not set"),
    spec(
        "probe-header",
        None,
        Grammar::Text,
        "a header of that reply, NAME: VALUE, with slots as probe-reply; or an array",
    ),
    spec(
        "handover",
        None,
        Grammar::Path,
        "where an unsigned first request hands the secret over, as id; taken where secrets.signing is { handed-over = \
         true }",
    ),
    spec("handover-echo", None, Grammar::Text, "the header in which the answer to that repeats the secret"),
    spec("sends", None, Grammar::Text, "a header that `hookgate send` adds, NAME: VALUE; or an array"),
    spec(
        "reply-status",
        None,
        Grammar::Number,
        "the status of the reply to a delivery, 200 to 299; hookgate's own 200 otherwise",
    ),
    spec("reply-body", None, Grammar::Text, "the body of the reply to a delivery; JSON where it begins with a brace"),
];
