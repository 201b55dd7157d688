//! What is told of secrets that were handed over.

use std::sync::Arc;

use hookgate_capabilities::{Enrollment, Reply};
use serde_json::json;

use super::*;

const TAKING: &str = "
[[source]]
name = \"shop\"
plugin = \"shopping\"
secrets.signing = { value = \"configured\" }
secrets.given = { handed-over = true }
[[source]]
name = \"other\"
plugin = \"shopping\"
secrets.signing = { value = \"configured\" }
[[destination]]
name = \"out\"
stdout = {}
[[route]]
from = \"*\"
to = \"out\"
";

async fn hand_over(api: &Api, value: &str) -> bool {
    let live = api.current.get();
    let source: &Arc<hookgate_config::Source> = &live.config.sources[0];
    let reply = Reply { status: 200, headers: Vec::new(), body: Vec::new() };
    let handed_over = Enrollment { secret: "given".to_owned(), value: value.to_owned(), reply };
    api.enrollments.enroll(source, handed_over).await.is_ok()
}

#[tokio::test]
async fn they_are_listed_let_in_and_forgotten_and_never_shown() {
    let api = Api::with(TAKING);
    let list = api.found("/api/v1/secrets").await;
    assert_eq!(list, json!({ "sources": [{ "source": "shop", "secrets": [] }] }));
    assert!(hand_over(&api, "t0p-s3cret").await);
    assert!(!hand_over(&api, "an0ther-s3cret").await, "a second one is not expected");

    let (status, opened) = api.post("/api/v1/secrets/open", &json!({ "source": "shop", "seconds": 60 })).await;
    assert_eq!((status, &opened["source"]), (StatusCode::OK, &json!("shop")));
    assert!(hand_over(&api, "an0ther-s3cret").await);
    let list = api.found("/api/v1/secrets").await;
    let [shop] = &list["sources"].as_array().unwrap()[..] else { panic!("{list}") };
    assert_eq!((shop["secrets"].as_array().unwrap().len(), &shop["open_until"]), (2, &opened["open_until"]));
    assert!(!list.to_string().contains("s3cret"), "{list}");

    let version = shop["secrets"][1]["version"].clone();
    let one = json!({ "source": "shop", "versions": [version] });
    assert_eq!(api.post("/api/v1/secrets/forget", &one).await.1, json!({ "forgotten": 1 }));
    assert_eq!(api.post("/api/v1/secrets/forget", &one).await.1, json!({ "forgotten": 0 }));
    let all = json!({ "source": "shop", "all": true });
    assert_eq!(api.post("/api/v1/secrets/forget", &all).await.1, json!({ "forgotten": 1 }));
    assert!(api.enrollments.list().is_empty() && api.journal.sealed().unwrap().is_empty());
}

#[tokio::test]
async fn orders_that_make_no_sense_are_refused() {
    let api = Api::with(TAKING);
    for (path, order, status) in [
        ("open", json!({ "source": "nobody" }), StatusCode::NOT_FOUND),
        ("open", json!({}), StatusCode::NOT_FOUND),
        ("open", json!({ "source": "other" }), StatusCode::CONFLICT),
        ("open", json!({ "source": "shop", "seconds": 0 }), StatusCode::BAD_REQUEST),
        ("open", json!({ "source": "shop", "seconds": u64::MAX }), StatusCode::BAD_REQUEST),
        ("open", json!({ "source": "shop", "until": 5 }), StatusCode::BAD_REQUEST),
        ("forget", json!({ "source": "shop" }), StatusCode::BAD_REQUEST),
        ("forget", json!({ "source": "shop", "versions": ["x"] }), StatusCode::BAD_REQUEST),
        ("forget", json!({ "source": "shop", "all": true, "versions": ["x"] }), StatusCode::BAD_REQUEST),
    ] {
        let (answered, problem) = api.post(&format!("/api/v1/secrets/{path}"), &order).await;
        assert_eq!(answered, status, "{order}: {problem}");
    }
    assert!(!api.found("/api/v1/secrets").await.to_string().contains("open_until"));
}
