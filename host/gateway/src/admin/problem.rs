//! All errors of the API, in one table, as problem documents (RFC 9457).

use axum::{
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    response::{IntoResponse, Response},
};
use hookgate_journal::JournalError;
use hookgate_model::human::did_you_mean;
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::versions::VersionError;

/// A problem document (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:hookgate:` and the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem, in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong here, and what to do.
    pub detail: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// The token is missing or wrong.
    Unauthorized,
    /// The request was not meant for this host.
    WrongHost(String),
    /// A web page made the request.
    ForeignOrigin(String),
    /// The path does not exist.
    NoSuchPath,
    /// The path exists, for other methods.
    WrongMethod,
    /// A parameter or body that cannot be understood.
    Malformed(String),
    /// The body is too large or has another media type: the status, and why.
    Body(u16, String),
    /// Something that the path or the order names does not exist.
    NotFound(String),
    /// It is not possible in the current state.
    Conflict(String),
    /// A plugin's version is not installed, or not activated.
    VersionRefused(String),
    /// The store does not answer.
    Store(String),
    /// A record of the store cannot be read.
    Damaged(String),
    /// A defect of the gateway's own.
    Broken(String),
}

impl ApiError {
    /// There is none of this kind with that name; a similar name is suggested.
    pub fn no_such(kind: &str, name: &str, names: &[&str]) -> ApiError {
        let near = did_you_mean(name, names.iter().copied());
        ApiError::NotFound(format!("there is no {kind} {name:?}{near}; there are: {}", names.join(", ")))
    }

    /// The last part of the problem's type, the status and the title.
    fn row(&self) -> (&'static str, StatusCode, &'static str) {
        match self {
            ApiError::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED, "The admin token is missing or wrong"),
            ApiError::WrongHost(_) => {
                ("wrong-host", StatusCode::MISDIRECTED_REQUEST, "The request was made to another host")
            }
            ApiError::ForeignOrigin(_) => {
                ("foreign-origin", StatusCode::FORBIDDEN, "Web pages may not use the admin API")
            }
            ApiError::NoSuchPath => ("no-such-path", StatusCode::NOT_FOUND, "There is no such path"),
            ApiError::WrongMethod => {
                ("wrong-method", StatusCode::METHOD_NOT_ALLOWED, "This path does not take this method")
            }
            ApiError::Malformed(_) => ("malformed", StatusCode::BAD_REQUEST, "The request cannot be understood"),
            ApiError::Body(status, _) => (
                "unacceptable-body",
                StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST),
                "The request's body is not accepted",
            ),
            ApiError::NotFound(_) => ("not-found", StatusCode::NOT_FOUND, "There is no such item"),
            ApiError::Conflict(_) => ("conflict", StatusCode::CONFLICT, "It is not possible in the current state"),
            ApiError::VersionRefused(_) => {
                ("version-refused", StatusCode::UNPROCESSABLE_ENTITY, "The version of the plugin is refused")
            }
            ApiError::Store(_) => ("store-failed", StatusCode::SERVICE_UNAVAILABLE, "The store does not answer"),
            ApiError::Damaged(_) => ("damaged", StatusCode::INTERNAL_SERVER_ERROR, "A record cannot be read"),
            ApiError::Broken(_) => ("broken", StatusCode::INTERNAL_SERVER_ERROR, "The gateway has a bug"),
        }
    }

    fn detail(&self) -> String {
        match self {
            ApiError::Unauthorized => "send `Authorization: Bearer TOKEN` with the configuration's admin.token".into(),
            ApiError::WrongHost(host) => format!(
                "without admin.token the API answers to localhost, 127.0.0.1 and [::1] only, not to {host:?}; use one \
                 of these, or set admin.token"
            ),
            ApiError::ForeignOrigin(origin) => {
                format!("requests of pages from {origin:?} are not answered; use the API directly")
            }
            ApiError::NoSuchPath => "the paths are described at /api/v1/openapi.json".into(),
            ApiError::WrongMethod => "the methods are described at /api/v1/openapi.json".into(),
            ApiError::Malformed(text)
            | ApiError::Body(_, text)
            | ApiError::NotFound(text)
            | ApiError::Conflict(text)
            | ApiError::VersionRefused(text)
            | ApiError::Store(text)
            | ApiError::Damaged(text)
            | ApiError::Broken(text) => text.clone(),
        }
    }

    /// The document that is sent.
    pub fn problem(&self) -> Problem {
        let (kind, status, title) = self.row();
        Problem {
            kind: format!("urn:hookgate:admin:{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (_, status, _) = self.row();
        let body = serde_json::to_string(&self.problem()).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self {
            ApiError::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"hookgate\""));
            }
            ApiError::Store(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            ApiError::Damaged(ref text) | ApiError::Broken(ref text) => tracing::error!("the admin API: {text}"),
            _ => {}
        }
        response
    }
}

impl From<JournalError> for ApiError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Damaged(..) => ApiError::Damaged(error.to_string()),
            _ => ApiError::Store(error.to_string()),
        }
    }
}

impl From<VersionError> for ApiError {
    fn from(error: VersionError) -> Self {
        match error {
            VersionError::Refused(text) => ApiError::VersionRefused(text),
            VersionError::NotFound(text) => ApiError::NotFound(text),
            VersionError::Conflict(text) => ApiError::Conflict(text),
            VersionError::Store(error) => error.into(),
            VersionError::File(..) => ApiError::Store(error.to_string()),
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        ApiError::Malformed(format!("{}; the parameters are described at /api/v1/openapi.json", rejection.body_text()))
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        ApiError::Malformed(rejection.body_text())
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        ApiError::Body(rejection.status().as_u16(), rejection.body_text())
    }
}
