//! `auth` of a source: who may send.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use hookgate_model::limits;
use hookgate_net::{
    egress::Guard,
    jose::{Algorithm, KeySet},
};
use http::{HeaderName, HeaderValue, Uri};
use ipnet::IpNet;
use toml::de::DeValue;

use super::{
    ClientAuth, Egress, SecretText, Server,
    destination::check_egress,
    json::{json, named},
    secret,
    table::{Table, did_you_mean},
    value,
};

/// Who may send to a source, before its plugin is asked.
#[derive(Debug, Default)]
pub struct Auth {
    /// All of these hold.
    pub all: Vec<AuthMethod>,
    /// And one of these, with all that is in it; none where there are no alternatives.
    pub any: Vec<Vec<AuthMethod>>,
}

/// One way to prove who one is.
#[derive(Debug)]
pub enum AuthMethod {
    /// The address is in one of these networks.
    Addresses(Vec<IpNet>),
    /// A certificate of the listener's client CA, by one of these names; by any where there are none.
    Mtls(Vec<CertificateName>),
    /// A header holds a key.
    ApiKey(ApiKeyAuth),
    /// HTTP basic authentication (RFC 7617): users and the live versions of their passwords.
    Basic(BTreeMap<String, Vec<SecretText>>),
    /// A bearer token that is a JWT.
    Jwt(JwtAuth),
}

/// Keys in a header.
#[derive(Debug)]
pub struct ApiKeyAuth {
    /// The header.
    pub header: HeaderName,
    /// What stands in front of the key there.
    pub prefix: String,
    /// Owners and the live versions of their keys.
    pub keys: BTreeMap<String, Vec<SecretText>>,
}

/// What a client's certificate may be known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// The common name of its subject.
    CommonName(String),
    /// A DNS name among its alternative names, lower case.
    Dns(String),
    /// A URI among them.
    Uri(String),
    /// The SHA-256 of the whole certificate (DER).
    Fingerprint([u8; 32]),
}

/// Which bearer tokens are taken.
#[derive(Debug)]
pub struct JwtAuth {
    /// `iss`.
    pub issuer: String,
    /// One of these is in `aud`.
    pub audience: Vec<String>,
    /// What they are signed with.
    pub keys: JwtKeys,
    /// Which algorithms are taken; all of them fit the keys.
    pub algorithms: Vec<Algorithm>,
    /// All of these are in `scope` or `scp`.
    pub scopes: Vec<String>,
    /// Claims that have this value, or hold it in a list.
    pub claims: BTreeMap<String, serde_json::Value>,
    /// How far the issuer's clock may be off.
    pub clock_skew: Duration,
}

/// Where a token's keys are.
#[derive(Debug)]
pub enum JwtKeys {
    /// Where the issuer's OpenID configuration, at this URL, says.
    Discovery(Uri),
    /// At this URL.
    Url(Uri),
    /// In a file that was read.
    Set(KeySet),
    /// Shared secrets, newest first.
    Secrets(Vec<SecretText>),
}

impl Auth {
    /// Nothing has to be proven.
    pub fn is_open(&self) -> bool {
        self.all.is_empty() && self.any.is_empty()
    }

    /// Every method in it.
    pub fn methods(&self) -> impl Iterator<Item = &AuthMethod> {
        self.all.iter().chain(self.any.iter().flatten())
    }
}

impl AuthMethod {
    /// As it is called in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            AuthMethod::Addresses(_) => "addresses",
            AuthMethod::Mtls(_) => "mtls",
            AuthMethod::ApiKey(_) => "api-key",
            AuthMethod::Basic(_) => "basic",
            AuthMethod::Jwt(_) => "jwt",
        }
    }

    /// The header that holds its credentials.
    pub fn header(&self) -> Option<HeaderName> {
        match self {
            AuthMethod::Addresses(_) | AuthMethod::Mtls(_) => None,
            AuthMethod::ApiKey(auth) => Some(auth.header.clone()),
            AuthMethod::Basic(_) | AuthMethod::Jwt(_) => Some(http::header::AUTHORIZATION),
        }
    }
}

/// What the methods are checked against.
struct Around<'a> {
    server: &'a Server,
    egress: &'a Egress,
}

