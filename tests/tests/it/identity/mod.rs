//! Who may send: `auth` of a source, and TLS on the listener.

mod certificates;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hookgate_tests::{
    Config, Delivery, Gateway, Receiver, SECRET, eventually,
    issuer::{AUDIENCE, Issuer, RSA_MODULUS, bearer, ed25519, endless, hs256, signed},
    raw::{self, Connection},
    sign,
};
use http::Version;
use serde_json::json;

use self::certificates::{Authority, Pair, TlsClient};

const PASSWORD: &str = "a-password-nobody-logs";
const API_KEY: &str = "an-api-key-nobody-logs";

fn plain(headers: &[(&str, &str)], body: &str) -> Delivery {
    Delivery::post(headers, body)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The cause of a refusal.
fn cause(problem: &serde_json::Value) -> &str {
    problem["type"].as_str().unwrap().strip_prefix("urn:hookgate:").unwrap()
}

/// A raw source named `raw` that requires this, and whose refusals are logged one by one.
fn guarded(auth: &str) -> Config {
    Config::new().source("raw", "raw", &format!("auth = {auth}\nlimits = {{ failures = \"1000/s\" }}"))
}

/// A raw source whose tokens are from this issuer.
fn jwt(issuer: &Issuer, more: &str) -> Config {
    let url = issuer.url();
    guarded(&format!("{{ jwt = {{ issuer = \"{url}\", audience = \"{AUDIENCE}\"{more} }} }}"))
}

async fn said(gateway: &Gateway, text: &str, times: usize) {
    eventually(&format!("{text:?} in the log"), async || (gateway.said().matches(text).count() >= times).then_some(()))
        .await;
}

#[tokio::test]
async fn passwords_and_keys_let_in_their_owners_and_are_kept_nowhere() {
    let receiver = Receiver::start().await;
    let auth = format!(
        "{{ any = [{{ basic = {{ ann = [{{ value = \"newer\" }}, {{ value = \"{PASSWORD}\" }}] }} }}, \
         {{ api-key = {{ keys = {{ shop = {{ value = \"{API_KEY}\" }} }} }} }}] }}"
    );
    let mut gateway = Gateway::start(guarded(&auth).receiver(&receiver)).await;
    let missing = gateway.send("raw", &plain(&[], "{}")).await;
    assert_eq!(cause(&missing.refused(401)), "no-credentials");
    let challenges: Vec<_> = missing.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(challenges.len(), 2, "{challenges:?}");
    for wrong in [basic("ann", "wrong"), basic("bob", PASSWORD), "Basic ???".to_owned()] {
        let refused = gateway.send("raw", &plain(&[("authorization", &wrong)], "{}")).await.refused(401);
        assert_eq!(cause(&refused), "wrong-credentials", "{wrong}");
    }
    let refused = gateway.send("raw", &plain(&[("x-api-key", "wrong")], "{}")).await.refused(401);
    assert_eq!(cause(&refused), "wrong-credentials");

    let ann = gateway.send("raw", &plain(&[("authorization", &basic("ann", PASSWORD))], "{\"n\":1}")).await.accepted();
    let shop = gateway.send("raw", &plain(&[("X-Api-Key", API_KEY)], "{\"n\":2}")).await.accepted();
    for (id, proof) in [(&ann[0], "basic ann"), (&shop[0], "api-key shop")] {
        let shown = gateway.cli(&["events", "show", id]).ok();
        assert!(shown.lines().any(|line| line.starts_with("authenticated by") && line.ends_with(proof)), "{shown}");
        let json = gateway.cli(&["events", "show", id, "--json"]).ok();
        assert!(!json.contains("authorization") && !json.contains("x-api-key"), "{json}");
    }
    gateway.counts("hookgate_refusals_total", &["cause=\"wrong-credentials\""], 4.0).await;
    gateway.counts("hookgate_refusals_total", &["cause=\"no-credentials\""], 1.0).await;
    receiver.wait_for(2).await;
    gateway.stop().await;
    let encoded = STANDARD.encode(format!("ann:{PASSWORD}"));
    for secret in [PASSWORD, API_KEY, &encoded] {
        assert!(!gateway.said().contains(secret));
        assert!(!in_files(&gateway.path().join("data"), secret.as_bytes()), "{secret} is in the store");
    }
}

fn in_files(directory: &std::path::Path, text: &[u8]) -> bool {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            in_files(&path, text)
        } else {
            std::fs::read(&path).unwrap().windows(text.len()).any(|window| window == text)
        }
    })
}

