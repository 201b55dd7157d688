//! How a second version of the contract will live beside the first, proved with one that exists for this test only.
//!
//! The next version gets bindings of its own, its interfaces go into the same linker under their own names, and what it
//! answers is converted at this edge into the project's own types. A component says by its imports which one it was built
//! against. Nothing behind this module knows of versions.

use std::{sync::Arc, time::Duration};

use hookgate_capabilities as own;
use wasmtime::{
    Engine, Result, Store,
    component::{Component, HasSelf, Linker, Resource},
};
use wit_component::{StringEncoding, embed_component_metadata};

use crate::{
    SandboxLimits,
    bindings::ProviderPre,
    call::{self, Call, CallTime, DeliveryHandle},
    convert, engine,
};

/// What `wasmtime` generates of the next contract.
mod next {
    #![allow(missing_docs)]

    wasmtime::component::bindgen!({
        path: "../../wit/test",
        world: "hookgate:provider/provider",
        imports: { default: trappable },
        exports: { default: async },
        require_store_data_send: true,
        with: { "hookgate:provider/capabilities.delivery": crate::call::DeliveryHandle },
    });
}

use next::hookgate::provider::{capabilities as lent, types as wit};

impl wit::Host for Call {}
impl lent::Host for Call {}

impl lent::HostDelivery for Call {
    fn method(&mut self, _: Resource<DeliveryHandle>) -> Result<String> {
        Ok(self.delivery.method())
    }

    fn received_at(&mut self, _: Resource<DeliveryHandle>) -> Result<u64> {
        Ok(self.delivery.received_at())
    }

    fn drop(&mut self, _: Resource<DeliveryHandle>) -> Result<()> {
        Ok(())
    }
}

/// A linked component, by the version of the contract that it was built against.
enum Version {
    V1(ProviderPre<Call>),
    V2(next::ProviderPre<Call>),
}

impl Version {
    fn link(component: &Component, engine: &Engine, linker: &Linker<Call>) -> Result<Self> {
        let instance = linker.instantiate_pre(component)?;
        let is_next = component.component_type().imports(engine).any(|(name, _)| name.ends_with("@0.2.0"));
        Ok(if is_next {
            Version::V2(next::ProviderPre::new(instance)?)
        } else {
            Version::V1(ProviderPre::new(instance)?)
        })
    }

    async fn name(&self, store: &mut Store<Call>) -> Result<String> {
        Ok(match self {
            Version::V1(provider) => provider.instantiate_async(&mut *store).await?.call_describe(store).await?.name,
            Version::V2(provider) => provider.instantiate_async(&mut *store).await?.call_describe(store).await?.name,
        })
    }

    async fn verify(&self, store: &mut Store<Call>) -> Result<Result<own::Verdict, own::Refusal>> {
        let delivery = Resource::<DeliveryHandle>::new_borrow(0);
        match self {
            Version::V1(provider) => {
                let plugin = provider.instantiate_async(&mut *store).await?;
                let answer = plugin.call_verify(store, delivery).await?;
                Ok(answer.map(convert::verdict).map_err(convert::refusal))
            }
            Version::V2(provider) => {
                let plugin = provider.instantiate_async(&mut *store).await?;
                let answer = plugin.call_verify(store, delivery).await?;
                Ok(answer.map(verdict).map_err(refusal))
            }
        }
    }
}

fn verdict(verdict: wit::Verdict) -> own::Verdict {
    match verdict {
        wit::Verdict::Admit(identities) => {
            let events = identities.into_iter().map(|identity| own::Admission {
                identity: own::Identity {
                    known_by: identity.id.map_or(own::KnownBy::Undeclared, own::KnownBy::Id),
                    kind: identity.kind,
                    occurred_at: identity.occurred_at,
                    ordering: None,
                    attributes: identity.region.map(|region| ("region".to_owned(), region)).into_iter().collect(),
                },
                payload: own::Payload::Body,
            });
            own::Verdict::Admit(own::Accepted { events: events.collect(), reply: None })
        }
        wit::Verdict::Answer(status) => {
            own::Verdict::Answer(own::Reply { status, headers: Vec::new(), body: Vec::new() })
        }
    }
}

fn refusal(refusal: wit::Refusal) -> own::Refusal {
    match refusal {
        wit::Refusal::Unauthenticated(why) => own::Refusal::Unauthenticated(why),
        wit::Refusal::Other(why) => own::Refusal::Malformed(why),
    }
}