/// Reads the table; none when something in it is missing or wrong.
pub(super) fn read_auth(table: &Table<'_>, server: &Server, egress: &Egress) -> Option<Auth> {
    let around = Around { server, egress };
    let all = read_methods(table, &around);
    let alternatives = table.tables("any");
    if table.has("any") && !(1..=limits::AUTH_ENTRIES_MAX).contains(&alternatives.len()) {
        let what = format!("`{}` has {} alternatives", table.path_of("any"), alternatives.len());
        table.problems().error(table.place("any"), what, "write at least one, or leave it out");
    }
    let any: Vec<_> = alternatives.iter().map(|table| read_alternative(table, &around)).collect();
    Some(Auth { all: all?, any: any.into_iter().collect::<Option<_>>()? })
}

fn read_alternative(table: &Table<'_>, around: &Around<'_>) -> Option<Vec<AuthMethod>> {
    let methods = read_methods(table, around)?;
    if methods.is_empty() {
        let what = "an alternative of `any` asks for nothing: everybody would be let in";
        table.problems().error(table.at, what, "write what has to hold, or take it out");
    }
    Some(methods)
}

/// The methods of a table, the cheap ones first.
fn read_methods(table: &Table<'_>, around: &Around<'_>) -> Option<Vec<AuthMethod>> {
    let mut methods = Vec::new();
    let networks = table.networks("addresses");
    if table.has("addresses") {
        methods.push(read_addresses(table, networks));
    }
    let mut whole = true;
    let mut add = |name: &'static str, read: &dyn Fn(&Table<'_>) -> Option<AuthMethod>| {
        if table.has(name) {
            match read(table) {
                Some(method) => methods.push(method),
                None => whole = false,
            }
        }
    };
    add("mtls", &|table| read_mtls(table, around.server));
    add("api-key", &|table| read_api_key(&table.table("api-key")));
    add("basic", &|table| Some(AuthMethod::Basic(read_named_secrets(table, "basic"))));
    add("jwt", &|table| read_jwt(&table.table("jwt"), around.egress));
    check_headers(table, &methods);
    whole.then_some(methods)
}

fn read_addresses(table: &Table<'_>, networks: Vec<IpNet>) -> AuthMethod {
    let at = table.place("addresses");
    if networks.is_empty() {
        let what = format!("`{}` is empty: nobody could send", table.path_of("addresses"));
        table.problems().error(at, what, "write the sender's networks, or leave it out");
    }
    if networks.iter().any(|network| network.prefix_len() == 0) {
        let what = format!("`{}` holds every address: it keeps nobody out", table.path_of("addresses"));
        table.problems().warning(at, what, "write the sender's networks only");
    }
    AuthMethod::Addresses(networks)
}

/// A header can hold one thing: two methods that want it at once would let nobody in.
fn check_headers(table: &Table<'_>, methods: &[AuthMethod]) {
    let headers: Vec<HeaderName> = methods.iter().filter_map(AuthMethod::header).collect();
    if let Some(twice) = headers.iter().enumerate().find_map(|(at, name)| headers[..at].contains(name).then_some(name))
    {
        let what = format!("two methods that must both hold look for their credentials in the header {twice}");
        table.problems().error(table.at, what, "put them into `any`, as alternatives, or let one have another header");
    }
}

fn read_mtls(table: &Table<'_>, server: &Server) -> Option<AuthMethod> {
    let at = table.place("mtls");
    let asked = server.tls.as_ref().is_some_and(|tls| tls.client_auth != ClientAuth::None);
    if !asked {
        let what = format!("`{}`: clients are not asked for certificates", table.path_of("mtls"));
        table.problems().error(at, what, "set `client-ca` and `client-auth` below [server.tls]");
    }
    Some(AuthMethod::Mtls(table.table("mtls").texts("allow", certificate_name)))
}

/// `cn:NAME`, `dns:NAME`, `uri:URI`, `sha256:HEX`.
fn certificate_name(text: &str) -> Result<CertificateName, String> {
    let forms = "is none of cn:NAME, dns:NAME, uri:URI and sha256:FINGERPRINT";
    let (kind, name) = text.split_once(':').filter(|(_, name)| !name.is_empty()).ok_or(forms)?;
    match kind {
        "cn" => Ok(CertificateName::CommonName(name.to_owned())),
        "dns" if name.contains('*') => Err("has a *, and names stand for themselves".to_owned()),
        "dns" => Ok(CertificateName::Dns(name.to_ascii_lowercase())),
        "uri" => Ok(CertificateName::Uri(name.to_owned())),
        "sha256" => {
            let digits: String = name.chars().filter(|c| *c != ':').collect();
            let bytes = hex::decode(digits).ok().and_then(|bytes| bytes.try_into().ok());
            bytes
                .map(CertificateName::Fingerprint)
                .ok_or_else(|| "has a fingerprint that is not 64 hex digits".to_owned())
        }
        _ => Err(forms.to_owned()),
    }
}

