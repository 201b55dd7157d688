//! The demonstration behind `cargo xtask demo`: a gateway, a receiver, and providers that sign for real.
#![allow(clippy::unwrap_used, reason = "a demonstration that cannot go on must say so and fail")]

use std::{
    collections::HashSet,
    fs,
    path::PathBuf,
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use hookgate_tests::{
    Answer, Config, Delivery, Gateway, Received, Receiver, Reply, WEBHOOK_SECRET, binary, directory, eventually, get,
    issuer::{AUDIENCE, Issuer, bearer},
    now, run, send, sign,
};
use serde_json::{Value, json};

const STRIPE: &str = "whsec_demo_stripe";
const GITHUB: &str = "demo-github-secret";
const SLACK: &str = "demo-slack-signing-secret";
const TWILIO: &str = "demo-twilio-auth-token";
const SHOP: &str = "demo-shop-secret";
const ADYEN: &str = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";

#[tokio::main]
async fn main() -> ExitCode {
    let once = std::env::args().any(|argument| argument == "--once");
    let is_up = Arc::new(AtomicBool::new(true));
    let up = is_up.clone();
    let receiver = Receiver::answering(move |_, _| Answer::status(if up.load(Relaxed) { 200 } else { 503 })).await;
    let issuer = Issuer::start().await;
    let gateway = Gateway::start(config(&receiver, &issuer)).await;
    let (rows, under_load, checks) = (Vec::new(), Vec::new(), Vec::new());
    let mut demo = Demo { gateway, receiver, issuer, is_up, rows, under_load, checks };

    demo.show().await;
    let came_out_right = demo.print_table();
    if !once && came_out_right {
        demo.stay().await;
    }
    demo.gateway.stop().await;
    if came_out_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn config(receiver: &Receiver, issuer: &Issuer) -> Config {
    let secret = |name: &str, value: &str| format!("secrets.{name} = {{ value = \"{value}\" }}");
    Config::new()
        .source("stripe", "stripe", &secret("signing", STRIPE))
        .source("github", "github", &secret("signing", GITHUB))
        .source("slack", "slack", &secret("signing", SLACK))
        .source("twilio", "twilio", &secret("auth-token", TWILIO))
        .source("adyen", "adyen", &secret("hmac", ADYEN))
        .source("shop", "hmac", &format!("{}\n{SHOP_LINES}", secret("signing", SHOP)))
        .source("uploads", "stripe", &format!("{}\n{UPLOADS_LINES}", secret("signing", STRIPE)))
        .source(
            "partner",
            "raw",
            &format!("auth = {{ jwt = {{ issuer = \"{}\", audience = \"{AUDIENCE}\" }} }}", issuer.url()),
        )
        .receiver(receiver)
}

/// Numbers that count up for each order; early ones wait for those before them.
const SHOP_LINES: &str = "settings = { signature = \"header:x-signature\", id = \"json:/id\", ordering-key = \"json:/order\", \
                          sequence = \"json:/number\" }\nordering = { gap-timeout = \"1h\" }";
/// Large bodies go to the object store, and links to them to the receiver.
const UPLOADS_LINES: &str = "claim-check = { above = \"256KiB\" }\nlimits = { body = \"100MiB\" }";
const UPLOAD_BYTES: usize = 50 << 20;

struct Demo {
    gateway: Gateway,
    receiver: Receiver,
    issuer: Issuer,
    is_up: Arc<AtomicBool>,
    rows: Vec<Row>,
    /// Events of deliveries that came in while a plugin was exchanged.
    under_load: Vec<String>,
    /// What else was to be seen, and whether it was.
    checks: Vec<(&'static str, bool)>,
}

/// One delivery: what it was, what it was answered, and what must be.
struct Row {
    what: &'static str,
    status: u16,
    outcome: String,
    events: Vec<String>,
    expected: Expected,
}

#[derive(Clone, Copy, PartialEq)]
enum Expected {
    /// New, so many events.
    Accepted(usize),
    /// Known already.
    Duplicate,
    /// Turned away with 401.
    Refused,
}

impl Demo {
    async fn show(&mut self) {
        say("A gateway on an empty store, and a receiver that checks every signature, are running.");
        say("Five providers deliver, three by `hookgate send`, two by plain HTTP:");
        self.send_by_cli("Stripe: an invoice was paid", "stripe", STRIPE, Expected::Accepted(1)).await;
        self.send_by_cli("GitHub: a push", "github", GITHUB, Expected::Accepted(1)).await;
        self.send_by_cli("Adyen: a payment", "adyen", ADYEN, Expected::Accepted(1)).await;
        self.send("Slack: somebody was mentioned", "slack", slack("Ev0DEMO1"), Expected::Accepted(1)).await;
        let sms = twilio(&self.gateway.url("twilio"), "SM0DEMO1");
        self.send("Twilio: a text message came", "twilio", sms, Expected::Accepted(1)).await;
        let items = ["8836183819713023", "8836183819713024"].map(|psp| sign::adyen_item(psp, "CAPTURE", 1099));
        self.send("Adyen: two captures in one", "adyen", sign::adyen(ADYEN, &items), Expected::Accepted(2)).await;

        say("And somebody who means no good, or does not remember:");
        let invoice = stripe("evt_demo_1", now());
        self.send("Stripe: another invoice", "stripe", invoice.clone(), Expected::Accepted(1)).await;
        self.send("Stripe: the same once more", "stripe", invoice.clone(), Expected::Duplicate).await;
        let forged = invoice.clone().tampered("1099", "1");
        self.send("Stripe: its amount changed", "stripe", forged, Expected::Refused).await;
        let stale = stripe("evt_demo_2", now() - 3600);
        self.send("Stripe: signed an hour ago", "stripe", stale, Expected::Refused).await;

        say("The receiver goes down; the gateway still takes what it can make durable, and is then killed (kill -9):");
        self.is_up.store(false, Relaxed);
        self.send("Stripe: while all is down", "stripe", stripe("evt_demo_3", now()), Expected::Accepted(1)).await;
        let push = sign::github(GITHUB, "push", "demo-delivery-2", json!({ "ref": "refs/heads/main" }).to_string());
        self.send("GitHub: while all is down", "github", push, Expected::Accepted(1)).await;
        self.receiver.wait_until("an attempt that fails", |all| all.iter().any(|one| one.answered == 503)).await;
        self.gateway.kill();
        self.gateway.restart().await;
        self.is_up.store(true, Relaxed);

        say("It has been started again on the same store, and the receiver is back:");
        self.send("Stripe: known from before", "stripe", invoice, Expected::Duplicate).await;
        let sms = twilio(&self.gateway.url("twilio"), "SM0DEMO2");
        self.send("Twilio: another message", "twilio", sms, Expected::Accepted(1)).await;
        self.show_order().await;
        self.show_claim().await;
        self.show_identity().await;
        self.show_swap().await;
        self.show_shadow().await;
        let ids = self.ids();
        self.receiver.wait_until("every event at the receiver", |all| ids.iter().all(|id| arrivals(all, id) > 0)).await;
        let received = self.receiver.all();
        let arrived_once = self.under_load.iter().all(|id| arrivals(&received, id) == 1);
        self.check("every event of the exchange arrived once", arrived_once);
    }

    /// Events that come out of order leave in order.
    async fn show_order(&mut self) {
        say("A shop numbers its events, and they overtake each other on the way:");
        let first = self.receiver.all().len();
        for (what, number) in [
            ("Shop: number 1 of an order", 1),
            ("Shop: number 4, too early", 4),
            ("Shop: number 2", 2),
            ("Shop: number 3, the missing", 3),
        ] {
            self.send(what, "shop", shop(number), Expected::Accepted(1)).await;
        }
        let of_shop = |all: &[Received]| -> Vec<u64> {
            let events = all.iter().skip(first).map(Received::json);
            events
                .filter(|event| event["partitionkey"] == "A-7")
                .filter_map(|event| event["data"]["number"].as_u64())
                .collect()
        };
        let received = self.receiver.wait_until("the four events", |all| of_shop(all).len() == 4).await;
        let order = of_shop(&received);
        self.check("1, 4, 2, 3 went in, and 1, 2, 3, 4 came out", order == [1, 2, 3, 4]);
    }

    /// A large body is kept in the object store, and a link to it is sent.
    async fn show_claim(&mut self) {
        say("A delivery of 50 MiB, by claim check:");
        let body = sign::stripe_body("evt_demo_upload", now());
        let body = format!("{},\"padding\":\"{}\"}}", body.strip_suffix('}').unwrap(), "x".repeat(UPLOAD_BYTES));
        let bytes = body.len();
        self.send("Stripe: 50 MiB", "uploads", sign::stripe(STRIPE, now(), body.clone()), Expected::Accepted(1)).await;
        let id = self.rows.last().unwrap().events.first().cloned().unwrap_or_default();
        let received = self.receiver.wait_until("the link", |all| all.iter().any(|one| one.event_id() == id)).await;
        let event = received.iter().find(|one| one.event_id() == id).unwrap();
        let link = event.json()["dataref"].as_str().unwrap_or_default().to_owned();
        println!("  the receiver got {} bytes with a link to {bytes}: {}", event.body.len(), shortened(&link));
        let payload = get(&link).await.map(|reply| reply.body).unwrap_or_default();
        self.check("the link gives the 50 MiB, byte for byte", payload == body.as_bytes());
    }

    /// A source that asks for a token of an issuer.
    async fn show_identity(&mut self) {
        say("A partner that signs nothing, and shows a token (JWT) of an issuer whose keys the gateway fetches:");
        let good = bearer(&self.issuer.token(json!({})));
        let expired = bearer(&self.issuer.token(json!({ "exp": now() - 3600 })));
        let without = Delivery::post(&[("content-type", "application/json")], "{}");
        self.send("Partner: without a token", "partner", without, Expected::Refused).await;
        self.send("Partner: an expired token", "partner", expired, Expected::Refused).await;
        self.send("Partner: a good token", "partner", good, Expected::Accepted(1)).await;
    }

    /// Another version of a plugin takes over while deliveries come in, and goes again.
    async fn show_swap(&mut self) {
        say(
            "Stripe delivers all the time, while another build of its plugin takes over and the one before comes back:",
        );
        let next = self.build("stripe");
        // The same code under another hash: an empty custom section named `next`.
        let component = [fs::read(&next).unwrap(), b"\0\x05\x04next".to_vec()].concat();
        fs::write(&next, component).unwrap();
        let (is_over, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let (url, is_over, count) = (self.gateway.url("stripe"), is_over.clone(), count.clone());
                tokio::spawn(async move {
                    let mut replies = Vec::new();
                    while !is_over.load(Relaxed) {
                        let id = format!("evt_demo_load_{sender}_{}", replies.len());
                        replies.push(send(&url, &stripe(&id, now())).await);
                        count.fetch_add(1, Relaxed);
                    }
                    replies
                })
            })
            .collect();
        let more = async || {
            let before = count.load(Relaxed);
            eventually("more deliveries", async || (count.load(Relaxed) >= before + 40).then_some(())).await;
        };
        more().await;
        self.operate(&["plugin", "install", next.to_str().unwrap()]);
        more().await;
        self.operate(&["plugin", "rollback", "stripe"]);
        more().await;
        is_over.store(true, Relaxed);
        let mut replies = Vec::new();
        for sender in senders {
            replies.extend(sender.await.unwrap());
        }
        let mut versions = HashSet::new();
        for id in replies.iter().flat_map(Reply::events) {
            let event = self.gateway.admin_get(&format!("/api/v1/events/{id}")).await.json();
            versions.insert(event["plugin"]["hash"].as_str().unwrap_or_default().to_owned());
            self.under_load.push(id);
        }
        let taken = replies.iter().filter(|reply| reply.outcome() == "accepted").count();
        println!(
            "  {} deliveries meanwhile, {taken} of them taken, judged by {} versions",
            replies.len(),
            versions.len()
        );
        self.check("no delivery was lost or refused in the exchange", taken == replies.len());
        self.check("both versions have judged", versions.len() == 2);
    }

    /// A harmful version is detected before it becomes active.
    async fn show_shadow(&mut self) {
        say("A version of GitHub's plugin that lets anybody in is tried as a shadow, which has no effect:");
        let careless = self.build("raw");
        let careless = careless.to_str().unwrap();
        let refused = self.gateway.cli(&["plugin", "install", careless, "--plugin", "github"]);
        self.check("to work at once it is refused, by deliveries of the past", refused.code == Some(1));
        self.operate(&["plugin", "install", careless, "--plugin", "github", "--shadow", "--despite-recorded"]);
        let push = sign::github(GITHUB, "push", "demo-delivery-3", json!({ "ref": "refs/heads/main" }).to_string());
        self.send("GitHub: a push, and a shadow", "github", push.clone(), Expected::Accepted(1)).await;
        self.send("GitHub: a forged one", "github", push.tampered("main", "evil"), Expected::Refused).await;
        let verdict = eventually("the shadow's word on both", async || {
            let diff: Value =
                serde_json::from_str(&self.gateway.cli(&["plugin", "diff", "github", "--json"]).stdout).ok()?;
            let differences = diff["differences"]["differences"].as_array()?;
            differences.iter().find(|difference| difference["part"] == "verdict").cloned()
        })
        .await;
        let [at_work, on_trial] = ["before", "after"].map(|name| verdict[name].as_str().unwrap_or_default());
        println!("  the forged one is {at_work} at work; on trial it would be {on_trial}");
        self.check("the shadow would have admitted the forgery", verdict["after"] == "admitted");
        self.operate(&["plugin", "stop-trial", "github"]);
    }

    /// A bundled plugin, built as its author would.
    fn build(&self, plugin: &str) -> PathBuf {
        let out = self.gateway.path().join("built");
        let mut build = Command::new(binary());
        build.args(["plugin", "build"]).arg(directory("guest-plugins").join(plugin)).arg("--out").arg(&out);
        run(build.env("CARGO_TARGET_DIR", directory("target/plugins"))).ok();
        out.join(format!("{plugin}.wasm"))
    }

    /// As an operator would; deliveries go on meanwhile.
    fn operate(&self, arguments: &[&str]) {
        let shown = arguments.iter().map(|word| word.rsplit('/').next().unwrap_or(word)).collect::<Vec<_>>().join(" ");
        println!("  $ hookgate {shown}");
        tokio::task::block_in_place(|| self.gateway.cli(arguments)).ok();
    }

    fn check(&mut self, what: &'static str, holds: bool) {
        println!("  {} {what}", if holds { "seen:" } else { "NOT SEEN:" });
        self.checks.push((what, holds));
    }

    /// As a user would.
    async fn send_by_cli(&mut self, what: &'static str, source: &str, secret: &str, expected: Expected) {
        let url = self.gateway.url(source);
        let sent = self.gateway.cli(&["send", source, "--secret", secret, "--json", &url]);
        let answer: Value = serde_json::from_str(sent.stdout.lines().next().unwrap_or_default())
            .unwrap_or_else(|_| panic!("hookgate send {source}: {}{}", sent.stdout, sent.stderr));
        let events = answer["events"].as_array().into_iter().flatten();
        self.note(Row {
            what,
            status: answer["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default(),
            outcome: answer["outcome"].as_str().unwrap_or_default().to_owned(),
            events: events.filter_map(|id| id.as_str().map(str::to_owned)).collect(),
            expected,
        });
    }

    async fn send(&mut self, what: &'static str, source: &str, delivery: Delivery, expected: Expected) {
        let reply: Reply = self.gateway.send(source, &delivery).await;
        let (status, outcome, events) = (reply.status, reply.outcome().to_owned(), reply.events());
        self.note(Row { what, status, outcome, events, expected });
    }

    fn note(&mut self, row: Row) {
        println!("  {:<30} -> {} {}", row.what, row.status, row.outcome);
        self.rows.push(row);
    }

    /// The ids of all events that were acknowledged.
    fn ids(&self) -> HashSet<String> {
        let of_rows = self.rows.iter().flat_map(|row| &row.events);
        of_rows.chain(&self.under_load).cloned().collect()
    }

    /// What became of each delivery; whether all is as it must be.
    fn print_table(&self) -> bool {
        let received = self.receiver.all();
        let mut all_right = true;
        println!("\n{:<30}  {:<14}  {:<38}  at the receiver", "delivery", "answer", "event");
        println!("{}", "-".repeat(112));
        for row in &self.rows {
            let right = row.is_right(&received);
            all_right &= right;
            let answer = format!("{} {}", row.status, row.outcome);
            let ids = if row.events.is_empty() { vec!["-".to_owned()] } else { row.events.clone() };
            for (n, id) in ids.iter().enumerate() {
                let (what, answer) = if n == 0 { (row.what, answer.as_str()) } else { ("", "") };
                let mark = if right { "" } else { "   <- NOT AS IT MUST BE" };
                println!("{what:<30}  {answer:<14}  {id:<38}  {}{mark}", row.fate(id, &received));
            }
        }
        let known = self.ids();
        let strangers = received.iter().filter(|one| !known.contains(&one.event_id())).count();
        let unsigned = received.iter().filter(|one| !one.is_signed_by(WEBHOOK_SECRET)).count();
        all_right &= strangers == 0 && unsigned == 0 && self.checks.iter().all(|(_, holds)| *holds);
        println!("{}", "-".repeat(112));
        println!(
            "{} deliveries and {} during the exchange, {} events, {} attempts at the receiver: {unsigned} without a right \
             signature, {strangers} of no acknowledged event.",
            self.rows.len(),
            self.under_load.len(),
            known.len(),
            received.len()
        );
        println!("{}", if all_right { "All came out right." } else { "NOT ALL CAME OUT RIGHT." });
        all_right
    }

    async fn stay(&self) {
        let (stripe, admin) = (self.gateway.url("stripe"), self.gateway.admin());
        let binary = hookgate_tests::binary().display();
        println!(
            "\nThe gateway is still running. Try, in another terminal:\n\n  \
             {binary} send stripe --secret {STRIPE} {stripe}\n  \
             {binary} events list --admin {admin}\n  \
             {binary} events show --admin {admin} ID\n  \
             curl -i -d '{{}}' {stripe}\n  \
             curl {admin}/metrics\n\nCtrl-C ends it."
        );
        let mut seen = self.receiver.all().len();
        let next = async {
            loop {
                let all = self.receiver.wait_for_more(seen).await;
                for one in &all[seen..] {
                    println!("received {}  {}", one.event_id(), one.json()["type"].as_str().unwrap_or("?"));
                }
                seen = all.len();
            }
        };
        tokio::select! { () = next => (), _ = tokio::signal::ctrl_c() => println!() }
    }
}

impl Row {
    fn is_right(&self, received: &[Received]) -> bool {
        let arrived_once = self.events.iter().all(|id| arrivals(received, id) == 1);
        match self.expected {
            Expected::Accepted(count) => {
                self.status == 200 && self.outcome == "accepted" && self.events.len() == count && arrived_once
            }
            Expected::Duplicate => self.status == 200 && self.outcome == "duplicate" && arrived_once,
            Expected::Refused => self.status == 401 && self.events.is_empty(),
        }
    }

    fn fate(&self, id: &str, received: &[Received]) -> String {
        match (self.expected, arrivals(received, id)) {
            (Expected::Refused, _) => "never".to_owned(),
            (Expected::Duplicate, 1) => "once, from before".to_owned(),
            (_, 1) => "once, signature verified".to_owned(),
            (_, count) => format!("{count} times"),
        }
    }
}

/// How often an event was taken, with a right signature.
fn arrivals(received: &[Received], id: &str) -> usize {
    let taken = |one: &&Received| one.answered == 200 && one.event_id() == id && one.is_signed_by(WEBHOOK_SECRET);
    received.iter().filter(taken).count()
}

fn stripe(id: &str, at: u64) -> Delivery {
    sign::stripe(STRIPE, at, sign::stripe_body(id, at))
}

/// An event of an order, with its number.
fn shop(number: u64) -> Delivery {
    let body = json!({ "id": format!("A-7-{number}"), "order": "A-7", "number": number }).to_string();
    let tag = hex::encode(sign::hmac_sha256(SHOP.as_bytes(), &[body.as_bytes()]));
    Delivery::post(&[("content-type", "application/json"), ("x-signature", &tag)], body)
}

/// A link without its signature, which would fill lines.
fn shortened(link: &str) -> String {
    link.split('?').next().unwrap_or_default().to_owned() + "?..."
}

fn slack(id: &str) -> Delivery {
    let event = json!({ "type": "app_mention", "user": "U1", "text": "hello", "ts": "1.2", "channel": "C1" });
    let body =
        json!({ "type": "event_callback", "team_id": "T1", "event_id": id, "event_time": now(), "event": event });
    sign::slack(SLACK, now(), body.to_string())
}

fn twilio(url: &str, id: &str) -> Delivery {
    let parameters = [("MessageSid", id), ("SmsStatus", "received"), ("From", "+14155550100"), ("Body", "Hello there")];
    sign::twilio(TWILIO, url, &parameters)
}

fn say(text: &str) {
    println!("\n{text}");
}
