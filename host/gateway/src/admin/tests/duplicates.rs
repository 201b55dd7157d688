use std::time::Duration;

use hookgate_model::event::{EventKey, KeyKind};
use serde_json::json;

use super::*;

const ADMIT: &str = "/api/v1/duplicates/admit";

impl Api {
    /// Takes in an event of that key; what was dropped is told by its own id.
    async fn take_in(&self, source: &str, key: u8, body: &'static str) -> Option<String> {
        let identity = Identity { known_by: KnownBy::Undeclared, kind: Some("paid".to_owned()), ..Identity::default() };
        let request = hookgate_capabilities::Request { body: Bytes::from_static(body.as_bytes()), ..delivered() };
        let event_key = EventKey { hash: [key; 16], lasts: Duration::from_secs(600), kind: KeyKind::Undeclared };
        let commit = Commit::new(
            KeptDelivery {
                source: source.to_owned(),
                plugin: ("shopping".to_owned(), "ab".repeat(32)),
                trace: "0af7651916cd43dd8448eb211c80319c".to_owned(),
                request,
                senders: Vec::new(),
                claim: None,
                is_incomplete: false,
                decoded: None,
            },
            vec![(Admission { identity, payload: Payload::Body }, Some(event_key))],
        );
        let committed = self.journal.take_in(commit).await.unwrap();
        committed.dropped.first().map(|dropped| dropped.id.to_string())
    }
}

#[tokio::test]
async fn a_duplicate_is_listed_and_shown_with_the_event_that_it_duplicates() {
    let api = Api::new();
    assert_eq!(api.found("/api/v1/duplicates").await, json!({ "duplicates": [], "next_page": null }));
    api.take_in("shop", 1, "{}").await;
    let first = api.journal.waiting()[0].to_string();
    let id = api.take_in("shop", 1, "{}").await.unwrap();
    let list = api.found("/api/v1/duplicates?source=shop").await;
    let duplicate = &list["duplicates"][0];
    assert_eq!((&duplicate["id"], &duplicate["duplicate_of"]), (&json!(id), &json!(first)));
    assert_eq!((&duplicate["known_by"], &duplicate["kind"]), (&json!("undeclared"), &json!("paid")));
    assert_eq!((&duplicate["content"], &duplicate["admitted_as"]), (&json!("own"), &json!(null)));
    let digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    assert_eq!((&duplicate["payload_bytes"], &duplicate["payload_sha256"]), (&json!(2), &json!(digest)));

    let shown = api.found(&format!("/api/v1/duplicates/{id}?payload=true")).await;
    assert_eq!((&shown["id"], &shown["payload"]["text"]), (&json!(id), &json!("{}")));
    assert!(!shown.to_string().contains("hush"), "{shown}");
    let event = api.found(&format!("/api/v1/events/{first}")).await;
    assert_eq!((&event["duplicates"]["count"], &event["duplicates"]["recorded"]), (&json!(1), &json!([id])));
    assert_eq!(event["admitted_by_hand"], json!(null));
}

#[tokio::test]
async fn a_duplicate_is_admitted_once_as_an_event_that_tells_where_it_comes_from() {
    let api = Api::new();
    api.take_in("shop", 1, "{}").await;
    let first = api.journal.waiting()[0].to_string();
    let id = api.take_in("shop", 1, "{}").await.unwrap();
    let (status, answer) = api.post(ADMIT, &json!({ "ids": [id] })).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let admitted = &answer["admitted"][0];
    let event = admitted["event"].as_str().unwrap();
    assert_eq!((&admitted["duplicate"], &admitted["before"]), (&json!(id), &json!(false)));
    let story = api.found(&format!("/api/v1/events/{event}")).await;
    assert_eq!(story["state"], "waiting");
    let origin = &story["admitted_by_hand"];
    assert_eq!((&origin["duplicate_of"], &origin["duplicate"]), (&json!(first), &json!(id)));

    let (_, again) = api.post(ADMIT, &json!({ "ids": [id] })).await;
    let again = &again["admitted"][0];
    assert_eq!((&again["event"], &again["before"]), (&json!(event), &json!(true)));
    assert_eq!(api.journal.waiting().len(), 2);
    let shown = api.found(&format!("/api/v1/duplicates/{id}")).await;
    assert_eq!(shown["admitted_as"], json!(event));
}

#[tokio::test]
async fn nothing_is_admitted_when_one_is_not_known_or_the_order_makes_no_sense() {
    let api = Api::new();
    api.take_in("shop", 1, "{}").await;
    let id = api.take_in("shop", 1, "{}").await.unwrap();
    let unknown = "01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f";
    let (status, problem) = api.post(ADMIT, &json!({ "ids": [id, unknown] })).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains(unknown), "{problem}");
    assert_eq!(api.get(&format!("/api/v1/duplicates/{unknown}")).await.0, StatusCode::NOT_FOUND);
    let too_many: Vec<&str> = vec![&id; 101];
    for order in [json!({}), json!({ "ids": ["none"] }), json!({ "all": true }), json!({ "ids": too_many })] {
        let (status, problem) = api.post(ADMIT, &order).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{order}: {problem}");
    }
    assert_eq!(api.journal.waiting().len(), 1);
}

#[tokio::test]
async fn duplicates_come_in_pages_that_join() {
    let api = Api::new();
    let mut ids = Vec::new();
    for key in 0..5 {
        api.take_in("shop", key, "{}").await;
        ids.extend(api.take_in("shop", key, "{}").await);
        api.take_in("other", key + 100, "{}").await;
        api.take_in("other", key + 100, "{}").await;
    }
    ids.reverse();
    let (mut seen, mut page) = (Vec::new(), String::new());
    loop {
        let list = api.found(&format!("/api/v1/duplicates?source=shop&limit=2{page}")).await;
        seen.extend(each(&list["duplicates"], "id").into_iter().map(str::to_owned));
        match list["next_page"].as_str() {
            Some(token) => page = format!("&page={token}"),
            None => break,
        }
    }
    assert_eq!(seen, ids);
    let first = api.found("/api/v1/duplicates?source=shop").await["duplicates"][4]["duplicate_of"].clone();
    let of_first = api.found(&format!("/api/v1/duplicates?of={}", first.as_str().unwrap())).await;
    assert_eq!(each(&of_first["duplicates"], "id"), [&ids[4]]);
}
