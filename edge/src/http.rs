//! HTTP of WASI 0.3, without a library of its own types between: headers and paths stay the bytes that they are, and the
//! component is smaller by a quarter.

use std::{
    future::{Future, poll_fn},
    task::Poll,
};

use spin_sdk::wasip3::{
    http::{
        client,
        types::{ErrorCode, Fields, Method, Request, Response, Scheme, Trailers},
    },
    spawn,
    wit_bindgen::{FutureReader, StreamReader, StreamResult},
    wit_future, wit_stream,
};

/// Names and values, in order.
pub type Headers = Vec<(String, Vec<u8>)>;

/// Bytes that are read at a time.
const PIECE: usize = 64 << 10;

/// A URL in the parts that a request has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    is_https: bool,
    authority: String,
    path: String,
}

/// Why a body was not read to its end.
pub enum BodyError {
    /// It has more bytes than that.
    TooLarge,
    /// It ended early.
    Truncated,
}

impl Url {
    /// Of `http` or `https`, without a fragment.
    pub fn parse(text: &str) -> Option<Url> {
        let (scheme, rest) = text.split_once("://")?;
        let is_https = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let is_good = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let fits = !authority.is_empty() && !authority.contains('@') && is_good(authority) && is_good(&path);
        fits.then(|| Url { is_https, authority: authority.to_owned(), path })
    }

    /// The same with a single slash in its path wherever there are several in a row.
    pub fn without_empty_segments(mut self) -> Url {
        let end = self.path.find('?').unwrap_or(self.path.len());
        let mut path = String::with_capacity(self.path.len());
        for character in self.path[..end].chars() {
            if character != '/' || !path.ends_with('/') {
                path.push(character);
            }
        }
        path.push_str(&self.path[end..]);
        self.path = path;
        self
    }
}

/// A method's name.
pub fn name_of(method: Method) -> String {
    match method {
        Method::Get => "GET".to_owned(),
        Method::Head => "HEAD".to_owned(),
        Method::Post => "POST".to_owned(),
        Method::Put => "PUT".to_owned(),
        Method::Delete => "DELETE".to_owned(),
        Method::Connect => "CONNECT".to_owned(),
        Method::Options => "OPTIONS".to_owned(),
        Method::Trace => "TRACE".to_owned(),
        Method::Patch => "PATCH".to_owned(),
        Method::Other(name) => name,
    }
}

/// A scheme's name.
pub fn scheme_of(scheme: Scheme) -> String {
    match scheme {
        Scheme::Http => "http".to_owned(),
        Scheme::Https => "https".to_owned(),
        Scheme::Other(name) => name,
    }
}

