//! The metrics page: what is there at the start, what is counted, and that every documented alert can see its first event.

use std::fs;

use hookgate_tests::{Config, Gateway, Receiver, SECRET, directory, eventually, now, sign};

/// One series that an alert looks at: a metric, and labels (`name="value"`) that it must have.
#[derive(Debug)]
struct Series {
    metric: String,
    labels: Vec<String>,
}

impl Series {
    fn is_in(&self, page: &str) -> bool {
        page.lines().any(|line| {
            let end = line.find(['{', ' ']).unwrap_or(line.len());
            line.get(..end) == Some(&self.metric) && self.labels.iter().all(|label| line.contains(label))
        })
    }
}

/// The expressions of the table "What to alert on".
fn documented_alerts() -> Vec<String> {
    let text = fs::read_to_string(directory("docs/operating/metrics.md")).unwrap();
    let table = text.split("## What to alert on").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| page |") || line.starts_with("| look |"));
    // A bar within a cell is escaped in Markdown.
    let expression = |row: &str| row.split('`').nth(1).unwrap().replace("\\|", "|");
    rows.map(expression).filter(|expression| expression.contains("hookgate_")).collect()
}

/// The series that an expression names, one for each alternative of `=~`.
fn series_of(expression: &str) -> Vec<Series> {
    let mut all = Vec::new();
    for (at, _) in expression.match_indices("hookgate_") {
        let rest = &expression[at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (metric, rest) = rest.split_at(end);
        let selector = rest.strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
        match selector.split_once("=~\"") {
            Some((label, alternatives)) => all.extend(
                alternatives
                    .trim_end_matches('"')
                    .split('|')
                    .map(|value| Series { metric: metric.to_owned(), labels: vec![format!("{label}=\"{value}\"")] }),
            ),
            None => {
                let labels = selector.split(',').filter(|label| !label.is_empty()).map(str::to_owned).collect();
                all.push(Series { metric: metric.to_owned(), labels });
            }
        }
    }
    all
}

/// A counter that appears with its first increment begins at 1, and `increase()` over it is 0.
#[tokio::test]
async fn every_series_of_a_documented_alert_is_there_from_the_start() {
    let receiver = Receiver::start().await;
    let config =
        Config::new().stripe("stripe").destination("orders", &format!("http = {{ url = \"{}\" }}", receiver.url()));
    let gateway = Gateway::start(config.route("*", "orders")).await;
    let page = gateway.admin_get("/metrics").await.text();
    let alerts = documented_alerts();
    assert!(alerts.len() >= 20, "the table was not read: {alerts:#?}");
    for alert in alerts {
        let named = series_of(&alert);
        assert!(!named.is_empty(), "{alert}");
        for series in named {
            assert!(series.is_in(&page), "{alert}\nlooks at {series:?}, which is not there at the start:\n{page}");
        }
    }
}

#[tokio::test]
async fn what_can_be_counted_of_a_source_and_its_plugin_is_there_from_the_start() {
    let gateway = Gateway::start(Config::new().stripe("shop")).await;
    let page = gateway.admin_get("/metrics").await.text();
    for line in [
        "hookgate_transformed_events_total{source=\"shop\",outcome=\"routed\"} 0",
        "hookgate_transformed_events_total{source=\"shop\",outcome=\"empty\"} 0",
        "hookgate_ordering_ahead_total{source=\"shop\"} 0",
        "hookgate_ordering_released_total{source=\"shop\",cause=\"in-order\"} 0",
        "hookgate_plugin_breaker_opened_total{source=\"shop\",call=\"transform\"} 0",
        "hookgate_plugin_failures_total{plugin=\"stripe\",cause=\"trap\"} 0",
        "hookgate_plugin_swaps_total{plugin=\"stripe\",outcome=\"activated\"} 0",
        "hookgate_trial_compared_total{source=\"shop\"} 0",
        "hookgate_trial_differences_total{source=\"shop\",part=\"verdict\"} 0",
        "hookgate_trial_skipped_total{source=\"shop\",cause=\"busy\"} 0",
        "hookgate_handed_over_secrets{source=\"shop\"} 0",
        "hookgate_tls_handshakes_total{outcome=\"failed\"} 0",
        "hookgate_tls_certificate_expiry_timestamp_seconds 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    assert!(!page.contains("plugin=\"\""), "a plugin has a name:\n{page}");
}

