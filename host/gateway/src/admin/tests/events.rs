use serde_json::json;

use super::*;

#[tokio::test]
async fn events_come_newest_first_in_pages_that_join() {
    let api = Api::new();
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(api.admit("shop", &n.to_string()).await.to_string());
    }
    ids.reverse();
    let mut seen = Vec::new();
    let mut page = String::new();
    loop {
        let list = api.found(&format!("/api/v1/events?limit=2{page}")).await;
        seen.extend(each(&list["events"], "id").into_iter().map(str::to_owned));
        match list["next_page"].as_str() {
            Some(token) => page = format!("&page={token}"),
            None => break,
        }
    }
    assert_eq!(seen, ids);
}

#[tokio::test]
async fn lists_can_be_narrowed_down() {
    let api = Api::new();
    let (one, two) = (api.admit("shop", "1").await, api.admit("other", "2").await);
    api.route(one, &["orders"]).await;
    api.kill(one, "orders").await;
    for (query, expected) in [
        ("source=shop", vec![one]),
        ("source=other", vec![two]),
        ("state=dead", vec![one]),
        ("state=waiting", vec![two]),
        ("state=delivered", vec![]),
        ("oldest_first=true", vec![one, two]),
        ("since=2100-01-01T00:00:00Z", vec![]),
        ("until=2100-01-01T00:00:00%2B01:00", vec![two, one]),
    ] {
        let list = api.found(&format!("/api/v1/events?{query}")).await;
        let expected: Vec<String> = expected.iter().map(EventId::to_string).collect();
        assert_eq!(each(&list["events"], "id"), expected, "{query}");
    }
}

