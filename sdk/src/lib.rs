//! Write a hookgate provider plugin: implement [`Provider`], name the type in [`export!`], and the crate compiles both to
//! a WebAssembly component (`crate-type = ["cdylib", "rlib"]`, target `wasm32-unknown-unknown`) and natively, for tests.
//!
//! The types are those of `wit/provider.wit`: on wasm the host's handles, natively the host's own implementation of them.
//! Beside them stand the few tools that most providers need: headers, signature lists, hex and base64, times, forms,
//! fields of a JSON body, and the answers. `docs/writing-a-plugin.md` is the tutorial.

#[cfg(target_family = "wasm")]
mod allocator;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;

pub mod answer;
pub mod batch;
pub mod borders;
pub mod challenge;
pub mod cloudevents;
pub mod encoding;
pub mod fields;
pub mod form;
pub mod header;
pub mod json_text;
pub mod jwt;
pub mod sending;
pub mod setting;
pub mod signatures;
pub mod standard_webhooks;
pub mod time;

#[cfg(target_family = "wasm")]
mod words {
    pub use crate::bindings::{
        exports::hookgate::provider::sender::Outgoing,
        hookgate::provider::{
            capabilities::{
                Delivery, Digest, Encoding, Event, JsonValue, KeyError, KeyField, KeyFormat, KeySet, Part, Scheme,
                Secret, SecretError,
            },
            types::*,
        },
    };
}

#[cfg(not(target_family = "wasm"))]
mod words {
    pub use hookgate_capabilities::{
        Accepted, Admission, ByteRange, CloudEvent, Confirmation, Delivery, Descriptor, Digest, Encoding, Enrollment,
        Event, EventData, ExtensionValue, Identity, JsonValue, KeyError, KeyField, KeyFormat, KeySet, KnownBy,
        Ordering, Outgoing, Part, Payload, Position, Refusal, Reply, Scheme, Secret, SecretError, SecretSpec,
        SettingSpec, Verdict,
    };
}

pub use words::*;

/// One provider of webhooks: what a plugin implements.
pub trait Provider {
    /// What the plugin is and takes.
    fn describe() -> Descriptor;

    /// Judges a delivery: first its signature, over the exact bytes; then what it brings.
    ///
    /// # Errors
    /// The delivery is turned away; see [`Refusal`] for what each case means.
    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal>;

    /// Puts an admitted event into CloudEvents.
    ///
    /// # Errors
    /// In words for the operator; the event becomes a dead letter.
    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String>;

    /// Signs a delivery as the provider would, at its `received_at`; an empty body is to be replaced by an example.
    ///
    /// # Errors
    /// In words for the operator: there is no such secret, or the plugin cannot sign.
    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        let _ = delivery;
        Err("this plugin cannot sign deliveries".to_owned())
    }
}

/// Makes a type that implements [`Provider`] the plugin of this crate: on wasm the component's exports, natively its tests.
///
/// The tests need the dev-dependency `hookgate-conformance`. One compares the plugin's verdicts with its vectors, the other
/// verifies what [`Provider::sign`] signs. A plugin that does not sign, or whose signatures do not cover every byte of the
/// body, leaves the second one out: `export!(Acme, vectors_only)`.
#[macro_export]
macro_rules! export {
    ($provider:ident) => {
        $crate::export!($provider, vectors_only);

        #[test]
        fn it_takes_what_it_signs_and_nothing_else() {
            ::hookgate_conformance::native::check_signatures::<$provider>(env!("CARGO_MANIFEST_DIR"));
        }
    };
    ($provider:ident, vectors_only) => {
        #[test]
        fn every_vector_gets_its_verdict() {
            ::hookgate_conformance::native::check::<$provider>(env!("CARGO_MANIFEST_DIR"));
        }

        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code)]
        const _: () = {
            use $crate::bindings;
    bindings::export_component!($provider with_types_in bindings);
        };
    };
}
