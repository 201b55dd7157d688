//! HTTP/1.1 in front of a component.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::TcpListener;
use wasmtime::Result;

use crate::Edge;

/// Has a component answer what comes in, until it is dropped.
///
/// # Errors
/// Connections cannot be accepted.
pub async fn serve(listener: TcpListener, edge: Edge) -> Result<()> {
    loop {
        let (connection, _) = listener.accept().await?;
        let edge = edge.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(edge.clone(), request));
            // A client may go away.
            _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(connection), service).await;
        });
    }
}

async fn answer(edge: Edge, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let request = request.map(|body| body.map_err(|_| wasmtime_wasi_http::Error::HttpProtocolError));
    let response = edge.handle(request).await.unwrap_or_else(|error| {
        eprintln!("the component failed: {error:#}");
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    });
    Ok(response.map(Full::new))
}
