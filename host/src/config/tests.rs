//! Whole configurations: what each gives, and what each mistake is told as.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, io, path::Path, sync::LazyLock, time::Duration};

use hookgate_capabilities::{Descriptor, SecretSpec, SettingSpec};
use proptest::prelude::*;

use super::*;
use crate::auth::Algorithm;

/// A certificate and its key.
static PAIR: LazyLock<(String, String)> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
});

const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// An environment with these variables, and these files below `/base`.
struct Fixed;

impl Environment for Fixed {
    fn variable(&self, name: &str) -> Option<String> {
        let value = match name {
            "STRIPE" => "whsec_stripe",
            "ORDERS" => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "TOKEN" => "0123456789abcdefghij",
            "SHORT" => "abc",
            "SEAL" => "0123456789abcdef0123456789abcdef",
            "LONG" => "0123456789abcdefghijklmnopqrstuvwxyz",
            "EMPTY" => "",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<SecretFile> {
        let (text, exposed) = match path.to_str() {
            Some("/base/secrets/old") => ("older\r\n", false),
            Some("/run/open") => ("open\n", true),
            Some("/base/tls/certificate") => (PAIR.0.as_str(), false),
            Some("/base/tls/key") => (PAIR.1.as_str(), false),
            Some("/base/tls/open-key") => (PAIR.1.as_str(), true),
            Some("/base/keys.json") => (KEYS, true),
            _ => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(SecretFile { text: SecretText::new(text.to_owned()), exposed })
    }
}

fn plugins(_: &Plugins, _: &Store) -> Box<dyn KnownPlugins> {
    let secret = |name: &str, required, description: &str| SecretSpec {
        name: name.to_owned(),
        required,
        handed_over: name == "given",
        description: description.to_owned(),
    };
    let setting = |name: &str| SettingSpec { name: name.to_owned(), default: None, description: "seconds".to_owned() };
    let stripe = Descriptor {
        name: "stripe".to_owned(),
        version: "1.0.0".to_owned(),
        summary: String::new(),
        documentation: Vec::new(),
        secrets: vec![
            secret("signing", true, "the endpoint's signing secret"),
            secret("spare", false, "another"),
            secret("given", false, "what the provider gives"),
        ],
        settings: vec![setting("tolerance"), setting("deep"), setting("flag"), setting("ratio")],
        headers: Vec::new(),
        key_urls: Vec::new(),
        confirm_urls: Vec::new(),
    };
    let broken = Err("it lost a section".to_owned());
    let raw = Descriptor { name: "raw".to_owned(), secrets: Vec::new(), settings: Vec::new(), ..stripe.clone() };
    let all = [("stripe", Ok(stripe)), ("broken", broken), ("raw", Ok(raw))];
    Box::new(all.map(|(name, found)| (name.to_owned(), found)).into_iter().collect::<BTreeMap<_, _>>())
}

fn parse(text: &str) -> Result<(Config, Vec<Warning>), ConfigErrors> {
    Config::parse(text, "hookgate.toml", Path::new("/base"), &Fixed, &plugins)
}

/// The mistakes of a text as `line:column: what -> instead`.
fn mistakes(text: &str) -> Vec<String> {
    let told = |p: &Problem| format!("{}:{}: {} -> {}", p.line, p.column, p.what, p.instead);
    parse(text).unwrap_err().problems().iter().map(told).collect()
}

const FULL: &str = r#"
[server]
listen = "0.0.0.0:8080"
public-url = "https://hooks.example.com/base/"
trusted-proxies = ["10.0.0.0/8", "192.0.2.1"]
connections = 100
header-timeout = "1s"
body-timeout = "2s"
body-memory = "1GiB"
drain-timeout = "3s"
tls = { certificate = "tls/certificate", key = "tls/key", client-ca = "tls/certificate", client-auth = "required" }
[store]
path = "elsewhere"
engine = "sled"
retention = "1d"
headroom = "2GiB"
cache = "8MiB"
seal-key = { env = "SEAL" }
[admin]
listen = "0.0.0.0:8081"
token = { env = "TOKEN" }
[egress]
allow = ["127.0.0.0/8"]
[plugins]
cache = "/var/cache/hookgate"
trusted-keys = ["11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="]
grants = "wasi"
timeout = "100ms"
memory = "16MiB"
concurrency = 8
[log]
filter = "hookgate=debug,info"
format = "json"
[claims]
path = "bodies"
public-url = "https://claims.example.com/"
url-ttl = "1h"
key = [{ env = "ORDERS" }, { env = "LONG" }]
dataref = "object"
s3 = { bucket = "b", region = "eu-central-1", endpoint = "https://s3.example.com/", access-key = { env = "SHORT" }, secret-key = { env = "TOKEN" }, prefix = "hookgate/" }
[[source]]
name = "stripe"
plugin = "stripe"
secrets.signing = [{ env = "STRIPE" }, { file = "secrets/old" }]
secrets.spare = { env = "SHORT" }
secrets.given = [{ env = "SHORT" }, { handed-over = true }]
pin = "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"
grants = ["wasi"]
settings = { tolerance = 1_000, deep = { a = [1, "x", true], b = 1.5 }, flag = true, ratio = 0.10 }
auth.addresses = ["192.0.2.0/24"]
auth.mtls = { allow = ["cn:A", "dns:A.example", "uri:spiffe://a/b", "sha256:AA:ab:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:01"] }
auth.api-key = { keys = { shop = { env = "SHORT" } }, header = "X-Key", prefix = "Key " }
auth.jwt.issuer = "https://issuer.example/"
auth.jwt.audience = "hooks"
auth.jwt.jwks-url = "https://issuer.example/keys"
auth.jwt.algorithms = ["ES256", "RS256"]
auth.jwt.scopes = ["a", "b:c"]
auth.jwt.claims = { email_verified = true, tenant = "t" }
auth.jwt.clock-skew = "5s"
auth.any = [{ basic = { ann = [{ env = "SHORT" }, { env = "TOKEN" }] } }, { mtls = {} }]
limits = { rate = "200/s", burst = 400, body = "2MiB", failures = "3/m" }
idempotency = { ttl = "1h", key = "payload", fallback = "none" }
claim-check = { above = "1MiB" }
replay = { window = "30m", answer = "refuse" }
keys = { allow = ["https://keys.example.com/*.pem"], confirm = ["https://a.example/?token=*"] }
[source.ordering]
window = "5s"
gap-timeout = "1m"
late = "drop"
per-key = 10
per-source = 20
ahead = "1m"
memory = "2h"
on-failure = "block"
[[destination]]
name = "orders"
rate = "50/s"
burst = 10
concurrency = 2
timeout = "5s"
retry = { attempts = 3, first = "2s", max = "1m" }
[destination.http]
url = "http://localhost:3000/webhooks?x=1"
secret = { env = "ORDERS" }
format = "binary"
on-4xx = "dead-letter"
headers = { "X-Api-Key" = { env = "SHORT" }, "x-plain" = "text" }
[[destination]]
name = "file"
jsonl = { path = "events.jsonl" }
[[destination]]
name = "out"
stdout = {}
[[route]]
from = "*"
to = "orders"
[[route]]
from = ["stripe"]
to = ["out", "file"]
filter = { type = [{ prefix = "com." }], data = { amount = [1_0, 1.50, 0x10, true] } }
"#;

#[test]
fn every_key_is_read() {
    let (config, warnings) = parse(FULL).unwrap();
    assert_eq!(warnings, []);

    let server = &config.server;
    assert_eq!(server.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(server.public_url.as_deref(), Some("https://hooks.example.com/base"));
    assert_eq!(server.trusted_proxies, ["10.0.0.0/8".parse().unwrap(), "192.0.2.1/32".parse::<IpNet>().unwrap()]);
    assert_eq!(server.connections, 100);
    let timeouts = [server.header_timeout, server.body_timeout, server.drain_timeout];
    assert_eq!(timeouts, [1, 2, 3].map(Duration::from_secs));
    assert_eq!(server.body_memory, 1 << 30);
    let tls = server.tls.as_ref().unwrap();
    assert_eq!(
        (tls.certificate.as_path(), tls.key.as_path()),
        (Path::new("/base/tls/certificate"), Path::new("/base/tls/key"))
    );
    assert_eq!((tls.client_ca.as_ref(), tls.client_auth), (Some(&tls.certificate), ClientAuth::Required));

    let store = &config.store;
    assert_eq!((store.path.as_path(), store.engine), (Path::new("/base/elsewhere"), EngineKind::Sled));
    assert_eq!((store.retention.as_secs(), store.headroom, store.cache), (86_400, 2 << 30, 8 << 20));

    assert!(config.seal_key.as_ref().unwrap().expose().starts_with("0123"));

    assert_eq!(config.admin.listen.to_string(), "0.0.0.0:8081");
    assert_eq!(config.admin.token.as_ref().unwrap().expose(), "0123456789abcdefghij");
    assert_eq!(config.egress.allow, ["127.0.0.0/8".parse::<IpNet>().unwrap()]);

    let plugins = &config.plugins;
    assert_eq!((plugins.directory.as_ref(), plugins.cache.as_deref()), (None, Some(Path::new("/var/cache/hookgate"))));
    assert_eq!((plugins.timeout.as_millis(), plugins.memory, plugins.concurrency), (100, 16 << 20, 8));
    assert_eq!(plugins.grants, BTreeSet::from([Grant::Wasi]));
    assert_eq!(plugins.trusted_keys[0].text(), "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    assert_eq!((config.log.filter.as_str(), config.log.format), ("hookgate=debug,info", LogFormat::Json));
}

#[test]
fn every_key_of_claims_is_read() {
    let (config, _) = parse(FULL).unwrap();
    let claims = &config.claims;
    assert_eq!(claims.path, Path::new("/base/bodies"));
    assert_eq!(claims.public_url.as_deref(), Some("https://claims.example.com"));
    assert_eq!((claims.url_ttl.as_secs(), claims.dataref, claims.keys.len()), (3_600, DataRef::Object, 2));
    let bucket = claims.s3.as_ref().unwrap();
    assert_eq!(
        (bucket.name.as_str(), bucket.region.as_str(), bucket.prefix.as_str()),
        ("b", "eu-central-1", "hookgate/")
    );
    assert_eq!(bucket.endpoint.as_deref(), Some("https://s3.example.com"));
    assert_eq!((bucket.access_key.expose(), bucket.secret_key.expose()), ("abc", "0123456789abcdefghij"));
    assert_eq!(config.sources[0].claim_check, Some(1 << 20));
    let (defaults, _) = parse("").unwrap();
    assert_eq!((defaults.claims.path.as_path(), defaults.claims.s3.is_none()), (Path::new("/base/data/claims"), true));
    assert!(claims.is_same(claims) && !claims.is_same(&defaults.claims));
    assert!(!format!("{claims:?}").contains("abcdefghij"));
}

#[test]
fn every_key_of_a_source_is_read() {
    let (config, _) = parse(FULL).unwrap();
    let source = &config.sources[0];
    assert_eq!((source.name.as_str(), source.plugin.as_str()), ("stripe", "stripe"));
    let texts = |name: &str| source.secrets[name].iter().map(SecretText::expose).collect::<Vec<_>>();
    assert_eq!(texts("signing"), ["whsec_stripe", "older"]);
    assert_eq!((texts("spare"), texts("given")), (vec!["abc"], vec!["abc"]));
    assert_eq!(source.handed_over.iter().collect::<Vec<_>>(), ["given"]);
    assert_eq!(source.pin.as_deref(), Some("0123456789abcdef".repeat(4).as_str()));
    assert_eq!(source.grants, BTreeSet::from([Grant::Wasi]));
    let settings: Vec<_> = source.settings.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let expected =
        [("deep", r#"{"a":[1,"x",true],"b":1.5}"#), ("flag", "true"), ("ratio", "0.10"), ("tolerance", "1000")];
    assert_eq!(settings, expected);
    let rate = |count, seconds, burst| Rate {
        count: NonZeroU32::new(count).unwrap(),
        per: Duration::from_secs(seconds),
        burst: NonZeroU32::new(burst).unwrap(),
    };
    assert_eq!(source.limits.rate, Some(rate(200, 1, 400)));
    assert_eq!((source.limits.body, source.limits.failures), (2 << 20, rate(3, 60, 3)));
    assert_eq!((source.idempotency.ttl.as_secs(), source.idempotency.fallback), (3_600, Fallback::None));
    assert_eq!(source.idempotency.key, KeyOf::Payload);
    let replay = source.replay.as_ref().unwrap();
    assert_eq!((replay.window.as_secs(), replay.answer), (1_800, ReplayAnswer::Refuse));
    let ordering = source.ordering.as_ref().unwrap();
    let times = [ordering.window, ordering.gap_timeout, ordering.ahead, ordering.memory];
    assert_eq!(times.map(|time| time.as_secs()), [5, 60, 60, 7_200]);
    assert_eq!((ordering.late, ordering.per_key, ordering.per_source), (Late::Drop, 10, 20));
    assert_eq!(ordering.on_failure, OnFailure::Block);
    assert_eq!(source.keys.allow[0].to_string(), "https://keys.example.com/*.pem");
    assert_eq!(source.keys.confirm[0].to_string(), "https://a.example/?token=*");
}

#[test]
fn every_key_of_auth_is_read() {
    let (config, _) = parse(FULL).unwrap();
    let auth = &config.sources[0].auth;
    let [AuthMethod::Addresses(networks), AuthMethod::Mtls(allow), AuthMethod::ApiKey(key), AuthMethod::Jwt(jwt)] =
        &auth.all[..]
    else {
        panic!("{auth:?}")
    };
    assert_eq!(networks[..], ["192.0.2.0/24".parse().unwrap()]);
    let mut fingerprint = [0; 32];
    (fingerprint[0], fingerprint[1], fingerprint[31]) = (0xaa, 0xab, 1);
    let names = [
        CertificateName::CommonName("A".to_owned()),
        CertificateName::Dns("a.example".to_owned()),
        CertificateName::Uri("spiffe://a/b".to_owned()),
        CertificateName::Fingerprint(fingerprint),
    ];
    assert_eq!(allow[..], names);
    assert_eq!((key.header.as_str(), key.prefix.as_str(), key.keys["shop"][0].expose()), ("x-key", "Key ", "abc"));
    assert_eq!((jwt.issuer.as_str(), &jwt.audience[..]), ("https://issuer.example/", &["hooks".to_owned()][..]));
    assert!(matches!(&jwt.keys, JwtKeys::Url(url) if url == "https://issuer.example/keys"), "{jwt:?}");
    assert_eq!(jwt.algorithms, [Algorithm::Es256, Algorithm::Rs256]);
    assert_eq!((jwt.scopes.join(" "), jwt.clock_skew.as_secs()), ("a b:c".to_owned(), 5));
    assert_eq!((&jwt.claims["email_verified"], &jwt.claims["tenant"]), (&true.into(), &"t".into()));
    let [basic, mtls] = &auth.any[..] else { panic!("{auth:?}") };
    let [AuthMethod::Basic(users)] = &basic[..] else { panic!("{basic:?}") };
    assert_eq!(users["ann"].iter().map(SecretText::expose).collect::<Vec<_>>(), ["abc", "0123456789abcdefghij"]);
    assert!(matches!(&mtls[..], [AuthMethod::Mtls(allow)] if allow.is_empty()));
}

#[test]
fn the_keys_of_tokens_come_from_one_place() {
    let keys = |more: &str| {
        let source = "[[source]]\nname = \"s\"\nplugin = \"stripe\"\nsecrets.signing = { env = \"STRIPE\" }\n";
        let text =
            format!("{source}auth.jwt = {{ issuer = \"https://i.example/t/\", audience = [\"a\", \"b\"]{more} }}");
        let (config, _) = parse(&text).unwrap();
        let source = std::sync::Arc::into_inner(config.sources.into_iter().next().unwrap()).unwrap();
        match source.auth.all.into_iter().next() {
            Some(AuthMethod::Jwt(jwt)) => (jwt.keys, jwt.algorithms),
            other => panic!("{other:?}"),
        }
    };
    let (found, algorithms) = keys("");
    let place = "https://i.example/t/.well-known/openid-configuration";
    assert!(matches!(&found, JwtKeys::Discovery(url) if url == place), "{found:?}");
    assert!(algorithms.len() == 9 && !algorithms.iter().any(|algorithm| algorithm.takes_secret()));
    assert!(matches!(keys(", jwks-file = \"keys.json\"").0, JwtKeys::Set(_)));
    let (found, algorithms) = keys(", secret = { env = \"ORDERS\" }");
    assert!(matches!(found, JwtKeys::Secrets(secrets) if secrets.len() == 1) && algorithms == [Algorithm::Hs256]);
    assert_eq!(keys(", secret = { env = \"ORDERS\" }, algorithms = \"HS512\"").1, [Algorithm::Hs512]);
}

#[test]
fn ordering_is_off_until_it_is_asked_for() {
    let source = |more: &str| {
        let text =
            format!("[[source]]\nname = \"s\"\nplugin = \"stripe\"\nsecrets.signing = {{ env = \"STRIPE\" }}\n{more}");
        parse(&text).unwrap().0.sources[0].ordering.clone()
    };
    assert_eq!(source(""), None);
    let ordering = source("ordering = {}").unwrap();
    assert_eq!((ordering.window.as_secs(), ordering.late, ordering.per_key), (2, Late::Deliver, 1_000));
}

#[test]
fn every_key_of_destinations_and_routes_is_read() {
    let (config, _) = parse(FULL).unwrap();
    let orders = &config.destinations[0];
    assert_eq!((orders.name.as_str(), orders.concurrency, orders.timeout.as_secs()), ("orders", 2, 5));
    assert_eq!(orders.rate.unwrap().burst.get(), 10);
    assert_eq!((orders.retry.attempts, orders.retry.first.as_secs(), orders.retry.max.as_secs()), (3, 2, 60));
    let Target::Http(http) = &orders.target else { panic!("not http: {orders:?}") };
    assert_eq!(http.url.to_string(), "http://localhost:3000/webhooks?x=1");
    assert_eq!(http.secrets[0].expose(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    assert_eq!((http.format, http.on_4xx), (Format::Binary, On4xx::DeadLetter));
    let headers: Vec<_> = http.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(headers, [("x-api-key", "abc"), ("x-plain", "text")]);
    assert!(
        matches!(&config.destinations[1].target, Target::Jsonl { path } if path == Path::new("/base/events.jsonl"))
    );
    assert!(matches!(&config.destinations[2].target, Target::Stdout));
    let routes: Vec<_> = config.routes.iter().map(|route| (route.from.join(","), route.to.join(","))).collect();
    assert_eq!(routes, [("*".to_owned(), "orders".to_owned()), ("stripe".to_owned(), "file,out".to_owned())]);
    // TOML's tables are in the order of their keys.
    let filter = r#"{"data": {"amount": [10, 1.5, 16, true]}, "type": [{"prefix": "com."}]}"#;
    let filters: Vec<_> = config.routes.iter().map(|route| route.filter.clone()).collect();
    assert_eq!(filters, [None, Some(crate::filter::parse_text(filter).unwrap())]);
}

#[test]
fn an_empty_text_gives_the_defaults() {
    let (config, warnings) = parse("").unwrap();
    assert_eq!(warnings, []);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!((config.store.path.as_path(), config.store.engine), (Path::new("/base/data"), EngineKind::Fjall));
    assert_eq!((config.plugins.timeout.as_millis(), config.log.filter.as_str()), (250, "info"));
    assert!(config.sources.is_empty() && config.admin.token.is_none());
}

#[test]
fn all_mistakes_are_told_at_once_in_their_order() {
    let text = r#"
[server]
listne = "127.0.0.1:80"
connections = 0
header-timeout = 10
[admin]
listen = "0.0.0.0:81"
[[source]]
name = "Stripe"
plugin = "strip"
[[route]]
from = "x"
to = []
"#;
    assert_eq!(
        mistakes(text),
        [
            "3:1: \"listne\" is no key in `server`, did you mean \"listen\"? -> the keys are: listen, public-url, \
             trusted-proxies, connections, header-timeout, body-timeout, body-memory, drain-timeout, tls",
            "4:15: `server.connections`: 0 is not between 1 and 100000 -> write a whole number without quotes: 4096",
            "5:18: `server.header-timeout` takes a duration, and this is of type integer -> write a number and a unit in \
             quotes: \"250ms\", \"10s\", \"5m\", \"2h\", \"7d\"",
            "7:10: `admin.listen` 0.0.0.0:81 is not on loopback, and there is no token -> add token = { env = \
             \"HOOKGATE_ADMIN_TOKEN\" }, or listen on 127.0.0.1:8081",
            "9:8: `source.name`: \"Stripe\" has characters that a name must not have -> write lower-case letters, digits, \
             - and _, at most 64: \"stripe-eu\"",
            "10:10: there is no plugin \"strip\", did you mean \"stripe\"? -> the plugins are: broken, raw, stripe",
            "12:8: `route.from`: there is no source \"x\" -> add a [[source]] with that name",
            "13:6: `route.to` is empty -> write a name or a list of names: \"orders\", [\"orders\", \"audit\"]",
        ]
    );
}

/// A text with one mistake, and words that its message must have.
#[test]
fn each_mistake_has_its_message() {
    const SOURCE: &str = "[[source]]\nname = \"s\"\nplugin = \"stripe\"\n";
    const DESTINATION: &str = "[[destination]]\nname = \"d\"\n";
    let source = |rest: &str| format!("{SOURCE}{rest}");
    let signed = |rest: &str| format!("{SOURCE}secrets.signing = {{ env = \"STRIPE\" }}\n{rest}");
    let destination = |rest: &str| format!("{DESTINATION}{rest}");
    let http = |rest: &str| format!("{DESTINATION}http = {{ {rest} }}");
    let cases: &[(String, &str)] = &[
        (signed("keys.allow = [\"https://*.com/\"]"), "anybody's host would fit"),
        (signed("keys.allow = \"https://a.example/\""), "takes a list of URL patterns"),
        (signed("keys.confirm = [\"ftp://a.example/\"]"), "begins neither with"),
        ("sorce = 1".into(), "1:1: \"sorce\" is no key at the top of the file, did you mean \"source\"?"),
        ("server = 1".into(), "1:10: `server` takes a table, and this is of type integer"),
        ("source = 1".into(), "1:10: `source` takes a list of tables"),
        ("source = [1]".into(), "1:11: `source` takes a list of tables, and this is of type integer"),
        ("[server]\nlisten = \"8080\"".into(), "2:10: `server.listen`: \"8080\" is no address with a port"),
        ("[server]\npublic-url = \"hooks.example\"".into(), "does not begin with http:// or https://"),
        ("[server]\npublic-url = \"http://a/?b\"".into(), "has a query"),
        ("[server]\ntrusted-proxies = \"10.0.0.0/8\"".into(), "takes a list of networks"),
        ("[server]\ntrusted-proxies = [\"10.0.0.1/8\"]".into(), "2:20: `server.trusted-proxies`: \"10.0.0.1/8\""),
        ("[server]\nconnections = -1".into(), "-1 is out of bounds"),
        ("[server]\nconnections = 99999999999999999999".into(), "is out of bounds"),
        ("[server]\nbody-timeout = \"1 month\"".into(), "is no duration"),
        ("[server]\nbody-timeout = \"2h\"".into(), "\"2h\" is not between 100ms and 10m"),
        ("[store]\nengine = \"rocksdb\"".into(), "write one of \"fjall\", \"sled\""),
        ("[store]\nengine = \"fjal\"".into(), "did you mean \"fjall\"?"),
        ("[store]\ncache = \"64\"".into(), "\"64\" is no size"),
        ("[plugins]\ntrusted-keys = [\"abc\"]".into(), "is no Ed25519 public key"),
        ("[plugins]\ngrants = [\"network\"]".into(), "is nothing that is granted"),
        ("[[source]]\nname = \"s\"\nplugin = \"stripe\"\npin = \"ab\"".into(), "is no SHA-256 in hex"),
        ("[store]\npath = \"\"".into(), "is empty"),
        ("[admin]\nlisten = \"127.0.0.1:8080\"".into(), "are both 127.0.0.1:8080"),
        ("[admin]\ntoken = \"whsec_x\"".into(), "takes a reference to a secret, and this is of type string"),
        ("[plugins]\ndirectory = \"nowhere\"".into(), "/base/nowhere is no directory"),
        ("[log]\nfilter = \"hookgate=loud\"".into(), "is no filter"),
        ("[[source]]".into(), "1:1: `source.name` is missing"),
        ("[[source]]\nname = \"s\"".into(), "1:1: `source.plugin` is missing"),
        (source(""), "1:1: `secrets.signing` is missing, which the plugin stripe needs: the endpoint's signing secret"),
        (source("secrets.signing = []"), "add secrets.signing = { env = \"SIGNING\" }"),
        (
            signed("secrets.singing = { env = \"STRIPE\" }"),
            "is none of the secrets that the plugin takes, did you mean \"signing\"?",
        ),
        (signed("settings = { tolerence = 1 }"), "it takes: tolerance (seconds)"),
        (signed("settings = { flag = 2020-01-01 }"), "holds a date"),
        (signed("settings = { deep = [nan] }"), "holds a number that JSON does not know"),
        (signed("settings = 1"), "`source.settings` takes a table of settings"),
        ("[[source]]\nname = \"s\"\nplugin = \"broken\"".into(), "the plugin broken does not load: it lost a section"),
        (format!("{}{}", signed(""), signed("")), "6:8: two sources have the name \"s\"; the first is in line 2"),
        (
            source("secrets.signing = { env = \"NOPE\" }"),
            "4:19: `source.secrets.signing`: the environment variable NOPE is not set",
        ),
        (source("secrets.signing = { env = \"EMPTY\" }"), "the secret is empty"),
        (source("secrets.signing = { env = \"\" }"), "is not set"),
        (source("secrets.signing = { file = \"nope\" }"), "cannot read the file \"nope\": "),
        (source("secrets.signing = { evn = \"X\" }"), "is no place for a secret, did you mean \"env\"?"),
        (source("secrets.signing = { env = \"STRIPE\", file = \"x\" }"), "exactly one of env, file and value"),
        (source("secrets.signing = { env = 1 }"), "`source.secrets.signing.env` takes a text"),
        (source(&format!("secrets.signing = [{}]", "{ env = \"STRIPE\" }, ".repeat(9))), "has 9 versions"),
        (signed("limits = { burst = 3 }"), "`source.limits.burst` stands alone"),
        (signed("limits = { rate = \"0/s\" }"), "lets nothing through"),
        (signed("limits = { body = \"1TiB\" }"), "is not between 1B and 64GiB"),
        (signed("limits = { body = \"65MiB\" }"), "at most 64MiB are taken into memory -> add claim-check"),
        (signed("claim-check = { above = \"65MiB\" }"), "is not between 1B and 64MiB"),
        (signed("claim-check = true"), "`source.claim-check` takes a table"),
        ("[claims]\ndataref = \"object\"".into(), "files of a directory have no URLs"),
        ("[claims]\nkey = { env = \"SHORT\" }".into(), "`claims.key` is shorter than 32 characters"),
        ("[claims]\nurl-ttl = \"8d\"".into(), "is not between 1s and 7d"),
        ("[claims]\nurl-tll = \"1d\"".into(), "did you mean \"url-ttl\"?"),
        ("[claims.s3]\nregion = \"x\"".into(), "`claims.s3.bucket` is missing"),
        ("[claims.s3]\nbucket = \"a/b\"".into(), "`claims.s3.bucket`: \"a/b\" is no such name"),
        ("[claims.s3]\nbucket = \"a\"".into(), "`claims.s3.access-key` is missing"),
        ("[claims.s3]\nprefix = \"../a/\"".into(), "is no prefix"),
        (signed("limits = { boddy = \"1B\" }"), "\"boddy\" is no key in `source.limits`, did you mean \"body\"?"),
        (
            signed("limits.body = \"2MiB\"\n[server]\nbody-memory = \"1MiB\""),
            "takes bodies of 2MiB, and `server.body-memory` is 1MiB",
        ),
        (signed("auth = { adresses = [] }"), "\"adresses\" is no key in `source.auth`, did you mean \"addresses\"?"),
        (signed("auth = { addresses = [] }"), "`source.auth.addresses` is empty: nobody could send"),
        (signed("auth = { any = [] }"), "`source.auth.any` has 0 alternatives"),
        (signed("auth = { any = [{}] }"), "would be let in"),
        (signed("auth = { basic = {} }"), "`source.auth.basic` has 0 names"),
        (signed("auth = { basic = { ann = [] } }"), "`source.auth.basic.ann` has no secret"),
        (signed("auth = { basic = { \"a:b\" = { env = \"SHORT\" } } }"), "holds a colon"),
        (signed("auth = { api-key = {} }"), "`source.auth.api-key.keys` is missing"),
        (
            signed("auth = { api-key = { keys = { a = { env = \"SHORT\" } }, header = \"a b\" } }"),
            "is no name of a header",
        ),
        (
            signed(
                "auth = { basic = { a = { env = \"SHORT\" } }, api-key = { keys = { a = { env = \"SHORT\" } }, header = \"authorization\" } }",
            ),
            "look for their credentials in the header authorization -> put them into `any`",
        ),
        (signed("auth = { mtls = {} }"), "`source.auth.mtls`: clients are not asked for certificates"),
        (signed("auth = { mtls = { allow = \"sender\" } }"), "is none of cn:NAME"),
        (signed("auth = { mtls = { allow = \"sha256:ab\" } }"), "not 64 hex digits"),
        (signed("auth = { mtls = { allow = \"dns:*.a.example\" } }"), "names stand for themselves"),
        (signed("auth = { jwt = {} }"), "`source.auth.jwt.issuer` is missing"),
        (signed("auth = { jwt = { issuer = \"https://i\" } }"), "`source.auth.jwt.audience` is missing"),
        (signed("auth = { jwt = { issuer = \"i\", audience = \"a\" } }"), "is no URL below which keys can be found"),
        (
            signed("auth = { jwt = { issuer = \"https://i\", audience = [] } }"),
            "`source.auth.jwt.audience` has 0 entries",
        ),
        (
            signed("auth = { jwt = { issuer = \"http://8.8.8.8\", audience = \"a\" } }"),
            "keys are not fetched from 8.8.8.8 without TLS -> write https",
        ),
        (
            signed("auth = { jwt = { issuer = \"i\", audience = \"a\", jwks-url = \"https://127.0.0.1/\" } }"),
            "`source.auth.jwt.jwks-url`: the egress guard refuses 127.0.0.1 (loopback)",
        ),
        (
            signed(
                "auth = { jwt = { issuer = \"i\", audience = \"a\", jwks-url = \"https://a/\", jwks-file = \"keys.json\" } }",
            ),
            "has several of jwks-url, jwks-file and secret",
        ),
        (
            signed("auth = { jwt = { issuer = \"i\", audience = \"a\", jwks-file = \"nope\" } }"),
            "cannot read /base/nope",
        ),
        (
            signed("auth = { jwt = { issuer = \"i\", audience = \"a\", jwks-file = \"tls/key\" } }"),
            "no JSON Web Key Set",
        ),
        (
            signed("auth = { jwt = { issuer = \"https://i\", audience = \"a\", algorithms = [\"HS256\"] } }"),
            "\"HS256\" takes a secret, and there is none",
        ),
        (
            signed(
                "auth = { jwt = { issuer = \"i\", audience = \"a\", secret = { env = \"ORDERS\" }, algorithms = \"RS256\" } }",
            ),
            "\"RS256\" takes a public key, and there is a secret",
        ),
        (
            signed("auth = { jwt = { issuer = \"https://i\", audience = \"a\", algorithms = \"none\" } }"),
            "\"none\" is no algorithm that is known here",
        ),
        (
            signed("auth = { jwt = { issuer = \"https://i\", audience = \"a\", scopes = \"a b\" } }"),
            "is no scope, or several",
        ),
        ("[[source]]\nname = \"s\"\nplugin = \"raw\"".into(), "anyone could send"),
        ("[server.tls]\nkey = \"tls/key\"".into(), "`server.tls.certificate` is missing"),
        ("[server.tls]\ncertificate = \"nope\"\nkey = \"tls/key\"".into(), "2:15: cannot read /base/nope"),
        ("[server.tls]\ncertificate = \"tls/key\"\nkey = \"tls/key\"".into(), "there is no certificate in PEM"),
        (
            "[server.tls]\ncertificate = \"tls/certificate\"\nkey = \"tls/key\"\nclient-auth = \"optional\"".into(),
            "there is no `client-ca`",
        ),
        (
            "[server.tls]\ncertificate = \"tls/certificate\"\nkey = \"tls/key\"\nclient-ca = \"tls/certificate\""
                .into(),
            "`server.tls.client-ca` has no effect",
        ),
        (signed("idempotency = { ttl = \"0s\" }"), "is not between 1s and 90d"),
        (signed("replay = true"), "`source.replay` takes a table, and this is of type boolean"),
        (signed("replay = { answer = \"refuze\" }"), "is none of its words, did you mean \"refuse\"?"),
        (
            signed("replay = { window = \"2h\" }\nidempotency = { ttl = \"1h\" }"),
            "5:21: `source.replay.window` is longer than `source.idempotency.ttl` -> set the ttl",
        ),
        (signed("ordering = { on-failure = \"skip\" }"), "write one of \"continue\", \"block\""),
        (signed("ordering = true"), "`source.ordering` takes a table, and this is of type boolean"),
        (signed("ordering = { window = \"0s\" }"), "is not between 1ms and 1h"),
        (signed("ordering = { late = \"skip\" }"), "write one of \"deliver\", \"dead-letter\", \"drop\""),
        (signed("ordering = { per-key = 20000 }"), "20000 is not between 1 and 10000"),
        ("[[destination]]\nname = \"ordering\"\nstdout = {}".into(), "is the gateway's own"),
        (destination(""), "1:1: the destination has none of"),
        (destination("stdout = {}\njsonl = { path = \"x\" }"), "has several of"),
        (destination("stdout = { x = 1 }"), "\"x\" is no key in `destination.stdout` -> it takes no keys"),
        (destination("jsonl = {}"), "`destination.jsonl.path` is missing"),
        ("[[destination]]\nname = \"transform\"\nstdout = {}".into(), "is the gateway's own"),
        (destination("stdout = {}\nretry = { first = \"2m\", max = \"1m\" }"), "is longer than the longest one"),
        (destination("stdout = {}\nburst = 2"), "`destination.burst` stands alone"),
        (http("url = \"http://u:hidden@a/\""), "`destination.http.url`: this holds a user or password"),
        (
            http("url = \"http://127.0.0.1:1/\""),
            "the egress guard refuses 127.0.0.1 (loopback) -> add to [egress]: allow = [\"127.0.0.0/8\"]",
        ),
        (http("url = \"http://localhost/\""), "the egress guard refuses localhost (loopback)"),
        (http("url = \"http://10.1.2.3/\""), "allow = [\"10.1.2.3/32\"]"),
        (http("url = \"http://[::1]/\""), "allow = [\"::1/128\"]"),
        (http("url = \"http://[::ffff:127.0.0.1]/\""), "refuses [::ffff:127.0.0.1]"),
        (http("url = \"https://a/\", secret = { value = \"whsec_%%%\" }"), "what follows is not base64"),
        (http("url = \"https://a/\", secret = { value = \"whsec_\" }"), "a key of no bytes"),
        (http("url = \"https://a/\", secret = { value = \"whsk_abc\" }"), "asymmetric"),
        (http("url = \"https://a/\", headers = { \"a b\" = \"x\" }"), "\"a b\" is no name of a header"),
        (
            http("url = \"https://a/\", headers = { \"Webhook-Id\" = \"x\" }"),
            "the header webhook-id is the gateway's own",
        ),
        (http("url = \"https://a/\", headers = { x = \"a\\nb\" }"), "characters that a header must not have"),
        ("[[route]]\nfrom = \"*\"".into(), "1:1: `route.to` is missing"),
        ("[[route]]\nfrom = \"*\"\nto = \"*\"".into(), "there is no destination \"*\""),
        (format!("{}\n[[route]]\nfrom = \"ss\"\nto = \"d\"", signed("")), "there is no source \"ss\""),
        (
            "[[route]]\nfilter = { a = [{ prefx = \"x\" }] }".into(),
            "2:27: `route.filter`, `a[0].prefx`: there is no such operator -> the operators are: prefix,",
        ),
        (
            "[[route]]\n[route.filter]\na = 5".into(),
            "3:5: `route.filter`, `a`: it is a value by itself -> write it in a list: [5]",
        ),
        ("[[route]]\nfilter = '{\"a\": [1, {}]}'".into(), "2:10: `route.filter`, `a[1]`: an operator has one name"),
        ("[[route]]\nfilter = \"{\"".into(), "`route.filter`, the pattern: it is not JSON"),
        ("[[route]]\nfilter = { a = [nan] }".into(), "2:17: `route.filter`, `a[0]`: it is no number that JSON knows"),
        ("[[route]]\nfilter = { a = [2020-01-01] }".into(), "it is a date, which no event has"),
        ("[[route]]\nfilter = 5".into(), "`route.filter` takes an event pattern, and this is of type integer"),
        (
            format!("[[route]]\nfilter = {{ \"$or\" = [{}] }}", "{ a = [1] }, ".repeat(1_001)),
            "2:10: `route.filter`, the pattern: its `$or`s can be combined in more than 1000 ways",
        ),
        (
            format!(
                "[[route]]\nfilter = {{ \"$or\" = [{}], {} }}\n",
                "{ a = [1] }, ".repeat(999),
                (0..150).map(|n| format!("f{n} = [1]")).collect::<Vec<_>>().join(", ")
            )
            .repeat(2),
            "the filters of all routes come to 301698 tests; 200000 are taken",
        ),
        ("a = \n[server]\nlisten = 1".into(), "3:10: `server.listen` takes an address"),
        ("[server]\nlisten = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"".into(), "3:1: not TOML: duplicate key"),
    ];
    for (text, expected) in cases {
        let told = mistakes(text);
        assert!(
            told.iter().any(|told| told.contains(expected)),
            "{text}\n  must tell: {expected}\n  but tells: {told:#?}"
        );
    }
}

#[test]
fn what_works_and_is_hardly_meant_is_a_warning() {
    let text = r#"
[server]
trusted-proxies = ["0.0.0.0/0"]
tls = { certificate = "tls/certificate", key = "tls/open-key" }
[admin]
token = { value = "short" }
[egress]
allow = ["::/0"]
[[source]]
name = "s"
plugin = "stripe"
secrets.signing = { file = "/run/open" }
auth = { addresses = ["0.0.0.0/0"], jwt = { issuer = "i", audience = "a", secret = { env = "SHORT" } } }
[[destination]]
name = "d"
http = { url = "https://a.example", secret = { env = "SHORT" } }
"#;
    let (_, warnings) = parse(text).unwrap();
    let told: Vec<String> = warnings.iter().map(|w| format!("{}: {}", w.line, w.what)).collect();
    assert_eq!(
        told,
        [
            "3: `server.trusted-proxies` holds every address: anyone can then name any address as their own",
            "4: `server.tls.key`: every user of this machine may read the private key",
            "6: `admin.token` is shorter than 16 characters",
            "6: `admin.token` is written into the configuration",
            "8: `egress.allow` holds every address: the guard then guards nothing",
            "10: no route leads from the source \"s\": its events are kept and go nowhere",
            "12: `source.secrets.signing`: every user of this machine may read \"/run/open\"",
            "13: `source.auth.addresses` holds every address: it keeps nobody out",
            "13: `source.auth.jwt.secret` is shorter than 32 bytes",
            "15: no route leads to the destination \"d\"",
            "16: `destination.http.secret` is a key of 3 bytes; Standard Webhooks wants 24 to 64",
        ]
    );
}

#[test]
fn no_message_repeats_what_may_be_a_secret() {
    let places = [
        "[admin]\ntoken = \"hidden\"",
        "[admin]\ntoken = { env = \"hidden\" }",
        "[admin]\ntoken = [\"hidden\"]",
        "[[destination]]\nname = \"d\"\nhttp = { url = \"https://hidden@a/\" }",
        "[[source]]\nname = \"s\"\nauth = { basic = { ann = \"hidden\" } }",
        "[[source]]\nname = \"s\"\nauth = { api-key = { keys = { ann = [\"hidden\"] } } }",
        "[[destination]]\nname = \"d\"\nhttp = { url = \"https://a/\", secret = { value = \"whsec_hidden!\" } }",
        "[[destination]]\nname = \"d\"\nhttp = { url = \"https://a/\", headers = { x = \"hidden\\n\" } }",
    ];
    for text in places {
        let told = mistakes(text);
        assert!(!told.is_empty() && !told.concat().contains("hidden"), "{text}: {told:?}");
    }
    let shown = format!("{:?}", parse(FULL).unwrap());
    assert!(!shown.contains("whsec_") && !shown.contains("0123456789abcdefghij"), "{shown}");
}

#[test]
fn a_key_with_a_hundred_thousand_dots_is_refused() {
    let told = mistakes(&format!("{}a = 1", "a.".repeat(100_000)));
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("too many dots"), "{told:?}");
}

#[test]
fn deep_brackets_are_refused() {
    let told = mistakes(&format!("a = {}", "[".repeat(100_000)));
    assert!(told.iter().any(|told| told.contains("not TOML: cannot recurse further")), "{told:?}");
}

#[test]
fn a_file_is_loaded_with_paths_relative_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hookgate.toml");
    std::fs::write(directory.path().join("token"), "0123456789abcdefghij\n").unwrap();
    std::fs::write(&file, "[admin]\ntoken = { file = \"token\" }").unwrap();
    let (config, _) = Config::load(&file, &plugins).unwrap();
    assert_eq!(config.store.path, directory.path().join("data"));
    assert_eq!(config.admin.token.unwrap().expose(), "0123456789abcdefghij");

    std::fs::write(&file, b"a = 1\n# \xff").unwrap();
    let told = Config::load(&file, &plugins).unwrap_err().to_string();
    assert!(told.contains("not text in UTF-8 (line 2)"), "{told}");
    let told = Config::load(&directory.path().join("none.toml"), &plugins).unwrap_err().to_string();
    assert!(told.contains("none.toml") && told.contains("--config"), "{told}");
}

#[cfg(unix)]
#[test]
fn a_secret_file_that_others_may_read_is_seen() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, "x").unwrap();
    for (mode, exposed) in [(0o600, false), (0o640, false), (0o644, true)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(ProcessEnvironment.file(&file).unwrap().exposed, exposed, "{mode:o}");
    }
}

/// Every mistake has a place within the text.
fn check_places(text: &str) {
    let Err(errors) = parse(text) else { return };
    let lines: Vec<&str> = text.split('\n').collect();
    assert!(!errors.problems().is_empty(), "an error without a mistake");
    for problem in errors.problems() {
        assert!((1..=lines.len()).contains(&problem.line), "{problem}");
        let line = lines[problem.line - 1];
        assert!((1..=line.chars().count() + 1).contains(&problem.column), "{problem}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "(.|\n){0,200}") {
        check_places(&text);
    }

    /// The full configuration, with a piece cut out and another put in.
    #[test]
    fn no_damage_panics(from in 0..FULL.len(), length in 0usize..40, put in "[\\[\\]{}=\"a-z0-9.\n#, ]{0,12}") {
        let (from, to) = (FULL.floor_char_boundary(from), FULL.floor_char_boundary(from + length));
        check_places(&format!("{}{put}{}", &FULL[..from], &FULL[to..]));
    }

    /// Every value of the full configuration, with another in its place.
    #[test]
    fn no_value_panics(line in 0..FULL.lines().count(), value in "(\"[a-z0-9/:.]{0,9}\"|-?[0-9]{1,30}|true|\\[\\]|\\{\\}|[0-9]\\.[0-9]|nan)") {
        let replaced = |(at, text): (usize, &str)| match text.split_once(" = ") {
            Some((key, _)) if at == line => format!("{key} = {value}"),
            _ => text.to_owned(),
        };
        check_places(&FULL.lines().enumerate().map(replaced).collect::<Vec<_>>().join("\n"));
    }
}

#[test]
fn a_secret_that_is_handed_over_is_marked_as_such() {
    let source = |secrets: &str| {
        format!("[[source]]\nname = \"a\"\nplugin = \"stripe\"\nsecrets.signing = {{ env = \"STRIPE\" }}\n{secrets}\n")
    };
    let told = |secrets: &str| mistakes(&source(secrets)).join("\n");
    for (secrets, expected) in [
        ("secrets.spare = { handed-over = true }", "no secret that the provider hands over"),
        ("secrets.given = { handed-over = false }", "takes true only"),
        ("secrets.given = { handed-over = \"yes\" }", "takes true only"),
        ("secrets.given = { handed-over = true, env = \"SHORT\" }", "stands alone"),
        ("[store]\nseal-key = { env = \"SHORT\" }", "shorter than 32 characters"),
    ] {
        assert!(told(secrets).contains(expected), "{secrets}: {}", told(secrets));
    }
    let (config, _) = parse(&source("secrets.given = { handed-over = true }")).unwrap();
    assert!(config.sources[0].handed_over.contains("given") && config.sources[0].secrets["given"].is_empty());
}