fn read_api_key(table: &Table<'_>) -> Option<AuthMethod> {
    let name = |text: &str| {
        HeaderName::from_bytes(text.as_bytes()).map(drop).map_err(|_| "is not the name of a header".into())
    };
    let value = |text: &str| HeaderValue::from_str(text).map(drop).map_err(|_| "cannot stand in a header".into());
    let header = HeaderName::from_bytes(table.text("header", name).as_bytes());
    let keys = read_named_secrets(table, "keys");
    Some(AuthMethod::ApiKey(ApiKeyAuth { header: header.ok()?, prefix: table.text("prefix", value), keys }))
}

/// Secrets by the names of their owners.
fn read_named_secrets(table: &Table<'_>, name: &'static str) -> BTreeMap<String, Vec<SecretText>> {
    let (key, entries) = named(table, name);
    if table.has(name) && !(1..=limits::AUTH_ENTRIES_MAX).contains(&entries.len()) {
        let what = format!("`{}` has {} names", table.path_of(name), entries.len());
        let instead = format!("write 1 to {}: {name} = {{ NAME = {{ env = \"SECRET\" }} }}", limits::AUTH_ENTRIES_MAX);
        table.problems().error(table.place(name), what, instead);
    }
    let mut secrets = BTreeMap::new();
    for (owner, value) in entries {
        let (at, owner) = (owner.span().start, owner.get_ref());
        let path = table.path_of(&format!("{name}.{owner}"));
        let wrong = |what: &str, instead: &str| table.problems().error(at, format!("`{path}` {what}"), instead);
        if owner.is_empty() || owner.contains([':', '\n']) || owner.len() > limits::AUTH_SUBJECT_BYTES_MAX {
            wrong("is not a name: it is empty, too long or holds a colon", "take another name");
        }
        if matches!(value.get_ref(), DeValue::Array(items) if items.is_empty()) {
            wrong("has no secret", &key.kind.instead());
        }
        let versions = secret::versions_in(&table.context, &path, key, value);
        secrets.insert(owner.to_string(), versions.into_iter().map(|(text, _)| text).collect());
    }
    secrets
}

fn read_jwt(table: &Table<'_>, egress: &Egress) -> Option<AuthMethod> {
    let filled = |text: &str| if text.is_empty() { Err("is empty".to_owned()) } else { Ok(text.to_owned()) };
    let issuer = table.text("issuer", |text| filled(text).map(drop));
    let audience = table.texts("audience", filled);
    let keys = read_keys(table, &issuer, egress);
    let algorithms = read_algorithms(table);
    // RFC 6749, 3.3.
    let is_scope = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    let scopes = table.texts("scopes", |text| match !text.is_empty() && text.bytes().all(is_scope) {
        true => Ok(text.to_owned()),
        false => Err("is not a scope, or several: they are written one by one, without blanks and quotes".to_owned()),
    });
    let claims = read_claims(table);
    let clock_skew = table.duration("clock-skew");
    let keys = keys?;
    Some(AuthMethod::Jwt(JwtAuth { issuer, audience, keys, algorithms, scopes, claims, clock_skew }))
}

fn read_claims(table: &Table<'_>) -> BTreeMap<String, serde_json::Value> {
    let (_, entries) = named(table, "claims");
    let mut claims = BTreeMap::new();
    for (name, value) in entries {
        match json(value) {
            Ok(json) => _ = claims.insert(name.get_ref().to_string(), json),
            Err(reason) => {
                let what = format!("`{}` {reason}", table.path_of(&format!("claims.{}", name.get_ref())));
                table.problems().error(value.span().start, what, "write a text, number, boolean, list or table");
            }
        }
    }
    claims
}

