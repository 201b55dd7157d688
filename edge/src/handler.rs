//! The component's export, as the SDK's `http_service` writes it, for HTTP in the bindings' own types.

use spin_sdk::wasip3::{
    exports::http::handler::Guest,
    http::types::{ErrorCode, Request, Response},
};

struct Edge;

spin_sdk::wasip3::http::service::export!(Edge);

impl Guest for Edge {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        super::handle(request).await
    }
}
