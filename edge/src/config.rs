//! What the platform's variables say. Each name stands in `docs/edge.md`; an empty value is none.

use std::time::Duration;

use spin_sdk::wasip3::http::types::Request;

use crate::{
    bindings::{Descriptor, config::store, gate},
    http::{Url, scheme_of},
    refused::Refused,
};

/// Bytes of a body, where nothing else is said.
const BODY_BYTES: usize = 1 << 20;
/// For the body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// For the origin to answer. Providers wait 5 to 30 seconds for theirs.
const ORIGIN_TIMEOUT: Duration = Duration::from_secs(4);
/// For how long an event is known again.
const IDEMPOTENCY: Duration = Duration::from_secs(72 * 3600);

/// The configuration of the one source that a component takes deliveries for.
pub struct Config {
    pub source: String,
    /// Where events go.
    pub origin: Url,
    /// What the origin knows the edge by.
    pub origin_secret: String,
    pub origin_timeout: Duration,
    pub body_limit: usize,
    pub body_timeout: Duration,
    /// The key-value store; none keeps no ids.
    pub store: Option<String>,
    pub idempotency: Duration,
    /// The path that deliveries come to; none for any.
    route: Option<String>,
    public_url: Option<String>,
    settings: Vec<(String, String)>,
    secrets: Vec<gate::SecretText>,
}

impl Config {
    /// Reads it.
    pub fn read(plugin: &Descriptor) -> Result<Config, Refused> {
        let variables = Variables::read()?;
        let origin = variables.needed("origin")?;
        let store = variables.text("store").unwrap_or_else(|| "default".to_owned());
        let source = variables.text("source").unwrap_or_else(|| plugin.name.clone());
        let route = variables.text("route").unwrap_or_else(|| format!("/in/{source}"));
        let body_limit = variables.number("body_limit")?;
        Ok(Config {
            source,
            route: Some(route).filter(|route| route != "*"),
            origin: origin_url(&origin)?,
            origin_secret: variables.needed("origin_secret")?,
            origin_timeout: variables.seconds("origin_timeout", ORIGIN_TIMEOUT)?,
            body_limit: body_limit.map_or(BODY_BYTES, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
            body_timeout: variables.seconds("body_timeout", BODY_TIMEOUT)?,
            store: Some(store).filter(|store| store != "none"),
            idempotency: variables.seconds("idempotency", IDEMPOTENCY)?,
            public_url: variables.text("public_url"),
            settings: settings(plugin, &variables),
            secrets: secrets(plugin, &variables)?,
        })
    }

    /// Whether deliveries come to this path, with a query behind it or not.
    pub fn takes(&self, path: &str) -> bool {
        let path = path.split('?').next().unwrap_or_default();
        self.route.as_ref().is_none_or(|route| route == path || path.strip_suffix('/') == Some(route))
    }

    /// Whether the operator says what the provider calls this application. Otherwise the sender does, in `host`.
    pub fn has_public_url(&self) -> bool {
        self.public_url.is_some()
    }

    /// The request's URL as the provider saw it. What the platform calls itself may be another name.
    pub fn url_of(&self, request: &Request, path: &str) -> String {
        if let Some(base) = &self.public_url {
            return format!("{}{path}", base.trim_end_matches('/'));
        }
        let host = || String::from_utf8(request.get_headers().get("host").into_iter().next()?).ok();
        let authority = request.get_authority().or_else(host).unwrap_or_else(|| "localhost".to_owned());
        let scheme = request.get_scheme().map_or_else(|| "https".to_owned(), scheme_of);
        format!("{scheme}://{authority}{path}")
    }

    /// What the plugin is lent.
    pub fn gate_source(&self, plugin: &Descriptor) -> gate::Source {
        gate::Source {
            name: self.source.clone(),
            settings: self.settings.clone(),
            secrets: self.secrets.clone(),
            key_urls: plugin.key_urls.clone(),
        }
    }
}

/// The manifest puts `/in/NAME` behind the origin that the operator has set, with a slash at its end or without.
fn origin_url(text: &str) -> Result<Url, Refused> {
    let url = Url::parse(text).ok_or_else(|| misconfigured("origin", "it is not a URL of http or https"))?;
    Ok(url.without_empty_segments())
}

fn settings(plugin: &Descriptor, variables: &Variables) -> Vec<(String, String)> {
    let setting = |name: &String| {
        let value = variables.text(&format!("setting_{}", in_variables(name)))?;
        Some((name.clone(), value))
    };
    plugin.settings.iter().filter_map(|spec| setting(&spec.name)).collect()
}

/// Of each secret up to two versions are live, so that it can be rotated.
fn secrets(plugin: &Descriptor, variables: &Variables) -> Result<Vec<gate::SecretText>, Refused> {
    let mut secrets = Vec::new();
    for spec in &plugin.secrets {
        let name = format!("secret_{}", in_variables(&spec.name));
        let versions = [variables.text(&name), variables.text(&format!("{name}_previous"))];
        let versions: Vec<String> = versions.into_iter().flatten().collect();
        if spec.required && versions.is_empty() {
            return Err(misconfigured(&name, "the plugin needs it and it is not set"));
        }
        // Without a version the secret still says which prefixes the plugin may strip from it.
        secrets.push(gate::SecretText { name: spec.name.clone(), versions, prefixes: spec.prefixes.clone() });
    }
    Ok(secrets)
}

/// Spin's variables have no dashes.
fn in_variables(name: &str) -> String {
    name.replace('-', "_")
}

/// The variables of the component. They are read anew for each request: a secret that was changed counts at once.
struct Variables(Vec<(String, String)>);

impl Variables {
    /// Reads all of them in one call. A call for each, of which there are a dozen, takes far more time.
    fn read() -> Result<Variables, Refused> {
        match store::get_all() {
            Ok(variables) => Ok(Variables(variables)),
            Err(store::Error::Upstream(why) | store::Error::Io(why)) => {
                Err(Refused::Misconfigured(format!("the platform does not provide the variables: {why}")))
            }
        }
    }

    /// A variable; none where it is not set or empty.
    fn text(&self, name: &str) -> Option<String> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value.clone()).filter(|value| !value.is_empty())
    }

    fn needed(&self, name: &str) -> Result<String, Refused> {
        self.text(name).ok_or_else(|| misconfigured(name, "it is not set"))
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Refused> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.trim().parse() {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(misconfigured(name, "it is not a whole number above 0")),
        }
    }

    fn seconds(&self, name: &str, default: Duration) -> Result<Duration, Refused> {
        Ok(self.number(name)?.map_or(default, Duration::from_secs))
    }
}

fn misconfigured(name: &str, why: &str) -> Refused {
    Refused::Misconfigured(format!("variable {name}: {why}"))
}