#[tokio::test]
async fn in_front_of_a_signing_plugin_both_must_hold() {
    let lines = format!(
        "secrets.signing = {{ value = \"{SECRET}\" }}\nauth = {{ basic = {{ ann = {{ value = \"{PASSWORD}\" }} }} }}"
    );
    let gateway = Gateway::start(Config::new().source("stripe", "stripe", &lines)).await;
    let with = |delivery: Delivery| delivery.header("authorization", basic("ann", PASSWORD));
    let signed = sign::stripe_event(SECRET, "evt_1");
    assert_eq!(cause(&gateway.send("stripe", &signed).await.refused(401)), "no-credentials");
    let forged = with(sign::stripe_event("whsec_another", "evt_1"));
    assert_eq!(cause(&gateway.send("stripe", &forged).await.refused(401)), "unauthenticated");
    gateway.send("stripe", &with(signed)).await.accepted();
}

#[tokio::test]
async fn addresses_are_those_that_trusted_proxies_report() {
    let config = guarded("{ addresses = [\"203.0.113.0/24\", \"2001:db8::/32\"] }");
    let gateway = Gateway::start(config.with("server", "trusted-proxies = [\"127.0.0.1\"]")).await;
    let from = |forwarded: &str| plain(&[("x-forwarded-for", forwarded)], &format!("{{\"from\":\"{forwarded}\"}}"));
    let ids = gateway.send("raw", &from("203.0.113.9")).await.accepted();
    assert!(gateway.cli(&["events", "show", &ids[0]]).ok().contains("addresses 203.0.113.9"));
    gateway.send("raw", &from("198.51.100.1, 203.0.113.9")).await.accepted();
    gateway.send("raw", &from("2001:db8::7")).await.accepted();
    for other in ["203.0.114.9", "203.0.113.9, 198.51.100.1", "::ffff:198.51.100.1", "nonsense"] {
        let refused = gateway.send("raw", &from(other)).await.refused(403);
        assert_eq!(cause(&refused), "forbidden", "{other}");
    }
    assert_eq!(cause(&gateway.send("raw", &plain(&[], "{}")).await.refused(403)), "forbidden");
}

/// A sender can put bytes into X-Forwarded-For that are not text. In any case the proxy is not the sender.
#[tokio::test]
async fn a_sender_whose_address_cannot_be_read_is_not_the_proxy() {
    let config = guarded("{ addresses = [\"127.0.0.0/8\", \"203.0.113.0/24\"] }");
    let gateway = Gateway::start(config.with("server", "trusted-proxies = [\"127.0.0.1\"]")).await;
    let from = |forwarded: &[u8]| plain(&[], "{}").header("x-forwarded-for", forwarded);
    for stranger in [
        b"\xff, 198.51.100.1".as_slice(),
        b"198.51.100.1, \xff",
        b"198.51.100.1, unknown",
        b"198.51.100.1,",
        b"",
        b"127.0.0.1",
    ] {
        let refused = gateway.send("raw", &from(stranger)).await.refused(403);
        assert_eq!(cause(&refused), "forbidden", "{}", String::from_utf8_lossy(stranger));
    }
    assert_eq!(cause(&gateway.send("raw", &plain(&[], "{}")).await.refused(403)), "forbidden");
    gateway.says("client=unknown").await;
    gateway.send("raw", &from(b"\xff, 203.0.113.9")).await.accepted();
}

