//! A plugin that plays the provider.

use std::{collections::BTreeMap, sync::Arc};

use hookgate_capabilities::{Delivery, Descriptor, Outgoing, Request, SecretText, Secrets};
use hookgate_model::human::did_you_mean;
use hookgate_sandbox::{Broken, Plugin};

/// A plugin with its secrets and settings for signing.
pub struct Sender {
    plugin: Plugin,
    secrets: Arc<Secrets>,
    settings: Arc<BTreeMap<String, String>>,
}

/// Why there is no signed delivery.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The plugin broke.
    #[error("the plugin cannot sign: {0}")]
    Broken(#[from] Broken),
    /// The plugin says why not.
    #[error("the plugin does not sign this: {0}")]
    Refused(String),
}

impl Sender {
    /// `main` is the secret that needs no name: the first one that is required, or the first one of all.
    ///
    /// # Errors
    /// The plugin does not know a name, or a required secret is missing.
    pub fn new(
        plugin: Plugin,
        main: Option<SecretText>,
        named: impl IntoIterator<Item = (String, SecretText)>,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, String> {
        let descriptor = plugin.descriptor();
        let secrets = secrets(descriptor, main, named)?;
        let settings: BTreeMap<String, String> = settings.into_iter().collect();
        let known = descriptor.settings.iter().map(|spec| spec.name.as_str());
        if let Some(name) = settings.keys().find(|name| !known.clone().any(|known| known == *name)) {
            return Err(unknown("setting", name, known.collect()));
        }
        let secrets = secrets.into_iter().map(|(name, text)| (name, vec![text])).collect();
        Ok(Sender { secrets: Arc::new(Secrets::new(secrets)), settings: Arc::new(settings), plugin })
    }

    /// The request with the headers (and the body, if the plugin provides it) that the provider would send.
    pub async fn sign(&self, request: Request) -> Result<Request, SigningError> {
        let delivery = Delivery::new(Arc::new(request.clone()), self.settings.clone(), self.secrets.clone());
        let outgoing = self.plugin.sign(delivery).await?.map_err(SigningError::Refused)?;
        Ok(signed(request, outgoing))
    }
}

fn signed(mut request: Request, outgoing: Outgoing) -> Request {
    for (name, _) in &outgoing.headers {
        request.headers.retain(|(there, _)| !there.eq_ignore_ascii_case(name));
    }
    let added = outgoing.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.into_bytes()));
    request.headers.extend(added);
    if let Some(body) = outgoing.body {
        request.body = body.into();
    }
    request
}

fn secrets(
    descriptor: &Descriptor,
    main: Option<SecretText>,
    named: impl IntoIterator<Item = (String, SecretText)>,
) -> Result<BTreeMap<String, SecretText>, String> {
    let specs = &descriptor.secrets;
    let mut secrets = BTreeMap::new();
    if let Some(text) = main {
        let Some(spec) = specs.iter().find(|spec| spec.required).or(specs.first()) else {
            return Err(format!("the plugin {} takes no secret", descriptor.name));
        };
        secrets.insert(spec.name.clone(), text);
    }
    for (name, text) in named {
        if !specs.iter().any(|spec| spec.name == name) {
            return Err(unknown("secret", &name, specs.iter().map(|spec| spec.name.as_str()).collect()));
        }
        secrets.insert(name, text);
    }
    let missing: Vec<_> = specs.iter().filter(|spec| spec.required && !secrets.contains_key(&spec.name)).collect();
    match missing.first() {
        None => Ok(secrets),
        Some(spec) if specs.len() == 1 => Err(format!("give the secret with --secret: {}", spec.description)),
        Some(spec) => Err(format!("give the secret {0} with --secret-name {0}=...: {1}", spec.name, spec.description)),
    }
}

fn unknown(what: &str, name: &str, known: Vec<&str>) -> String {
    if known.is_empty() {
        format!("the plugin has no {what} {name:?}, nor any other")
    } else {
        let near = did_you_mean(name, known.iter().copied());
        format!("the plugin has no {what} {name:?}{near}; there are: {}", known.join(", "))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hookgate_capabilities::SecretSpec;

    use super::*;

    fn descriptor(secrets: &[(&str, bool)]) -> Descriptor {
        let spec = |(name, required): &(&str, bool)| SecretSpec {
            prefixes: Vec::new(),
            name: (*name).to_owned(),
            required: *required,
            handed_over: false,
            description: "what it is".to_owned(),
        };
        Descriptor {
            name: "p".to_owned(),
            version: "1.0.0".to_owned(),
            summary: String::new(),
            documentation: Vec::new(),
            secrets: secrets.iter().map(spec).collect(),
            settings: Vec::new(),
            headers: Vec::new(),
            key_urls: Vec::new(),
            confirm_urls: Vec::new(),
        }
    }

    fn names(specs: &[(&str, bool)], main: bool, named: &[&str]) -> Result<Vec<String>, String> {
        let text = || SecretText::new("s".to_owned());
        let named = named.iter().map(|name| ((*name).to_owned(), text()));
        secrets(&descriptor(specs), main.then(text), named).map(|secrets| secrets.into_keys().collect())
    }

    #[test]
    fn the_secret_without_a_name_is_the_required_one() {
        let specs = [("optional", false), ("needed", true)];
        assert_eq!(names(&specs, true, &[]).unwrap(), ["needed"]);
        assert_eq!(names(&specs, false, &["needed", "optional"]).unwrap(), ["needed", "optional"]);
        assert_eq!(names(&[("only", false)], true, &[]).unwrap(), ["only"]);
    }

    #[test]
    fn what_does_not_fit_is_said_with_what_would() {
        assert!(names(&[("a", true)], false, &[]).unwrap_err().contains("--secret:"));
        assert!(names(&[("a", true), ("b", true)], true, &[]).unwrap_err().contains("--secret-name b="));
        assert!(names(&[("a", true)], true, &["c"]).unwrap_err().contains("there are: a"));
        assert!(names(&[], true, &[]).is_err());
    }

    #[test]
    fn the_plugins_headers_go_over_those_that_were_given() {
        let request = Request {
            method: "POST".to_owned(),
            url: String::new(),
            headers: vec![("x-signature".to_owned(), b"old".to_vec()), ("x-other".to_owned(), b"kept".to_vec())],
            received_at: 0,
            body: bytes::Bytes::from_static(b"body"),
        };
        let outgoing = Outgoing { headers: vec![("X-Signature".to_owned(), "new".to_owned())], body: None };
        let signed = signed(request, outgoing);
        let headers = [("x-other".to_owned(), b"kept".to_vec()), ("x-signature".to_owned(), b"new".to_vec())];
        assert_eq!(signed.headers, headers);
        assert_eq!(signed.body, "body");
    }
}
