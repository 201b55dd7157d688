//! For tests: an event, and an output of it.

use std::sync::Arc;

use bytes::Bytes;
use hookgate_capabilities::{Admission, CloudEvent, EventData, Identity, Payload, Request};
use hookgate_model::event::{EventId, KeptDelivery, KeptEvent};
use uuid::Uuid;

/// An event whose delivery has this body and content type.
pub fn event(body: &[u8], content_type: &str, payload: Payload) -> KeptEvent {
    let request = Request {
        method: "POST".into(),
        url: "http://localhost/in/acme".into(),
        headers: vec![("content-type".into(), content_type.as_bytes().to_vec())],
        received_at: 1_700_000_000_000,
        body: Bytes::copy_from_slice(body),
    };
    let delivery = KeptDelivery {
        source: "acme".into(),
        plugin: ("hmac".into(), "00".into()),
        trace: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
        request,
        senders: Vec::new(),
        claim: None,
        is_incomplete: false,
        decoded: None,
    };
    KeptEvent {
        id: EventId { delivery: Uuid::from_u128(0x0198_0e5c_2a7b_7c3d_9f4e_5a6b_7c8d_9e0f), index: 0 },
        delivery: Arc::new(delivery),
        admission: Admission { identity: Identity::default(), payload },
        outputs: None,
    }
}

/// An output that carries this.
pub fn output(data: EventData, content_type: Option<&str>) -> CloudEvent {
    CloudEvent {
        id: "evt_1".into(),
        source: "/acme".into(),
        type_: "com.acme.thing.done".into(),
        subject: None,
        time: None,
        data_schema: None,
        data_content_type: content_type.map(str::to_owned),
        data,
        extensions: Vec::new(),
    }
}
