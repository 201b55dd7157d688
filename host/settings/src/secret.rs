//! Secrets: where their texts come from. No message here holds a secret, nor what may be one by mistake.

use hookgate_model::limits::SECRET_VERSIONS_MAX;
use toml::de::DeValue;

use crate::{
    SecretText,
    key::Key,
    table::{Context, Table, Value, did_you_mean, quoted},
};

/// The one secret of a key; none when it is not set or wrong.
pub fn one(table: &Table<'_>, name: &'static str) -> Option<SecretText> {
    let (key, found) = table.value(name);
    referred(&table.context, &table.path_of(name), key, found?)
}

/// The versions of a key's secret, newest first, each with its place.
pub fn versions(table: &Table<'_>, name: &'static str) -> Vec<(SecretText, usize)> {
    let (key, found) = table.value(name);
    found.map_or_else(Vec::new, |found| versions_in(&table.context, &table.path_of(name), key, found))
}

/// The versions in a value: one reference or a list of them.
pub fn versions_in(context: &Context<'_>, path: &str, key: &Key, found: &Value<'_>) -> Vec<(SecretText, usize)> {
    let items = items(found);
    check_number(context, path, found, items.len());
    items.iter().filter_map(|item| Some((referred(context, path, key, item)?, item.span().start))).collect()
}

/// The versions of a source's secret, newest first, and whether the provider hands it over: `{ handed-over = true }`,
/// alone or in the list.
pub fn of_source(
    context: &Context<'_>,
    path: &str,
    key: &Key,
    found: &Value<'_>,
    may_be_handed_over: bool,
) -> (Vec<SecretText>, bool) {
    let items = items(found);
    let mut versions = Vec::new();
    let mut handed_over = false;
    for item in items {
        match mark(item) {
            None => versions.extend(referred(context, path, key, item)),
            Some(true) if may_be_handed_over => handed_over = true,
            Some(true) => {
                let what = format!("`{path}` is not a secret that the provider hands over");
                context.problems.error(item.span().start, what, "write { env = \"NAME\" } or { file = \"PATH\" }");
            }
            Some(false) => {
                let what = format!("`{path}`: handed-over stands alone, and takes true only");
                context.problems.error(item.span().start, what, "write { handed-over = true }, or leave it out");
            }
        }
    }
    check_number(context, path, found, versions.len());
    (versions, handed_over)
}

/// Whether a value marks a secret that is handed over, and does so rightly; none where it is something else.
fn mark(item: &Value<'_>) -> Option<bool> {
    let DeValue::Table(entries) = item.get_ref() else { return None };
    let value = entries.get("handed-over")?;
    Some(entries.len() == 1 && matches!(value.get_ref(), DeValue::Boolean(true)))
}

fn items<'v, 't>(found: &'v Value<'t>) -> &'v [Value<'t>] {
    match found.get_ref() {
        DeValue::Array(items) => items.iter().as_slice(),
        _ => std::slice::from_ref(found),
    }
}

fn check_number(context: &Context<'_>, path: &str, found: &Value<'_>, versions: usize) {
    if versions > SECRET_VERSIONS_MAX {
        let what = format!("`{path}` has {versions} versions");
        context.problems.error(found.span().start, what, format!("keep the newest, at most {SECRET_VERSIONS_MAX}"));
    }
}