/// A request's headers. A platform may keep names as they were sent; the plugins' contract has them in lower case.
pub fn headers_of(request: &Request) -> Headers {
    let all = request.get_headers().copy_all();
    all.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

/// What `content-length` says.
pub fn length_of(headers: &Headers) -> Option<usize> {
    let (_, value) = headers.iter().find(|(name, _)| name == "content-length")?;
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// All of a request's body, which is said to have this length.
pub async fn body_of_request(request: Request, length: Option<usize>, limit: usize) -> Result<Vec<u8>, BodyError> {
    let (_, processed) = wit_future::new(|| Ok(()));
    let (stream, trailers) = Request::consume_body(request, processed);
    read(stream, trailers, length, limit).await
}

/// All of a response's body.
pub async fn body_of_response(response: Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    let (_, processed) = wit_future::new(|| Ok(()));
    let (stream, trailers) = Response::consume_body(response, processed);
    read(stream, trailers, None, limit).await
}

/// Reads a body, which is said to have this length.
async fn read(
    mut stream: StreamReader<u8>,
    trailers: FutureReader<Result<Option<Trailers>, ErrorCode>>,
    length: Option<usize>,
    limit: usize,
) -> Result<Vec<u8>, BodyError> {
    // The length is the sender's word, so no more than a piece is reserved for it. One byte more, in which the end is read.
    let mut body = Vec::with_capacity(length.map_or(PIECE, |length| length.min(PIECE) + 1));
    loop {
        if body.len() == body.capacity() {
            body.reserve(PIECE);
        }
        let result;
        (result, body) = stream.read(body).await;
        if body.len() > limit {
            return Err(BodyError::TooLarge);
        }
        match result {
            StreamResult::Complete(_) => {}
            StreamResult::Dropped | StreamResult::Cancelled => break,
        }
    }
    trailers.await.map_err(|_| BodyError::Truncated)?;
    Ok(body)
}

/// A response.
pub async fn response(status: u16, headers: Headers, body: Vec<u8>) -> Result<Response, ErrorCode> {
    let headers = if may_have_body(status) { with_length(headers, &body) } else { headers };
    let (contents, trailers) = contents(body).await;
    let (response, _) = Response::new(fields(&headers)?, contents, trailers);
    response.set_status_code(status).map_err(|()| ErrorCode::HttpProtocolError)?;
    Ok(response)
}

/// RFC 9110, section 8.6: where there is never a body there is no `content-length`.
fn may_have_body(status: u16) -> bool {
    status >= 200 && status != 204 && status != 304
}

/// Sends a request and waits for the head of its response; redirects are not followed.
pub async fn send(method: Method, url: &Url, headers: Headers, body: Vec<u8>) -> Result<Response, String> {
    let headers = if matches!(method, Method::Get) { headers } else { with_length(headers, &body) };
    let fields = fields(&headers).map_err(|_| "the headers cannot be sent".to_owned())?;
    let (contents, trailers) = contents(body).await;
    let (request, _) = Request::new(fields, contents, trailers, None);
    let scheme = if url.is_https { Scheme::Https } else { Scheme::Http };
    let set = request.set_method(&method).is_ok()
        && request.set_scheme(Some(&scheme)).is_ok()
        && request.set_authority(Some(&url.authority)).is_ok()
        && request.set_path_with_query(Some(&url.path)).is_ok();
    if !set {
        return Err("the URL cannot be asked".to_owned());
    }
    client::send(request).await.map_err(|error| what(&error).to_owned())
}

fn fields(headers: &Headers) -> Result<Fields, ErrorCode> {
    Fields::from_list(headers).map_err(|_| ErrorCode::InternalError(None))
}

/// The errors that help an operator; all forty in words would be 4 KiB of the component.
fn what(error: &ErrorCode) -> &'static str {
    match error {
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) => "its name cannot be resolved",
        ErrorCode::DestinationNotFound | ErrorCode::DestinationUnavailable => "it is not there",
        ErrorCode::DestinationIpProhibited | ErrorCode::HttpRequestDenied => {
            "the platform does not let the component connect"
        }
        ErrorCode::ConnectionRefused => "it refuses connections",
        ErrorCode::ConnectionTimeout | ErrorCode::ConnectionReadTimeout => "it does not answer in time",
        ErrorCode::TlsProtocolError | ErrorCode::TlsCertificateError | ErrorCode::TlsAlertReceived(_) => {
            "no TLS connection comes about"
        }
        _ => "the connection failed",
    }
}

/// With `content-length`, once. Without it a platform sends chunks, which not every receiver takes.
fn with_length(mut headers: Headers, body: &[u8]) -> Headers {
    headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
    headers.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
    headers
}

/// A body that is there as a whole; no stream for none.
///
/// Writing has begun when this returns, so that a platform finds the body when it sends the head, and sends both in one
/// packet. On a kept-alive connection a second packet waits for the acknowledgement of the first, which peers delay by
/// 40 ms.
async fn contents(body: Vec<u8>) -> (Option<StreamReader<u8>>, FutureReader<Result<Option<Trailers>, ErrorCode>>) {
    // Dropped when the body is written, it says that there are no trailers.
    let (ended, trailers) = wit_future::new(|| Ok(None));
    if body.is_empty() {
        return (None, trailers);
    }
    let (mut writer, reader) = wit_stream::new();
    let mut writing = Box::pin(async move {
        // A peer that does not read it does not want it.
        _ = writer.write_all(body).await;
        drop(writer);
        drop(ended);
    });
    let has_ended = poll_fn(|context| Poll::Ready(writing.as_mut().poll(context).is_ready())).await;
    if !has_ended {
        spawn(writing);
    }
    (Some(reader), trailers)
}
