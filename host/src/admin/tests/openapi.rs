use super::*;

/// Stands in the repository, so that a change of the API is seen where it is reviewed.
#[tokio::test]
async fn the_description_is_the_one_in_the_docs() {
    let described = format!("{}\n", super::super::openapi());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    if std::env::var_os("HOOKGATE_BLESS").is_some() {
        std::fs::write(&path, &described).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == described,
        "docs/openapi.json is stale; renew it with: HOOKGATE_BLESS=1 cargo test -p hookgate --lib admin"
    );
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
