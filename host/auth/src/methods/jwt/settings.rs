//! The settings of bearer tokens.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use hookgate_model::limits;
use hookgate_net::{
    egress::Guard,
    jose::{Algorithm, KeySet},
};
use hookgate_settings::{
    Egress, Key, Kind as Takes, SecretText, Table, check_egress, did_you_mean, json, key, named, required, secret,
    value,
};
use http::Uri;

/// The keys below `jwt`.
pub const KEYS: &[Key] = &[
    required(
        "issuer",
        Takes::Text(""),
        "The claim `iss`. Alone it is also where the keys are found (OpenID discovery).",
    ),
    required("audience", Takes::Texts, "The claim `aud` holds one of these."),
    key("jwks-url", Takes::Url, "Where the issuer's keys are."),
    key(
        "jwks-file",
        Takes::Path(None),
        "A file with the issuer's keys, in their stead; read at the start and at SIGHUP.",
    ),
    key("secret", Takes::Secrets, "A secret shared with the issuer, in their stead; for HS256, HS384, HS512 alone."),
    key(
        "algorithms",
        Takes::Texts,
        "Algorithms that are taken, of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA. Without it all of \
         them; with `secret` HS256.",
    ),
    key("scopes", Takes::Texts, "The claim `scope` or `scp` holds all of these."),
    key("claims", Takes::Settings, "Claims that have this value, or hold it in a list: `{ email_verified = true }`."),
    key("clock-skew", Takes::Duration(&limits::JWT_CLOCK_SKEW_MS), "How far the issuer's clock may be off."),
];

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

/// Reads them; `None` when something in them is missing or wrong.
pub fn read(table: &Table<'_>, egress: &Egress) -> Option<JwtAuth> {
    let filled = |text: &str| if text.is_empty() { Err("is empty".to_owned()) } else { Ok(text.to_owned()) };
    let issuer = table.text("issuer", |text| filled(text).map(drop));
    let audience = table.texts("audience", filled);
    let keys = read_keys(table, &issuer, egress);
    let algorithms = read_algorithms(table);
    // RFC 6749, 3.3.
    let is_scope = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    let scopes = table.texts("scopes", |text| {
        if !text.is_empty() && text.bytes().all(is_scope) {
            Ok(text.to_owned())
        } else {
            Err("is not a scope, or several: they are written one by one, without blanks and quotes".to_owned())
        }
    });
    let claims = read_claims(table);
    let clock_skew = table.duration("clock-skew");
    let keys = keys?;
    Some(JwtAuth { issuer, audience, keys, algorithms, scopes, claims, clock_skew })
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

/// Anyone on the way can exchange keys that come without TLS. Names are looked up, and judged, when keys are fetched.
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

/// A secret is for the algorithms of secrets alone, and a public key for all others: a verifier that mixes them up accepts
/// tokens that anyone can sign (RFC 8725, 2.1).
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
        (false, false) => Algorithm::ALL.iter().copied().filter(|algorithm| !algorithm.takes_secret()).collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hookgate_settings::testing;

    use super::*;

    /// What the reader makes of a text, and what it says.
    fn from(text: &str) -> (Option<JwtAuth>, Vec<String>) {
        let (read, problems) = testing::read(text, KEYS, |table| read(table, &Egress::default()));
        (read, problems.into_iter().map(|problem| problem.what).collect())
    }

    #[test]
    fn every_key_is_read() {
        let text = r#"
            issuer = "https://issuer.example/"
            audience = "hooks"
            jwks-url = "https://issuer.example/keys"
            algorithms = ["ES256", "RS256"]
            scopes = ["a", "b:c"]
            claims = { email_verified = true, tenant = "t" }
            clock-skew = "5s"
        "#;
        let jwt = from(text).0.unwrap();
        assert_eq!((jwt.issuer.as_str(), &jwt.audience[..]), ("https://issuer.example/", &["hooks".to_owned()][..]));
        assert!(matches!(&jwt.keys, JwtKeys::Url(url) if url == "https://issuer.example/keys"), "{jwt:?}");
        assert_eq!(jwt.algorithms, [Algorithm::Es256, Algorithm::Rs256]);
        assert_eq!((jwt.scopes.join(" "), jwt.clock_skew.as_secs()), ("a b:c".to_owned(), 5));
        assert_eq!((&jwt.claims["email_verified"], &jwt.claims["tenant"]), (&true.into(), &"t".into()));
    }

    #[test]
    fn keys_come_from_one_place() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("keys.json");
        let set = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        std::fs::write(&file, set).unwrap();
        let keys = |more: &str| {
            let jwt = from(&format!("issuer = \"https://i.example/t/\"\naudience = [\"a\", \"b\"]\n{more}")).0.unwrap();
            (jwt.keys, jwt.algorithms)
        };
        let (found, algorithms) = keys("");
        let place = "https://i.example/t/.well-known/openid-configuration";
        assert!(matches!(&found, JwtKeys::Discovery(url) if url == place), "{found:?}");
        assert!(algorithms.len() == 9 && !algorithms.iter().any(|algorithm| algorithm.takes_secret()));
        assert!(matches!(keys(&format!("jwks-file = {:?}", file.display().to_string())).0, JwtKeys::Set(_)));
        let (found, algorithms) = keys("secret = { env = \"LONG\" }");
        assert!(matches!(found, JwtKeys::Secrets(secrets) if secrets.len() == 1) && algorithms == [Algorithm::Hs256]);
        assert_eq!(keys("secret = { env = \"LONG\" }\nalgorithms = \"HS512\"").1, [Algorithm::Hs512]);
        let several =
            "issuer = \"i\"\naudience = \"a\"\nsecret = { env = \"LONG\" }\njwks-url = \"https://i.example/\"";
        assert!(from(several).1.contains(&"`jwks-url` has several of jwks-url, jwks-file and secret".to_owned()));
    }
}
