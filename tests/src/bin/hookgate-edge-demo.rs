//! The demonstration behind `cargo xtask demo --edge`: Stripe's plugin at the edge, in front of a gateway.
#![allow(clippy::unwrap_used, reason = "a demonstration that cannot go on must say so and fail")]

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, ExitCode, Stdio},
};

use hookgate_tests::{Config, Delivery, Gateway, Receiver, Reply, binary, now, run, send, sign, verified_event};

const STRIPE: &str = "whsec_demo_stripe";
const ORIGIN_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[tokio::main]
async fn main() -> ExitCode {
    let once = env::args().any(|argument| argument == "--once");
    let components = tempfile::tempdir().unwrap();
    println!("\nStripe's plugin, unchanged, is composed into a component for the edge:\n");
    let build = ["edge", "build", "--plugin", "stripe", "--out"];
    print!("{}", run(Command::new(binary()).args(build).arg(components.path())).ok());

    let receiver = Receiver::start().await;
    let secret = format!("secrets.signing = {{ value = \"{ORIGIN_SECRET}\" }}");
    let mut gateway = Gateway::start(Config::new().source("stripe", "edge", &secret).receiver(&receiver)).await;
    let component = components.path().join("stripe.wasm");
    let edge = EdgeHost::start(&component, &gateway.url("stripe"));
    let astray = EdgeHost::start(&component, "http://127.0.0.1:9/in/stripe");

    println!("\nIt runs in a host of its own, and forwards to a gateway. What Stripe sends to the edge is answered:\n");
    let mut demo = Demo { all_right: true };
    let invoice = sign::stripe_event(STRIPE, "evt_demo_1");
    demo.send("an invoice was paid", &edge, &invoice, 200, "accepted").await;
    demo.send("the same once more", &edge, &invoice, 200, "duplicate").await;
    demo.send("somebody else's: forged", &edge, &invoice.clone().tampered("1099", "1"), 401, "").await;
    let old = sign::stripe(STRIPE, now() - 3600, sign::stripe_body("evt_demo_2", now() - 3600));
    demo.send("captured an hour ago: stale", &edge, &old, 401, "").await;
    let third = sign::stripe_event(STRIPE, "evt_demo_3");
    let refused = demo.send("while the origin is down", &astray, &third, 503, "").await;
    demo.check("it is told when to try again", refused.retry_after() == Some(10));
    demo.send("and its retry", &edge, &third, 200, "accepted").await;

    let received = receiver.wait_for(2).await;
    println!("\nBehind the gateway there arrived, signed:\n");
    for one in &received {
        println!("  {}  {}", verified_event(one)["id"], verified_event(one)["type"]);
    }
    demo.check("each event arrived once, and nothing else", received.len() == 2);
    if !once && demo.all_right {
        println!("\nEdge and gateway are still running. Try, in another terminal:\n");
        println!("  {} send stripe --secret {STRIPE} {}\n\nCtrl-C ends it.", binary().display(), edge.url);
        _ = tokio::signal::ctrl_c().await;
    }
    gateway.stop().await;
    println!("\n{}", if demo.all_right { "All came out right." } else { "Something did not come out right." });
    if demo.all_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Demo {
    all_right: bool,
}

impl Demo {
    async fn send(&mut self, what: &str, edge: &EdgeHost, delivery: &Delivery, status: u16, outcome: &str) -> Reply {
        let reply = send(&edge.url, delivery).await;
        let is_right = (reply.status, reply.outcome()) == (status, outcome);
        self.all_right &= is_right;
        let mark = if is_right { "" } else { "   <- NOT AS IT MUST BE" };
        println!("  {what:<32} {} {}{mark}", reply.status, reply.outcome());
        reply
    }

    fn check(&mut self, what: &str, holds: bool) {
        self.all_right &= holds;
        if !holds {
            println!("  NOT AS IT MUST BE: {what}");
        }
    }
}

/// A component in a process of its own; it ends with this one.
struct EdgeHost {
    process: Child,
    url: String,
}

impl EdgeHost {
    fn start(component: &std::path::Path, origin: &str) -> EdgeHost {
        let host = env::var_os("HOOKGATE_EDGE_HOST").expect("cargo xtask demo --edge tells where the host is");
        let mut command = Command::new(host);
        command.arg(component).args(["--listen", "127.0.0.1:0"]);
        for (name, value) in [("origin", origin), ("origin_secret", ORIGIN_SECRET), ("secret_signing", STRIPE)] {
            command.args(["--variable", &format!("{name}={value}")]);
        }
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = format!("{}/in/stripe", line.trim().strip_prefix("listening at ").unwrap());
        EdgeHost { process, url }
    }
}

impl Drop for EdgeHost {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