/// A gateway without trusted proxies ignores the header.
#[tokio::test]
async fn without_trusted_proxies_the_connection_counts() {
    let gateway = Gateway::start(guarded("{ addresses = [\"203.0.113.0/24\"] }")).await;
    gateway.send("raw", &plain(&[("x-forwarded-for", "203.0.113.9")], "{}")).await.refused(403);
}

#[tokio::test]
async fn a_stranger_is_answered_before_the_body_and_counted() {
    let lines = format!(
        "auth = {{ api-key = {{ keys = {{ shop = {{ value = \"{API_KEY}\" }} }} }} }}\nlimits = {{ failures = \"2/m\" }}"
    );
    let gateway = Gateway::start(Config::new().source("raw", "raw", &lines)).await;
    let mut connection = Connection::open(gateway.deliveries()).await;
    let head = "POST /in/raw HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 1000000\r\n\r\n";
    assert!(connection.write(head.as_bytes()).await);
    let answer = connection.read_to_end().await;
    assert_eq!(raw::status(&answer), 401, "{answer}");
    assert!(!answer.contains("100 Continue"), "{answer}");
    gateway.send("raw", &plain(&[], "{}")).await.refused(401);
    let over = gateway.send("raw", &plain(&[], "{}")).await;
    over.refused(429);
    assert!(over.retry_after().is_some());
    // A valid sender is still admitted.
    gateway.send("raw", &plain(&[("x-api-key", API_KEY)], "{}")).await.accepted();
}

#[tokio::test]
async fn tokens_are_judged_by_the_issuers_keys_and_by_what_they_say() {
    let issuer = Issuer::start().await;
    let more = ", scopes = [\"events:write\"], claims = { \"tenant\" = \"a\" }, clock-skew = \"1m\"";
    let gateway = Gateway::start(jwt(&issuer, more)).await;
    let good = |changes: serde_json::Value| {
        let mut claims = json!({ "tenant": "a" });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        claims
    };
    let ids = gateway.send("raw", &bearer(&issuer.token(good(json!({}))))).await.accepted();
    let shown = gateway.cli(&["events", "show", &ids[0]]).ok();
    assert!(shown.contains("jwt shop-7") && !shown.contains("Bearer"), "{shown}");
    let now = hookgate_tests::now();
    for taken in [json!({ "exp": now - 20 }), json!({ "nbf": now + 20 }), json!({ "aud": ["x", AUDIENCE] })] {
        assert_eq!(gateway.send("raw", &bearer(&issuer.token(good(taken.clone())))).await.status, 200, "{taken}");
    }
    for wrong in [
        json!({ "exp": now - 100 }),
        json!({ "exp": null }),
        json!({ "nbf": now + 100 }),
        json!({ "aud": "https://other.example" }),
        json!({ "aud": null }),
        json!({ "iss": "http://127.0.0.1" }),
    ] {
        let reply = gateway.send("raw", &bearer(&issuer.token(good(wrong.clone())))).await;
        assert_eq!(cause(&reply.refused(401)), "wrong-credentials", "{wrong}");
        assert!(reply.header("www-authenticate").unwrap().contains("invalid_token"));
    }
    for not_allowed in [json!({ "scope": "events:read" }), json!({ "tenant": "b" })] {
        let reply = gateway.send("raw", &bearer(&issuer.token(good(not_allowed.clone())))).await;
        assert_eq!(cause(&reply.refused(403)), "forbidden", "{not_allowed}");
        assert!(reply.header("www-authenticate").unwrap().contains("insufficient_scope"));
    }
    let missing = gateway.send("raw", &plain(&[], "{}")).await;
    assert_eq!(cause(&missing.refused(401)), "no-credentials");
    assert!(missing.header("www-authenticate").unwrap().starts_with("Bearer "));
    assert_eq!(issuer.asked(), 1, "the keys are fetched once");
}