#[tokio::test]
async fn a_source_that_a_second_reading_adds_is_counted_from_zero() {
    let gateway = Gateway::start(Config::new().stripe("first")).await;
    gateway.configure(&Config::new().stripe("first").stripe("second"));
    gateway.ask_to_read_again();
    gateway.says("the configuration was read again and is in force").await;
    let page = gateway.admin_get("/metrics").await.text();
    let line = "hookgate_transformed_events_total{source=\"second\",outcome=\"unrouted\"} 0";
    assert!(page.lines().any(|found| found == line), "{page}");
}

#[tokio::test]
async fn the_version_and_the_process_are_shown() {
    let gateway = Gateway::start(Config::new().stripe("stripe")).await;
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert_eq!(gateway.metric("hookgate_build_info", &[&version]).await, 1.0);
    let started = gateway.metric("process_start_time_seconds", &[]).await;
    assert!(started > 1e9 && started <= now() as f64 + 1.0, "{started}");
    for measured in
        ["process_resident_memory_bytes", "process_virtual_memory_bytes", "process_open_fds", "process_max_fds"]
    {
        assert!(gateway.metric(measured, &[]).await > 0.0, "{measured}");
    }
    let page = gateway.admin_get("/metrics").await.text();
    assert!(page.contains("# TYPE process_cpu_seconds_total counter\n"), "{page}");
}

#[tokio::test]
async fn what_happened_is_counted() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(Config::new().stripe("stripe").receiver(&receiver)).await;
    let delivery = sign::stripe_event(SECRET, "evt_1");
    gateway.send("stripe", &delivery).await.accepted();
    gateway.send("stripe", &delivery).await.duplicate();
    gateway.send("stripe", &sign::stripe_event("wrong", "evt_2")).await.refused(401);
    gateway.send("stripe", &sign::stripe(SECRET, now() - 9999, "{}")).await.refused(401);
    gateway.send("nobody", &delivery).await.refused(404);
    receiver.wait_for(1).await;
    eventually("the attempt to be counted", async || {
        let labels = ["destination=\"receiver\"", "outcome=\"delivered\""];
        (gateway.metric("hookgate_attempts_total", &labels).await == 1.0).then_some(())
    })
    .await;
    let page = gateway.admin_get("/metrics").await;
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{page:?}");
    for (metric, labels, expected) in [
        ("hookgate_deliveries_total", &["source=\"stripe\"", "outcome=\"accepted\""][..], 1.0),
        ("hookgate_deliveries_total", &["source=\"stripe\"", "outcome=\"duplicate\""], 1.0),
        ("hookgate_refusals_total", &["source=\"stripe\"", "cause=\"unauthenticated\""], 1.0),
        ("hookgate_refusals_total", &["source=\"stripe\"", "cause=\"stale\""], 1.0),
        ("hookgate_refusals_total", &["cause=\"unknown-source\""], 1.0),
        ("hookgate_transformed_events_total", &["source=\"stripe\"", "outcome=\"routed\""], 1.0),
    ] {
        let counted = gateway.metric(metric, labels).await;
        assert_eq!(counted, expected, "{metric} {labels:?}:\n{}", page.text());
    }
    for measured in ["hookgate_plugin_call_seconds_count", "hookgate_journal_commit_seconds_count"] {
        assert!(gateway.metric(measured, &[]).await > 0.0, "{measured} is missing:\n{}", page.text());
    }
    assert!(page.text().contains("hookgate_queue_events"), "{}", page.text());
}
