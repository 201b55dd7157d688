//! A manifest for Spin (version 2, <https://spinframework.dev/manifest-reference>).

use std::{collections::BTreeSet, fmt::Write, path::Path};

use hookgate_capabilities::{Descriptor, SecretSpec};

/// The parts of an application.
#[derive(Clone, Copy, Debug)]
pub struct Application<'a> {
    /// A route and a component for each.
    pub plugins: &'a [&'a Descriptor],
    /// The directory of the components.
    pub components: &'a Path,
    /// The command that builds them.
    pub build: &'a str,
}

/// The manifest's text.
pub fn manifest(application: &Application<'_>) -> String {
    let mut text = String::from(HEAD);
    for plugin in application.plugins {
        for spec in &plugin.secrets {
            let name = variable(plugin, spec);
            let is_needed = if spec.required { "required = true" } else { "default = \"\"" };
            _ = writeln!(text, "# {}", spec.description);
            _ = writeln!(text, "{name} = {{ {is_needed}, secret = true }}");
            _ = writeln!(text, "{name}_previous = {{ default = \"\", secret = true }}");
        }
    }
    for plugin in application.plugins {
        component(&mut text, plugin, application);
    }
    text
}

const HEAD: &str = r#"spin_manifest_version = 2

[application]
name = "hookgate-edge"
version = "0.1.0"
description = "Takes webhooks, verifies them, and forwards them to a gateway"

[variables]
# The gateway, or another receiver of CloudEvents, as scheme://host or scheme://host:port, without a slash at its end. A source
# NAME goes to its /in/NAME.
origin = { required = true }
# What the gateway knows the edge by: `echo whsec_$(openssl rand -base64 24)` makes one.
origin_secret = { required = true, secret = true }
# What the providers call this application, as scheme://host. Plugins that verify the URL refuse to work without it.
public_url = { default = "" }
"#;

fn component(text: &mut String, plugin: &Descriptor, application: &Application<'_>) {
    let name = &plugin.name;
    let source = application.components.join(format!("{name}.wasm"));
    _ = write!(
        text,
        r#"
[[trigger.http]]
route = "/in/{name}"
component = "{name}"

[component.{name}]
source = "{}"
key_value_stores = ["default"]
allowed_outbound_hosts = [{}]

[component.{name}.variables]
origin = "{{{{ origin }}}}/in/{name}"
origin_secret = "{{{{ origin_secret }}}}"
public_url = "{{{{ public_url }}}}"
"#,
        source.display(),
        hosts(plugin)
    );
    for spec in &plugin.secrets {
        let (here, outside) = (spec.name.replace('-', "_"), variable(plugin, spec));
        _ = writeln!(text, "secret_{here} = \"{{{{ {outside} }}}}\"");
        _ = writeln!(text, "secret_{here}_previous = \"{{{{ {outside}_previous }}}}\"");
    }
    for spec in &plugin.settings {
        let default = spec.default.as_deref().unwrap_or_default();
        _ = writeln!(text, "# setting_{} = {default:?}", spec.name.replace('-', "_"));
    }
    _ = write!(text, "\n[component.{name}.build]\ncommand = {:?}\n", application.build);
}

/// A secret as the application's variable.
fn variable(plugin: &Descriptor, spec: &SecretSpec) -> String {
    format!("{}_{}", plugin.name, spec.name).replace('-', "_")
}

/// The hosts that a component may connect to: the origin, and those of the plugin's keys and confirmations.
fn hosts(plugin: &Descriptor) -> String {
    let patterns = plugin.key_urls.iter().chain(&plugin.confirm_urls);
    let hosts: BTreeSet<String> = patterns.filter_map(|pattern| host(pattern)).collect();
    let quoted = hosts.into_iter().map(|host| format!("{host:?}"));
    ["\"{{ origin }}\"".to_owned()].into_iter().chain(quoted).collect::<Vec<_>>().join(", ")
}

/// The host of a pattern in Spin's form, where a star can only be the first label. Spin permits more hosts than the pattern
/// does; the edge checks the whole URL before the request.
fn host(pattern: &str) -> Option<String> {
    let (scheme, rest) = pattern.split_once("://")?;
    let host = rest.split(['/', '?']).next()?;
    let wild = host.rfind('}').map(|end| host[end..].find('.').map_or("", |dot| &host[end + dot..]));
    Some(match wild {
        None => format!("{scheme}://{host}"),
        Some(suffix) => format!("{scheme}://*{suffix}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_the_first_labels_of_a_host() {
        for (pattern, expected) in [
            ("https://www.googleapis.com/oauth2/v1/certs", "https://www.googleapis.com"),
            ("https://sns.{region}.amazonaws.com/*.pem", "https://*.amazonaws.com"),
            ("https://sns.{region}.amazonaws.com/?Action=Confirm*", "https://*.amazonaws.com"),
            ("https://{region}.a.example.com/", "https://*.a.example.com"),
        ] {
            assert_eq!(host(pattern).as_deref(), Some(expected), "{pattern}");
        }
        assert_eq!(host("nothing"), None);
    }
}
