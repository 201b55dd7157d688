//! Providers of webhooks whose settings are known, so that a source needs only their name.
//!
//! The rows stand in `guest-plugins/hmac/providers.toml`, which the build script checks and turns into tables. The plugin
//! `hmac` reads a row's settings; the host also shows what was checked about it.

pub mod place;
pub mod settings;
pub mod template;

#[cfg(test)]
#[path = "../build/read.rs"]
#[allow(dead_code)]
mod read;

/// The plugin that reads the settings of every row.
pub const COMPONENT: &str = "hmac";

/// The name and the value of a setting.
pub type Setting = (&'static str, &'static str);

/// A provider's name and its settings.
pub type Preset = (&'static str, &'static [Setting]);

/// How the signature scheme of a row is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// Deliveries published by the provider, with their signatures, are verified in the tests.
    OfficialVectors,
    /// Read in, or tried against, the provider's own library.
    Sdk,
    /// Read in the provider's documentation.
    Documentation,
    /// Known from other projects only.
    Reported,
}

impl Confidence {
    /// As it stands in the data file and is shown to operators.
    pub fn as_str(self) -> &'static str {
        match self {
            Confidence::OfficialVectors => "official vectors",
            Confidence::Sdk => "provider's SDK",
            Confidence::Documentation => "documentation",
            Confidence::Reported => "reported",
        }
    }
}

/// What is known about a provider beside its settings. Texts are empty where nothing is known.
#[derive(Clone, Copy, Debug)]
pub struct KnownProvider {
    /// As it stands in a configuration.
    pub name: &'static str,
    /// As the provider calls itself.
    pub title: &'static str,
    /// Where an operator reads about its signatures.
    pub documentation: &'static str,
    /// How its signature scheme is known.
    pub confidence: Confidence,
    /// What was checked about the identity of its events, and where.
    pub identity_checked: &'static str,
    /// Whether anything was found about it; the settings are the safe guess otherwise.
    pub identity_found: bool,
    /// Whether a retry is signed anew: `yes`, `no`, `none` (there are no retries or no timestamp) or `unknown`.
    pub retry_resigned: &'static str,
    /// What was checked about the age of signatures.
    pub tolerance_checked: &'static str,
    /// How the provider checks an endpoint before it sends events to it.
    pub probe: &'static str,
    /// How a first request brings the secret.
    pub secret_handover: &'static str,
    /// Anything else.
    pub notes: &'static str,
}

impl KnownProvider {
    /// The settings of its row.
    pub fn settings(&self) -> &'static [Setting] {
        settings_of(self.name).unwrap_or_default()
    }

    /// One of them.
    pub fn setting(&self, name: &str) -> Option<&'static str> {
        self.settings().iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

include!(concat!(env!("OUT_DIR"), "/providers.rs"));

/// Every provider, by name.
pub fn all() -> &'static [KnownProvider] {
    PROVIDERS
}

/// The provider of that name.
pub fn find(name: &str) -> Option<&'static KnownProvider> {
    let at = PROVIDERS.binary_search_by(|known| known.name.cmp(name)).ok()?;
    PROVIDERS.get(at)
}

/// Every provider's settings, by name.
pub fn presets() -> &'static [Preset] {
    PRESETS
}

/// The settings of the provider of that name.
pub fn settings_of(name: &str) -> Option<&'static [Setting]> {
    let at = PRESETS.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    PRESETS.get(at).map(|(_, settings)| *settings)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_provider_is_found_by_its_name() {
        let stripe = find("stripe").unwrap();
        assert_eq!((stripe.title, stripe.setting("signature")), ("Stripe", Some("header:Stripe-Signature")));
        assert_eq!(settings_of("stripe"), Some(stripe.settings()));
        assert!(find("Stripe").is_none() && settings_of("Stripe").is_none());
        assert_eq!(all().len(), presets().len());
    }

    const ROW: &str = r#"
[base.plain]
signature = "header:X-Signature"

[[provider]]
name = "acme"
title = "Acme"
documentation = "https://acme.example/webhooks"
confidence = "documentation"
base = "plain"
identity-checked = "nothing was found"
[provider.settings]
encoding = "base64"
"#;

    #[test]
    fn a_row_has_the_settings_of_its_base_and_its_own() {
        let rows = read::rows(ROW).unwrap();
        let settings: Vec<(&str, &str)> = rows[0].settings.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(settings, [("signature", "header:X-Signature"), ("encoding", "base64")]);
        let own = ROW.replace("encoding = \"base64\"", "signature = [\"header:A\", \"header:B\"]\ntolerance = 0");
        let rows = read::rows(&own).unwrap();
        assert_eq!(rows[0].settings[0].1, r#"["header:A","header:B"]"#);
        assert_eq!(rows[0].settings[1].1, "0");
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        let mistakes = |was: &str, is: &str| {
            let text = ROW.replace(was, is);
            assert_ne!(text, ROW);
            read::rows(&text).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let provider = &ROW[ROW.find("[[provider]]").unwrap()..];
        for (was, is, line, what) in [
            ("encoding", "encodng", 13, "no setting \"encodng\""),
            ("encoding = \"base64\"", "provider = \"x\"", 13, "no setting \"provider\""),
            ("encoding = \"base64\"", "kind = \"body:x\"", 13, "`kind`"),
            ("encoding = \"base64\"", "content = \"{body\"", 13, "`content`"),
            ("encoding = \"base64\"", "scheme = \"rsa\"", 13, "`scheme`"),
            ("encoding = \"base64\"", "tolerance = \"soon\"", 13, "`tolerance`"),
            ("encoding = \"base64\"", "kind = 1979-05-27", 13, "`kind`"),
            ("title", "titel", 7, "no key \"titel\""),
            ("title = \"Acme\"", "", 5, "`title` is missing"),
            ("\"acme\"", "\"Acme Inc\"", 5, "lower-case"),
            ("https://", "http://", 5, "`documentation`"),
            ("\"documentation\"", "\"rumour\"", 5, "`confidence`"),
            ("\"plain\"", "\"fancy\"", 10, "base"),
            ("base = \"plain\"", "", 5, "where the signature is"),
            ("[provider.settings]", "[provider.setings]", 12, "no key \"setings\""),
            ("nothing was found", "", 5, "`identity-checked` is missing"),
            (provider, &format!("{provider}{provider}"), 14, "stands twice"),
            (provider, &format!("{provider}{}", provider.replace("\"acme\"", "\"abc\"")), 14, "sorted by name"),
            (provider, "", 1, "no [[provider]]"),
            ("[base.plain]", "[base.plain", 2, ""),
        ] {
            let found = mistakes(was, is);
            let expected = |mistake: &&String| mistake.starts_with(&format!("{line}: ")) && mistake.contains(what);
            assert!(found.iter().any(|mistake| expected(&mistake)), "{is}: {found:?}");
        }
    }
}
