//! Between the generated types and those of `hookgate-capabilities`.

hookgate_capabilities::conversions!(
    crate::bindings::exports::hookgate::provider::types,
    crate::bindings::exports::hookgate::provider::capabilities
);
