//! The component's imports and exports, generated from `wit/provider.wit`.
#![allow(missing_docs, unsafe_code, clippy::unwrap_used)]

wit_bindgen::generate!({
    path: "../wit",
    world: "provider-with-sender",
    // Borrowed arguments: asking the host costs no allocation.
    ownership: Borrowing { duplicate_if_necessary: false },
    additional_derives: [PartialEq, Eq],
    additional_derives_ignore: ["secret", "delivery", "event", "key-set"],
    pub_export_macro: true,
    export_macro_name: "export_component",
    generate_all,
});

impl<P: crate::Provider> Guest for P {
    fn describe() -> Descriptor {
        <P as crate::Provider>::describe()
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        <P as crate::Provider>::verify(delivery)
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        <P as crate::Provider>::transform(event)
    }
}

impl<P: crate::Provider> exports::hookgate::provider::sender::Guest for P {
    fn sign(delivery: &Delivery) -> Result<exports::hookgate::provider::sender::Outgoing, String> {
        <P as crate::Provider>::sign(delivery)
    }
}
