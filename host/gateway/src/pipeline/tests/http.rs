//! What becomes of attempts at an HTTP endpoint.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use hookgate_config::SecretText;
use sha2::Sha256;

use super::{
    receiver::{Receiver, answer, endless, stalling, status},
    *,
};

/// Sends one event to a destination and waits for the end of it.
async fn send_one(destination: Destination) -> (EventId, Handoff) {
    send_one_with(Bench::new(vec![destination])).await
}

async fn send_one_with(bench: Bench) -> (EventId, Handoff) {
    let journal = bench.open();
    let dispatcher = bench.start(&journal);
    let event = admit(&journal, "acme", "{ \"n\": 1.0 }").await;
    let handoff = settled(&journal, event, &bench.config.destinations[0].name).await;
    assert!(dispatcher.stop(PATIENCE).await);
    (event, handoff)
}

fn errors(handoff: &Handoff) -> Vec<&str> {
    handoff.attempts.iter().map(|attempt| attempt.error.as_deref().unwrap_or("")).collect()
}

#[tokio::test]
async fn an_event_arrives_as_a_signed_cloudevent() {
    let receiver = Receiver::with_statuses(&[204]).await;
    let destination = http_with("orders", &receiver.url, |http| {
        http.secrets =
            ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "old secret"].map(|s| SecretText::new(s.into())).to_vec();
        http.headers = vec![("x-api-key".parse().unwrap(), SecretText::new("k".into()))];
    });
    let before = hookgate_model::clock::now_ms() / 1000;
    let (event, handoff) = send_one(destination).await;
    assert!(is_delivered(&handoff));
    assert_eq!((handoff.attempts.len(), handoff.attempts[0].status), (1, Some(204)));

    let seen = receiver.seen().remove(0);
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/hook?a=1"));
    assert_eq!(seen.header("user-agent"), concat!("hookgate/", env!("CARGO_PKG_VERSION")));
    assert_eq!(seen.header("x-api-key"), "k");
    assert_eq!(seen.header("content-type"), "application/cloudevents+json; charset=utf-8");
    assert_eq!(seen.json()["traceparent"].as_str(), Some(seen.header("traceparent")));
    assert!(seen.header("traceparent").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    assert!(seen.body.ends_with(b"\"data\":{ \"n\": 1.0 }}"));

    let (id, timestamp) = (seen.header("webhook-id"), seen.header("webhook-timestamp"));
    assert_eq!(id, event.to_string());
    assert!((before..=before + 60).contains(&timestamp.parse().unwrap()));
    let expected = [STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap(), b"old secret".to_vec()].map(|key| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(&seen.body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    });
    assert_eq!(seen.header("webhook-signature"), expected.join(" "));
}

