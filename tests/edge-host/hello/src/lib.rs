//! Hello, world, as Spin's template has it.
#![allow(unsafe_code, missing_docs, reason = "the SDK's macro exports the handler")]

use spin_sdk::{
    http::{IntoResponse, Request},
    http_service,
};

#[http_service]
async fn handle(_: Request) -> impl IntoResponse {
    "Hello, world"
}
