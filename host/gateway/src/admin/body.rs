//! Bodies of orders.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Json,
    body::Bytes,
    extract::rejection::{BytesRejection, JsonRejection},
};
use http::{HeaderMap, header};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use serde::de::DeserializeOwned;
use tokio::time::{Sleep, sleep};

use super::ApiError;

/// The body as it is.
pub fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, ApiError> {
    body.map_err(|rejection| match is_too_slow(&rejection) {
        true => ApiError::Body(408, TooSlow.to_string()),
        false => ApiError::Body(rejection.status().as_u16(), rejection.body_text()),
    })
}

/// The order in a JSON body; without a body the order that asks for nothing in particular.
pub fn json_or_nothing<T: DeserializeOwned + Default>(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<T, ApiError> {
    let body = whole(body)?;
    if body.is_empty() {
        return Ok(T::default());
    }
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(ApiError::Body(415, "send `Content-Type: application/json` with the order".to_owned()));
    }
    let Json(order) = Json::<Option<T>>::from_bytes(&body).map_err(|rejection| {
        let why = reason(&rejection);
        ApiError::Malformed(format!("the order cannot be read: {why}; orders are described at /api/v1/openapi.json"))
    })?;
    Ok(order.unwrap_or_default())
}

/// What is wrong with an order and where, without axum's own words around it.
fn reason(rejection: &JsonRejection) -> String {
    rejection.source().map_or_else(|| rejection.body_text(), ToString::to_string)
}

/// A body that fails when it has not come to its end in time.
pub struct Timely {
    body: Incoming,
    deadline: Pin<Box<Sleep>>,
}

/// The body did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("the body did not arrive within server.body-timeout")]
struct TooSlow;

impl Timely {
    /// From now on.
    pub fn new(body: Incoming, time: Duration) -> Self {
        Timely { body, deadline: Box::pin(sleep(time)) }
    }
}

impl Body for Timely {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
            Poll::Pending => self.deadline.as_mut().poll(context).map(|()| Some(Err(TooSlow.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// axum wraps the errors of bodies.
fn is_too_slow(error: &(dyn Error + 'static)) -> bool {
    error.is::<TooSlow>() || error.source().is_some_and(is_too_slow)
}