#[tokio::test]
async fn parameters_that_make_no_sense_are_told() {
    let api = Api::new();
    for (query, hint) in [
        ("state=lost", "lost"),
        ("limit=0", "1 to 500"),
        ("limit=501", "1 to 500"),
        ("page=nonsense", "leave it out"),
        ("since=yesterday", "RFC 3339"),
        ("sauce=shop", "sauce"),
    ] {
        let (status, problem) = api.get(&format!("/api/v1/events?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(problem["type"], "urn:hookgate:admin:malformed");
        assert!(problem["detail"].as_str().unwrap().contains(hint), "{problem}");
    }
}

#[tokio::test]
async fn a_story_is_whole_and_without_credentials() {
    let api = Api::new();
    let id = api.admit("shop", "1").await;
    api.route(id, &["orders", "audit"]).await;
    api.kill(id, "orders").await;
    let event = api.found(&format!("/api/v1/events/{id}")).await;
    assert_eq!(event["state"], "dead");
    assert_eq!(event["trace"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(event["plugin"], json!({ "name": "shopping", "hash": "ab".repeat(32) }));
    assert_eq!(event["received_at"], "2023-11-14T22:13:20.000Z");
    assert_eq!((&event["identity"]["id"], &event["identity"]["kind"]), (&json!("1"), &json!("paid")));
    assert_eq!(event["payload"], json!({ "bytes": 32 }));
    assert_eq!(event["outputs"][0]["type"], "example.shop.paid");
    assert_eq!(event["outputs"][0]["extensions"], json!({ "live": true }));
    let orders = event["handoffs"].as_array().unwrap().iter().find(|one| one["destination"] == "orders").unwrap();
    assert_eq!((&orders["state"], &orders["at"]), (&json!("dead"), &json!("2023-11-14T22:13:20.012Z")));
    let attempt = json!({ "at": "2023-11-14T22:13:20.000Z", "took_ms": 12, "status": 410, "error": "gone" });
    assert_eq!(orders["attempts"], json!([attempt]));
    assert_eq!(event["request"]["headers"][0]["value"], "c0ffee");
    assert!(!event.to_string().contains("hush"), "{event}");
}

#[tokio::test]
async fn the_payload_comes_when_it_is_asked_for_and_numbers_keep_their_digits() {
    let api = Api::new();
    let id = api.admit("shop", "1").await;
    api.route(id, &["orders"]).await;
    let request = request(Method::GET, &format!("/api/v1/events/{id}?payload=true")).body(Body::empty()).unwrap();
    let text = String::from_utf8(api.call(request).await.into_body().to_vec()).unwrap();
    assert!(text.contains(r#""data":{"made": 12345678901234567890}"#), "{text}");
    assert!(text.contains(r#""base64":"eyJhbW91bnQiOiAxMjM0NTY3ODkwMTIzNDU2Nzg5MH0=""#), "{text}");
    assert!(text.contains(r#""text":"{\"amount\": 12345678901234567890}""#), "{text}");
}

#[tokio::test]
async fn an_event_that_is_not_there_is_told_so() {
    let api = Api::new();
    let (status, problem) = api.get("/api/v1/events/01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(problem["detail"].as_str().unwrap().contains("store.retention"), "{problem}");
    let (status, problem) = api.get("/api/v1/events/none").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(problem["detail"].as_str().unwrap().contains("it looks like"), "{problem}");
}

#[tokio::test]
async fn a_replay_goes_where_the_event_went_before() {
    let api = Api::new();
    let id = api.admit("shop", "1").await;
    api.route(id, &["orders"]).await;
    api.kill(id, "orders").await;
    assert!(api.journal.queue("orders", None, 9).unwrap().is_empty());
    let (status, replayed) = api.post(&format!("/api/v1/events/{id}/replay"), &json!({})).await;
    assert_eq!(status, StatusCode::OK, "{replayed}");
    assert_eq!(replayed, json!({ "event": id.to_string(), "destinations": ["orders"], "transform": false }));
    assert_eq!(api.journal.queue("orders", None, 9).unwrap().len(), 1);
}

#[tokio::test]
async fn a_replay_without_a_body_is_one_without_wishes() {
    let api = Api::new();
    let id = api.admit("shop", "1").await;
    api.route(id, &["audit"]).await;
    let path = format!("/api/v1/events/{id}/replay");
    let (status, replayed) = answer(api.call(request(Method::POST, &path).body(Body::empty()).unwrap()).await);
    assert_eq!((status, &replayed["destinations"]), (StatusCode::OK, &json!(["audit"])));
    assert_eq!(api.post(&path, &Value::Null).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_replay_can_name_destinations_or_transform_again() {
    let api = Api::new();
    let id = api.admit("shop", "1").await;
    api.route(id, &["orders"]).await;
    let path = format!("/api/v1/events/{id}/replay");
    let (status, _) = api.post(&path, &json!({ "destinations": ["audit"] })).await;
    assert_eq!((status, api.journal.queue("audit", None, 9).unwrap().len()), (StatusCode::OK, 1));
    assert!(api.journal.waiting().is_empty());
    let (status, _) = api.post(&path, &json!({ "transform": true })).await;
    assert_eq!((status, api.journal.waiting()), (StatusCode::OK, vec![id]));
}

#[tokio::test]
async fn replays_that_make_no_sense_are_refused() {
    let api = Api::new();
    let id = api.admit("shop", "1").await;
    let path = format!("/api/v1/events/{id}/replay");
    for (order, expected, hint) in [
        (json!({}), StatusCode::CONFLICT, "no destination before"),
        (json!({ "destinations": ["nowhere"] }), StatusCode::BAD_REQUEST, "there are: orders, audit"),
        (json!({ "destinations": ["audit"], "transform": true }), StatusCode::BAD_REQUEST, "routed again"),
        (json!({ "to": ["audit"] }), StatusCode::BAD_REQUEST, "unknown field"),
        (json!(3), StatusCode::BAD_REQUEST, "invalid type"),
    ] {
        let (status, problem) = api.post(&path, &order).await;
        assert_eq!(status, expected, "{order}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(hint), "{problem}");
    }
    let gone = "/api/v1/events/01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f/replay";
    assert_eq!(api.post(gone, &json!({ "transform": true })).await.0, StatusCode::NOT_FOUND);
}
