use serde_json::json;

use super::*;

const REDRIVE: &str = "/api/v1/dead-letters/redrive";
const DISCARD: &str = "/api/v1/dead-letters/discard";

/// Events that are dead for both destinations.
async fn with_dead(api: &Api, count: usize) -> Vec<EventId> {
    let mut ids = Vec::new();
    for n in 0..count {
        let id = api.admit("shop", &n.to_string()).await;
        api.route(id, &["orders", "audit"]).await;
        api.kill(id, "orders").await;
        api.kill(id, "audit").await;
        ids.push(id);
    }
    ids
}

#[tokio::test]
async fn dead_letters_come_in_pages_that_join() {
    let api = Api::new();
    with_dead(&api, 3).await;
    let mut seen = Vec::new();
    let mut page = String::new();
    loop {
        let list = api.found(&format!("/api/v1/dead-letters?limit=4{page}")).await;
        let letters = list["dead_letters"].as_array().unwrap();
        seen.extend(letters.iter().map(|letter| format!("{}/{}", letter["destination"], letter["event"])));
        match list["next_page"].as_str() {
            Some(token) => page = format!("&page={token}"),
            None => break,
        }
    }
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((count, seen.len()), (6, 6));
}

#[tokio::test]
async fn a_dead_letter_tells_why_it_died() {
    let api = Api::new();
    let ids = with_dead(&api, 1).await;
    let list = api.found("/api/v1/dead-letters?destination=orders").await;
    let letter = &list["dead_letters"][0];
    assert_eq!(letter["event"], ids[0].to_string());
    assert_eq!((&letter["tries"], &letter["last_attempt"]["error"]), (&json!(1), &json!("gone")));
    let whole = api.found(&format!("/api/v1/dead-letters/orders/{}/0", ids[0])).await;
    assert_eq!(whole["handoff"]["attempts"][0]["status"], 410);
    assert_eq!(whole["event"]["id"], ids[0].to_string());
}