/// Where the keys are: in one place, or where the issuer says.
fn read_keys(table: &Table<'_>, issuer: &str, egress: &Egress) -> Option<JwtKeys> {
    let url = table.parsed("jwks-url", value::url);
    let file = table.path("jwks-file");
    let secrets: Vec<SecretText> = secret::versions(table, "secret").into_iter().map(|(text, _)| text).collect();
    let places: Vec<_> = ["jwks-url", "jwks-file", "secret"].into_iter().filter(|name| table.has(name)).collect();
    match places[..] {
        [] => read_discovery(table, issuer, egress),
        ["jwks-url"] => {
            check_key_url(table, "jwks-url", url.as_ref()?, egress);
            url.map(JwtKeys::Url)
        }
        ["jwks-file"] => read_key_file(table, &file?),
        ["secret"] => {
            let short = secrets.iter().any(|secret| secret.expose().len() < limits::JWT_SECRET_BYTES_MIN);
            if short {
                let what =
                    format!("`{}` is shorter than {} bytes", table.path_of("secret"), limits::JWT_SECRET_BYTES_MIN);
                table.problems().warning(table.place("secret"), what, "make one: openssl rand -base64 32");
            }
            (!secrets.is_empty()).then_some(JwtKeys::Secrets(secrets))
        }
        _ => {
            let what = format!("`{}` has several of jwks-url, jwks-file and secret", table.path_of("jwks-url"));
            table.problems().error(table.at, what, "leave one");
            None
        }
    }
}

/// OpenID Connect Discovery 1.0, section 4: below the issuer, which is a URL.
fn read_discovery(table: &Table<'_>, issuer: &str, egress: &Egress) -> Option<JwtKeys> {
    if !table.has("issuer") {
        return None;
    }
    let below = format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer));
    match value::url(&below) {
        Ok(url) if url.query().is_none() => {
            check_key_url(table, "issuer", &url, egress);
            Some(JwtKeys::Discovery(url))
        }
        _ => {
            let what = format!("`{}` is not a URL below which keys can be found", table.path_of("issuer"));
            table.problems().error(table.place("issuer"), what, "add jwks-url, jwks-file or secret");
            None
        }
    }
}

/// Keys that come without TLS are anybody's who is on the way. Names are looked up, and judged, when keys are fetched.
fn check_key_url(table: &Table<'_>, name: &'static str, url: &Uri, egress: &Egress) {
    check_egress(table, name, url, egress);
    let host = url.host().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let public = bare.parse::<IpAddr>().is_ok_and(|address| !Guard::new(egress.allow.clone()).names(address));
    if public && url.scheme_str() != Some("https") {
        let what = format!("`{}`: keys are not fetched from {host} without TLS", table.path_of(name));
        let instead = "write https; http is for addresses that `allow` below [egress] names";
        table.problems().error(table.place(name), what, instead);
    }
}

fn read_key_file(table: &Table<'_>, path: &std::path::Path) -> Option<JwtKeys> {
    let at = table.place("jwks-file");
    let text = match table.context.environment.file(path) {
        Ok(file) => file.text,
        Err(error) => {
            let what = format!("`{}`: cannot read {}: {error}", table.path_of("jwks-file"), path.display());
            table.problems().error(at, what, "name a file that the gateway's user may read");
            return None;
        }
    };
    match KeySet::parse(text.expose().as_bytes()) {
        Ok(set) => Some(JwtKeys::Set(set)),
        Err(error) => {
            let what = format!("`{}`: {error}", table.path_of("jwks-file"));
            table.problems().error(at, what, "put a JSON Web Key Set (RFC 7517) there: {\"keys\": [...]}");
            None
        }
    }
}

/// A secret is for the algorithms of secrets alone, and a public key for all others: whoever took one for the other would
/// take a token that anybody can sign (RFC 8725, 2.1).
fn read_algorithms(table: &Table<'_>) -> Vec<Algorithm> {
    let with_secret = table.has("secret");
    let parse = |text: &str| match Algorithm::named(text) {
        Some(algorithm) if algorithm.takes_secret() == with_secret => Ok(algorithm),
        Some(_) if with_secret => Err("takes a public key, and there is a secret".to_owned()),
        Some(_) => Err("takes a secret, and there is none".to_owned()),
        None => {
            let near = did_you_mean(text, Algorithm::ALL.iter().map(|algorithm| algorithm.name()));
            Err(format!("is not an algorithm that is known here{near}"))
        }
    };
    let algorithms = table.texts("algorithms", parse);
    match (table.has("algorithms"), with_secret) {
        (true, _) => algorithms,
        (false, true) => vec![Algorithm::Hs256],
        (false, false) => Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.takes_secret()).collect(),
    }
}
