//! `[[source]]`: an endpoint, checked against what its plugin takes.

use std::collections::{BTreeMap, BTreeSet};

use hookgate_auth::{Around, Auth};
use hookgate_capabilities::Descriptor;
use hookgate_known_providers::{COMPONENT, find, presets};
use hookgate_model::{limits::BODY_IN_MEMORY_BYTES_MAX, ordering::SourceOrdering};
use hookgate_settings::{Table, Value, did_you_mean, json, named, quoted, secret, value};
use toml::de::DeValue;

use super::{
    ClientAuth, Egress, Idempotency, Keys, Plugins, Rate, Replay, SecretText, Server, Source, SourceLimits,
    plugins::{KnownPlugins, read_grants},
    relations::Declared,
};

/// The plugin that admits whatever comes.
const RAW: &str = "raw";

/// Reads one source; none when something that has no default is missing or wrong.
pub(super) fn read_source(
    table: &Table<'_>,
    known: &dyn KnownPlugins,
    (server, egress, plugins): (&Server, &Egress, &Plugins),
    declared: &mut Declared,
) -> Option<Source> {
    let name = table.parsed("name", value::name);
    if let Some(name) = &name {
        declared.source(table.problems(), name, table.place("name"));
    }
    let (plugin, preset) = named_plugin(table, known).unzip();
    let preset = preset.flatten();
    let descriptor = plugin.as_ref().and_then(|plugin| described(table, known, name.as_deref(), plugin));
    let pin = table.parsed("pin", sha256);
    let grants = read_grants(table);
    let (secrets, handed_over) = read_secrets(table, descriptor.as_ref());
    let settings = read_settings(table, descriptor.as_ref(), preset);
    let asks_for_certificates = server.tls.as_ref().is_some_and(|tls| tls.client_auth != ClientAuth::None);
    let auth = Auth::read(&table.table("auth"), &Around { asks_for_certificates, egress });
    let limits = read_limits(&table.table("limits"));
    let idempotency = read_idempotency(&table.table("idempotency"));
    if plugin.as_deref() == Some(RAW) && auth.as_ref().is_some_and(Auth::is_open) {
        let what = format!("the plugin {RAW} checks no signature, and there is no `auth`: anyone could send");
        table.problems().error(table.place("plugin"), what, "add auth = { ... }; see docs/operating/senders.md");
    }
    let keys = read_keys(&table.table("keys"));
    let ordering = table.has("ordering").then(|| read_ordering(&table.table("ordering")));
    let replay = table.has("replay").then(|| read_replay(&table.table("replay"), &idempotency));
    let claim_check = read_claim_check(table, &limits);
    // Only now: every key must have been read, so that every mistake is reported.
    let knows_provider = settings.get(PROVIDER).is_none_or(|provider| find(provider).is_some());
    let (name, plugin, auth) = (name?, plugin?, auth?);
    let source = Source {
        name,
        plugin,
        pin,
        grants,
        secrets,
        handed_over,
        settings,
        auth,
        limits,
        idempotency,
        claim_check,
        replay,
        ordering,
        keys,
    };
    if let Some(descriptor) = &descriptor {
        warn_of_keys(table, known, descriptor, &source);
        if let Some(why) = known.distrust(plugins, &source) {
            let key = if source.pin.is_some() { "pin" } else { "plugin" };
            let what = format!("the plugin {} may not work for this source: {why}", source.plugin);
            let instead = format!("hookgate plugin inspect {} shows its hash and what it uses", source.plugin);
            table.problems().error(table.place(key), what, instead);
        }
        if knows_provider || descriptor.name != COMPONENT {
            ask_plugin(table, known, descriptor, &source);
        }
    }
    Some(source)
}

/// The setting of the component that reads known providers, for the name of one.
const PROVIDER: &str = "provider";

/// The component that `plugin` names, and the known provider where it names one of these: a component goes before a known
/// provider of the same name.
fn named_plugin(table: &Table<'_>, known: &dyn KnownPlugins) -> Option<(String, Option<&'static str>)> {
    let plugin = table.parsed("plugin", value::name)?;
    let is_component = known.names().contains(&plugin);
    let preset = find(&plugin).filter(|_| !is_component).map(|provider| provider.name);
    Some((preset.map_or(plugin, |_| COMPONENT.to_owned()), preset))
}

/// Warns of a plugin of somebody else's that needs keys which the source does not let it have.
fn warn_of_keys(table: &Table<'_>, known: &dyn KnownPlugins, descriptor: &Descriptor, source: &Source) {
    let wanted = [
        ("keys.allow", &descriptor.key_urls, &source.keys.allow),
        ("keys.confirm", &descriptor.confirm_urls, &source.keys.confirm),
    ];
    for (key, urls, granted) in wanted {
        if !urls.is_empty() && granted.is_empty() && !known.is_bundled(source) {
            let what = format!("the plugin {} has URLs fetched that the source does not allow", source.plugin);
            table.problems().warning(
                table.place("plugin"),
                what,
                format!("if you trust it with them: {key} = {urls:?}"),
            );
        }
    }
}