#[tokio::test]
async fn what_is_no_dead_letter_is_not_found() {
    let api = Api::new();
    let id = api.admit("shop", "1").await;
    api.route(id, &["orders"]).await;
    for path in [format!("orders/{id}/0"), format!("orders/{id}/7"), format!("nowhere/{id}/0")] {
        let (status, problem) = api.get(&format!("/api/v1/dead-letters/{path}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{problem}");
    }
    assert_eq!(api.get(&format!("/api/v1/dead-letters/orders/{id}/x")).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_letter_that_could_not_be_transformed_is_one_of_transform() {
    let api = Api::new();
    let id = api.admit("shop", "1").await;
    api.journal.fan_out_failed(id, "the plugin broke".to_owned()).await.unwrap();
    let list = api.found("/api/v1/dead-letters").await;
    assert_eq!(list["dead_letters"][0]["destination"], "transform");
    assert_eq!(api.found(&format!("/api/v1/events/{id}")).await["state"], "dead");
    let (_, redriven) = api.post(REDRIVE, &json!({ "destination": "transform" })).await;
    assert_eq!(redriven, json!({ "redriven": 1 }));
    assert_eq!(api.found(&format!("/api/v1/events/{id}")).await["state"], "waiting");
}

#[tokio::test]
async fn some_all_of_one_destination_or_all_are_redriven() {
    let api = Api::new();
    let ids = with_dead(&api, 3).await;
    let queued = |name: &str| api.journal.queue(name, None, 9).unwrap().len();
    let some = json!({ "ids": [
        { "destination": "orders", "event": ids[0].to_string(), "output": 0 },
        { "destination": "orders", "event": ids[1].to_string() },
        { "destination": "nowhere", "event": ids[1].to_string() },
    ] });
    assert_eq!(api.post(REDRIVE, &some).await, (StatusCode::OK, json!({ "redriven": 2 })));
    assert_eq!((queued("orders"), queued("audit")), (2, 0));
    let (_, redriven) = api.post(REDRIVE, &json!({ "destination": "orders" })).await;
    assert_eq!((redriven, queued("orders")), (json!({ "redriven": 1 }), 3));
    let (_, redriven) = api.post(REDRIVE, &json!({ "all": true })).await;
    assert_eq!((redriven, queued("audit")), (json!({ "redriven": 3 }), 3));
}

#[tokio::test]
async fn some_all_of_one_destination_or_all_are_discarded() {
    let api = Api::new();
    let ids = with_dead(&api, 3).await;
    let some = json!({ "ids": [
        { "destination": "orders", "event": ids[0].to_string(), "output": 0 },
        { "destination": "nowhere", "event": ids[1].to_string() },
    ] });
    assert_eq!(api.post(DISCARD, &some).await, (StatusCode::OK, json!({ "discarded": 1 })));
    let event = api.found(&format!("/api/v1/events/{}", ids[0])).await;
    let states: Vec<_> = event["handoffs"].as_array().unwrap().iter().map(|one| one["state"].clone()).collect();
    assert!(states.contains(&json!("discarded")), "{event}");
    let (_, discarded) = api.post(DISCARD, &json!({ "destination": "orders" })).await;
    assert_eq!(discarded, json!({ "discarded": 2 }));
    let (_, discarded) = api.post(DISCARD, &json!({ "all": true })).await;
    assert_eq!(discarded, json!({ "discarded": 3 }));
    assert_eq!(api.found("/api/v1/dead-letters").await["dead_letters"], json!([]));
    let (status, problem) = api.post(DISCARD, &json!({})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
}

#[tokio::test]
async fn a_destination_is_configured_or_has_dead_letters() {
    let api = Api::new();
    let id = api.admit("shop", "1").await;
    api.route(id, &["former"]).await;
    for path in [REDRIVE, DISCARD] {
        let (status, problem) = api.post(path, &json!({ "destination": "order" })).await;
        let told = "there is no destination \"order\", did you mean \"orders\"?; there are: audit, ordering, orders, transform";
        assert_eq!((status, &problem["detail"]), (StatusCode::NOT_FOUND, &told.into()), "{path}");
        // Something waits for it, and nothing is dead.
        assert_eq!(api.post(path, &json!({ "destination": "former" })).await.0, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(api.post(path, &json!({ "destination": "audit" })).await.0, StatusCode::OK, "{path}");
    }
    api.kill(id, "former").await;
    assert_eq!(api.post(REDRIVE, &json!({ "destination": "former" })).await.1, json!({ "redriven": 1 }));
    api.kill(id, "former").await;
    assert_eq!(api.post(DISCARD, &json!({ "destination": "former" })).await.1, json!({ "discarded": 1 }));
}

#[tokio::test]
async fn an_order_to_redrive_says_exactly_what() {
    let api = Api::new();
    let id = json!({ "destination": "orders", "event": "01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f" });
    for order in [
        json!({}),
        json!({ "all": false }),
        json!({ "all": true, "destination": "orders" }),
        json!({ "ids": [id], "all": true }),
        json!({ "ids": [{ "destination": "orders", "event": "none" }] }),
        json!({ "everything": true }),
    ] {
        let (status, problem) = api.post(REDRIVE, &order).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{order}: {problem}");
    }
}

#[tokio::test]
async fn one_that_blocks_its_ordering_key_tells_how_many_wait_and_they_tell_for_what() {
    let api = Api::new();
    let strand = Strand::of("shop", "cart-1", OnFailure::Block);
    let mut ids = Vec::new();
    for n in 0..3 {
        let id = api.admit("shop", &n.to_string()).await;
        let to = vec![("orders".to_owned(), 0)];
        api.journal.fan_out_in_order(id, vec![output()], to, strand).await.unwrap();
        ids.push(id);
    }
    api.kill(ids[0], "orders").await;
    let first = ids[0].to_string();
    let list = api.found("/api/v1/dead-letters").await;
    assert_eq!(list["dead_letters"][0]["blocks"], 2);
    let letter = api.found(&format!("/api/v1/dead-letters/orders/{first}/0")).await;
    let turn = json!({ "first_event": first, "first_output": 0, "before": 0, "behind": 2 });
    assert_eq!(letter["handoff"]["turn"], turn);
    let last = api.found(&format!("/api/v1/events/{}", ids[2])).await;
    assert_eq!((&last["state"], &last["handoffs"][0]["state"]), (&json!("pending"), &json!("waiting")));
    let turn = json!({ "first_event": first, "first_output": 0, "before": 2, "behind": 0 });
    assert_eq!(last["handoffs"][0]["turn"], turn);
    let queue = &api.found("/api/v1/status").await["queues"]["orders"];
    assert_eq!((&queue["depth"], &queue["waiting"], &queue["blocking"]), (&json!(2), &json!(2), &json!(1)));
}
