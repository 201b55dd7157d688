//! What the rows of known providers need the host to keep and to take off.

use hookgate_known_providers::presets;

/// Settings whose headers decide whether a delivery is taken. Those of a kind, an id or a time are kept by the host anyway.
const JUDGED_BY: [&str; 5] = ["signature", "timestamp", "content", "challenge", "handover"];

/// The headers by which deliveries are judged, lower case, beside those of token schemes.
pub fn headers() -> Vec<String> {
    let settings = presets().iter().flat_map(|(_, settings)| *settings);
    let texts = settings.filter(|(name, _)| JUDGED_BY.contains(name)).map(|(_, text)| *text);
    let named = texts.flat_map(|text| text.split("header:").skip(1)).map(|after| {
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').unwrap_or(after.len());
        after[..end].to_ascii_lowercase()
    });
    let mut names: Vec<String> = named.chain(["authorization".to_owned()]).collect();
    names.sort();
    names.dedup();
    names
}

/// The prefixes that their secrets may have, as `strip:PREFIX` says.
pub fn prefixes() -> Vec<&'static str> {
    let settings = presets().iter().flat_map(|(_, settings)| *settings);
    let words = settings.filter(|(name, _)| *name == "key").flat_map(|(_, form)| form.split_whitespace());
    let mut prefixes: Vec<&str> = words.filter_map(|word| word.strip_prefix("strip:")).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_within_lists_and_templates() {
        let headers = headers();
        // As many as the host lets a plugin have.
        assert!(headers.len() <= 256, "{}", headers.len());
        for name in ["stripe-signature", "box-signature-secondary", "webhook-id", "x-sinch-webhook-signature-nonce"] {
            assert!(headers.iter().any(|header| header == name), "{name}");
        }
    }
}
