//! Handshakes, as the providers document them, and what comes after; secrets that are handed over in them.

use std::{fs, path::Path, process::Command};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use hookgate_tests::{Config, Delivery, Gateway, Receiver, Reply, binary, eventually, now, run, verified_event};
use serde_json::{Value, json};
use sha2::Sha256;

/// As in Asana's documentation.
const HANDED_OVER: &str = "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81";

const ASANA: &str = "secrets.signing = { handed-over = true }";

fn mac(secret: &str, parts: &[&str]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    mac.finalize().into_bytes().to_vec()
}

fn get(query: &str) -> Delivery {
    Delivery { method: "GET".to_owned(), suffix: query.to_owned(), headers: Vec::new(), body: Vec::new() }
}

fn options(query: &str, headers: &[(&str, &str)]) -> Delivery {
    Delivery { method: "OPTIONS".to_owned(), suffix: query.to_owned(), ..Delivery::post(headers, "") }
}

fn post(query: &str, headers: &[(&str, &str)], body: &str) -> Delivery {
    let json = Delivery::post(headers, body);
    let json = if json.get("content-type").is_none() { json.header("content-type", "application/json") } else { json };
    Delivery { suffix: query.to_owned(), ..json }
}

/// A handshake that is answered with exactly this.
#[track_caller]
fn answered(reply: &Reply, status: u16, headers: &[(&str, &str)], body: &str) {
    assert_eq!((reply.status, reply.outcome(), reply.text().as_str()), (status, "answered", body), "{reply:?}");
    for (name, value) in headers {
        assert_eq!(reply.header(name), Some(*value), "{reply:?}");
    }
    assert!(reply.events().is_empty());
}

const TEXT: [(&str, &str); 2] = [("content-type", "text/plain; charset=utf-8"), ("x-content-type-options", "nosniff")];

/// Sends what is signed rightly, and sees what reaches the receiver.
async fn arrives(
    gateway: &Gateway,
    receiver: &Receiver,
    source: &str,
    delivery: &Delivery,
    count: usize,
) -> Vec<Value> {
    let before = receiver.all().len();
    let ids = gateway.send(source, delivery).await.accepted();
    assert_eq!(ids.len(), count);
    let received = receiver.wait_for(before + count).await;
    received.iter().filter(|one| ids.contains(&one.event_id())).map(verified_event).collect()
}

#[tokio::test]
async fn meta() {
    let receiver = Receiver::start().await;
    let secrets = "secrets.signing = { value = \"app\" }\nsecrets.verify-token = { value = \"mine\" }";
    let gateway = Gateway::start(Config::new().source("meta", "meta", secrets).receiver(&receiver)).await;
    let challenge = get("?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=mine");
    answered(&gateway.send("meta", &challenge).await, 200, &TEXT, "1158201444");
    gateway.send("meta", &get("?hub.mode=subscribe&hub.challenge=1&hub.verify_token=no")).await.refused(401);

    let message = |id: &str| json!({ "value": { "messages": [{ "id": id, "from": "1", "timestamp": "1700000000" }] }, "field": "messages" });
    let body = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "9", "changes": [message("a"), message("b")] }] });
    let body = body.to_string();
    let signature = format!("sha256={}", hex::encode(mac("app", &[&body])));
    let signed = post("", &[("X-Hub-Signature-256", &signature)], &body);
    let events = arrives(&gateway, &receiver, "meta", &signed, 2).await;
    assert!(events.iter().all(|event| event["type"] == "com.meta.whatsapp_business_account.messages"), "{events:?}");
    let ids: Vec<_> = events
        .iter()
        .map(|event| event["data"]["entry"][0]["changes"][0]["value"]["messages"][0]["id"].clone())
        .collect();
    assert!(ids.contains(&json!("a")) && ids.contains(&json!("b")), "{events:?}");
    gateway.send("meta", &signed.tampered("\"a\"", "\"c\"")).await.refused(401);
}

