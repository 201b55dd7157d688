//! Whole configurations: what each gives, and what each mistake is told as. Here is what they stand on.
#![allow(clippy::unwrap_used)]

mod mistakes;
mod properties;
mod reading;

use std::{collections::BTreeMap, io, path::Path, sync::LazyLock};

use hookgate_capabilities::{Descriptor, SecretSpec, SettingSpec};

use super::*;

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
        prefixes: Vec::new(),
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
    let hmac = Descriptor {
        name: "hmac".to_owned(),
        secrets: vec![secret("signing", true, "the secret")],
        settings: vec![setting("provider"), setting("signature")],
        ..stripe.clone()
    };
    let all = [("stripe", Ok(stripe)), ("broken", broken), ("raw", Ok(raw)), ("hmac", Ok(hmac))];
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
