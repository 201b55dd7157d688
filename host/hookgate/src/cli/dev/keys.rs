//! Temporary secrets for `hookgate dev`.
//!
//! Only the plugin knows the form of its secrets. So the usual forms are tried: the plugin signs an example with a secret, and
//! if it then accepts its own delivery, the form is right.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use hookgate_capabilities::{Delivery, Descriptor, Request, SecretSpec, SecretText, Secrets};
use hookgate_known_providers::KnownProvider;
use hookgate_model::clock::now_ms;
use hookgate_sandbox::Plugin;

use crate::cli::send::Sender;

/// The secrets of a source, for both sides.
pub struct ThrowAway {
    /// The plugin's own description.
    pub descriptor: Descriptor,
    /// The secrets of the source, by name.
    pub configured: Vec<(String, String)>,
    /// The secrets that sign deliveries, by name; they differ only for public keys.
    pub signing: Vec<(String, String)>,
    /// The known provider, if the source is one.
    pub provider: Option<&'static KnownProvider>,
}

/// A secret as the source has it, and as the sender has it.
struct Pair {
    configured: String,
    signing: String,
}

/// The usual forms.
const FORMS: [fn() -> Pair; 3] = [hexadecimal, whsec, ed25519];

/// 32 random bytes in hex: a text for most plugins, a key for those that decode it.
fn hexadecimal() -> Pair {
    same(hex::encode(rand::random::<[u8; 32]>()))
}

/// As Standard Webhooks write it.
fn whsec() -> Pair {
    same(format!("whsec_{}", BASE64_STANDARD.encode(rand::random::<[u8; 32]>())))
}

/// The public key for the source, the private key for the sender, both in hex.
fn ed25519() -> Pair {
    let key = SigningKey::from_bytes(&rand::random());
    Pair { configured: hex::encode(key.verifying_key().as_bytes()), signing: hex::encode(key.as_bytes()) }
}

fn same(secret: String) -> Pair {
    Pair { configured: secret.clone(), signing: secret }
}

/// Secrets with which a plugin accepts its own deliveries.
///
/// # Errors
/// It accepts none of the usual forms; the reason is that of the first form.
pub async fn make_up(plugin: &Plugin, provider: Option<&'static KnownProvider>) -> Result<ThrowAway, String> {
    let descriptor = plugin.descriptor();
    let needed = needed(descriptor);
    if needed.is_empty() {
        return Err("it takes no secret".to_owned());
    }
    let mut reason = None;
    for form in in_order(&needed) {
        let pairs: Vec<(String, Pair)> = needed.iter().map(|spec| (spec.name.clone(), form())).collect();
        match try_out(plugin, &pairs, provider).await {
            Ok(()) => {
                let side = |of: fn(&Pair) -> &String| {
                    pairs.iter().map(|(name, pair)| (name.clone(), of(pair).clone())).collect()
                };
                return Ok(ThrowAway {
                    descriptor: descriptor.clone(),
                    configured: side(|pair| &pair.configured),
                    signing: side(|pair| &pair.signing),
                    provider,
                });
            }
            Err(why) => _ = reason.get_or_insert(why),
        }
    }
    Err(reason.unwrap_or_default())
}

/// The required secrets, or the first one if none is required.
fn needed(descriptor: &Descriptor) -> Vec<&SecretSpec> {
    let required: Vec<&SecretSpec> = descriptor.secrets.iter().filter(|spec| spec.required).collect();
    if required.is_empty() { descriptor.secrets.iter().take(1).collect() } else { required }
}

/// The form that the plugin's description suggests comes first.
fn in_order(needed: &[&SecretSpec]) -> Vec<fn() -> Pair> {
    let mut forms = FORMS.to_vec();
    if needed.iter().any(|spec| spec.description.contains("whsec_")) {
        forms.swap(0, 1);
    }
    forms
}

async fn try_out(plugin: &Plugin, pairs: &[(String, Pair)], provider: Option<&KnownProvider>) -> Result<(), String> {
    let settings: BTreeMap<String, String> =
        provider.map(|provider| ("provider".to_owned(), provider.name.to_owned())).into_iter().collect();
    let signing = pairs.iter().map(|(name, pair)| (name.clone(), SecretText::new(pair.signing.clone())));
    let sender = Sender::new(plugin.clone(), None, signing, settings.clone())?;
    let request = Request {
        method: "POST".to_owned(),
        url: "http://127.0.0.1:8080/in/example".to_owned(),
        headers: Vec::new(),
        received_at: now_ms(),
        body: Bytes::new(),
    };
    let signed = sender.sign(request).await.map_err(|error| error.to_string())?;
    let configured = |(name, pair): &(String, Pair)| (name.clone(), vec![SecretText::new(pair.configured.clone())]);
    let secrets = Secrets::new(pairs.iter().map(configured).collect());
    let delivery = Delivery::new(Arc::new(signed), Arc::new(settings), Arc::new(secrets));
    match plugin.verify(delivery).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(refusal)) => Err(format!("it refuses its own delivery: {refusal:?}")),
        Err(broken) => Err(broken.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hookgate_sandbox::Catalog;

    use super::*;
    use crate::cli::sandbox;

    fn spec(name: &str, required: bool, description: &str) -> SecretSpec {
        SecretSpec {
            name: name.to_owned(),
            required,
            handed_over: false,
            prefixes: Vec::new(),
            description: description.to_owned(),
        }
    }

    #[test]
    fn a_hint_in_the_description_comes_first() {
        let first = |description: &str| in_order(&[&spec("a", true, description)])[0]().configured;
        assert!(first("the signing secret, whsec_…").starts_with("whsec_"));
        assert_eq!(first("the token").len(), 64);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn bundled_plugins_take_what_they_sign_with_made_up_secrets() {
        let cache = tempfile::tempdir().unwrap();
        let sandbox = sandbox::new_in(&cache.path().join("plugins")).unwrap();
        let stripe = Catalog::new(None).unwrap().load("stripe", &sandbox).await.unwrap();
        let keys = make_up(&stripe, None).await.unwrap();
        assert_eq!(keys.configured, keys.signing);
        assert!(keys.configured[0].1.starts_with("whsec_"), "{:?}", keys.configured);
        let discord = Catalog::new(None).unwrap().load("discord", &sandbox).await.unwrap();
        let keys = make_up(&discord, None).await.unwrap();
        assert_ne!(keys.configured, keys.signing);
    }
}
