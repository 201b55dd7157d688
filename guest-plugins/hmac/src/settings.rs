//! The settings of a source: its own, and where it has none those of the provider that it names.

use hookgate_known_providers::{self as known, Setting};
use hookgate_plugin_sdk::{Delivery, Refusal};

/// The settings of a source.
pub struct Settings<'d> {
    delivery: &'d Delivery,
    preset: &'static [Setting],
}

impl<'d> Settings<'d> {
    /// Looks up the provider that is named, if any.
    ///
    /// # Errors
    /// Misconfigured: no provider of that name is known.
    pub fn of(delivery: &'d Delivery) -> Result<Self, Refusal> {
        let preset = match delivery.setting("provider") {
            None => &[],
            Some(name) => {
                let unknown = || format!("{name:?} is not a known provider; write its settings out");
                known::settings_of(&name).ok_or_else(|| wrong("provider", &unknown()))?
            }
        };
        Ok(Settings { delivery, preset })
    }

    /// A setting, as text.
    pub fn get(&self, name: &str) -> Option<String> {
        let preset = || self.preset.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        self.delivery.setting(name).or_else(preset)
    }

    /// A setting of one of the types here; none where it is not set or empty.
    ///
    /// # Errors
    /// Misconfigured, in the words of `parse`.
    pub fn parsed<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Refusal> {
        let text = self.get(name).filter(|text| !text.is_empty());
        text.map(|text| parse(&text)).transpose().map_err(|why| wrong(name, &why))
    }

    /// As [`Settings::parsed`], with the text that holds where it is not set.
    ///
    /// # Errors
    /// Misconfigured, in the words of `parse`.
    pub fn parsed_or<T>(
        &self,
        name: &str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Refusal> {
        let text = self.get(name).filter(|text| !text.is_empty());
        parse(text.as_deref().unwrap_or(default)).map_err(|why| wrong(name, &why))
    }

    /// A setting that may be an array (which the host gives as JSON): each of its texts, parsed.
    ///
    /// # Errors
    /// Misconfigured, in the words of `parse`.
    pub fn list<T>(
        &self,
        name: &str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, Refusal> {
        let text = self.get(name).filter(|text| !text.is_empty());
        let texts = texts(text.as_deref().unwrap_or(default));
        texts.iter().map(|text| parse(text)).collect::<Result<_, _>>().map_err(|why| wrong(name, &why))
    }
}

/// The texts of a JSON array; else the text itself.
fn texts(text: &str) -> Vec<String> {
    let array = || serde_json::from_str::<Vec<String>>(text).ok().filter(|texts| !texts.is_empty());
    let looks_like_one = text.starts_with('[');
    looks_like_one.then(array).flatten().unwrap_or_else(|| vec![text.to_owned()])
}

/// A setting that makes no sense.
pub fn wrong(name: &str, why: &str) -> Refusal {
    Refusal::Misconfigured(format!("settings.{name}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_told_from_templates() {
        assert_eq!(texts(r#"["a","b"]"#), ["a", "b"]);
        assert_eq!(texts("[{timestamp}:]{body}"), ["[{timestamp}:]{body}"]);
        assert_eq!(texts("[]"), ["[]"]);
        assert_eq!(texts("a, b"), ["a, b"]);
    }
}
