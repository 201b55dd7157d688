//! `[[destination]]`: where events go, and whether the egress guard will let them.

use std::net::{IpAddr, Ipv4Addr};

use hookgate_model::handoff::{ORDERING, TRANSFORM};
use hookgate_net::egress::Guard;
use http::{HeaderName, HeaderValue, Uri};
use toml::de::DeValue;

use super::{
    Destination, Egress, Format, HttpTarget, On4xx, Retry, SecretText, Target,
    relations::Declared,
    secret,
    table::{STRANGERS, Table, Value, quoted},
    value,
};

/// Headers that the gateway sets itself.
const OWN_HEADERS: [&str; 12] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "traceparent",
    "transfer-encoding",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

/// Reads one destination; none when something that has no default is missing or wrong.
pub(super) fn read_destination(table: &Table<'_>, egress: &Egress, declared: &mut Declared) -> Option<Destination> {
    let name = table.parsed("name", value::name);
    if let Some(name) = &name {
        declared.destination(table.problems(), name, table.place("name"));
        let own = [(TRANSFORM, "that have no form yet"), (ORDERING, "that came after their turn")];
        if let Some((own, events)) = own.iter().find(|(own, _)| name == own) {
            let what = format!("`destination.name`: {own} is the gateway's own, for events {events}");
            table.problems().error(table.place("name"), what, "take another name");
        }
    }
    let target = read_target(table, egress);
    let rate = table.rate_and_burst();
    let concurrency = usize::try_from(table.count("concurrency")).unwrap_or(usize::MAX);
    let timeout = table.duration("timeout");
    let retry = read_retry(&table.table("retry"));
    Some(Destination { name: name?, target: target?, rate, concurrency, timeout, retry })
}

/// Exactly one of `http`, `jsonl` and `stdout`.
fn read_target(table: &Table<'_>, egress: &Egress) -> Option<Target> {
    const INSTEAD: &str =
        "write one of http = { url = \"https://...\" }, jsonl = { path = \"events.jsonl\" }, stdout = {}";
    let http = table.has("http").then(|| read_http(&table.table("http"), egress));
    let jsonl = table.has("jsonl").then(|| read_lines(&table.table("jsonl")));
    let stdout = table.has("stdout").then(|| {
        table.table("stdout");
        Some(Target::Stdout)
    });
    let mut targets = [http, jsonl, stdout].into_iter().flatten();
    match (targets.next(), targets.next()) {
        (Some(target), None) => target,
        (Some(_), Some(_)) => {
            table.problems().error(table.at, "the destination has several of `http`, `jsonl` and `stdout`", INSTEAD);
            None
        }
        (None, _) => {
            table.problems().missing(table.at, "the destination has none of `http`, `jsonl` and `stdout`", INSTEAD);
            None
        }
    }
}

fn read_lines(table: &Table<'_>) -> Option<Target> {
    let path = table.path("path")?;
    table.warn_if_exposed("path", &path, STRANGERS);
    Some(Target::Jsonl { path })
}

fn read_http(table: &Table<'_>, egress: &Egress) -> Option<Target> {
    let url = table.parsed("url", value::url);
    if let Some(url) = &url {
        check_egress(table, "url", url, egress);
    }
    let path = table.path_of("secret");
    let secrets = secret::versions(table, "secret");
    secrets.iter().for_each(|(text, at)| secret::check_signing(&table.context, &path, text, *at));
    let http = HttpTarget {
        format: match table.choice("format") {
            "binary" => Format::Binary,
            "raw" => Format::Raw,
            _ => Format::Structured,
        },
        headers: read_headers(table),
        on_4xx: match table.choice("on-4xx") {
            "dead-letter" => On4xx::DeadLetter,
            _ => On4xx::Retry,
        },
        secrets: secrets.into_iter().map(|(text, _)| text).collect(),
        url: url?,
    };
    Some(Target::Http(http))
}

fn read_headers(table: &Table<'_>) -> Vec<(HeaderName, SecretText)> {
    let (key, Some(found)) = table.value("headers") else { return Vec::new() };
    let DeValue::Table(entries) = found.get_ref() else {
        table.wrong_type(key, found);
        return Vec::new();
    };
    let header = |(name, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, &Value<'_>)| {
        let (problems, at) = (table.problems(), name.span().start);
        let path = table.path_of(&format!("headers.{}", name.get_ref()));
        let text = match value.get_ref() {
            DeValue::String(text) => Some(SecretText::new(text.to_string())),
            _ => secret::referred(&table.context, &path, key, value),
        };
        if text.as_ref().is_some_and(|text| HeaderValue::from_str(text.expose()).is_err()) {
            let what = format!("`{path}` holds characters that a header must not have");
            problems.error(value.span().start, what, "take out line breaks and control characters");
        }
        let Ok(parsed) = HeaderName::from_bytes(name.get_ref().as_bytes()) else {
            problems.error(at, format!("{} is not the name of a header", quoted(name.get_ref())), key.kind.instead());
            return None;
        };
        if OWN_HEADERS.contains(&parsed.as_str()) || parsed.as_str().starts_with("ce-") {
            problems.error(at, format!("the header {parsed} is the gateway's own"), "take another name");
        }
        Some((parsed, text?))
    };
    entries.iter().filter_map(header).collect()
}

fn read_retry(table: &Table<'_>) -> Retry {
    let attempts = u32::try_from(table.count("attempts")).unwrap_or(u32::MAX);
    let retry = Retry { attempts, first: table.duration("first"), max: table.duration("max") };
    if retry.first > retry.max {
        let what = "`destination.retry`: the first pause is longer than the longest one";
        table.problems().error(table.place("first"), what, "write a first that is at most max");
    }
    retry
}

/// Tells of a URL whose host is an address (or `localhost`) that the egress guard refuses. Names are looked up, and
/// judged, when there is something to send.
pub(super) fn check_egress(table: &Table<'_>, key: &'static str, url: &Uri, egress: &Egress) {
    let host = url.host().unwrap_or_default().trim_end_matches('.');
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let address = match bare.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) if bare == "localhost" || bare.ends_with(".localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Err(_) => return,
    };
    let Err(refused) = Guard::new(egress.allow.clone()).check(address) else { return };
    let network = match address {
        IpAddr::V4(v4) if v4.is_loopback() => "127.0.0.0/8".to_owned(),
        IpAddr::V4(_) => format!("{address}/32"),
        IpAddr::V6(_) => format!("{address}/128"),
    };
    let what = format!("`{}`: the egress guard refuses {host} ({})", table.path_of(key), refused.why);
    table.problems().error(table.place(key), what, format!("add to [egress]: allow = [\"{network}\"]"));
}