/// A plugin of the next contract: it admits one event, `e-2` of the region `eu`, which occurred when it was received.
const NEXT: &str = r#"(module
    (import "hookgate:provider/capabilities@0.2.0" "[method]delivery.received-at"
        (func $received-at (param i32) (result i64)))
    (import "hookgate:provider/capabilities@0.2.0" "[resource-drop]delivery" (func $drop (param i32)))
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 65536))
    (data (i32.const 2048) "next")
    (data (i32.const 2052) "2.0.0")
    (data (i32.const 2060) "e-2")
    (data (i32.const 2064) "eu")
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (local $at i32)
        (local.set $at (global.get $next))
        (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -16))))
        (local.get $at))
    (func $text (param $to i32) (param $from i32) (param $length i32)
        (i32.store (local.get $to) (local.get $from))
        (i32.store offset=4 (local.get $to) (local.get $length)))
    (func $some-text (param $to i32) (param $from i32) (param $length i32)
        (i32.store8 (local.get $to) (i32.const 1))
        (call $text (i32.add (local.get $to) (i32.const 4)) (local.get $from) (local.get $length)))
    (func (export "describe") (result i32)
        (call $text (i32.const 1024) (i32.const 2048) (i32.const 4))
        (call $text (i32.const 1032) (i32.const 2052) (i32.const 5))
        (i32.const 1024))
    (func (export "verify") (param $delivery i32) (result i32)
        (call $some-text (i32.const 4096) (i32.const 2060) (i32.const 3))
        (call $some-text (i32.const 4120) (i32.const 2064) (i32.const 2))
        (i32.store8 (i32.const 4136) (i32.const 1))
        (i64.store (i32.const 4144) (call $received-at (local.get $delivery)))
        (call $drop (local.get $delivery))
        (call $text (i32.const 8200) (i32.const 4096) (i32.const 1))
        (i32.const 8192)))"#;

fn next_component() -> Vec<u8> {
    let mut module = wat::parse_str(NEXT).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_path("../../wit/test").unwrap();
    let world = resolve.select_world(&[package], Some("provider")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    hookgate_plugin_build::encode(&module, "[]").unwrap()
}

const RECEIVED_AT: u64 = 1_700_000_000_123;
const MEMORY_BYTES: usize = 16 << 20;

fn store(engine: &Engine) -> Store<Call> {
    let request = own::Request {
        method: "POST".to_owned(),
        url: "http://localhost/in/source".to_owned(),
        headers: Vec::new(),
        received_at: RECEIVED_AT,
        body: bytes::Bytes::new(),
    };
    let delivery = own::Delivery::without_secrets(Arc::new(request), Arc::default());
    let mut store =
        Store::new(engine, Call::new(delivery, None, CallTime::at_most(Duration::from_secs(1)), MEMORY_BYTES));
    store.limiter(|call| &mut call.memory);
    store.set_epoch_deadline(1_000_000);
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn components_of_two_contracts_answer_side_by_side() {
    let limits = SandboxLimits { concurrency: 4, memory_bytes: MEMORY_BYTES, time: Duration::from_secs(10) };
    let engine = engine::engine(&limits).unwrap();
    let mut linker = Linker::new(&engine);
    call::add_to_linker(&mut linker).unwrap();
    wit::add_to_linker::<_, HasSelf<Call>>(&mut linker, |call| call).unwrap();
    lent::add_to_linker::<_, HasSelf<Call>>(&mut linker, |call| call).unwrap();

    let link = |bytes: &[u8]| Version::link(&Component::new(&engine, bytes).unwrap(), &engine, &linker).unwrap();
    let (first, second) = (link(hookgate_bundled::component("stripe").unwrap()), link(&next_component()));
    assert!(matches!((&first, &second), (Version::V1(_), Version::V2(_))));

    let mut store = store(&engine);
    assert_eq!(first.name(&mut store).await.unwrap(), "stripe");
    let refused = first.verify(&mut self::store(&engine)).await.unwrap();
    assert!(matches!(refused, Err(own::Refusal::Unauthenticated(_))), "{refused:?}");

    assert_eq!(second.name(&mut self::store(&engine)).await.unwrap(), "next");
    let own::Verdict::Admit(accepted) = second.verify(&mut self::store(&engine)).await.unwrap().unwrap() else {
        panic!("it admits")
    };
    let [admission] = &accepted.events[..] else { panic!("{} events", accepted.events.len()) };
    assert_eq!(admission.identity.known_by.id(), Some("e-2"));
    assert_eq!(admission.identity.occurred_at, Some(RECEIVED_AT));
    assert_eq!(admission.identity.attributes, [("region".to_owned(), "eu".to_owned())]);
}