#[tokio::test]
async fn a_failure_is_tried_again_under_the_same_id_until_it_succeeds() {
    let receiver = Receiver::with_statuses(&[500, 503, 408, 200]).await;
    let (_, handoff) = send_one(http("orders", &receiver.url)).await;
    assert!(is_delivered(&handoff));
    let statuses: Vec<_> = handoff.attempts.iter().map(|attempt| attempt.status).collect();
    assert_eq!(statuses, [500, 503, 408, 200].map(Some));
    let ids = tally(receiver.seen().iter().map(|seen| seen.header("webhook-id").to_owned()));
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn spent_attempts_make_a_dead_letter_with_its_history() {
    let receiver = Receiver::start(|n, _| async move { answer(502, &[], format!("no. {n}\n").into()) }).await;
    let (_, handoff) = send_one(http("orders", &receiver.url)).await;
    assert!(is_dead(&handoff));
    let expected = [0, 1, 2, 3, 4].map(|n| format!("the destination answered 502 Bad Gateway: no. {n}"));
    assert_eq!(errors(&handoff), expected);
    assert_eq!(receiver.seen().len(), 5);
}

#[tokio::test]
async fn a_retry_after_is_waited_for() {
    let receiver = Receiver::start(|n, _| async move {
        if n == 0 { answer(429, &[("retry-after", "1")], "slowly".into()) } else { status(200) }
    });
    let receiver = receiver.await;
    let (_, handoff) = send_one(http("orders", &receiver.url)).await;
    assert!(is_delivered(&handoff));
    let [first, second] = handoff.attempts.as_slice() else { panic!("{handoff:?}") };
    assert!(second.at - first.at >= 1000, "{handoff:?}");
}

#[tokio::test]
async fn what_an_endpoint_refuses_for_good_is_not_tried_again() {
    for (on_4xx, answered, attempts) in [
        (On4xx::Retry, 410, 1),
        (On4xx::DeadLetter, 410, 1),
        (On4xx::DeadLetter, 404, 1),
        (On4xx::Retry, 404, 5),
        (On4xx::DeadLetter, 400, 1),
    ] {
        let receiver = Receiver::start(move |_, _| async move { status(answered) }).await;
        let destination = http_with("orders", &receiver.url, |http| http.on_4xx = on_4xx);
        let (_, handoff) = send_one(destination).await;
        assert!(is_dead(&handoff));
        assert_eq!((receiver.seen().len(), handoff.attempts.len()), (attempts, attempts), "{on_4xx:?} {answered}");
    }
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_cut_off() {
    let receiver = Receiver::start(|_, _| std::future::pending()).await;
    let mut destination = http("orders", &receiver.url);
    destination.timeout = Duration::from_millis(100);
    destination.retry.attempts = 2;
    let (_, handoff) = send_one(destination).await;
    assert!(is_dead(&handoff));
    assert_eq!(errors(&handoff), ["no answer within 100ms"; 2]);
    assert!(handoff.attempts.iter().all(|attempt| attempt.took >= 100));
}

#[tokio::test]
async fn an_answer_without_an_end_counts_by_its_status_and_is_not_kept_whole() {
    let bodies: [fn() -> axum::body::Body; 2] = [|| endless("no end "), || stalling("no end ")];
    for body in bodies {
        let receiver = Receiver::start(move |n, _| async move { answer([500, 200][n.min(1)], &[], body()) }).await;
        let (_, handoff) = send_one(http("orders", &receiver.url)).await;
        assert!(is_delivered(&handoff));
        let [refused, delivered] = handoff.attempts.as_slice() else { panic!("{handoff:?}") };
        let error = refused.error.as_deref().unwrap();
        assert!(error.contains("500 Internal Server Error: no end") && error.len() < 1024, "{error}");
        assert!(delivered.took < 10_000);
    }
}

#[tokio::test]
async fn a_closed_port_is_tried_again_and_named() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (_, handoff) = send_one(http("orders", &format!("http://{closed}/"))).await;
    assert!(is_dead(&handoff));
    assert_eq!(handoff.attempts.len(), 5);
    assert!(errors(&handoff)[0].starts_with(&format!("no connection to {closed}")), "{handoff:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let secret = Receiver::with_statuses(&[200]).await;
    let to = secret.url.clone();
    let redirecting = Receiver::start(move |_, _| {
        let to = to.clone();
        async move { answer(307, &[("location", &to)], axum::body::Body::empty()) }
    })
    .await;
    let (_, handoff) = send_one(http("orders", &redirecting.url)).await;
    assert!(is_dead(&handoff));
    assert!(errors(&handoff)[0].contains("redirects are not followed"), "{handoff:?}");
    assert_eq!((redirecting.seen().len(), secret.seen().len()), (1, 0));
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_never_connected_to() {
    let receiver = Receiver::with_statuses(&[200]).await;
    for url in [
        receiver.url.clone(),
        receiver.url.replace("127.0.0.1", "localhost"),
        receiver.url.replace("127.0.0.1", "127.1"),
    ] {
        let mut bench = Bench::new(vec![http("orders", &url)]);
        bench.config.egress.allow.clear();
        let (_, handoff) = send_one_with(bench).await;
        assert!(is_dead(&handoff));
        assert!(errors(&handoff)[0].contains("is refused (loopback)"), "{handoff:?}");
    }
    assert!(receiver.seen().is_empty());
}

#[tokio::test]
async fn connections_are_used_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let accepted = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counting = accepted.clone();
    let router = axum::Router::new().fallback(|| async { "thanks" });
    let listener = axum::serve::ListenerExt::tap_io(listener, move |_| {
        counting.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    });
    tokio::spawn(async move { axum::serve(listener, router).await });

    let mut destination = http("orders", &url);
    destination.concurrency = 1;
    let bench = Bench::new(vec![destination]);
    let journal = bench.open();
    let dispatcher = bench.start(&journal);
    for event in admit_many(&journal, "acme", 5).await {
        assert!(is_delivered(&settled(&journal, event, "orders").await));
    }
    assert_eq!(accepted.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert!(dispatcher.stop(PATIENCE).await);
}
