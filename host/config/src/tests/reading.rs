//! What each key gives.

use std::time::Duration;

use hookgate_model::ordering::{Late, OnFailure};

use super::*;

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
fn the_methods_of_auth_are_read_in_the_order_in_which_they_are_asked() {
    let (config, _) = parse(FULL).unwrap();
    let auth = &config.sources[0].auth;
    let names = |methods: &[hookgate_auth::Method]| methods.iter().map(|method| method.name).collect::<Vec<_>>();
    assert_eq!(names(&auth.all), ["addresses", "mtls", "api-key", "jwt"]);
    assert_eq!(auth.any.iter().map(|methods| names(methods)).collect::<Vec<_>>(), [["basic"], ["mtls"]]);
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
    let targets: Vec<_> = config.destinations.iter().map(|it| (it.target.kind, it.target.describe())).collect();
    let described = |text: &str| Some(text.to_owned());
    let expected = [
        ("http", described("http://localhost:3000/webhooks?x=1")),
        ("jsonl", described("/base/events.jsonl")),
        ("stdout", None),
    ];
    assert_eq!(targets, expected);
    let routes: Vec<_> = config.routes.iter().map(|route| (route.from.join(","), route.to.join(","))).collect();
    assert_eq!(routes, [("*".to_owned(), "orders".to_owned()), ("stripe".to_owned(), "file,out".to_owned())]);
    // TOML's tables are in the order of their keys.
    let filter = r#"{"data": {"amount": [10, 1.5, 16, true]}, "type": [{"prefix": "com."}]}"#;
    let filters: Vec<_> = config.routes.iter().map(|route| route.filter.clone()).collect();
    assert_eq!(filters, [None, Some(hookgate_filter::parse_text(filter).unwrap())]);
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

#[test]
fn a_known_provider_is_the_component_that_reads_it_with_its_name_as_a_setting() {
    let read = |plugin: &str, rest: &str| {
        let text = format!(
            "[[source]]\nname = \"s\"\nplugin = \"{plugin}\"\nsecrets.signing = {{ env = \"STRIPE\" }}\n{rest}"
        );
        let source = parse(&text).unwrap().0.sources[0].clone();
        let settings: Vec<_> = source.settings.iter().map(|(name, text)| format!("{name}={text}")).collect();
        (source.plugin.clone(), settings)
    };
    assert_eq!(read("razorpay", ""), ("hmac".to_owned(), vec!["provider=razorpay".to_owned()]));
    let own = "settings.signature = \"X-Own\"\nsettings.provider = \"razorpay\"";
    assert_eq!(read("razorpay", own).1, ["provider=razorpay", "signature=X-Own"]);
    // A component goes before the known provider of its name.
    assert_eq!(read("stripe", ""), ("stripe".to_owned(), vec![]));
}
