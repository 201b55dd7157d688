//! The component's exports, generated from `edge/wit/edge.wit`.

wit_bindgen::generate!({
    path: ["../../wit", "../wit"],
    world: "hookgate:edge/capabilities",
    generate_all,
});

export!(Capabilities);

use super::Capabilities;
