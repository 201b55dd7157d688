//! What a thousand filtered routes cost an event beside one.

use std::{collections::BTreeMap, hint::black_box, sync::Arc, time::Instant};

use anyhow::{Result, anyhow, ensure};
use bytes::Bytes;
use hookgate_capabilities::{Admission, CloudEvent, EventData, Identity, Payload, Request};
use hookgate_config::Route;
use hookgate_filter::parse_text;
use hookgate_gateway::route::Routes;
use hookgate_model::event::{EventId, KeptDelivery, KeptEvent};
use serde_json::{Value, json};

use crate::sandbox::percentiles;

const ROUTES: usize = 1_000;

/// Routes of every sort; the first of them matches the event.
fn patterns() -> Vec<Value> {
    let one = |n: usize| match n % 6 {
        0 => {
            json!({"type": ["com.stripe.invoice.paid"], "data": {"data": {"object": {"amount_paid": [{"numeric": [">", 1000 + n]}]}}}})
        }
        1 => json!({"type": [{"prefix": format!("com.stripe.kind{n}.")}]}),
        2 => json!({"data": {"data": {"object": {"customer": [format!("cus_{n}")], "currency": ["eur", "usd"]}}}}),
        3 => json!({"data": {"data": {"object": {"number": [{"wildcard": format!("INV-*-{n}-*")}]}}}}),
        4 => {
            json!({"type": [{"suffix": ".paid"}], "data": {"livemode": [true], "account": [{"anything-but": format!("acct_{n}")}]}})
        }
        _ => {
            json!({"$or": [{"subject": [{"prefix": {"equals-ignore-case": format!("CUS_{n}")}}]}, {"data": {"ip": [{"cidr": format!("10.{}.{}.0/24", n / 256, n % 256)}]}}]})
        }
    };
    (0..ROUTES).map(one).collect()
}

fn routes(patterns: &[Value]) -> Result<Routes> {
    let route = |(n, pattern): (usize, &Value)| {
        let filter = parse_text(&pattern.to_string()).map_err(|mistakes| anyhow!("{mistakes:?}"))?;
        Ok(Route { from: vec!["*".to_owned()], to: vec![format!("d{}", n % 10)], filter: Some(filter) })
    };
    Ok(Routes::new(&patterns.iter().enumerate().map(route).collect::<Result<Vec<_>>>()?))
}

/// A paid invoice of about 2 KiB.
fn event() -> (KeptEvent, CloudEvent) {
    let lines: Vec<Value> =
        (0..10).map(|n| json!({"id": format!("il_{n}"), "amount": 100 * n, "description": "a line of it"})).collect();
    let body = json!({
        "id": "evt_1", "type": "invoice.paid", "livemode": true, "account": "acct_1", "ip": "10.0.9.7",
        "data": {"object": {
            "id": "in_1", "customer": "cus_17", "currency": "eur", "amount_paid": 1_000_000, "number": "INV-2026-7-0001",
            "lines": {"data": lines}, "metadata": BTreeMap::from([("order", "6735")]),
        }},
    });
    let request = Request {
        method: "POST".into(),
        url: "https://hooks.example.com/in/stripe".into(),
        headers: vec![("content-type".into(), b"application/json".to_vec())],
        received_at: 1_700_000_000_000,
        body: Bytes::from(body.to_string()),
    };
    let delivery = KeptDelivery {
        source: "stripe".into(),
        plugin: ("stripe".into(), "0".repeat(64)),
        trace: "1".repeat(32),
        request,
        senders: Vec::new(),
        claim: None,
        is_incomplete: false,
        decoded: None,
    };
    let kept = KeptEvent {
        id: EventId { delivery: Default::default(), index: 0 },
        delivery: Arc::new(delivery),
        admission: Admission { identity: Identity::default(), payload: Payload::Body },
        outputs: None,
    };
    let output = CloudEvent {
        id: "evt_1".into(),
        source: "https://api.stripe.com".into(),
        type_: "com.stripe.invoice.paid".into(),
        subject: Some("cus_17".into()),
        time: Some(1_700_000_000_000),
        data_schema: None,
        data_content_type: Some("application/json".into()),
        data: EventData::Payload,
        extensions: Vec::new(),
    };
    (kept, output)
}

/// Prints the time of an event's routing with one route, with a thousand, and the difference.
pub fn run(rounds: usize) -> Result<()> {
    let patterns = patterns();
    let (one, all) = (routes(&patterns[..1])?, routes(&patterns)?);
    let (event, output) = event();
    ensure!(one.destinations(&event, &output).len() == 1 && all.destinations(&event, &output).len() > 1);
    let (mut with_one, mut with_all) = (Vec::new(), Vec::new());
    let timed = |routes: &Routes| {
        let began = Instant::now();
        black_box(routes.destinations(black_box(&event), &output));
        began.elapsed().as_secs_f64() * 1e6
    };
    for _ in 0..rounds {
        with_one.push(timed(&one));
        with_all.push(timed(&all));
    }
    let ((one, one_p99), (all, all_p99)) = (percentiles(with_one), percentiles(with_all));
    println!("\n## Filters: routing one event of {} bytes, µs: p50 / p99\n", event.delivery.request.body.len());
    println!("| one route | {ROUTES} routes | p50 more |\n|---|---|---|");
    println!("| {one:.1} / {one_p99:.1} | {all:.1} / {all_p99:.1} | **{:.1}** |", all - one);
    Ok(())
}
