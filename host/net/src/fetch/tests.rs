//! Against servers on loopback, good and bad.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures_util::FutureExt;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::*;

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// A server, and how often it was asked.
struct Server {
    base: String,
    asked: Arc<AtomicUsize>,
}

impl Server {
    /// Answers with what `answer` makes of the path, the posted body, and how many requests came before.
    async fn start(answer: impl Fn(&str, &str, usize) -> Option<Answer> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (asked, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(answer));
        let count = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (count, answer) = (count.clone(), answer.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (count, answer) = (count.clone(), answer.clone());
                    async move {
                        let before = count.fetch_add(1, Ordering::SeqCst);
                        let path = request.uri().path().to_owned();
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        match answer(&path, &String::from_utf8_lossy(&body), before) {
                            Some(answer) => Ok::<_, Infallible>(answer),
                            None => std::future::pending().await,
                        }
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Server { base, asked }
    }

    fn query(&self, path: &str) -> Query {
        Query::get(format!("{}{path}", self.base).parse().unwrap())
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn text(status: u16, text: impl Into<Bytes>) -> Option<Answer> {
    Some(Response::builder().status(status).body(Full::new(text.into()).boxed()).unwrap())
}

fn fetcher() -> Fetcher {
    Fetcher::new(Guard::new(vec!["127.0.0.0/8".parse().unwrap()]))
}

async fn why(fetcher: &Fetcher, query: &Query) -> Failure {
    fetcher.get(query).await.unwrap_err().why
}

#[tokio::test]
async fn a_document_is_fetched_once_however_many_want_it() {
    let server = Server::start(|_, _, n| text(200, format!("document {n}"))).await;
    let (fetcher, query) = (fetcher(), server.query("/keys"));
    assert!(fetcher.at_hand(&query).is_none());
    let all = futures_util::future::join_all((0..20).map(|_| fetcher.get(&query))).await;
    assert!(all.iter().all(|document| document.as_ref().unwrap().bytes == "document 0"));
    assert_eq!(fetcher.at_hand(&query).unwrap().unwrap().bytes, "document 0");
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn asking_anew_brings_the_newer_one_once() {
    let server = Server::start(|_, _, n| text(200, format!("document {n}"))).await;
    let (fetcher, query) = (fetcher(), server.query("/keys"));
    let first = fetcher.get(&query).await.unwrap();
    assert_eq!(fetcher.anew(&query), Anew::Outdated);
    let newer = futures_util::future::join_all((0..20).map(|_| fetcher.newer(&query, first.number))).await;
    assert!(newer.iter().all(|document| document.as_ref().unwrap().bytes == "document 1"));
    assert_eq!((fetcher.anew(&query), server.asked()), (Anew::Current, 2));
    let again = fetcher.newer(&query, newer[0].as_ref().unwrap().number).await.unwrap();
    assert_eq!((again.bytes.as_ref(), server.asked()), (b"document 1".as_ref(), 2));
}

#[tokio::test]
async fn failures_have_their_names_and_are_remembered_for_a_moment() {
    let server = Server::start(|path, _, _| match path {
        "/moved" => {
            Some(Response::builder().status(302).header("location", "/keys").body(Full::default().boxed()).unwrap())
        }
        "/missing" => text(404, ""),
        "/broken" => text(500, ""),
        _ => text(200, "found"),
    })
    .await;
    let fetcher = fetcher();
    for (path, expected) in
        [("/moved", Failure::Redirect(302)), ("/missing", Failure::Status(404)), ("/broken", Failure::Status(500))]
    {
        assert_eq!(why(&fetcher, &server.query(path)).await, expected);
        assert_eq!(why(&fetcher, &server.query(path)).await, expected);
    }
    assert_eq!(server.asked(), 3);
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let query = Query::get(format!("http://{closed}/").parse().unwrap());
    assert!(matches!(why(&fetcher, &query).await, Failure::Unreachable(_)));
}

#[tokio::test]
async fn a_gigabyte_is_given_up_early() {
    let server = Server::start(|path, _, _| match path {
        "/said" => text(200, vec![b'x'; limits::FETCHED_BYTES_MAX + 1]),
        _ => {
            // Without a length, and without end.
            let frames = std::iter::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[b'x'; 4096]))));
            Some(Response::new(BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames)))))
        }
    })
    .await;
    let fetcher = fetcher();
    for path in ["/said", "/unsaid"] {
        assert_eq!(why(&fetcher, &server.query(path)).await, Failure::TooLarge, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_given_up_and_waiting_callers_are_bounded() {
    let server = Server::start(|_, _, _| None).await;
    let (fetcher, query) = (fetcher(), server.query("/keys"));
    let all = futures_util::future::join_all((0..limits::FETCH_WAITS_MAX + 1).map(|_| fetcher.get(&query))).await;
    let (busy, timed_out): (Vec<_>, Vec<_>) =
        all.into_iter().map(|outcome| outcome.unwrap_err().why).partition(|why| *why == Failure::Busy);
    assert_eq!((busy.len(), timed_out.len()), (1, limits::FETCH_WAITS_MAX));
    assert!(timed_out.iter().all(|why| *why == Failure::TimedOut), "{timed_out:?}");
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_stop_the_fetch() {
    let server = Server::start(|_, _, n| text(200, format!("document {n}"))).await;
    let (fetcher, query) = (fetcher(), server.query("/keys"));
    assert!(fetcher.get(&query).now_or_never().is_none());
    assert_eq!(fetcher.get(&query).await.unwrap().bytes, "document 0");
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_post_sends_its_body_and_is_told_apart_by_what_it_is_about() {
    let server = Server::start(|_, body, _| text(200, format!("answer to {body}"))).await;
    let fetcher = fetcher();
    for id in ["a", "b"] {
        let url = format!("{}/get", server.base).parse().unwrap();
        let query = Query::post(url, SecretText::new(format!("{{\"id\":\"{id}\"}}")), id);
        let document = fetcher.get(&query).await.unwrap();
        assert_eq!(document.bytes, format!("answer to {{\"id\":\"{id}\"}}"));
        assert!(!format!("{query:?}").contains(id));
    }
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn an_error_does_not_show_what_may_be_a_token() {
    let server = Server::start(|_, _, _| text(403, "")).await;
    let url = format!("{}/?Token=s3cret", server.base.replace("http://", "http://user:s3cret@"));
    let error = fetcher().visit(url.parse().unwrap()).await.unwrap_err();
    assert!(!error.to_string().contains("s3cret"), "{error}");
    assert_eq!(error.why, Failure::Status(403));
}

#[tokio::test]
async fn the_guard_holds_here_too() {
    let server = Server::start(|_, _, _| text(200, "")).await;
    let guarded = Fetcher::new(Guard::default());
    let Failure::Unreachable(text) = why(&guarded, &server.query("/")).await else { panic!("it was fetched") };
    assert!(text.contains("loopback"), "{text}");
    assert_eq!(server.asked(), 0);
}
