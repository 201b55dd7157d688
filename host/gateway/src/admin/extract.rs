//! What handlers take from a request: axum's extractors, with the API's own refusals.

use std::error::Error;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, rejection::JsonRejection},
};
use http::{HeaderMap, header, request::Parts};
use serde::de::DeserializeOwned;

use super::{ApiError, body::TooSlow};

/// The variable segments of the path.
pub struct Path<T>(pub T);

/// The parameters of the query.
pub struct Query<T>(pub T);

/// The body as it is.
pub struct Whole(pub Bytes);

/// The order in a JSON body; the default order if there is no body.
pub struct Order<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let axum::extract::Path(values) = axum::extract::Path::from_request_parts(parts, state).await?;
        Ok(Path(values))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let axum::extract::Query(parameters) = axum::extract::Query::from_request_parts(parts, state).await?;
        Ok(Query(parameters))
    }
}

impl<S: Send + Sync> FromRequest<S> for Whole {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = Bytes::from_request(request, state).await;
        body.map(Whole).map_err(|rejection| {
            if is_too_slow(&rejection) {
                ApiError::Body(408, TooSlow.to_string())
            } else {
                ApiError::Body(rejection.status().as_u16(), rejection.body_text())
            }
        })
    }
}

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for Order<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let is_json = is_json(request.headers());
        let Whole(body) = Whole::from_request(request, state).await?;
        if body.is_empty() {
            return Ok(Order(T::default()));
        }
        if !is_json {
            return Err(ApiError::Body(415, "send `Content-Type: application/json` with the order".to_owned()));
        }
        let Json(order) = Json::<Option<T>>::from_bytes(&body).map_err(|rejection| {
            let why = reason(&rejection);
            ApiError::Malformed(format!(
                "the order cannot be read: {why}; orders are described at /api/v1/openapi.json"
            ))
        })?;
        Ok(Order(order.unwrap_or_default()))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

/// What is wrong with an order and where, without axum's own words around it.
fn reason(rejection: &JsonRejection) -> String {
    rejection.source().map_or_else(|| rejection.body_text(), ToString::to_string)
}

/// Searches the sources of the error too, since axum wraps the errors of bodies.
fn is_too_slow(error: &(dyn Error + 'static)) -> bool {
    error.is::<TooSlow>() || error.source().is_some_and(is_too_slow)
}
