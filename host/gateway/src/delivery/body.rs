use std::sync::Arc;

use bytes::Bytes;
use hookgate_capabilities::{Body, Request};
use hookgate_model::limits;
use http::{HeaderMap, request::Parts};
use hyper::body::Incoming;

use super::DeliveryContext;
use crate::{
    claims::Upload,
    ingress::{BodyBounds, Refused, Share, WholeBody, content_codings, discard_of_stranger, read_body},
};

/// A whole body.
pub(super) struct ReceivedBody {
    /// As received; empty if it goes to the object store.
    pub(super) received: Bytes,
    /// As plugins read it.
    pub(super) body: Body,
    pub(super) upload: Option<Box<Upload>>,
    /// Of the memory for bodies.
    pub(super) share: Share,
}

impl DeliveryContext<'_> {
    /// Reads the body, and undoes its content codings.
    pub(super) async fn receive_body(&self, headers: &HeaderMap, body: Incoming) -> Result<ReceivedBody, Refused> {
        let codings = match content_codings(headers) {
            Ok(codings) => codings,
            Err(refused) => {
                discard_of_stranger(body, headers).await;
                return Err(refused);
            }
        };
        let (gateway, source) = (self.gateway, &self.inbound.source);
        let limit = source.limits.body;
        // A body with a content coding is decoded in memory, so it is never a claim.
        let (max, claim_check) = if codings.is_empty() {
            (limit, source.claim_check)
        } else {
            (limit.min(limits::BODY_IN_MEMORY_BYTES_MAX), None)
        };
        let claims = claim_check.map(|above| (above, &gateway.claims));
        let place = gateway.room.place(self.client, &source.name);
        let bounds = BodyBounds { max, time: gateway.body_timeout, place, claims };
        let (whole, mut share) = read_body(body, bounds).await?;
        match whole {
            WholeBody::Memory(received) => {
                let decoded = gateway.decoder.decode(codings, received.clone(), max, &mut share).await?;
                Ok(ReceivedBody { received, body: Body::Memory(decoded), upload: None, share })
            }
            WholeBody::Upload(mut upload) => {
                let body = upload.whole().await?.body();
                Ok(ReceivedBody { received: Bytes::new(), body, upload: Some(upload), share })
            }
        }
    }

    /// The request as plugins see it.
    pub(super) fn request(&self, head: Parts, body: Bytes) -> Arc<Request> {
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.as_str().to_owned(), value.as_bytes().to_vec())
        };
        Arc::new(Request {
            method: head.method.as_str().to_owned(),
            url: format!("{}{target}", self.gateway.public_url),
            headers: head.headers.iter().map(header).collect(),
            received_at: self.received_at,
            body,
        })
    }
}