/// The text that `{ env }`, `{ file }` or `{ value }` refers to.
pub fn referred(context: &Context<'_>, path: &str, key: &Key, found: &Value<'_>) -> Option<SecretText> {
    const WAYS: [&str; 3] = ["env", "file", "value"];
    let (problems, at) = (context.problems, found.span().start);
    let wrong = |what: String| {
        problems.error(at, what, key.kind.instead());
        None
    };
    let DeValue::Table(entries) = found.get_ref() else {
        let kind = found.get_ref().type_str();
        return wrong(format!("`{path}` takes a reference to a secret, and this is of type {kind}"));
    };
    let (prefix, mut ways): (Vec<_>, Vec<_>) = entries.iter().partition(|(way, _)| way.get_ref() == "strip-prefix");
    let (Some((way, value)), true) = (ways.pop(), ways.is_empty()) else {
        return wrong(format!("`{path}` takes exactly one of env, file and value"));
    };
    if !WAYS.contains(&way.get_ref().as_ref()) {
        let near = did_you_mean(way.get_ref(), WAYS);
        return wrong(format!("`{path}`: {} is not a place for a secret{near}", quoted(way.get_ref())));
    }
    let DeValue::String(text) = value.get_ref() else {
        let kind = value.get_ref().type_str();
        return wrong(format!("`{path}.{}` takes a text, and this is of type {kind}", way.get_ref()));
    };
    let secret = match way.get_ref().as_ref() {
        "env" => from_variable(context, path, at, text)?,
        "file" => from_file(context, path, at, text)?,
        _ => {
            let what = format!("`{path}` is written into the configuration");
            problems.warning(at, what, "write { env = \"NAME\" } or { file = \"PATH\" }; value is for tests");
            SecretText::new(text.to_string())
        }
    };
    let secret = match prefix.first() {
        Some((_, prefix)) => without_prefix(context, path, &secret, prefix)?,
        None => secret,
    };
    if secret.expose().is_empty() {
        problems.error(
            at,
            format!("`{path}`: the secret is empty"),
            "put the secret there; an empty one would be known to all",
        );
        return None;
    }
    if secret.expose().trim() != secret.expose() {
        let what = format!(
            "`{path}`: the secret in {} begins or ends with a blank or line break",
            place_of(way.get_ref(), text)
        );
        problems.warning(at, what, "take it away where the secret is set; providers' secrets have none");
    }
    Some(secret)
}

/// Where a secret comes from, as the configuration says; what is written into it is not repeated.
fn place_of(way: &str, text: &str) -> String {
    match way {
        "env" => format!("the environment variable {}", quoted(text)),
        "file" => format!("the file {}", quoted(text)),
        _ => "the configuration".to_owned(),
    }
}

/// The secret without what the operator says stands in front of it.
fn without_prefix(context: &Context<'_>, path: &str, secret: &SecretText, prefix: &Value<'_>) -> Option<SecretText> {
    let (problems, at) = (context.problems, prefix.span().start);
    let DeValue::String(prefix) = prefix.get_ref() else {
        let kind = prefix.get_ref().type_str();
        problems.error(
            at,
            format!("`{path}.strip-prefix` takes a text, and this is of type {kind}"),
            "write \"whsec_\"",
        );
        return None;
    };
    let rest = secret.expose().strip_prefix(prefix.as_ref());
    if rest.is_none() {
        let what = format!("`{path}`: the secret does not begin with its strip-prefix");
        problems.error(at, what, "leave strip-prefix out, or look at the secret: a part of it may be missing");
    }
    rest.map(|rest| SecretText::new(rest.to_owned()))
}

fn from_variable(context: &Context<'_>, path: &str, at: usize, name: &str) -> Option<SecretText> {
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    // A secret may stand here by mistake: only what looks like a variable is repeated.
    let shown = if name.len() <= 64 && name.chars().all(plain) { format!(" {name}") } else { String::new() };
    // The operating system knows no such names, and asking for one panics.
    let valid = !name.is_empty() && !name.contains(['=', '\0']);
    let text = if valid { context.environment.variable(name) } else { None };
    if text.is_none() {
        let what = format!("`{path}`: the environment variable{shown} is not set");
        context.problems.error(
            at,
            what,
            "set it for the gateway's process; env takes a variable's name, not the secret",
        );
    }
    text.map(SecretText::new)
}

fn from_file(context: &Context<'_>, path: &str, at: usize, file: &str) -> Option<SecretText> {
    let found = context.environment.file(&context.base_dir.join(file));
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            let what = format!("`{path}`: cannot read the file {}: {error}", quoted(file));
            let instead =
                "name a file that the gateway's user may read; paths begin at the configuration file's directory";
            context.problems.error(at, what, instead);
            return None;
        }
    };
    if found.exposed {
        let what = format!("`{path}`: every user of this machine may read {}", quoted(file));
        context.problems.warning(at, what, "take the right away: chmod o-rwx FILE");
    }
    let text = found.text.expose();
    Some(SecretText::new(
        text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text)).to_owned(),
    ))
}
