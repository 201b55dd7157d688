use hookgate_sandbox::{Catalog, Sandbox, SandboxLimits, child::FirstCalls};
use serde_json::json;

use super::*;

#[tokio::test]
async fn a_gateway_without_troubles_is_ready() {
    let api = Api::with("");
    assert_eq!(api.get("/healthz").await, (StatusCode::OK, json!("ok\n")));
    assert_eq!(api.get("/readyz").await, (StatusCode::OK, json!({ "ready": true, "reasons": [] })));
}

#[tokio::test]
async fn every_reason_against_readiness_is_told() {
    let api = Api::new();
    let (status, readiness) = api.get("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(readiness, json!({ "ready": false, "reasons": ["the source shop has no plugin shopping"] }));
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let response = Api::new().call(request(Method::GET, "/metrics").body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(response.body(), "# nothing yet\n");
}

#[tokio::test]
async fn the_status_has_the_figures_of_the_store() {
    let api = Api::new();
    let id = api.admit("shop", "1").await;
    api.route(id, &["orders", "audit"]).await;
    api.kill(id, "audit").await;
    api.admit("shop", "2").await;
    let status = api.found("/api/v1/status").await;
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&status["engine"], &status["store"]["deliveries"]), (&json!("fjall"), &json!(2)));
    assert_eq!(status["inbox"]["depth"], 1);
    assert_eq!(status["queues"]["orders"]["depth"], 1);
    assert_eq!(status["queues"]["audit"]["dead"], 1);
    assert!(status["queues"]["orders"]["oldest_seconds"].is_u64(), "{status}");
}

#[tokio::test]
async fn sources_tell_the_names_of_secrets_only() {
    let sources = Api::new().found("/api/v1/sources").await;
    let shop = &sources["sources"][0];
    assert_eq!((&shop["name"], &shop["plugin"]), (&json!("shop"), &json!("shopping")));
    assert_eq!(shop["url"], "https://hooks.example/in/shop");
    assert_eq!(shop["secrets"], json!({ "signing": 1 }));
    assert_eq!(shop["settings"], json!({ "tolerance": "300" }));
    assert!(!sources.to_string().contains("own secret"), "{sources}");
}

#[tokio::test]
async fn destinations_have_queues_and_no_credentials() {
    let api = Api::new();
    let id = api.admit("shop", "1").await;
    api.route(id, &["orders"]).await;
    let destinations = api.found("/api/v1/destinations").await;
    let orders = &destinations["destinations"][0];
    assert_eq!((&orders["name"], &orders["kind"], &orders["depth"]), (&json!("orders"), &json!("http"), &json!(1)));
    assert_eq!((&orders["breaker_open"], &orders["dead"]), (&json!(true), &json!(0)));
    assert!(!destinations.to_string().contains("hush"), "{destinations}");
    assert_eq!(destinations["destinations"][1]["kind"], "stdout");
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_tell_what_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let limits = SandboxLimits { concurrency: 1, memory_bytes: 16 << 20, time: Duration::from_secs(1) };
    let sandbox = Sandbox::new(limits, &directory.path().join("cache"), FirstCalls::InThisProcess).unwrap();
    let stripe = Catalog::new(None).unwrap().load("stripe", &sandbox).await.unwrap();
    let config = config(directory.path(), "");
    let journal = Journal::open(&config.store).unwrap();
    let parts = Parts {
        enrollments: Enrollments::open(journal.clone(), &config.store.path, None).unwrap(),
        journal,
        current: current(config, BTreeMap::from([("stripe".to_owned(), (stripe, Origin::Bundled))])),
        claims: None,
        versions: None,
        metrics: Box::new(String::new),
        public_url: String::new(),
        started: std::time::Instant::now(),
    };
    let api = Api::of(parts, directory);
    let list = api.found("/api/v1/plugins").await;
    assert_eq!((each(&list["plugins"], "name"), each(&list["plugins"], "origin")), (vec!["stripe"], vec!["bundled"]));
    let stripe = api.found("/api/v1/plugins/stripe").await;
    assert_eq!((&stripe["secrets"][0]["name"], &stripe["signs"]), (&json!("signing"), &json!(true)));
    let (status, problem) = api.get("/api/v1/plugins/none").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(problem["detail"].as_str().unwrap().contains("in use are: stripe"), "{problem}");
}

#[tokio::test]
async fn strangers_are_turned_away_at_the_door() {
    let guarded = Api::with("admin.token = { value = \"correct horse battery\" }");
    let with = |header: &str, value: &str| {
        Request::builder().uri("/api/v1/status").header(header, value).body(Body::empty()).unwrap()
    };
    let response = guarded.call(with("host", "127.0.0.1:8081")).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let response = guarded.call(with("authorization", "Bearer correct horse battery")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let rebound = Api::new().call(with("host", "attacker.example")).await;
    assert_eq!(rebound.status(), StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn whatever_is_wrong_the_answer_is_a_problem_document() {
    let api = Api::new();
    let redrive = "/api/v1/dead-letters/redrive";
    let large = "x".repeat(2 << 20);
    for (method, path, media_type, body, status) in [
        (Method::GET, "/nothing", "", "", StatusCode::NOT_FOUND),
        (Method::POST, "/api/v1/status", "", "", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, redrive, "text/plain", "{\"all\": true}", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (Method::POST, redrive, "application/json", "{", StatusCode::BAD_REQUEST),
        (Method::POST, redrive, "application/json", &large, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let request = request(method, path).header("content-type", media_type);
        let response = api.call(request.body(Body::from(body.to_owned())).unwrap()).await;
        assert_eq!(response.status(), status, "{path} {media_type}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let problem: super::super::Problem = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(problem.status, status.as_u16());
        assert!(!problem.detail.is_empty());
    }
}
