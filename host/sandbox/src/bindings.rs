//! What `wasmtime` generates from `wit/provider.wit`; nothing outside this crate uses it.

#![allow(missing_docs)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "hookgate:provider/provider",
    imports: { default: trappable },
    exports: { default: async },
    require_store_data_send: true,
    with: {
        "hookgate:provider/capabilities.delivery": super::call::DeliveryHandle,
        "hookgate:provider/capabilities.event": super::call::EventHandle,
        "hookgate:provider/capabilities.key-set": super::call::KeySetHandle,
        "hookgate:provider/capabilities.secret": super::call::SecretHandle,
    },
});

/// What the optional interface `sender` answers.
#[derive(Clone, Debug, wasmtime::component::ComponentType, wasmtime::component::Lift)]
#[component(record)]
pub struct Outgoing {
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
}
