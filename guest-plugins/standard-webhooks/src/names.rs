//! The names of the three headers, which differ between providers.

use hookgate_plugin_sdk::{Delivery, Refusal, answer::forged, header};

/// Prefixes in use, the standard's own first.
pub(crate) const KNOWN: [&str; 2] = ["webhook-", "svix-"];

/// What the three headers say.
pub(crate) struct Names {
    pub(crate) id: String,
    pub(crate) timestamp: String,
    pub(crate) signatures: String,
}

/// The three headers of a prefix.
pub(crate) fn of(prefix: &str) -> [String; 3] {
    ["id", "timestamp", "signature"].map(|name| format!("{prefix}{name}"))
}

/// Reads the headers; the signature's decides which prefix a delivery has.
pub(crate) fn read(delivery: &Delivery) -> Result<Names, Refusal> {
    let prefix = delivery.setting("header-prefix");
    let prefixes = prefix.as_deref().map_or(KNOWN.to_vec(), |prefix| vec![prefix]);
    for prefix in &prefixes {
        let [id, timestamp, signature] = renamed(delivery, prefix);
        if let Some(signatures) = header::optional(delivery, &signature)? {
            let id = header::required(delivery, &id)?;
            if id.is_empty() {
                return Err(forged("the header of the id is empty"));
            }
            return Ok(Names { id, timestamp: header::required(delivery, &timestamp)?, signatures });
        }
    }
    Err(Refusal::Unauthenticated(format!("no header {}", renamed(delivery, prefixes[0])[2])))
}

/// The headers to send.
pub(crate) fn to_send(delivery: &Delivery) -> [String; 3] {
    renamed(delivery, &delivery.setting("header-prefix").unwrap_or_else(|| KNOWN[0].to_owned()))
}

/// The headers of a prefix, those with a setting of their own called as that says.
fn renamed(delivery: &Delivery, prefix: &str) -> [String; 3] {
    let [id, timestamp, signature] = of(prefix);
    [("id-header", id), ("timestamp-header", timestamp), ("signature-header", signature)]
        .map(|(setting, name)| delivery.setting(setting).unwrap_or(name))
}
