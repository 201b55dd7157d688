//! Settings and secrets of the source, or a refusal that tells the operator what to write.

use crate::{Delivery, Encoding, Refusal, Secret, SecretError};

/// A setting that is a whole number, not negative.
///
/// # Errors
/// Misconfigured: it is something else.
pub fn whole(delivery: &Delivery, name: &str, default: u64) -> Result<u64, Refusal> {
    let Some(text) = delivery.setting(name) else { return Ok(default) };
    text.parse().map_err(|_| Refusal::Misconfigured(format!("settings.{name} is not a whole number: {text:?}")))
}

/// A setting that is `true` or `false`.
///
/// # Errors
/// Misconfigured: it is something else.
pub fn flag(delivery: &Delivery, name: &str, default: bool) -> Result<bool, Refusal> {
    let Some(text) = delivery.setting(name) else { return Ok(default) };
    text.parse().map_err(|_| Refusal::Misconfigured(format!("settings.{name} is neither true nor false: {text:?}")))
}

/// A secret that must be there.
///
/// # Errors
/// Misconfigured: it is missing or cannot be decoded.
pub fn secret(
    delivery: &Delivery,
    name: &str,
    encoding: Encoding,
    strip_prefix: Option<&str>,
) -> Result<Secret, Refusal> {
    delivery.secret(name, encoding, strip_prefix).map_err(|error| Refusal::Misconfigured(explain(name, error)))
}

/// As [`secret`], in `sign`.
///
/// # Errors
/// In words for the operator.
pub fn signing_secret(
    delivery: &Delivery,
    name: &str,
    encoding: Encoding,
    strip_prefix: Option<&str>,
) -> Result<Secret, String> {
    delivery.secret(name, encoding, strip_prefix).map_err(|error| explain(name, error))
}

/// What is wrong with a secret, in words for the operator.
pub fn explain(name: &str, error: SecretError) -> String {
    match error {
        SecretError::Missing => format!("secrets.{name} is not set"),
        SecretError::Undecodable => format!("secrets.{name} is not in the form that the provider gives it"),
        SecretError::Other(why) => format!("secrets.{name}: {why}"),
    }
}

/// A setting that is one text or a list of them; the texts hold no blanks, commas, quotes and brackets.
pub fn words(delivery: &Delivery, name: &str) -> Vec<String> {
    let text = delivery.setting(name).unwrap_or_default();
    let between = |c: char| c.is_whitespace() || "[]\",".contains(c);
    text.split(between).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
