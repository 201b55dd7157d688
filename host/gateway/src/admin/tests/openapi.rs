use super::*;

/// Stands in the repository, so that a change of the API is seen where it is reviewed.
#[tokio::test]
async fn the_description_is_the_one_in_the_docs() {
    let described = format!("{}\n", super::super::openapi());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    if std::env::var_os("HOOKGATE_BLESS").is_some() {
        std::fs::write(&path, &described).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == described, "docs/openapi.json is stale; renew it with: HOOKGATE_BLESS=1 cargo xtask test admin");
}

#[tokio::test]
async fn the_gateway_serves_its_own_description() {
    let description = Api::new().found("/api/v1/openapi.json").await;
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"), "{}", description["openapi"]);
    let operations = description["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap());
    let ids: Vec<&str> = operations.map(|(_, operation)| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    let paths: Vec<&str> = description["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "/api/v1/dead-letters",
            "/api/v1/dead-letters/discard",
            "/api/v1/dead-letters/redrive",
            "/api/v1/dead-letters/{destination}/{event}/{output}",
            "/api/v1/destinations",
            "/api/v1/duplicates",
            "/api/v1/duplicates/admit",
            "/api/v1/duplicates/{id}",
            "/api/v1/events",
            "/api/v1/events/{id}",
            "/api/v1/events/{id}/replay",
            "/api/v1/plugins",
            "/api/v1/plugins/history",
            "/api/v1/plugins/versions",
            "/api/v1/plugins/{name}",
            "/api/v1/plugins/{name}/activate",
            "/api/v1/plugins/{name}/history",
            "/api/v1/plugins/{name}/promote",
            "/api/v1/plugins/{name}/rollback",
            "/api/v1/plugins/{name}/stop-trial",
            "/api/v1/plugins/{name}/versions",
            "/api/v1/plugins/{name}/versions/{hash}",
            "/api/v1/refusals",
            "/api/v1/refusals/{trace}",
            "/api/v1/secrets",
            "/api/v1/secrets/forget",
            "/api/v1/secrets/open",
            "/api/v1/sources",
            "/api/v1/sources/{name}/differences",
            "/api/v1/sources/{name}/replay-plugin",
            "/api/v1/sources/{name}/trial",
            "/api/v1/status",
            "/healthz",
            "/metrics",
            "/readyz",
        ]
    );
}

/// Requests that are wrong in each way that there is; whatever they are answered is described.
#[tokio::test]
async fn every_answer_is_described() {
    let api = Api::new();
    let description = api.found("/api/v1/openapi.json").await;
    let event = "01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f";
    let json = Some("application/json");
    let cases = [
        ("GET", "/api/v1/events/{id}", "/api/v1/events/0".to_owned(), None, "", 400),
        ("GET", "/api/v1/events", "/api/v1/events?limit=x".to_owned(), None, "", 400),
        (
            "GET",
            "/api/v1/dead-letters/{destination}/{event}/{output}",
            format!("/api/v1/dead-letters/d/{event}/70000"),
            None,
            "",
            400,
        ),
        ("GET", "/api/v1/sources/{name}/trial", "/api/v1/sources/%ff/trial".to_owned(), None, "", 400),
        ("POST", "/api/v1/plugins/{name}/rollback", "/api/v1/plugins/a/rollback".to_owned(), json, r#"{"x":1}"#, 400),
        ("POST", "/api/v1/plugins/{name}/promote", "/api/v1/plugins/a/promote".to_owned(), json, r#"{"x":1}"#, 400),
        (
            "POST",
            "/api/v1/plugins/{name}/stop-trial",
            "/api/v1/plugins/a/stop-trial".to_owned(),
            json,
            r#"{"x":1}"#,
            400,
        ),
        (
            "POST",
            "/api/v1/dead-letters/redrive",
            "/api/v1/dead-letters/redrive".to_owned(),
            json,
            r#"{"destination":"x"}"#,
            404,
        ),
        (
            "POST",
            "/api/v1/dead-letters/discard",
            "/api/v1/dead-letters/discard".to_owned(),
            json,
            r#"{"destination":"x"}"#,
            404,
        ),
        ("POST", "/api/v1/secrets/open", "/api/v1/secrets/open".to_owned(), Some("text/plain"), "x", 415),
        ("POST", "/api/v1/secrets/forget", "/api/v1/secrets/forget".to_owned(), json, "{}", 400),
    ];
    for (method, path, url, media_type, body, expected) in cases {
        let mut request = request(method.parse().unwrap(), &url);
        if let Some(media_type) = media_type {
            request = request.header("content-type", media_type);
        }
        let (status, problem) = answer(api.call(request.body(Body::from(body)).unwrap()).await);
        assert_eq!(status.as_u16(), expected, "{method} {url}: {problem}");
        let described = &description["paths"][path][method.to_lowercase()]["responses"];
        assert!(described.get(status.as_str()).is_some(), "{method} {url} {status}: {described}");
    }
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let is_open = path == "/healthz" || path == "/readyz";
            let everywhere = if is_open { &["405"][..] } else { &["401", "403", "405", "421"] };
            for status in everywhere {
                assert!(operation["responses"].get(status).is_some(), "{method} {path} {status}");
            }
        }
    }
}

#[tokio::test]
async fn numbers_of_outputs_are_bounded_in_the_description_and_in_messages() {
    let api = Api::new();
    let description = api.found("/api/v1/openapi.json").await;
    let path = &description["paths"]["/api/v1/dead-letters/{destination}/{event}/{output}"]["get"]["parameters"];
    let output = path.as_array().unwrap().iter().find(|parameter| parameter["name"] == "output").unwrap();
    assert_eq!((&output["schema"]["minimum"], &output["schema"]["maximum"]), (&0.into(), &65535.into()), "{output}");
    let of_order = &description["components"]["schemas"]["DeadLetterId"]["properties"]["output"];
    assert_eq!(of_order["maximum"], 65535, "{of_order}");

    let event = "01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f";
    for output in ["2147483648", "-1", "x"] {
        let (status, problem) = api.get(&format!("/api/v1/dead-letters/orders/{event}/{output}")).await;
        let told = format!("{output:?} is not the number of an output: write 0 to 65535");
        assert_eq!((status, &problem["detail"]), (StatusCode::BAD_REQUEST, &told.into()));
    }
    for output in ["2147483648", "-1", "1.5"] {
        let order = format!(r#"{{"ids":[{{"destination":"orders","event":"{event}","output":{output}}}]}}"#);
        let order: Value = serde_json::from_str(&order).unwrap();
        let (status, problem) = api.post("/api/v1/dead-letters/redrive", &order).await;
        let told = problem["detail"].as_str().unwrap();
        let expected = format!(
            "the order cannot be read: ids[0].output: {output} is not the number of an output: write 0 to 65535"
        );
        assert!(status == StatusCode::BAD_REQUEST && told.starts_with(&expected), "{told}");
    }
}
