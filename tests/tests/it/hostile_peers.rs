//! Peers that hold what they are given: answers they do not take, bodies they do not finish, requests they take back. Each
//! costs itself its connection, and does not affect others.

use std::{collections::BTreeSet, fs, net::SocketAddr, time::Duration};

use hookgate_tests::{
    Config, Delivery, Gateway, Peer, Receiver, SECRET, eventually, get, now,
    raw::{Connection, status},
    sign, verified_event, within,
};
use http::Request;

const KIB: usize = 1 << 10;

/// Windows that a peer opens for an answer and never opens further.
const WINDOWS_BYTES: [u32; 3] = [0, 1, 100];

fn post(address: SocketAddr, source: &str) -> http::request::Builder {
    Request::post(format!("http://{address}/in/{source}"))
}

fn healthz(address: SocketAddr) -> Request<()> {
    Request::get(format!("http://{address}/healthz")).body(()).unwrap()
}

fn description(address: SocketAddr) -> Request<()> {
    Request::get(format!("http://{address}/api/v1/openapi.json")).body(()).unwrap()
}

/// Asks again and again, until the connection takes no more, and waits for its end.
async fn ask_until_it_ends(peer: &mut Peer, request: impl Fn() -> Request<()>) {
    within("the gateway to take no more", async {
        while peer.is_open() && peer.ask(request(), true).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    peer.ended().await;
}

/// The sum of the refusals of one cause.
async fn refused(gateway: &Gateway, cause: &str) -> f64 {
    gateway.metric("hookgate_refusals_total", &[&format!("cause=\"{cause}\"")]).await
}

async fn refused_at_least(gateway: &Gateway, cause: &str, count: f64) {
    eventually(&format!("{count} times {cause}"), async || (refused(gateway, cause).await >= count).then_some(()))
        .await;
}

#[tokio::test]
async fn a_peer_that_takes_no_answers_loses_its_connection() {
    let config = Config::new().with("server", "header-timeout = \"500ms\"").stripe("stripe");
    let gateway = Gateway::start(config).await;
    for window in WINDOWS_BYTES {
        let (deliveries, admin) = (gateway.deliveries(), gateway.admin_address());
        let (mut sender, mut stranger) = tokio::join!(Peer::connect(deliveries, window), Peer::connect(admin, window));
        tokio::join!(
            ask_until_it_ends(&mut sender, || post(deliveries, "stripe").body(()).unwrap()),
            // Larger than any of the windows.
            ask_until_it_ends(&mut stranger, || description(admin)),
        );
    }
    gateway.counts("hookgate_connections", &[], 0.0).await;
}

/// One answer that is taken at once, again and again, does not make up for another that is not taken.
#[tokio::test]
async fn an_answer_that_is_not_read_ends_a_connection_on_which_others_move() {
    let config = Config::new().with("server", "header-timeout = \"500ms\"").stripe("stripe");
    let gateway = Gateway::start(config).await;
    // The answer of /healthz fits into the window, the description of the API does not.
    let admin = gateway.admin_address();
    let mut peer = Peer::connect(admin, 20_000).await;
    assert!(peer.ask(description(admin), true).await);
    assert_eq!(peer.statuses().await, [200]);
    ask_until_it_ends(&mut peer, || healthz(admin)).await;
}

#[tokio::test]
async fn a_probe_of_the_admin_listener_is_answered_while_strangers_hold_its_connections() {
    let config = Config::new().with("server", "header-timeout = \"5m\"").stripe("stripe");
    let gateway = Gateway::start(config).await;
    let admin = gateway.admin_address();
    let mut held = Vec::new();
    for _ in 0..128 {
        let mut peer = Peer::connect(admin, 0).await;
        assert!(peer.ask(healthz(admin), true).await);
        assert_eq!(peer.statuses().await, [200]);
        held.push(peer);
    }
    for _ in 0..3 {
        let mut probe = Connection::open(admin).await;
        probe.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
        assert_eq!(status(&probe.read_to_end().await), 200);
    }
    assert!(held.iter().filter(|peer| peer.is_open()).count() >= 120, "only as many give way as are needed");
}

#[tokio::test]
async fn a_peer_that_takes_no_answers_does_not_hold_up_the_end_of_the_gateway() {
    let config = Config::new()
        .with("server", "header-timeout = \"5m\"")
        .with("server", "drain-timeout = \"20s\"")
        .stripe("stripe");
    let mut gateway = Gateway::start(config).await;
    let (deliveries, admin) = (gateway.deliveries(), gateway.admin_address());
    let mut peers = vec![Peer::connect(deliveries, 0).await, Peer::connect(deliveries, 1).await];
    for peer in &mut peers {
        for _ in 0..20 {
            assert!(peer.ask(post(deliveries, "nobody").body(()).unwrap(), true).await);
        }
    }
    let mut stranger = Peer::connect(admin, 0).await;
    assert!(stranger.ask(healthz(admin), true).await);
    peers.push(stranger);
    for peer in &mut peers {
        peer.statuses().await;
    }
    assert!(gateway.stop().await.success());
    let said = gateway.said();
    assert!(!said.contains("when the drain time-out was over"), "{said}");
}

fn claiming(above: &str) -> String {
    format!(
        "secrets.signing = {{ value = \"{SECRET}\" }}\nlimits = {{ body = \"16MiB\" }}\nclaim-check = {{ above = \"{above}\" }}"
    )
}

#[tokio::test]
async fn readers_of_a_claim_that_take_nothing_do_not_keep_others_from_it() {
    let receiver = Receiver::start().await;
    let config = Config::new()
        .with("server", "header-timeout = \"5m\"")
        .with("store", "headroom = \"1MiB\"")
        .source("stripe", "stripe", &claiming("64KiB"))
        .receiver(&receiver);
    let gateway = Gateway::start(config).await;
    let body = sign::stripe_body("evt_1", now());
    let body = format!("{},\"padding\":\"{}\"}}", body.strip_suffix('}').unwrap(), "x".repeat(256 * KIB));
    gateway.send("stripe", &sign::stripe(SECRET, now(), body)).await.accepted();
    let event = verified_event(&receiver.wait_for(1).await[0]);
    let link = event["dataref"].as_str().unwrap();
    for window in WINDOWS_BYTES {
        let mut greedy = Peer::connect(gateway.deliveries(), window).await;
        for _ in 0..64 {
            assert!(greedy.ask(Request::get(link).body(()).unwrap(), true).await);
        }
        let taken = greedy.statuses().await.iter().filter(|status| **status == 200).count();
        assert!(taken >= 16, "{taken} places are taken");
        for _ in 0..5 {
            assert_eq!(get(link).await.unwrap().status, 200);
        }
    }
}

/// Begins bodies that do not end: as many as there would be room for if one sender could have all of it, and then small
/// ones, until there would be no room for any body.
async fn begin_bodies(gateway: &Gateway, source: &str, more: &str) -> Vec<Connection> {
    let mut begun = Vec::new();
    // Of the first ones 256 would have all; a last one that came in pieces may leave room for half of itself.
    for (count, size, refused) in [(300, 4 * KIB, 300 - 256), (60, 100, 300 - 256 + 60 - 21)] {
        for _ in 0..count {
            let mut connection = Connection::open(gateway.deliveries()).await;
            let head = format!("POST /in/{source} HTTP/1.1\r\nhost: a\r\n{more}content-length: {}\r\n\r\n", size + 1);
            connection.write(head.as_bytes()).await;
            connection.write(&vec![b'x'; size]).await;
            begun.push(connection);
        }
        refused_at_least(gateway, "overloaded", f64::from(refused)).await;
    }
    begun
}

fn little_room(receiver: &Receiver) -> Config {
    Config::new().with("server", "body-memory = \"1MiB\"").stripe("busy").stripe("quiet").receiver(receiver)
}

#[tokio::test]
async fn bodies_that_do_not_end_leave_room_for_other_addresses() {
    let receiver = Receiver::start().await;
    let config = little_room(&receiver).with("server", "trusted-proxies = [\"127.0.0.1\"]");
    let gateway = Gateway::start(config).await;
    let _begun = begin_bodies(&gateway, "busy", "x-forwarded-for: 203.0.113.1\r\n").await;
    for n in 0..20 {
        let delivery = sign::stripe_event(SECRET, &format!("evt_{n}")).header("x-forwarded-for", "203.0.113.2");
        gateway.send("busy", &delivery).await.accepted();
    }
}

#[tokio::test]
async fn bodies_that_do_not_end_leave_room_for_other_sources() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(little_room(&receiver)).await;
    let _begun = begin_bodies(&gateway, "busy", "").await;
    for n in 0..20 {
        gateway.send("quiet", &sign::stripe_event(SECRET, &format!("evt_{n}"))).await.accepted();
    }
}

/// What a stream holds is bounded; so must be their number.
#[tokio::test]
async fn a_connection_has_at_most_a_few_dozen_requests_in_flight() {
    let gateway = Gateway::start(Config::new().stripe("stripe")).await;
    for address in [gateway.deliveries(), gateway.admin_address()] {
        let mut peer = Peer::connect(address, 65_535).await;
        assert!(peer.ask(healthz(address), true).await);
        peer.statuses().await;
        assert!((16..=64).contains(&peer.streams_max()), "{} at {address}", peer.streams_max());
    }
}

/// HPACK makes a byte of a large header that was sent before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_heads_on_many_streams_have_a_bound_and_leave_room_for_small_ones() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(Config::new().stripe("stripe").receiver(&receiver)).await;
    let value = "v".repeat(3_800);
    let mut peers = Vec::new();
    for _ in 0..20 {
        let mut peer = Peer::connect(gateway.deliveries(), 0).await;
        for _ in 0..64 {
            let request =
                (0..15).fold(post(gateway.deliveries(), "stripe"), |request, _| request.header("x-a", &value));
            // The body is still to come.
            assert!(peer.ask(request.body(()).unwrap(), false).await);
        }
        peers.push(peer);
    }
    refused_at_least(&gateway, "overloaded", 1.0).await;
    for n in 0..20 {
        gateway.send("stripe", &sign::stripe_event(SECRET, &format!("evt_{n}"))).await.accepted();
    }
}