#[tokio::test]
async fn forged_tokens_are_refused_regardless_of_their_claims() {
    let issuer = Issuer::start().await;
    let gateway = Gateway::start(jwt(&issuer, "")).await;
    let claims = issuer.claims(json!({}));
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let url = format!("{}/keys", issuer.url());
    let forged = [
        signed(&json!({ "alg": "none" }), &claims, |_| Vec::new()),
        signed(&json!({ "alg": "none", "kid": "first" }), &claims, |_| Vec::new()),
        signed(&json!({ "alg": "EdDSA", "kid": "first" }), &claims, |_| Vec::new()),
        // The public key as the secret of an HMAC.
        signed(&json!({ "alg": "HS256", "kid": "rsa" }), &claims, hs256(RSA_MODULUS.as_bytes())),
        signed(&json!({ "alg": "HS256", "kid": "first" }), &claims, hs256(&sign::public_key([1; 32]))),
        // A key of another kind than the algorithm.
        signed(&json!({ "alg": "RS256", "kid": "first" }), &claims, ed25519([1; 32])),
        signed(&json!({ "alg": "EdDSA", "kid": "rsa" }), &claims, ed25519([1; 32])),
        signed(&json!({ "alg": "ES256", "kid": "first" }), &claims, ed25519([1; 32])),
        // A key, or a place of keys, that the token brings along.
        signed(&json!({ "alg": "EdDSA", "kid": "first", "jwk": jwk }), &claims, ed25519([9; 32])),
        signed(&json!({ "alg": "EdDSA", "kid": "first", "jku": url }), &claims, ed25519([9; 32])),
        signed(&json!({ "alg": "EdDSA", "kid": "first", "crit": ["exp"] }), &claims, ed25519([1; 32])),
        signed(&json!({ "alg": "EdDSA", "kid": "first", "typ": "logout+jwt" }), &claims, ed25519([1; 32])),
        "a.b.c".to_owned(),
        "x".repeat(20_000),
    ];
    for token in &forged {
        let refused = gateway.send("raw", &bearer(token)).await.refused(401);
        assert_eq!(cause(&refused), "wrong-credentials", "{token}");
    }
    gateway.send("raw", &bearer(&issuer.token(json!({})))).await.accepted();
    gateway.counts("hookgate_refusals_total", &["cause=\"wrong-credentials\""], forged.len() as f64).await;
    assert!(!gateway.said().contains(&forged[0]));
}

