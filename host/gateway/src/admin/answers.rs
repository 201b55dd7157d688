//! Answers that many operations have in common, described once: refusals of the door, of the router and of the extractors.

use utoipa::{
    IntoResponses,
    openapi::{
        Content, OpenApi, Ref, RefOr, Response, ResponseBuilder,
        path::{Operation, PathItem},
    },
};

use super::door;

/// One of them: the status, the name of its description, and what it means.
type Answer = (&'static str, &'static str, &'static str);

const MALFORMED: Answer = ("400", "Malformed", "A parameter or body that cannot be understood");
const UNAUTHORIZED: Answer = ("401", "Unauthorized", "`admin.token` is configured, and the request does not carry it");
const FOREIGN_ORIGIN: Answer =
    ("403", "ForeignOrigin", "Without `admin.token`: the request comes from a web page of another origin");
const WRONG_METHOD: Answer = ("405", "WrongMethod", "The path does not take this method");
const TOO_SLOW: Answer = ("408", "TooSlow", "The body did not arrive within `server.body-timeout`");
const TOO_LARGE: Answer = ("413", "TooLarge", "The body is too large");
const WRONG_TYPE: Answer = ("415", "WrongType", "The body is not declared as `application/json`");
const WRONG_HOST: Answer =
    ("421", "WrongHost", "Without `admin.token`: the request names a host that is not this machine");
const BROKEN: Answer = ("500", "Broken", "A record of the store cannot be read, or the gateway has a bug");

const ALL: [Answer; 9] =
    [MALFORMED, UNAUTHORIZED, FOREIGN_ORIGIN, WRONG_METHOD, TOO_SLOW, TOO_LARGE, WRONG_TYPE, WRONG_HOST, BROKEN];

/// The answer of operations that ask the store.
#[derive(IntoResponses)]
#[response(status = 503, description = "The store does not answer")]
pub struct StoreFailed;

/// Adds them to every operation that can give them. What an operation describes itself stays; its refusals are problem
/// documents.
pub fn describe(api: &mut OpenApi) {
    let components = api.components.get_or_insert_default();
    for (_, name, meaning) in ALL {
        components.responses.insert(name.to_owned(), RefOr::T(problem(meaning)));
    }
    for (path, item) in &mut api.paths.paths {
        for operation in operations(item) {
            add_problems(operation);
            for (status, name, _) in answers(path, operation) {
                let described = operation.responses.responses.entry(status.to_owned());
                described.or_insert_with(|| RefOr::Ref(Ref::from_response_name(name)));
            }
        }
    }
}

/// A refusal that says nothing else of its body is a problem document.
fn add_problems(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.as_str() >= "400"
            && response.content.is_empty()
        {
            response.content = problem("").content;
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.delete].into_iter().flatten()
}

fn answers(path: &str, operation: &Operation) -> Vec<Answer> {
    if door::is_open(path) {
        return vec![WRONG_METHOD];
    }
    let mut all = vec![UNAUTHORIZED, FOREIGN_ORIGIN, WRONG_METHOD, WRONG_HOST, BROKEN];
    let media_types = match &operation.request_body {
        Some(RefOr::T(body)) => body.content.keys().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    if !media_types.is_empty() {
        all.extend([TOO_SLOW, TOO_LARGE]);
    }
    if media_types.contains(&"application/json") {
        all.push(WRONG_TYPE);
    }
    if !media_types.is_empty() || operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty()) {
        all.push(MALFORMED);
    }
    all
}

fn problem(meaning: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new().description(meaning).content("application/problem+json", content).build()
}
