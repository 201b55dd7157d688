use bytes::Bytes;
use hookgate_capabilities::Reply;
use hookgate_journal::Admitted;
use hookgate_model::{event::EventId, limits};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::ingress::Refused;

/// What the provider gets a reply to.
pub(super) enum Outcome {
    /// Events are durable. None of them is new if all came before.
    Admitted { admitted: Vec<Admitted>, reply: Option<Reply> },
    /// A handshake was answered.
    Answered(Reply),
}

impl Outcome {
    pub(super) fn response(self) -> Response<Full<Bytes>> {
        match self {
            Outcome::Answered(reply) => with_status(response_of(reply), "answered"),
            Outcome::Admitted { admitted, reply } => {
                let is_new = admitted.iter().any(|event| matches!(event, Admitted::New(_)));
                let response = reply.map_or_else(Response::default, response_of);
                let mut response = with_status(response, if is_new { "accepted" } else { "duplicate" });
                if let Ok(ids) = HeaderValue::from_str(&event_ids(&admitted)) {
                    response.headers_mut().insert("hookgate-event", ids);
                }
                response
            }
        }
    }
}

/// The events of a delivery that are in the journal.
pub(super) fn events_of(outcome: &Result<Outcome, Refused>) -> Vec<EventId> {
    match outcome {
        Ok(Outcome::Admitted { admitted, .. }) => admitted.iter().map(|admitted| admitted.event()).collect(),
        Ok(Outcome::Answered(_)) | Err(_) => Vec::new(),
    }
}

fn event_ids(admitted: &[Admitted]) -> String {
    let ids = admitted.iter().take(limits::REPLY_EVENT_IDS_MAX).map(|admitted| admitted.event().to_string());
    ids.collect::<Vec<_>>().join(",")
}

fn with_status(mut response: Response<Full<Bytes>>, status: &'static str) -> Response<Full<Bytes>> {
    response.headers_mut().insert("hookgate-status", HeaderValue::from_static(status));
    response
}

/// The sandbox has checked the reply against its rules.
fn response_of(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in &reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    response
}
