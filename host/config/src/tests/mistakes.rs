//! What each mistake is told as, where, and what is a warning.

use super::*;

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
    let unknown = format!(
        "10:10: there is no plugin \"strip\", did you mean \"stripe\"? -> the plugins are: broken, hmac, raw, stripe; and \
         {} providers known by name: hookgate providers list",
        hookgate_known_providers::presets().len()
    );
    assert_eq!(
        mistakes(text),
        [
            "3:1: \"listne\" is not a key in `server`, did you mean \"listen\"? -> the keys are: listen, public-url, \
             trusted-proxies, connections, header-timeout, body-timeout, body-memory, drain-timeout, tls",
            "4:15: `server.connections`: 0 is not between 1 and 100000 -> write a whole number without quotes: 4096",
            "5:18: `server.header-timeout` takes a duration, and this is of type integer -> write a number and a unit in \
             quotes: \"250ms\", \"10s\", \"5m\", \"2h\", \"7d\"",
            "7:10: `admin.listen` 0.0.0.0:81 is not on loopback, and there is no token -> add token = { env = \
             \"HOOKGATE_ADMIN_TOKEN\" }, or listen on 127.0.0.1:8081",
            "9:8: `source.name`: \"Stripe\" has characters that a name must not have -> write lower-case letters, digits, \
             - and _, at most 64: \"stripe-eu\"",
            unknown.as_str(),
            "12:8: `route.from`: there is no source \"x\" -> add a [[source]] with that name",
            "13:6: `route.to` is empty -> write a name or a list of names: \"orders\", [\"orders\", \"audit\"]",
        ]
    );
}

