//! Requests of the component's own.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// What is answered in place of servers outside, by URL; everything else is asked by plain HTTP.
pub type Documents = Arc<BTreeMap<String, Bytes>>;

/// Sends them.
pub struct Outgoing {
    documents: Documents,
    client: Client<HttpConnector, WasiBody>,
}

impl Outgoing {
    pub fn new(documents: Documents) -> Self {
        Outgoing { documents, client: Client::builder(TokioExecutor::new()).build_http() }
    }
}

type Processed = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answered = Result<(Response<WasiBody>, Processed), Error>;

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Processed,
    ) -> Box<dyn Future<Output = Answered> + Send> {
        let document = self.documents.get(&request.uri().to_string()).cloned();
        let client = self.client.clone();
        Box::new(async move {
            let response = match document {
                Some(bytes) => Response::new(Full::new(bytes).map_err(|never| match never {}).boxed_unsync()),
                None => {
                    let answer = client.request(request).await.map_err(|_| Error::ConnectionRefused)?;
                    answer.map(|body| body.map_err(|_| Error::HttpProtocolError).boxed_unsync())
                }
            };
            Ok((response, Box::new(async { Ok(()) }) as Processed))
        })
    }
}
