//! The component's imports beside HTTP, generated from `edge/wit/edge.wit`.

spin_sdk::wit_bindgen::generate!({
    path: ["../wit", "wit"],
    world: "hookgate:edge/edge",
    runtime_path: "spin_sdk::wit_bindgen::rt",
    generate_all,
});

pub use hookgate::{
    edge::gate,
    provider::types::{Confirmation, Reply},
};
pub use wasi::{config, keyvalue};