#[tokio::test]
async fn zoom() {
    let receiver = Receiver::start().await;
    let secrets = "secrets.signing = { value = \"zs\" }";
    let gateway = Gateway::start(Config::new().source("zoom", "zoom", secrets).receiver(&receiver)).await;
    let signed = |body: &Value| {
        let (at, body) = (now().to_string(), body.to_string());
        let signature = format!("v0={}", hex::encode(mac("zs", &["v0:", &at, ":", &body])));
        post("", &[("x-zm-request-timestamp", &at), ("x-zm-signature", &signature)], &body)
    };
    let token = "qgg8vlvZRS6UYooatFL8Aw";
    let validation = json!({ "event": "endpoint.url_validation", "event_ts": 1_654_503_849_680_u64, "payload": { "plainToken": token } });
    let expected = format!(r#"{{"plainToken":"{token}","encryptedToken":"{}"}}"#, hex::encode(mac("zs", &[token])));
    let reply = gateway.send("zoom", &signed(&validation)).await;
    answered(&reply, 200, &[("content-type", "application/json")], &expected);
    gateway.send("zoom", &post("", &[], &validation.to_string())).await.refused(401);

    let started = json!({ "event": "meeting.started", "event_ts": 1_700_000_000_000_u64, "payload": { "account_id": "a", "object": { "id": "7" } } });
    let events = arrives(&gateway, &receiver, "zoom", &signed(&started), 1).await;
    assert_eq!((&events[0]["type"], &events[0]["subject"]), (&json!("us.zoom.meeting.started"), &json!("7")));
}

#[tokio::test]
async fn x() {
    let receiver = Receiver::start().await;
    let secrets = "secrets.signing = { value = \"consumer\" }";
    let gateway = Gateway::start(Config::new().source("x", "x", secrets).receiver(&receiver)).await;
    let token = "MWUxMGEyMDEtMGU0Yy00NzA1LWE5NWQ";
    let expected = format!(r#"{{"response_token":"sha256={}"}}"#, BASE64_STANDARD.encode(mac("consumer", &[token])));
    let reply = gateway.send("x", &get(&format!("?crc_token={token}&nonce=1"))).await;
    answered(&reply, 200, &[("content-type", "application/json")], &expected);
    // What could be a delivery is not signed, and what was signed in an answer is not a delivery.
    gateway.send("x", &get("?crc_token=%7B%7D")).await.refused(400);
    let signature = |body: &str| format!("sha256={}", BASE64_STANDARD.encode(mac("consumer", &[body])));
    let header = "x-twitter-webhooks-signature";
    gateway.send("x", &post("", &[(header, &signature(token))], token)).await.refused(401);

    let body = r#"{"for_user_id":"7","tweet_create_events":[{"id_str":"1"}]}"#;
    let events = arrives(&gateway, &receiver, "x", &post("", &[(header, &signature(body))], body), 1).await;
    assert_eq!(
        (&events[0]["type"], &events[0]["id"]),
        (&json!("com.x.tweet_create_events"), &json!("1|tweet_create_events|7|"))
    );
}

#[tokio::test]
async fn dropbox() {
    let receiver = Receiver::start().await;
    let secrets = "secrets.signing = { value = \"app\" }";
    let gateway = Gateway::start(Config::new().source("dropbox", "dropbox", secrets).receiver(&receiver)).await;
    answered(&gateway.send("dropbox", &get("?challenge=ab%20c%3Cd%3E")).await, 200, &TEXT, "ab c<d>");
    let body = r#"{"list_folder":{"accounts":["dbid:A"]},"delta":{"users":[1]}}"#;
    let signature = hex::encode(mac("app", &[body]));
    let signed = post("", &[("X-Dropbox-Signature", &signature)], body);
    let events = arrives(&gateway, &receiver, "dropbox", &signed, 1).await;
    assert_eq!(events[0]["type"], "com.dropbox.list_folder");
    // The same account has changed again: the same bytes, and no duplicate.
    eventually("another notification", async || {
        (gateway.send("dropbox", &signed).await.outcome() == "accepted").then_some(())
    })
    .await;
}

#[tokio::test]
async fn microsoft_graph() {
    let receiver = Receiver::start().await;
    let secrets = "secrets.client-state = { value = \"ours\" }";
    let gateway = Gateway::start(Config::new().source("graph", "microsoft-graph", secrets).receiver(&receiver)).await;
    let validation =
        post("?validationToken=Validation%3a+Testing+client", &[("content-type", "text/plain; charset=utf-8")], "");
    answered(&gateway.send("graph", &validation).await, 200, &TEXT, "Validation: Testing client");
    let notification = |state: &str| {
        let value = json!({ "subscriptionId": "s", "clientState": state, "changeType": "created", "resource": "me/messages/1" });
        post("", &[], &json!({ "value": [value] }).to_string())
    };
    gateway.send("graph", &notification("theirs")).await.refused(401);
    let reply = gateway.send("graph", &notification("ours")).await;
    assert_eq!((reply.status, reply.accepted().len()), (202, 1));
    let received = receiver.wait_for(1).await;
    assert_eq!(verified_event(&received[0])["type"], "com.microsoft.graph.created");
}

#[tokio::test]
async fn azure_event_grid() {
    let receiver = Receiver::start().await;
    let secrets = "secrets.key = { value = \"ours\" }";
    let gateway = Gateway::start(Config::new().source("grid", "azure-event-grid", secrets).receiver(&receiver)).await;
    let event = |kind: &str, data: Value| {
        json!([{ "id": kind, "topic": "/subscriptions/s", "subject": "a/b", "eventType": kind,
        "eventTime": "2018-01-25T22:12:19.4556811Z", "data": data, "dataVersion": "1", "metadataVersion": "1" }])
    };
    let code = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6";
    let validation =
        event("Microsoft.EventGrid.SubscriptionValidationEvent", json!({ "validationCode": code })).to_string();
    let header = [("aeg-event-type", "SubscriptionValidation")];
    let reply = gateway.send("grid", &post("?token=ours", &header, &validation)).await;
    answered(&reply, 200, &[("content-type", "application/json")], &format!(r#"{{"validationResponse":"{code}"}}"#));
    gateway.send("grid", &post("?token=theirs", &header, &validation)).await.refused(401);

    let origin = [("WebHook-Request-Origin", "eventgrid.azure.net"), ("WebHook-Request-Rate", "120")];
    let reply = gateway.send("grid", &options("?token=ours", &origin)).await;
    let allowed = [("webhook-allowed-origin", "eventgrid.azure.net"), ("webhook-allowed-rate", "120")];
    answered(&reply, 200, &allowed, "");

    let notification = event("Microsoft.Storage.BlobCreated", json!({ "api": "PutBlob" })).to_string();
    let events = arrives(
        &gateway,
        &receiver,
        "grid",
        &post("?token=ours", &[("aeg-event-type", "Notification")], &notification),
        1,
    )
    .await;
    assert_eq!(
        (&events[0]["type"], &events[0]["data"]["api"]),
        (&json!("Microsoft.Storage.BlobCreated"), &json!("PutBlob"))
    );
    let cloud_event = json!({ "specversion": "1.0", "id": "c", "source": "/s", "type": "t", "data": [1] }).to_string();
    let json = [("content-type", "application/cloudevents+json; charset=utf-8")];
    let events = arrives(&gateway, &receiver, "grid", &post("?token=ours", &json, &cloud_event), 1).await;
    assert_eq!((&events[0]["id"], &events[0]["data"]), (&json!("c"), &json!([1])));
    // The key is in the URL, and is not shown.
    let id = receiver.all()[0].event_id();
    let shown = gateway.cli(&["events", "show", &id, "--json"]).ok();
    assert!(shown.contains("token=***") && !shown.contains("token=ours"), "{shown}");
}

#[tokio::test]
async fn okta() {
    let receiver = Receiver::start().await;
    let secrets = "secrets.token = { value = \"Bearer ours\" }";
    let gateway = Gateway::start(Config::new().source("okta", "okta", secrets).receiver(&receiver)).await;
    let verification = get("").header("X-Okta-Verification-Challenge", "ya29.a0Af");
    let reply = gateway.send("okta", &verification).await;
    answered(&reply, 200, &[("content-type", "application/json")], r#"{"verification":"ya29.a0Af"}"#);
    let body = json!({ "source": "https://org.okta.com", "data": { "events": [{ "uuid": "u", "eventType": "user.session.start", "actor": { "id": "a" } }] } });
    let body = body.to_string();
    gateway.send("okta", &post("", &[("authorization", "Bearer theirs")], &body)).await.refused(401);
    let events = arrives(&gateway, &receiver, "okta", &post("", &[("authorization", "Bearer ours")], &body), 1).await;
    assert_eq!((&events[0]["type"], &events[0]["id"]), (&json!("com.okta.user.session.start"), &json!("u")));
}

#[tokio::test]
async fn cloudevents_are_let_in_by_the_handshake_and_leave_as_they_came() {
    let receiver = Receiver::start().await;
    let source = "secrets.token = { value = \"mF_9.B5f-4.1JqM\" }\nsettings = { origins = [\"emitter.example.com\"], rate = 100 }\n\
                  limits = { rate = \"3/h\", burst = 2 }";
    let gateway = Gateway::start(Config::new().source("ce", "cloudevents", source).receiver(&receiver)).await;
    let asked = [("WebHook-Request-Origin", "emitter.example.com"), ("WebHook-Request-Rate", "120")];
    let allowed = [
        ("allow", "POST, OPTIONS"),
        ("webhook-allowed-origin", "emitter.example.com"),
        ("webhook-allowed-rate", "100"),
    ];
    answered(&gateway.send("ce", &options("", &asked)).await, 200, &allowed, "");
    let refused = gateway.send("ce", &options("", &[("WebHook-Request-Origin", "other.example.com")])).await;
    refused.refused(401);
    assert_eq!(refused.header("webhook-allowed-origin"), None);

    let event = json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "t.u", "subject": "x", "time": "2018-04-05T17:31:00Z",
        "ext": "e", "n": 5, "yes": true, "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "data": { "a": 1.5 } });
    let structured = [("content-type", "application/cloudevents+json"), ("authorization", "Bearer mF_9.B5f-4.1JqM")];
    let out = arrives(&gateway, &receiver, "ce", &post("", &structured, &event.to_string()), 1).await;
    let mut expected = event.clone();
    expected["datacontenttype"] = json!("application/json");
    assert_eq!(out[0], expected);
    gateway.send("ce", &post("", &structured[..1], &event.to_string())).await.refused(401);

    // In binary mode, by a token in the query; the source's rate is spent with it.
    let binary = [
        ("content-type", "text/plain"),
        ("ce-specversion", "1.0"),
        ("ce-id", "2"),
        ("ce-source", "/s"),
        ("ce-type", "t.u"),
        ("ce-ext", "e"),
    ];
    let binary = post("?access_token=mF_9.B5f-4.1JqM", &binary, "hello");
    let out = arrives(&gateway, &receiver, "ce", &binary, 1).await;
    assert_eq!(
        (&out[0]["id"], &out[0]["ext"], &out[0]["data"], &out[0]["datacontenttype"]),
        (&json!("2"), &json!("e"), &json!("hello"), &json!("text/plain"))
    );
    let throttled = gateway.send("ce", &binary).await;
    throttled.refused(429);
    assert!(throttled.retry_after().is_some_and(|seconds| seconds > 0), "{throttled:?}");
    assert!(!gateway.said().contains("mF_9"), "no token in the log");
}

fn handshake(secret: &str) -> Delivery {
    post("", &[("X-Hook-Secret", secret)], "{}")
}

fn asana(secret: &str, gid: &str) -> Delivery {
    let body = json!({ "events": [{ "action": "changed", "created_at": "2013-08-21T18:20:37.972Z", "resource": { "gid": gid, "resource_type": "task" } }] });
    let body = body.to_string();
    let signature = hex::encode(mac(secret, &[&body]));
    post("", &[("X-Hook-Signature", &signature)], &body)
}

/// Whether a text is in any file of a directory.
fn is_in_files(directory: &Path, text: &str) -> bool {
    fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            is_in_files(&path, text)
        } else {
            fs::read(&path).is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
        }
    })
}

#[tokio::test]
async fn a_secret_handed_over_is_kept_sealed_and_survives_a_kill() {
    for engine in ["fjall", "sled"] {
        let receiver = Receiver::start().await;
        let config = Config::new()
            .with("store", &format!("engine = \"{engine}\""))
            .source("asana", "asana", ASANA)
            .receiver(&receiver);
        let mut gateway = Gateway::start(config).await;
        // Before the handshake nothing can be judged; the provider tries again.
        gateway.send("asana", &asana(HANDED_OVER, "0")).await.refused(503);
        let reply = gateway.send("asana", &handshake(HANDED_OVER)).await;
        answered(&reply, 200, &[("x-hook-secret", HANDED_OVER)], "");
        gateway.kill();
        gateway.restart().await;

        let events = arrives(&gateway, &receiver, "asana", &asana(HANDED_OVER, "1"), 1).await;
        assert_eq!((&events[0]["type"], &events[0]["subject"]), (&json!("com.asana.task.changed"), &json!("1")));
        gateway.send("asana", &asana("other", "2")).await.refused(401);
        let unsolicited = gateway.send("asana", &handshake("of-a-stranger")).await;
        assert_eq!(unsolicited.refused(403)["type"], "urn:hookgate:handover-closed");
        assert_eq!(unsolicited.header("x-hook-secret"), None);
        gateway.send("asana", &asana("of-a-stranger", "3")).await.refused(401);
        gateway.counts("hookgate_handed_over_secrets", &["source=\"asana\""], 1.0).await;

        gateway.stop().await;
        assert!(!is_in_files(&gateway.path().join("data"), HANDED_OVER), "{engine}: it lies in the store as it is");
        assert!(!gateway.said().contains(HANDED_OVER) && !gateway.said().contains("of-a-stranger"));
    }
}

#[tokio::test]
async fn further_secrets_come_in_by_a_window_and_go_by_order() {
    let receiver = Receiver::start().await;
    let config = Config::new().source("asana", "asana", ASANA).receiver(&receiver);
    let gateway = Gateway::start(config.clone()).await;
    answered(&gateway.send("asana", &handshake("first-secret")).await, 200, &[], "");
    gateway.send("asana", &handshake("second-secret")).await.refused(403);
    let opened = gateway.cli(&["secrets", "open", "asana", "--for", "1h"]).ok();
    assert!(opened.contains("accepts further secrets until"), "{opened}");
    // Reading the configuration again closes no window and forgets no secret.
    gateway.configure(&config.clone().source("other", "asana", ASANA));
    gateway.ask_to_read_again();
    eventually("the configuration in force", async || {
        (gateway.send("other", &handshake("other-secret")).await.status == 200).then_some(())
    })
    .await;
    answered(&gateway.send("asana", &handshake("second-secret")).await, 200, &[("x-hook-secret", "second-secret")], "");
    for (secret, gid) in [("first-secret", "1"), ("second-secret", "2")] {
        arrives(&gateway, &receiver, "asana", &asana(secret, gid), 1).await;
    }
    gateway.send("asana", &asana("other-secret", "3")).await.refused(401);

    let list = gateway.cli(&["secrets", "list", "--json"]).ok();
    assert!(!list.contains("-secret\""), "{list}");
    let list: Value = serde_json::from_str(&list).unwrap();
    let of_asana = &list["sources"][0];
    assert_eq!((&of_asana["source"], of_asana["secrets"].as_array().unwrap().len()), (&json!("asana"), 2));
    let oldest = of_asana["secrets"][1]["version"].as_str().unwrap();
    gateway.cli(&["secrets", "forget", "asana", oldest]).ok();
    gateway.send("asana", &asana("first-secret", "4")).await.refused(401);
    arrives(&gateway, &receiver, "asana", &asana("second-secret", "5"), 1).await;
    assert_eq!(gateway.cli(&["secrets", "forget", "asana", oldest]).code, Some(1));
    assert_eq!(gateway.cli(&["secrets", "open", "nobody"]).code, Some(1));
    assert!(!gateway.said().contains("-secret"), "no secret in the log");
}

fn serve_fails(gateway: &Gateway) -> String {
    let mut command = Command::new(binary());
    let ended = run(command.arg("serve").arg("--config").arg(gateway.config_file()).current_dir(gateway.path()));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    ended.stderr
}

#[tokio::test]
async fn without_its_key_the_gateway_does_not_start_and_says_what_to_do() {
    let key = |key: &str| {
        Config::new().with("store", &format!("seal-key = {{ value = \"{key}\" }}")).source("asana", "asana", ASANA)
    };
    let mut gateway = Gateway::start(key("0123456789abcdef0123456789abcdef")).await;
    answered(&gateway.send("asana", &handshake(HANDED_OVER)).await, 200, &[], "");
    gateway.stop().await;
    gateway.configure(&key("another-key-another-key-another-key"));
    let said = serve_fails(&gateway);
    assert!(
        said.contains("store.seal-key") && said.contains("forget-sealed") && !said.contains("another-key"),
        "{said}"
    );
    let short = gateway.path().join("short.toml");
    fs::write(&short, "[store]\nseal-key = { value = \"short\" }\n").unwrap();
    let checked = gateway.cli(&["check", "--config", short.to_str().unwrap()]);
    assert!(checked.code == Some(1) && checked.stdout.contains("shorter than 32 characters"), "{checked:?}");

    // In another directory, on another engine, and with the key that was in force then.
    let right = key("0123456789abcdef0123456789abcdef");
    gateway.configure(&right);
    let file = gateway.config_file();
    let file = file.to_str().unwrap();
    gateway.cli(&["store", "migrate", "--config", file, "--to", "sled"]).ok();
    gateway.configure(&right.clone().with("store", "engine = \"sled\""));
    gateway.restart().await;
    gateway.send("asana", &asana(HANDED_OVER, "1")).await.accepted();
    gateway.stop().await;

    gateway.configure(&key("another-key-another-key-another-key").with("store", "engine = \"sled\""));
    assert_eq!(gateway.cli(&["store", "forget-sealed", "--config", file]).ok().trim(), "1 forgotten");
    gateway.restart().await;
    gateway.send("asana", &asana(HANDED_OVER, "2")).await.refused(503);
    answered(&gateway.send("asana", &handshake("a-new-one")).await, 200, &[], "");
}

#[tokio::test]
async fn the_store_s_own_key_moves_along() {
    let config = Config::new().source("asana", "asana", ASANA);
    let mut gateway = Gateway::start(config.clone()).await;
    answered(&gateway.send("asana", &handshake(HANDED_OVER)).await, 200, &[], "");
    gateway.stop().await;
    let (file, moved) = (gateway.config_file(), gateway.path().join("moved"));
    let (file, moved) = (file.to_str().unwrap(), moved.to_str().unwrap());
    gateway.cli(&["store", "migrate", "--config", file, "--to", "fjall", "--path", moved]).ok();
    gateway.configure(&config.clone().with("store", "path = \"moved\""));
    gateway.restart().await;
    gateway.send("asana", &asana(HANDED_OVER, "1")).await.accepted();
    gateway.stop().await;
    fs::remove_file(gateway.path().join("moved/seal-key")).unwrap();
    let said = serve_fails(&gateway);
    assert!(said.contains("moved/seal-key") && said.contains("put it back"), "{said}");
}

#[tokio::test]
async fn a_source_without_handover_accepts_no_secret() {
    let configured = "secrets.signing = { value = \"configured\" }";
    let config = Config::new().source("asana", "asana", configured).source(
        "both",
        "asana",
        "secrets.signing = [{ value = \"configured\" }, { handed-over = true }]",
    );
    let gateway = Gateway::start(config).await;
    for source in ["asana", "both"] {
        gateway.send(source, &handshake("of-a-stranger")).await.refused(403);
        gateway.send(source, &asana("configured", source)).await.accepted();
    }
    for secret in ["", "a b", &"s".repeat(1025)] {
        gateway.send("both", &Delivery::post(&[], "{}").header("x-hook-secret", secret)).await.refused(400);
    }
    let refused = gateway.cli(&["secrets", "open", "asana"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("handed-over"), "{refused:?}");
}