/// The name of a known provider is told near the mistake: at the setting, or at the plugin.
#[test]
fn a_misspelt_provider_is_told_where_it_stands() {
    let source = |rest: &str| format!("[[source]]\nname = \"s\"\nsecrets.signing = {{ env = \"STRIPE\" }}\n{rest}");
    for (rest, told) in [
        ("plugin = \"calendy\"", "4:10: there is no plugin \"calendy\", did you mean \"calendly\"?"),
        (
            "plugin = \"hmac\"\nsettings.provider = \"calendy\"",
            "5:21: \"calendy\" is not a known provider, did you mean \"calendly\"?",
        ),
        (
            "plugin = \"razorpay\"\nsettings.provider = \"calendly\"",
            "5:21: `plugin` names the provider razorpay, and this setting names \"calendly\"",
        ),
    ] {
        let told_of = mistakes(&source(rest));
        assert_eq!(told_of.len(), 1, "{told_of:?}");
        assert!(told_of[0].starts_with(told), "{told_of:?}");
    }
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
        (signed("keys.allow = [\"https://*.com/\"]"), "has a * in its host"),
        (signed("keys.allow = \"https://a.example/\""), "takes a list of URL patterns"),
        (signed("keys.confirm = [\"ftp://a.example/\"]"), "begins neither with"),
        ("sorce = 1".into(), "1:1: \"sorce\" is not a key at the top of the file, did you mean \"source\"?"),
        ("server = 1".into(), "1:10: `server` takes a table, and this is of type integer"),
        ("source = 1".into(), "1:10: `source` takes a list of tables"),
        ("source = [1]".into(), "1:11: `source` takes a list of tables, and this is of type integer"),
        ("[server]\nlisten = \"8080\"".into(), "2:10: `server.listen`: \"8080\" is not an address with a port"),
        ("[server]\npublic-url = \"hooks.example\"".into(), "does not begin with http:// or https://"),
        ("[server]\npublic-url = \"http://a/?b\"".into(), "has a query"),
        ("[server]\ntrusted-proxies = \"10.0.0.0/8\"".into(), "takes a list of networks"),
        ("[server]\ntrusted-proxies = [\"10.0.0.1/8\"]".into(), "2:20: `server.trusted-proxies`: \"10.0.0.1/8\""),
        ("[server]\nconnections = -1".into(), "-1 is out of bounds"),
        ("[server]\nconnections = 99999999999999999999".into(), "is out of bounds"),
        ("[server]\nbody-timeout = \"1 month\"".into(), "is not a duration"),
        ("[server]\nbody-timeout = \"2h\"".into(), "\"2h\" is not between 100ms and 10m"),
        ("[store]\nengine = \"rocksdb\"".into(), "write one of \"fjall\", \"sled\""),
        ("[store]\nengine = \"fjal\"".into(), "did you mean \"fjall\"?"),
        ("[store]\ncache = \"64\"".into(), "\"64\" is not a size"),
        ("[plugins]\ntrusted-keys = [\"abc\"]".into(), "is not an Ed25519 public key"),
        ("[plugins]\ngrants = [\"network\"]".into(), "is nothing that is granted"),
        ("[[source]]\nname = \"s\"\nplugin = \"stripe\"\npin = \"ab\"".into(), "is not a SHA-256 in hex"),
        ("[store]\npath = \"\"".into(), "is empty"),
        ("[admin]\nlisten = \"127.0.0.1:8080\"".into(), "are both 127.0.0.1:8080"),
        ("[admin]\ntoken = \"whsec_x\"".into(), "takes a reference to a secret, and this is of type string"),
        ("[plugins]\ndirectory = \"nowhere\"".into(), "/base/nowhere is not a directory"),
        ("[log]\nfilter = \"hookgate=loud\"".into(), "is not a filter"),
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
        (source("secrets.signing = { evn = \"X\" }"), "is not a place for a secret, did you mean \"env\"?"),
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
        ("[claims.s3]\nbucket = \"a/b\"".into(), "`claims.s3.bucket`: \"a/b\" is not a valid name"),
        ("[claims.s3]\nbucket = \"a\"".into(), "`claims.s3.access-key` is missing"),
        ("[claims.s3]\nprefix = \"../a/\"".into(), "is not a prefix"),
        (signed("limits = { boddy = \"1B\" }"), "\"boddy\" is not a key in `source.limits`, did you mean \"body\"?"),
        (
            signed("limits.body = \"2MiB\"\n[server]\nbody-memory = \"1MiB\""),
            "takes bodies of 2MiB, and `server.body-memory` is 1MiB",
        ),
        (signed("auth = { adresses = [] }"), "\"adresses\" is not a key in `source.auth`, did you mean \"addresses\"?"),
        (signed("auth = { addresses = [] }"), "`source.auth.addresses` is empty: no sender would be let in"),
        (signed("auth = { any = [] }"), "`source.auth.any` has 0 alternatives"),
        (signed("auth = { any = [{}] }"), "would be let in"),
        (signed("auth = { basic = {} }"), "`source.auth.basic` has 0 names"),
        (signed("auth = { basic = { ann = [] } }"), "`source.auth.basic.ann` has no secret"),
        (signed("auth = { basic = { \"a:b\" = { env = \"SHORT\" } } }"), "holds a colon"),
        (signed("auth = { api-key = {} }"), "`source.auth.api-key.keys` is missing"),
        (
            signed("auth = { api-key = { keys = { a = { env = \"SHORT\" } }, header = \"a b\" } }"),
            "is not the name of a header",
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
        (signed("auth = { jwt = { issuer = \"i\", audience = \"a\" } }"), "is not a URL below which keys can be found"),
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
            "not a JSON Web Key Set",
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
            "\"none\" is not an algorithm that is known here",
        ),
        (
            signed("auth = { jwt = { issuer = \"https://i\", audience = \"a\", scopes = \"a b\" } }"),
            "is not a scope, or several",
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
        (signed("replay = { answer = \"refuze\" }"), "is not a valid value, did you mean \"refuse\"?"),
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
        (destination("stdout = { x = 1 }"), "\"x\" is not a key in `destination.stdout` -> it takes no keys"),
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
        (http("url = \"https://a/\", headers = { \"a b\" = \"x\" }"), "\"a b\" is not the name of a header"),
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
        (
            "[[route]]\nfilter = { a = [nan] }".into(),
            "2:17: `route.filter`, `a[0]`: it is not a number that JSON knows",
        ),
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
            "13: `source.auth.addresses` holds every address: it keeps no sender out",
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
fn a_secret_that_is_handed_over_is_marked_as_such() {
    let source = |secrets: &str| {
        format!("[[source]]\nname = \"a\"\nplugin = \"stripe\"\nsecrets.signing = {{ env = \"STRIPE\" }}\n{secrets}\n")
    };
    let told = |secrets: &str| mistakes(&source(secrets)).join("\n");
    for (secrets, expected) in [
        ("secrets.spare = { handed-over = true }", "not a secret that the provider hands over"),
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