/// Reports that the plugin cannot judge anything with its secrets and settings, at the place of the one that it names. A
/// missing secret was reported before.
fn ask_plugin(table: &Table<'_>, known: &dyn KnownPlugins, descriptor: &Descriptor, source: &Source) {
    let is_there = |name: &String| source.secrets.get(name).is_some_and(|versions| !versions.is_empty());
    if !descriptor.secrets.iter().filter(|spec| spec.required).all(|spec| is_there(&spec.name)) {
        return;
    }
    if let Some(objection) = known.objection(source) {
        let what = format!("the plugin {} cannot judge deliveries with what it is given: {objection}", source.plugin);
        let instead = format!("hookgate plugin inspect {} shows what it takes", source.plugin);
        let at = place_named(table, &objection).unwrap_or_else(|| table.place("plugin"));
        table.problems().error(at, what, instead);
    }
}

/// Where the first secret or setting stands that a plugin's words name (`secrets.NAME`, `settings.NAME`) and the source
/// has.
fn place_named(table: &Table<'_>, words: &str) -> Option<usize> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let place = |word: &str| {
        let (of, name) = word.trim_end_matches('.').split_once('.')?;
        let of = ["secrets", "settings"].into_iter().find(|known| *known == of)?;
        Some(named(table, of).1.get(name)?.span().start)
    };
    words.split(|c| !is_part(c)).find_map(place)
}

/// The plugin's descriptor; a missing or broken plugin is reported.
fn described(table: &Table<'_>, known: &dyn KnownPlugins, source: Option<&str>, plugin: &str) -> Option<Descriptor> {
    let at = table.place("plugin");
    match known.descriptor_for(source.unwrap_or_default(), plugin) {
        Some(Ok(descriptor)) => Some(descriptor),
        Some(Err(reason)) => {
            let what = format!("the plugin {plugin} does not load: {reason}");
            table.problems().error(at, what, "see hookgate plugin inspect, or take another plugin");
            None
        }
        None => {
            let names = known.names();
            let providers = presets().iter().map(|(name, _)| *name);
            let near = did_you_mean(plugin, names.iter().map(String::as_str).chain(providers));
            let what = format!("there is no plugin {}{near}", quoted(plugin));
            let instead = if names.is_empty() {
                "put plugins into the directory that [plugins] directory names".to_owned()
            } else {
                format!(
                    "the plugins are: {}; and {} providers known by name: hookgate providers list",
                    names.join(", "),
                    presets().len()
                )
            };
            table.problems().error(at, what, instead);
            None
        }
    }
}

/// The configured secrets, and the names of the secrets that the provider hands over.
fn read_secrets(
    table: &Table<'_>,
    descriptor: Option<&Descriptor>,
) -> (BTreeMap<String, Vec<SecretText>>, BTreeSet<String>) {
    let (key, entries) = named(table, "secrets");
    let specs = descriptor.map_or(&[][..], |descriptor| &descriptor.secrets);
    let described = |spec: &hookgate_capabilities::SecretSpec| (spec.name.clone(), spec.description.clone());
    let takes: Vec<(String, String)> = specs.iter().map(described).collect();
    let (mut secrets, mut handed_over) = (BTreeMap::new(), BTreeSet::new());
    for (name, value) in entries {
        if descriptor.is_some() {
            check_name(table, "secrets", name, &takes);
        }
        let path = table.path_of(&format!("secrets.{}", name.get_ref()));
        let is_given = |name: &str| specs.iter().all(|spec| spec.name != name || spec.handed_over);
        let (versions, given) = secret::of_source(&table.context, &path, key, value, is_given(name.get_ref()));
        secrets.insert(name.get_ref().to_string(), versions);
        if given {
            handed_over.insert(name.get_ref().to_string());
        }
    }
    for spec in specs.iter().filter(|spec| spec.required) {
        let set = entries
            .get(spec.name.as_str())
            .is_some_and(|value| !matches!(value.get_ref(), DeValue::Array(a) if a.is_empty()));
        if !set {
            let plugin = descriptor.map_or("", |descriptor| &descriptor.name);
            let what =
                format!("`secrets.{}` is missing, which the plugin {plugin} needs: {}", spec.name, spec.description);
            let variable = spec.name.to_uppercase().replace('-', "_");
            let given = if spec.handed_over { ", or { handed-over = true }" } else { "" };
            let instead = format!("add secrets.{} = {{ env = \"{variable}\" }}{given}", spec.name);
            table.problems().missing(table.at, what, instead);
        }
    }
    (secrets, handed_over)
}