#[tokio::test]
async fn a_new_key_is_found_and_made_up_ones_bring_nothing_about() {
    let issuer = Issuer::start().await;
    let gateway = Gateway::start(jwt(&issuer, "")).await;
    gateway.send("raw", &bearer(&issuer.token(json!({})))).await.accepted();
    assert_eq!(issuer.asked(), 1);
    let second = signed(&json!({ "alg": "EdDSA", "kid": "second" }), &issuer.claims(json!({})), ed25519([2; 32]));
    issuer.add_key("second", [2; 32]);
    assert_eq!(gateway.send("raw", &bearer(&second)).await.status, 200);
    assert_eq!(issuer.asked(), 2);
    for n in 0..20 {
        let header = json!({ "alg": "EdDSA", "kid": format!("made-up-{n}") });
        let token = signed(&header, &issuer.claims(json!({})), ed25519([3; 32]));
        gateway.send("raw", &bearer(&token)).await.refused(401);
    }
    assert_eq!(issuer.asked(), 2, "asked again within the pause");

    // Read again with the same issuer: its keys are kept.
    gateway.ask_to_read_again();
    said(&gateway, "was read again and is in force", 1).await;
    gateway.send("raw", &bearer(&second)).await.duplicate();
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn an_issuer_that_hangs_or_never_ends_costs_its_own_source_only() {
    let issuer = Issuer::start().await;
    issuer.answer(200, Duration::from_secs(3600));
    let (endless, taken) = endless().await;
    let endless = format!(
        "auth = {{ jwt = {{ issuer = \"http://{endless}\", jwks-url = \"http://{endless}/keys\", audience = \"a\" }} }}"
    );
    let gateway = Gateway::start(jwt(&issuer, "").source("endless", "raw", &endless).stripe("stripe")).await;
    let good = bearer(&issuer.token(json!({})));
    let stripe = sign::stripe_event(SECRET, "evt_1");
    let (hanging, never_ending, other) =
        tokio::join!(gateway.send("raw", &good), gateway.send("endless", &good), gateway.send("stripe", &stripe));
    other.accepted();
    for reply in [hanging, never_ending] {
        assert_eq!(cause(&reply.refused(503)), "auth-unavailable");
        assert!(reply.retry_after().is_some());
    }
    let bytes = taken.load(Ordering::SeqCst);
    assert!(bytes < 64 << 20, "{bytes} bytes were taken of what has no end");

    issuer.answer(500, Duration::ZERO);
    gateway.send("raw", &good).await.refused(503);
    issuer.answer(200, Duration::ZERO);
    eventually("the issuer to be asked again", async || (gateway.send("raw", &good).await.status == 200).then_some(()))
        .await;
    // What is known holds while the issuer is away.
    issuer.answer(500, Duration::ZERO);
    gateway.send("raw", &good).await.duplicate();
}

#[tokio::test]
async fn shared_secrets_and_key_files_need_no_issuer() {
    let secret = "a-shared-secret-of-thirty-two-bytes-or-more";
    let by_secret = format!(
        "auth = {{ jwt = {{ issuer = \"i\", audience = \"a\", secret = [{{ value = \"{}\" }}, {{ value = \"{secret}\" }}] }} }}",
        "another-secret-of-thirty-two-bytes-or-more"
    );
    let by_file = "auth = { jwt = { issuer = \"i\", audience = \"a\", jwks-file = \"keys.json\" } }";
    let directory = tempfile::tempdir().unwrap();
    let key = |seed| {
        let x = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sign::public_key(seed));
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": x }] }).to_string()
    };
    std::fs::write(directory.path().join("keys.json"), key([4; 32])).unwrap();
    let config = Config::new().source("secret", "raw", &by_secret).source("file", "raw", by_file);
    let gateway = Gateway::start_in(directory, config).await;
    let claims = json!({ "iss": "i", "aud": "a", "sub": "s", "exp": hookgate_tests::now() + 600 });
    let shared = bearer(&signed(&json!({ "alg": "HS256" }), &claims, hs256(secret.as_bytes())));
    let public = bearer(&signed(&json!({ "alg": "EdDSA" }), &claims, ed25519([4; 32])));
    gateway.send("secret", &shared).await.accepted();
    gateway.send("file", &public).await.accepted();
    gateway.send("secret", &public).await.refused(401);
    gateway.send("file", &shared).await.refused(401);

    // Another file counts once it is read; a broken one changes nothing.
    std::fs::write(gateway.path().join("keys.json"), "{}").unwrap();
    gateway.ask_to_read_again();
    said(&gateway, "is not taken over", 1).await;
    gateway.send("file", &public).await.duplicate();
    std::fs::write(gateway.path().join("keys.json"), key([5; 32])).unwrap();
    gateway.ask_to_read_again();
    said(&gateway, "was read again and is in force", 1).await;
    gateway.send("file", &public).await.refused(401);
    gateway.send("file", &bearer(&signed(&json!({ "alg": "EdDSA" }), &claims, ed25519([5; 32])))).await.duplicate();
}

#[tokio::test]
async fn a_raw_source_that_asks_for_nothing_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hookgate.toml");
    std::fs::write(&file, "[[source]]\nname = \"open\"\nplugin = \"raw\"\n").unwrap();
    let mut command = std::process::Command::new(hookgate_tests::binary());
    let told = hookgate_tests::run(command.args(["check", "--config"]).arg(&file));
    assert_eq!(told.code, Some(1), "{}", told.stdout);
    assert!(told.stdout.contains("anyone could send"), "{}", told.stdout);
}

