//! Between the generated types of the WIT package and the project's own.

use super::bindings;

hookgate_capabilities::conversions!(
    crate::bindings::hookgate::provider::types,
    crate::bindings::hookgate::provider::capabilities
);

pub fn outgoing(outgoing: bindings::Outgoing) -> own::Outgoing {
    own::Outgoing { headers: outgoing.headers, body: outgoing.body }
}