fn incoming(gateway: &Gateway) -> BTreeSet<String> {
    let entries = fs::read_dir(gateway.path().join("data/claims/incoming")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_requests_leave_no_files() {
    let config = Config::new().with("store", "headroom = \"1MiB\"").with("log", "filter = \"info\"");
    let gateway = Gateway::start(config.source("stripe", "stripe", &claiming("64KiB"))).await;
    for connection in 0..150 {
        let mut peer = Peer::connect(gateway.deliveries(), 65_535).await;
        for n in 0..20 {
            let request = post(gateway.deliveries(), "stripe").header("content-length", "1000000").body(()).unwrap();
            assert!(peer.ask(request, false).await);
            // At other moments of its beginning each time.
            tokio::time::sleep(Duration::from_micros((connection * 20 + n) % 50 * 40)).await;
            peer.reset_last();
        }
    }
    eventually("nothing to be left of them", async || {
        let quiet = gateway.metric("hookgate_requests_in_flight", &[]).await == 0.0;
        (quiet && incoming(&gateway).is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn two_hosts_and_bare_line_feeds_are_refused() {
    let lines = format!("secrets.signing = {{ value = \"{SECRET}\" }}\nlimits = {{ failures = \"1000/s\" }}");
    let gateway = Gateway::start(Config::new().source("stripe", "stripe", &lines)).await;
    let good = "POST /in/stripe HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n\n\n";
    let chunked = "POST /in/stripe HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\n\n\r\n0\r\n\r\n";
    let bad = [
        "POST /in/stripe HTTP/1.1\r\nhost: a\r\nhost: b\r\ncontent-length: 0\r\n\r\n",
        "POST /in/stripe HTTP/1.1\r\nhost: a\r\nHost: a\r\ncontent-length: 0\r\n\r\n",
        "POST /in/stripe HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
        "POST /in/stripe HTTP/1.1\nhost: a\ncontent-length: 0\n\n",
        "POST /in/stripe HTTP/1.1\r\nhost: a\ncontent-length: 0\r\n\r\n",
        "POST /in/stripe HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\n",
        "\nPOST /in/stripe HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
    ];
    for before in ["", good, chunked] {
        for bad in bad {
            let mut connection = Connection::open(gateway.deliveries()).await;
            connection.write(format!("{before}{bad}").as_bytes()).await;
            connection.finish().await;
            let reply = connection.read_to_end().await;
            let statuses: Vec<u16> = reply.match_indices("HTTP/1.1 ").map(|(at, _)| status(&reply[at..])).collect();
            let expected: &[u16] = if before.is_empty() { &[400] } else { &[401, 400] };
            assert_eq!(statuses, expected, "{before:?} {bad:?}: {reply}");
        }
    }
    // Line feeds in bodies are allowed.
    let mut connection = Connection::open(gateway.deliveries()).await;
    connection.write(format!("{good}{chunked}{good}").as_bytes()).await;
    connection.finish().await;
    assert_eq!(connection.read_to_end().await.matches("HTTP/1.1 401").count(), 3);
}

#[tokio::test]
async fn failures_beyond_the_limit_are_counted_and_logged_once() {
    let lines = format!("secrets.signing = {{ value = \"{SECRET}\" }}\nlimits = {{ failures = \"3/m\" }}");
    let gateway = Gateway::start(Config::new().source("stripe", "stripe", &lines)).await;
    for _ in 0..100 {
        gateway.send("stripe", &Delivery::post(&[], "{}")).await;
    }
    gateway.counts("hookgate_refusals_total", &["cause=\"too-many-failures\""], 97.0).await;
    gateway.says("too-many-failures").await;
    let told = gateway.said().lines().filter(|line| line.contains("too-many-failures")).count();
    assert_eq!(told, 1);
}
