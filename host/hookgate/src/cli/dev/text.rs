//! The configuration of `hookgate dev`, as text.

use std::{fmt::Write, net::SocketAddr, path::Path};

use anyhow::Result;
use http::Uri;

use super::{super::sandbox, keys::ThrowAway};

/// The parts of the configuration.
pub struct Given<'a> {
    pub listen: SocketAddr,
    pub admin: SocketAddr,
    pub store: &'a Path,
    /// The directory of further plugins.
    pub plugins: Option<&'a Path>,
    /// The limits of a plugin call that are not the defaults.
    pub limits: &'a sandbox::Limits,
    /// The directory of compiled plugins.
    pub cache: &'a Path,
    pub forward: Option<&'a Uri>,
    /// Plugins, by the names of their sources, with their secrets.
    pub sources: &'a [(&'a str, &'a ThrowAway)],
}

/// The text. The egress guard permits the URL that the user has named, and a nearly full disk is accepted.
pub fn configuration(given: &Given<'_>) -> Result<String> {
    let Given { listen, admin, store, plugins, limits, cache, forward, sources } = given;
    let mut text = String::new();
    writeln!(text, "server.listen = \"{listen}\"\nadmin.listen = \"{admin}\"")?;
    writeln!(text, "store.path = {}\nstore.headroom = \"64MiB\"", quoted(&store.to_string_lossy()))?;
    writeln!(
        text,
        "egress.allow = [\"0.0.0.0/0\", \"::/0\"]\nlog.filter = \"hookgate=debug,warn\"\ndiagnosis.bodies = \"keep\""
    )?;
    writeln!(text, "plugins.cache = {}", quoted(&cache.to_string_lossy()))?;
    if let Some(plugins) = plugins {
        writeln!(text, "plugins.directory = {}", quoted(&plugins.to_string_lossy()))?;
    }
    if let Some(bytes) = limits.memory_bytes {
        writeln!(text, "plugins.memory = \"{bytes}B\"")?;
    }
    if let Some(ms) = limits.timeout_ms {
        writeln!(text, "plugins.timeout = \"{ms}ms\"")?;
    }
    for (name, keys) in *sources {
        writeln!(text, "[[source]]\nname = \"{name}\"\nplugin = \"{name}\"")?;
        for (secret, value) in &keys.configured {
            writeln!(text, "secrets.{secret} = [{{ value = {} }}]", quoted(value))?;
        }
    }
    let target = match forward {
        Some(url) => format!("http = {{ url = {} }}", quoted(&url.to_string())),
        None => "stdout = {}".to_owned(),
    };
    writeln!(text, "[[destination]]\nname = \"dev\"\n{target}\nretry.max = \"10s\"")?;
    writeln!(text, "[[route]]\nfrom = [\"*\"]\nto = \"dev\"")?;
    Ok(text)
}

/// A TOML string: JSON's escapes are valid in TOML's basic strings.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