/// The settings, with the known provider that `plugin` names.
fn read_settings(
    table: &Table<'_>,
    descriptor: Option<&Descriptor>,
    preset: Option<&'static str>,
) -> BTreeMap<String, String> {
    let (_, entries) = named(table, "settings");
    let described = |spec: &hookgate_capabilities::SettingSpec| (spec.name.clone(), spec.description.clone());
    let takes: Option<Vec<(String, String)>> =
        descriptor.map(|descriptor| descriptor.settings.iter().map(described).collect());
    let mut settings = BTreeMap::new();
    for (name, value) in entries {
        if let Some(takes) = &takes {
            check_name(table, "settings", name, takes);
        }
        match setting_text(value) {
            Ok(text) => {
                if name.get_ref() == PROVIDER && descriptor.is_some_and(|descriptor| descriptor.name == COMPONENT) {
                    check_provider(table, value.span().start, &text, preset);
                }
                settings.insert(name.get_ref().to_string(), text);
            }
            Err(reason) => {
                let what = format!("`{}` {reason}", table.path_of(&format!("settings.{}", name.get_ref())));
                table.problems().error(value.span().start, what, "write a text, number, boolean, list or table");
            }
        }
    }
    if let Some(preset) = preset {
        settings.entry(PROVIDER.to_owned()).or_insert_with(|| preset.to_owned());
    }
    settings
}

/// Reports a provider that is not known, or that `plugin` names another one.
fn check_provider(table: &Table<'_>, at: usize, provider: &str, preset: Option<&'static str>) {
    if find(provider).is_none() {
        let near = did_you_mean(provider, presets().iter().map(|(name, _)| *name));
        let what = format!("{} is not a known provider{near}", quoted(provider));
        let instead = "hookgate providers list shows their names; the settings of any other have to be written out";
        table.problems().error(at, what, instead);
    } else if let Some(preset) = preset.filter(|preset| *preset != provider) {
        let what = format!("`plugin` names the provider {preset}, and this setting names {}", quoted(provider));
        table.problems().error(at, what, "leave one of them out");
    }
}

/// Reports a name that the plugin does not take; `takes` are names and descriptions.
fn check_name(
    table: &Table<'_>,
    of: &str,
    name: &toml::Spanned<std::borrow::Cow<'_, str>>,
    takes: &[(String, String)],
) {
    if takes.iter().any(|(taken, _)| taken == name.get_ref()) {
        return;
    }
    let near = did_you_mean(name.get_ref(), takes.iter().map(|(name, _)| name.as_str()));
    let what = format!("{} is none of the {of} that the plugin takes{near}", quoted(name.get_ref()));
    let list: Vec<String> = takes.iter().map(|(name, description)| format!("{name} ({description})")).collect();
    let instead = if list.is_empty() { format!("it takes no {of}") } else { format!("it takes: {}", list.join("; ")) };
    table.problems().error(name.span().start, what, instead);
}

/// A setting as the plugin gets it: arrays and tables as JSON, all else as it is written.
fn setting_text(value: &Value<'_>) -> Result<String, String> {
    match value.get_ref() {
        DeValue::Array(_) | DeValue::Table(_) => json(value).map(|json| json.to_string()),
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        _ => json(value).map(|json| json.to_string()),
    }
}

/// A SHA-256 in hex, in lower case.
fn sha256(text: &str) -> Result<String, String> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("is not a SHA-256 in hex (64 digits)".to_owned())
    }
}

fn read_limits(table: &Table<'_>) -> SourceLimits {
    let rate = table.rate_and_burst();
    let body = table.bytes("body");
    let failures = table.rate("failures").unwrap_or((std::num::NonZeroU32::MIN, std::time::Duration::from_secs(1)));
    SourceLimits { rate, body, failures: Rate { count: failures.0, per: failures.1, burst: failures.0 } }
}

fn read_keys(table: &Table<'_>) -> Keys {
    Keys { allow: table.url_patterns("allow"), confirm: table.url_patterns("confirm") }
}

/// Above how many bytes bodies go to the object store.
fn read_claim_check(table: &Table<'_>, limits: &SourceLimits) -> Option<u64> {
    let is_on = table.has("claim-check");
    let above = table.table("claim-check").bytes("above");
    if !is_on && limits.body > BODY_IN_MEMORY_BYTES_MAX {
        let what = format!(
            "`source.limits.body` is {}, and at most {} are taken into memory",
            value::show_bytes(limits.body),
            value::show_bytes(BODY_IN_MEMORY_BYTES_MAX)
        );
        table.problems().error(table.place("limits"), what, "add claim-check = { above = \"256KiB\" }");
    }
    is_on.then_some(above)
}

fn read_idempotency(table: &Table<'_>) -> Idempotency {
    Idempotency {
        ttl: table.duration("ttl"),
        key: table.choice("key"),
        fallback: table.choice("fallback"),
        fallback_window: table.duration("fallback-window"),
    }
}

fn read_ordering(table: &Table<'_>) -> SourceOrdering {
    SourceOrdering {
        window: table.duration("window"),
        gap_timeout: table.duration("gap-timeout"),
        late: table.choice("late"),
        per_key: table.count("per-key"),
        per_source: table.count("per-source"),
        ahead: table.duration("ahead"),
        memory: table.duration("memory"),
        on_failure: table.choice("on-failure"),
    }
}

fn read_replay(table: &Table<'_>, idempotency: &Idempotency) -> Replay {
    let window = table.duration("window");
    if window > idempotency.ttl {
        // A delivery that is sent again for good would be known by its signature and not by its id.
        let what = "`source.replay.window` is longer than `source.idempotency.ttl`";
        table.problems().error(table.place("window"), what, "set the ttl to the window at least");
    }
    Replay { window, answer: table.choice("answer") }
}