fn over_tls(config: Config, more: &str) -> Config {
    let tls = format!("{{ certificate = \"certificate.pem\", key = \"key.pem\"{more} }}");
    config.with("server", &format!("tls = {tls}"))
}

async fn start(pair: &Pair, client_ca: Option<&Authority>, config: Config) -> Gateway {
    let directory = tempfile::tempdir().unwrap();
    pair.write(directory.path());
    if let Some(authority) = client_ca {
        std::fs::write(directory.path().join("clients.pem"), authority.certificate()).unwrap();
    }
    Gateway::start_in(directory, config).await
}

#[tokio::test]
async fn the_listener_speaks_tls_and_both_versions_of_http() {
    let authority = Authority::new();
    let gateway = start(&authority.server(), None, over_tls(Config::new().stripe("stripe"), "")).await;
    let (newer, older) = (TlsClient::new(&authority, None), TlsClient::without_pool(&authority));
    let (status, _, version) = newer.send(&gateway, "stripe", &sign::stripe_event(SECRET, "evt_1")).await.unwrap();
    assert_eq!((status, version), (200, Version::HTTP_2));
    let (status, _, version) = older.send(&gateway, "stripe", &sign::stripe_event(SECRET, "evt_2")).await.unwrap();
    assert_eq!((status, version), (200, Version::HTTP_11));
    let (status, ..) = older.send(&gateway, "nobody", &sign::stripe_event(SECRET, "evt_2")).await.unwrap();
    assert_eq!(status, 404);
    let urls = gateway.admin_get("/api/v1/sources").await.text();
    assert!(urls.contains("https://127.0.0.1"), "{urls}");

    let stranger = TlsClient::new(&Authority::new(), None);
    stranger.send(&gateway, "stripe", &sign::stripe_event(SECRET, "evt_3")).await.unwrap_err();
    let mut connection = Connection::open(gateway.deliveries()).await;
    connection.write(b"POST /in/stripe HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(raw::status(&connection.read_to_end().await), 0, "no HTTP without TLS");
    eventually("a failed handshake to be counted", async || {
        (gateway.metric("hookgate_tls_handshakes_total", &["outcome=\"failed\""]).await >= 1.0).then_some(())
    })
    .await;
    assert!(gateway.metric("hookgate_tls_certificate_expiry_timestamp_seconds", &[]).await > 4e9);
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_ends() {
    let authority = Authority::new();
    let config = over_tls(Config::new().stripe("stripe"), "").with("server", "header-timeout = \"300ms\"");
    let gateway = start(&authority.server(), None, config).await;
    let mut silent = Connection::open(gateway.deliveries()).await;
    assert_eq!(silent.read_to_end().await, "");
    let mut begun = Connection::open(gateway.deliveries()).await;
    begun.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await;
    begun.read_to_end().await;
    gateway.counts("hookgate_tls_handshakes_total", &["outcome=\"late\""], 2.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_used_under_load_and_a_broken_one_is_not() {
    let (old, new) = (Authority::new(), Authority::new());
    let gateway = Arc::new(start(&old.server(), None, over_tls(Config::new().stripe("stripe"), "")).await);
    let done = Arc::new(AtomicBool::new(false));
    let sender = tokio::spawn({
        let (gateway, done) = (gateway.clone(), done.clone());
        let clients = [TlsClient::without_pool(&old), TlsClient::without_pool(&new)];
        async move {
            let (mut taken, mut n) = ([0_u32; 2], 0);
            while !done.load(Ordering::SeqCst) || taken[1] == 0 {
                n += 1;
                let delivery = sign::stripe_event(SECRET, &format!("evt_{n}"));
                // One of the two authorities has signed the certificate in use; which one, changes in between.
                for (client, taken) in clients.iter().zip(&mut taken) {
                    if let Ok((status, ..)) = client.send(&gateway, "stripe", &delivery).await {
                        assert_eq!(status, 200);
                        *taken += 1;
                    }
                }
            }
            (taken, n)
        }
    });
    let client = TlsClient::without_pool(&old);
    client.send(&gateway, "stripe", &sign::stripe_event(SECRET, "evt_before")).await.unwrap();
    std::fs::write(gateway.path().join("certificate.pem"), "nonsense").unwrap();
    said(&gateway, "cannot be used; the ones before stay", 1).await;
    client.send(&gateway, "stripe", &sign::stripe_event(SECRET, "evt_between")).await.unwrap();
    new.server().write(gateway.path());
    // SIGHUP has them read at once; by themselves they are read every two seconds.
    gateway.ask_to_read_again();
    said(&gateway, "have changed and are in use", 1).await;
    client.send(&gateway, "stripe", &sign::stripe_event(SECRET, "evt_after")).await.unwrap_err();
    done.store(true, Ordering::SeqCst);
    let (taken, sent) = sender.await.unwrap();
    assert!(
        taken[0] + taken[1] >= sent,
        "{taken:?} of {sent}: each is taken by the certificate before or the one after"
    );
}

#[tokio::test]
async fn clients_are_known_by_their_certificates() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let config = guarded("{ mtls = { allow = [\"dns:sender.example.com\", \"uri:spiffe://example.com/other\"] } }")
        .source("any", "raw", "auth = { mtls = {} }")
        .stripe("stripe");
    let config = over_tls(config, ", client-ca = \"clients.pem\", client-auth = \"optional\"");
    let gateway = start(&authority.server(), Some(&clients), config).await;
    let client = |pair: &Pair| TlsClient::new(&authority, Some(pair));
    let delivery = plain(&[], "{}");
    let sender = client(&clients.client("sender"));
    assert_eq!(sender.send(&gateway, "raw", &delivery).await.unwrap().0, 200);
    assert_eq!(client(&clients.client("other")).send(&gateway, "raw", &delivery).await.unwrap().0, 200);
    let third = client(&clients.client("third"));
    let (status, body, _) = third.send(&gateway, "raw", &delivery).await.unwrap();
    assert!(status == 403 && body.contains("urn:hookgate:forbidden"), "{status} {body}");
    assert_eq!(third.send(&gateway, "any", &delivery).await.unwrap().0, 200);
    // Without one, only a source that requires none accepts a delivery.
    let none = TlsClient::new(&authority, None);
    assert_eq!(none.send(&gateway, "any", &delivery).await.unwrap().0, 403);
    assert_eq!(none.send(&gateway, "stripe", &sign::stripe_event(SECRET, "evt_1")).await.unwrap().0, 200);
    // A certificate of another authority is refused.
    client(&Authority::new().client("sender")).send(&gateway, "raw", &delivery).await.unwrap_err();
    let events = gateway.cli(&["events", "list", "--source", "raw", "--json"]).ok();
    let events: serde_json::Value = serde_json::from_str(&events).unwrap();
    let id = events["events"][0]["id"].as_str().unwrap();
    assert!(gateway.cli(&["events", "show", id]).ok().contains("mtls dns:sender.example.com"));
}

#[tokio::test]
async fn without_a_certificate_there_is_no_connection_where_it_is_required() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let more = ", client-ca = \"clients.pem\", client-auth = \"required\"";
    let gateway = start(&authority.server(), Some(&clients), over_tls(Config::new().stripe("stripe"), more)).await;
    let delivery = sign::stripe_event(SECRET, "evt_1");
    TlsClient::new(&authority, None).send(&gateway, "stripe", &delivery).await.unwrap_err();
    let client = TlsClient::new(&authority, Some(&clients.client("sender")));
    assert_eq!(client.send(&gateway, "stripe", &delivery).await.unwrap().0, 200);
}
