//! Every bundled provider, over HTTP: its own signatures, its published vectors, its handshakes and replies.

use std::{collections::HashSet, fs};

use hookgate_tests::{Config, Delivery, Gateway, Receiver, binary, directory, now, run, sign, verified_event};
use serde_json::{Value, json};

const PUBLIC_URL: &str = "https://hooks.example.com";

/// How a provider signs, and what hookgate makes of it.
struct Provider {
    plugin: &'static str,
    /// Three keys in the provider's own form: the old one, the new one, and one that the source does not know.
    keys: [&'static str; 3],
    /// The name of the secret, and a key as it is written into the configuration.
    secret: (&'static str, fn(&str) -> String),
    /// Signs an event of that id at that time, for a source at that URL.
    sign: fn(key: &str, id: &str, at: u64, url: &str) -> Delivery,
    /// Text of the body that a forger changes, and what to.
    tampering: (&'static str, &'static str),
    /// The header that holds the signature; none where it is in the body.
    header: Option<&'static str>,
    /// Seconds that a signature lives, and whether it may come from as far in the future.
    tolerance: Option<(u64, Future)>,
    /// The CloudEvent's type.
    kind: &'static str,
    /// The CloudEvent's id, where the provider gives one.
    id: fn(id: &str) -> Option<String>,
}

#[derive(PartialEq)]
enum Future {
    Refused,
    Taken,
}

fn as_it_is(key: &str) -> String {
    key.to_owned()
}

fn same_id(id: &str) -> Option<String> {
    Some(id.to_owned())
}

impl Provider {
    fn secrets(&self, keys: &[&str]) -> String {
        let (name, write) = self.secret;
        let values: Vec<_> = keys.iter().map(|key| format!("{{ value = {:?} }}", write(key))).collect();
        format!("secrets.{name} = [{}]", values.join(", "))
    }

    fn sign(&self, key: &str, id: &str, at: u64, source: &str) -> Delivery {
        (self.sign)(key, id, at, &format!("{PUBLIC_URL}/in/{source}"))
    }

    /// Valid, duplicate, rotated, tampered, wrong, missing, doubled, overlong, stale: and two events at the receiver.
    async fn check(&self) {
        let [old, new, unknown] = self.keys;
        let receiver = Receiver::start().await;
        let config = Config::new()
            .with("server", &format!("public-url = \"{PUBLIC_URL}\""))
            .source("both", self.plugin, &self.secrets(&[new, old]))
            .source("new", self.plugin, &self.secrets(&[new]))
            .receiver(&receiver);
        let mut gateway = Gateway::start(config).await;
        let at = now();

        // Both live secrets are accepted; a copy is answered as a duplicate, with the id of the original event.
        let first = self.sign(new, "evt-1", at, "both");
        let ids = gateway.send("both", &first).await.accepted();
        let ids_of_old = gateway.send("both", &self.sign(old, "evt-2", at, "both")).await.accepted();
        assert_eq!(gateway.send("both", &first).await.duplicate(), ids);
        let again = self.sign(old, "evt-1", at - 2, "both");
        if again.body == first.body {
            assert_eq!(gateway.send("both", &again).await.duplicate(), ids, "signed anew for a retry");
        }

        // Forgeries of every sort.
        let tampered = first.clone().tampered(self.tampering.0, self.tampering.1);
        assert_eq!(gateway.send("both", &tampered).await.refused(401)["type"], "urn:hookgate:unauthenticated");
        gateway.send("both", &self.sign(unknown, "evt-3", at, "both")).await.refused(401);
        gateway.send("new", &self.sign(old, "evt-4", at, "new")).await.refused(401);
        if let Some(header) = self.header {
            self.check_headers(&gateway, &first, header).await;
        }
        if let Some((tolerance, future)) = &self.tolerance {
            let stale = self.sign(new, "evt-5", at - tolerance - 60, "both");
            assert_eq!(gateway.send("both", &stale).await.refused(401)["type"], "urn:hookgate:stale");
            let early = gateway.send("both", &self.sign(new, "evt-6", at + tolerance + 60, "both")).await;
            match future {
                Future::Refused => assert_eq!(early.refused(401)["type"], "urn:hookgate:stale"),
                Future::Taken => drop(early.accepted()),
            }
        }

        // Nothing of that has reached the receiver but what was admitted.
        let early = usize::from(matches!(&self.tolerance, Some((_, Future::Taken))));
        let received = receiver.wait_for(2 + early).await;
        for (id, ids) in [("evt-1", ids), ("evt-2", ids_of_old)] {
            let received: Vec<_> = received.iter().filter(|received| ids.contains(&received.event_id())).collect();
            assert_eq!(received.len(), 1, "{id} must arrive once");
            let event = verified_event(received[0]);
            assert_eq!(event["type"], self.kind);
            if let Some(id) = (self.id)(id) {
                assert_eq!(event["id"], id);
            }
        }
        assert!(gateway.stop().await.success());
        assert_eq!(receiver.all().len(), 2 + early);
    }

    /// A signature header that is missing, empty, doubled, no UTF-8 or absurdly long.
    async fn check_headers(&self, gateway: &Gateway, good: &Delivery, header: &str) {
        let missing = good.clone().without(header);
        let right = good.get(header).unwrap().to_vec();
        gateway.send("both", &missing).await.refused(401);
        let long = [&right[..], &b",".repeat(20_000)].concat();
        for value in [&b""[..], b"\xff\xfe\xfd", b"=,=;", &long] {
            let reply = gateway.send("both", &missing.clone().header(header, value)).await;
            assert!(matches!(reply.status, 400 | 401), "{reply:?}");
            reply.refused(reply.status);
        }
        let doubled = gateway.send("both", &good.clone().header(header, &right)).await;
        assert!(matches!(doubled.status, 400 | 401), "a header that stands there twice: {doubled:?}");
    }
}

#[tokio::test]
async fn stripe() {
    Provider {
        plugin: "stripe",
        keys: ["whsec_old", "whsec_new", "whsec_other"],
        secret: ("signing", as_it_is),
        sign: |key, id, at, _| sign::stripe(key, at, sign::stripe_body(id, 1_700_000_000)),
        tampering: ("1099", "9999"),
        header: Some("stripe-signature"),
        tolerance: Some((300, Future::Taken)),
        kind: "com.stripe.invoice.paid",
        id: same_id,
    }
    .check()
    .await;
}

#[tokio::test]
async fn github() {
    Provider {
        plugin: "github",
        keys: ["old secret", "new secret", "other secret"],
        secret: ("signing", as_it_is),
        sign: |key, id, _, _| {
            let body = json!({ "ref": "refs/heads/main", "after": id, "repository": { "full_name": "o/r", "id": 1 } });
            sign::github(key, "push", id, body.to_string())
        },
        tampering: ("main", "evil"),
        header: Some("x-hub-signature-256"),
        tolerance: None,
        kind: "com.github.push",
        id: same_id,
    }
    .check()
    .await;
}

#[tokio::test]
async fn slack() {
    Provider {
        plugin: "slack",
        keys: ["8f742231b10e8888abcd99yyyzzz85a5", "a new one", "another"],
        secret: ("signing", as_it_is),
        sign: |key, id, at, _| {
            let body = json!({
                "token": "t", "team_id": "T1", "api_app_id": "A1", "type": "event_callback", "event_id": id,
                "event_time": 1_700_000_000, "event": { "type": "app_mention", "user": "U1", "text": "hello", "ts": "1.2" },
            });
            sign::slack(key, at, body.to_string())
        },
        tampering: ("hello", "jello"),
        header: Some("x-slack-signature"),
        tolerance: Some((300, Future::Refused)),
        kind: "com.slack.app_mention",
        id: same_id,
    }
    .check()
    .await;
}

#[tokio::test]
async fn shopify() {
    Provider {
        plugin: "shopify",
        keys: ["old", "new", "other"],
        secret: ("signing", as_it_is),
        sign: |key, id, _, _| {
            sign::shopify(key, "orders/create", id, json!({ "id": 820982911, "total": "1.00" }).to_string())
        },
        tampering: ("1.00", "9.00"),
        header: Some("x-shopify-hmac-sha256"),
        tolerance: None,
        kind: "com.shopify.orders.create",
        id: same_id,
    }
    .check()
    .await;
}

#[tokio::test]
async fn standard_webhooks() {
    Provider {
        plugin: "standard-webhooks",
        keys: [
            "whsec_b2xkb2xkb2xkb2xkb2xkb2xkb2xk",
            "whsec_bmV3bmV3bmV3bmV3bmV3bmV3bmV3",
            "whsec_b3RoZXJvdGhlcm90aGVyb3RoZXI=",
        ],
        secret: ("signing", as_it_is),
        sign: |key, id, at, _| {
            let body =
                json!({ "type": "user.created", "timestamp": "2026-01-02T03:04:05Z", "data": { "name": "Ada" } });
            sign::standard_webhooks(key, id, at, body.to_string())
        },
        tampering: ("Ada", "Eve"),
        header: Some("webhook-signature"),
        tolerance: Some((300, Future::Refused)),
        kind: "com.standardwebhooks.user.created",
        id: same_id,
    }
    .check()
    .await;
}

fn seed(key: &str) -> [u8; 32] {
    [key.as_bytes()[0]; 32]
}

#[tokio::test]
async fn standard_webhooks_by_ed25519() {
    Provider {
        plugin: "standard-webhooks",
        keys: ["old", "new", "unknown"],
        secret: ("public-key", |key| {
            use base64::{Engine as _, engine::general_purpose::STANDARD};
            format!("whpk_{}", STANDARD.encode(sign::public_key(seed(key))))
        }),
        sign: |key, id, at, _| {
            let body =
                json!({ "type": "user.created", "timestamp": "2026-01-02T03:04:05Z", "data": { "name": "Ada" } });
            sign::standard_webhooks_ed25519(seed(key), id, at, body.to_string())
        },
        tampering: ("Ada", "Eve"),
        header: Some("webhook-signature"),
        tolerance: Some((300, Future::Refused)),
        kind: "com.standardwebhooks.user.created",
        id: same_id,
    }
    .check()
    .await;
}

#[tokio::test]
async fn twilio() {
    Provider {
        plugin: "twilio",
        keys: ["old", "new", "other"],
        secret: ("auth-token", as_it_is),
        sign: |key, id, _, url| {
            let parameters = [
                ("MessageSid", id),
                ("SmsStatus", "received"),
                ("From", "+1415"),
                ("Body", "Grüße & more"),
                ("AccountSid", "AC1"),
            ];
            sign::twilio(key, url, &parameters)
        },
        tampering: ("1415", "1416"),
        header: Some("x-twilio-signature"),
        tolerance: None,
        kind: "com.twilio.message.received",
        id: |id| Some(format!("{id}:received")),
    }
    .check()
    .await;
}

#[tokio::test]
async fn twilio_with_json() {
    Provider {
        plugin: "twilio",
        keys: ["old", "new", "other"],
        secret: ("auth-token", as_it_is),
        sign: |key, id, _, url| sign::twilio_json(key, url, json!({ "call": id, "state": "done" }).to_string()),
        tampering: ("done", "gone"),
        header: Some("x-twilio-signature"),
        tolerance: None,
        kind: "com.twilio.webhook",
        id: |_| None,
    }
    .check()
    .await;
}

const ADYEN_KEYS: [&str; 3] = [
    "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
    "DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00",
    "00000000000000000000000000000000000000000000000000000000000000AA",
];

#[tokio::test]
async fn adyen() {
    Provider {
        plugin: "adyen",
        keys: ADYEN_KEYS,
        secret: ("hmac", as_it_is),
        sign: |key, id, _, _| sign::adyen(key, &[sign::adyen_item(id, "AUTHORISATION", 1099)]),
        tampering: ("1099", "1098"),
        header: None,
        tolerance: None,
        kind: "com.adyen.AUTHORISATION",
        id: |_| None,
    }
    .check()
    .await;
}

#[tokio::test]
async fn discord() {
    Provider {
        plugin: "discord",
        keys: ["old", "new", "unknown"],
        secret: ("public-key", |key| hex::encode(sign::public_key(seed(key)))),
        sign: |key, id, at, _| {
            let body = json!({
                "version": 1, "application_id": "1234560123453231555", "type": 1,
                "event": {
                    "type": "APPLICATION_AUTHORIZED", "timestamp": "2024-10-18T14:42:53.064834",
                    "data": { "integration_type": 1, "scopes": ["applications.commands"], "user": { "id": id } },
                },
            });
            sign::discord(seed(key), at, body.to_string())
        },
        tampering: ("AUTHORIZED", "DEAUTHORIZED"),
        header: Some("x-signature-ed25519"),
        tolerance: None,
        kind: "com.discord.APPLICATION_AUTHORIZED",
        id: |_| None,
    }
    .check()
    .await;
}

#[tokio::test]
async fn each_item_of_an_adyen_delivery_is_an_event_and_all_are_verified() {
    let receiver = Receiver::start().await;
    let secrets = format!("secrets.hmac = {{ value = \"{}\" }}", ADYEN_KEYS[0]);
    let gateway = Gateway::start(Config::new().source("adyen", "adyen", &secrets).receiver(&receiver)).await;
    let item = |reference: &str| sign::adyen_item(reference, "CAPTURE", 500);

    let three = gateway.send("adyen", &sign::adyen(ADYEN_KEYS[0], &["a", "b", "c"].map(item))).await;
    assert_eq!(three.text(), "[accepted]");
    let ids = three.accepted();
    assert_eq!(ids.len(), 3);
    // Two known items beside a new one: the new one is admitted, the others keep their ids.
    let again = gateway.send("adyen", &sign::adyen(ADYEN_KEYS[0], &["b", "d", "a"].map(item))).await.accepted();
    assert_eq!((&again[0], &again[2]), (&ids[1], &ids[0]));
    // One forged item spoils the delivery: half a delivery is never admitted.
    let forged = sign::adyen(ADYEN_KEYS[0], &["e", "f"].map(item)).tampered("\"f\"", "\"g\"");
    gateway.send("adyen", &forged).await.refused(401);

    let received = receiver.wait_for(4).await;
    let expected: HashSet<_> = ids.iter().chain(&again).cloned().collect();
    assert_eq!(received.iter().map(|one| one.event_id()).collect::<HashSet<_>>(), expected);
    let mut references: Vec<_> = received
        .iter()
        .map(|received| verified_event(received)["data"]["pspReference"].as_str().unwrap_or_default().to_owned())
        .collect();
    references.sort();
    assert_eq!(references, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn slack_s_challenge_is_answered_and_never_an_event() {
    let receiver = Receiver::start().await;
    let config = Config::new().source("slack", "slack", "secrets.signing = { value = \"s3cret\" }").receiver(&receiver);
    let mut gateway = Gateway::start(config).await;
    let challenge = json!({ "token": "t", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P", "type": "url_verification" });
    let signed = sign::slack("s3cret", now(), challenge.to_string());
    let reply = gateway.send("slack", &signed).await;
    assert_eq!((reply.status, reply.outcome()), (200, "answered"));
    assert!(reply.text().contains("3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"), "{reply:?}");
    assert!(reply.events().is_empty());
    // An unsigned challenge is not answered.
    gateway.send("slack", &sign::slack("wrong", now(), challenge.to_string())).await.refused(401);
    gateway.stop().await;
    assert_eq!(receiver.all().len(), 0);
}

#[tokio::test]
async fn discord_s_pings_are_answered_and_its_deliberate_forgeries_refused() {
    let key = hex::encode(sign::public_key(seed("d")));
    let secrets = format!("secrets.public-key = {{ value = \"{key}\" }}");
    let gateway = Gateway::start(Config::new().source("discord", "discord", &secrets)).await;
    let ping = r#"{"id":"1","application_id":"2","type":1,"version":1}"#;
    let pong = gateway.send("discord", &sign::discord(seed("d"), now(), ping)).await;
    assert_eq!((pong.status, pong.outcome(), pong.json()), (200, "answered", json!({ "type": 1 })));
    let event_ping = r#"{"version":1,"application_id":"2","type":0}"#;
    let answer = gateway.send("discord", &sign::discord(seed("d"), now(), event_ping)).await;
    assert_eq!((answer.status, answer.outcome(), answer.body.len()), (204, "answered", 0));
    gateway.send("discord", &sign::discord(seed("x"), now(), ping)).await.refused(401);
}

/// What the providers themselves publish, each vector with a source of its own.
#[tokio::test]
async fn published_vectors_get_their_verdicts_over_http() {
    let vectors = published_vectors();
    assert!(vectors.len() >= 30, "{}", vectors.len());
    let mut config = Config::new();
    for (source, plugin, vector) in &vectors {
        config = config.source(source, plugin, &source_lines(plugin, vector));
    }
    let gateway = Gateway::start(config).await;
    let mut wrong = Vec::new();
    for (source, _, vector) in &vectors {
        let reply = gateway.send(source, &delivery_of(vector)).await;
        let taken = (200..300).contains(&reply.status);
        let judged = taken || matches!(reply.status, 400 | 401 | 422);
        if !judged || taken != vector["valid"].as_bool().unwrap() {
            wrong.push(format!("{}: {} {}", vector["id"], reply.status, vector["note"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Name of the source, plugin, vector.
fn published_vectors() -> Vec<(String, String, Value)> {
    let mut vectors = Vec::new();
    for entry in fs::read_dir(directory("guest-plugins")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(text) = fs::read_to_string(path.join("vectors/published.json")) else { continue };
        let plugin = path.file_name().unwrap().to_str().unwrap();
        for vector in serde_json::from_str::<Vec<Value>>(&text).unwrap() {
            vectors.push((format!("{plugin}-{}", vectors.len()), plugin.to_owned(), vector));
        }
    }
    vectors
}

fn source_lines(plugin: &str, vector: &Value) -> String {
    let (name, text) = match (&vector["secret"], &vector["public_key"]) {
        (Value::String(secret), _) => (secret_name(plugin), secret),
        (_, Value::String(key)) => ("public-key", key),
        _ => panic!("no secret: {vector}"),
    };
    let mut settings: Vec<String> =
        vector["params"].as_object().into_iter().flatten().map(|(name, value)| format!("{name} = {value}")).collect();
    // Received now, not when it was signed: where the time is not what the vector is about, let it pass.
    let now = vector["now_unix"].to_string();
    if vector["now_unix"].is_u64() && (vector["valid"] == true || vector["headers"].to_string().contains(&now)) {
        settings.push("tolerance = 0".to_owned());
    }
    if let (Some(url), "twilio") = (vector["url"].as_str(), plugin) {
        settings.push(format!("url = {}", json!(url)));
    }
    // A text in JSON is one in TOML, too.
    format!("secrets.{name} = {{ value = {} }}\nsettings = {{ {} }}", json!(text), settings.join(", "))
}

fn secret_name(plugin: &str) -> &'static str {
    match plugin {
        "twilio" => "auth-token",
        "adyen" => "hmac",
        _ => "signing",
    }
}

fn delivery_of(vector: &Value) -> Delivery {
    let headers = vector["headers"].as_object().into_iter().flatten();
    let headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().as_bytes().to_vec()));
    let url = vector["url"].as_str().unwrap_or_default();
    Delivery {
        method: vector["method"].as_str().unwrap_or("POST").to_owned(),
        suffix: url.find('?').map_or(String::new(), |at| url[at..].to_owned()),
        headers: headers.collect(),
        body: vector["body"].as_str().unwrap_or_default().as_bytes().to_vec(),
    }
}

/// The vectors that each component carries, in the sandbox, by the command that users have for it.
#[test]
fn every_bundled_plugin_passes_its_own_vectors() {
    for plugin in bundled() {
        let mut command = std::process::Command::new(binary());
        let finished = run(command.args(["plugin", "test", &plugin]));
        assert_eq!(finished.code, Some(0), "{plugin}: {}{}", finished.stdout, finished.stderr);
        assert!(finished.stdout.lines().count() > 1, "{plugin}: {}", finished.stdout);
    }
}

/// Every plugin of this repository.
fn of_repository() -> Vec<String> {
    let crates = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-plugins")).unwrap();
    let crates = crates.map(Result::unwrap).filter(|entry| entry.path().join("Cargo.toml").is_file());
    let names: Vec<String> = crates.map(|entry| entry.file_name().into_string().unwrap()).collect();
    assert!(names.len() > 20, "{names:?}");
    names
}

fn bundled() -> Vec<String> {
    let mut command = std::process::Command::new(binary());
    let list: Value = serde_json::from_str(&run(command.args(["plugin", "list", "--json"])).ok()).unwrap();
    let plugins = list.as_array().or(list["plugins"].as_array()).unwrap();
    let names: Vec<String> = plugins.iter().map(|plugin| plugin["name"].as_str().unwrap().to_owned()).collect();
    for expected in of_repository() {
        assert!(names.contains(&expected), "{expected} is not bundled: {names:?}");
    }
    names
}

/// `hookgate send` signs as the provider does: what it sends is admitted.
#[tokio::test]
async fn send_signs_for_every_provider_that_can_be_signed_for() {
    let receiver = Receiver::start().await;
    let discord = hex::encode(sign::public_key([7; 32]));
    let standard = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let providers = [
        ("stripe", "signing", "whsec_1", "whsec_1"),
        ("github", "signing", "gh", "gh"),
        ("slack", "signing", "sl", "sl"),
        ("shopify", "signing", "sh", "sh"),
        ("standard-webhooks", "signing", standard, standard),
        ("twilio", "auth-token", "tw", "tw"),
        ("adyen", "hmac", ADYEN_KEYS[0], ADYEN_KEYS[0]),
        ("discord", "public-key", &discord, &hex::encode([7; 32])),
        ("asana", "signing", "as", "as"),
        ("cloudevents", "signing", standard, standard),
        ("dropbox", "signing", "db", "db"),
        ("x", "signing", "x", "x"),
        ("zoom", "signing", "zm", "zm"),
    ];
    let mut config = Config::new().receiver(&receiver);
    for (plugin, name, verifying, _) in providers {
        config = config.source(plugin, plugin, &format!("secrets.{name} = {{ value = {verifying:?} }}"));
    }
    let gateway = Gateway::start(config).await;
    for (plugin, _, _, signing) in providers {
        let sent = gateway.cli(&["send", plugin, "--secret", signing, &gateway.url(plugin)]);
        assert_eq!(sent.code, Some(0), "{plugin}: {}{}", sent.stdout, sent.stderr);
        assert!(sent.stdout.contains("accepted"), "{plugin}: {}", sent.stdout);
        let forged = gateway.cli(&[
            "send",
            plugin,
            "--secret",
            &signing.replace(char::is_alphanumeric, "0"),
            &gateway.url(plugin),
        ]);
        assert_ne!(forged.code, Some(0), "{plugin}: {}{}", forged.stdout, forged.stderr);
    }
    for received in receiver.wait_for(providers.len()).await {
        verified_event(&received);
    }
}
