//! Cases from the field: what public bug reports, threads and providers' documents say went wrong for others.
//!
//! A case is a file in `cases/`: where it comes from, what is right and why, a configuration, the requests, what must be
//! answered, and what must arrive. Signatures are made here, as the provider's document says. Times are of the moment in
//! which a request is sent: `{{now}}` in seconds, `{{ms-70000}}` in milliseconds, `{{iso}}` and `{{httpdate+4}}` as texts.

mod case;
mod request;
mod server;

use std::{fs, path::Path};

use hookgate_tests::{Config, Gateway, binary, eventually, run};
use serde_json::Value;
use tokio::time::{Duration, sleep};

use case::{Case, Command, Received, Step, check};
use server::{Message, Server};

/// A test for each file of `cases/`, and one that there is none too few.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                run_case(stringify!($name)).await;
            }
        )*

        #[test]
        fn every_case_is_run() {
            let mut files: Vec<String> = fs::read_dir(directory()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
            files.sort();
            let mut run: Vec<String> = [$(stringify!($name)),*].map(|name| format!("{}.json", name.replace('_', "-"))).into();
            run.sort();
            assert_eq!(files, run);
        }
    };
}

cases!(
    acuity_changed_again,
    adyen_false_then_true,
    adyen_reports_of_two_accounts,
    bitbucket_server_ping,
    byte_order_mark,
    cloudevents_percent_encoding,
    cloudevents_quoted_headers,
    connection_closed_by_receiver,
    contentful_canonical_request,
    core_module_as_plugin,
    deep_nesting,
    destination_redirects,
    destination_url_credentials,
    doppler_fixed_payload,
    event_patterns,
    github_redelivery_after_dead_letter,
    graph_drive_changed_again,
    gzip_signed_after,
    gzip_signed_before,
    http_expect_chunks_old,
    hubspot_v3_decoded_uri,
    instagram_unsent_message,
    linear_retry,
    meta_challenge_unsigned_get,
    monday_challenge,
    notion_verification_token,
    optional_query_of_a_signed_path,
    oura_subscription_challenge,
    path_slashes,
    retry_after_date,
    secret_with_line_break,
    sharepoint_validation_token,
    slack_forms_and_retries,
    stalled_error_body,
    standard_webhooks_v1_secret,
    storyblok_published_again,
    stripe_out_of_order,
    tebex_validation,
    twilio_apostrophes,
    twitch_revocation,
    woocommerce_ping,
    woocommerce_two_in_a_second,
);

fn directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/field/cases"))
}

async fn run_case(name: &str) {
    let file = directory().join(format!("{}.json", name.replace('_', "-")));
    let case: Case = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert!(!case.source.is_empty() && !case.right.is_empty());
    let wrong = match &case.commands {
        Some(commands) => run_commands(&case, commands),
        None => run_gateway(&case).await,
    };
    assert!(wrong.is_empty(), "{}\n\n{}\n", case.right, wrong.join("\n"));
}

async fn run_gateway(case: &Case) -> Vec<String> {
    let server = Server::start(case.receiver.clone());
    let mut config = Config::new().entry(&case.config.replace("$RECEIVER", &server.address().to_string()));
    for line in case.server.lines().filter(|line| !line.trim().is_empty()) {
        config = config.with("server", Box::leak(line.to_owned().into_boxed_str()));
    }
    let mut gateway = Gateway::start(config).await;
    let mut wrong = Vec::new();
    for (number, step) in case.steps.iter().enumerate() {
        match step {
            // Time itself is the case: the next second, or the next minute of a clock.
            Step::Pause { pause_seconds } => sleep(Duration::from_secs_f64(*pause_seconds)).await,
            Step::Send(send) => {
                let address = gateway.deliveries();
                let send_now = send.clone();
                let reply = tokio::task::spawn_blocking(move || request::send(address, &send_now)).await.unwrap();
                for (name, expected) in &send.expect {
                    let actual = reply.get(name);
                    check(&format!("request {number}: {name}"), expected, &actual, &mut wrong);
                }
            }
        }
    }
    if let Some(expected) = &case.received {
        let count = expected.count;
        eventually("as many messages as the case wants", async || (server.received().len() >= count).then_some(()))
            .await;
    }
    // Attempts in flight end; further messages than the case expects have arrived by then.
    assert!(gateway.stop().await.success());
    if let Some(expected) = &case.received {
        check_received(expected, &server.received(), &mut wrong);
    }
    wrong
}

fn check_received(expected: &Received, received: &[Message], wrong: &mut Vec<String>) {
    check("messages received", &expected.count.into(), &received.len().into(), wrong);
    for (number, checks) in expected.messages.iter().enumerate() {
        let wrong_with = |message: &Message| {
            let mut wrong = Vec::new();
            for (pointer, value) in checks {
                let actual = message.shown.pointer(pointer).cloned().unwrap_or(Value::Null);
                check(&format!("message {number}: {pointer}"), value, &actual, &mut wrong);
            }
            wrong
        };
        let candidates =
            if expected.in_any_order { received } else { received.get(number..=number).unwrap_or_default() };
        let all: Vec<Vec<String>> = candidates.iter().map(wrong_with).collect();
        if !all.iter().any(Vec::is_empty) {
            wrong.extend(all.into_iter().flatten());
        }
    }
    if let (Some(least), [first, second, ..]) = (expected.gap_at_least_ms, received) {
        let gap = second.at.duration_since(first.at).as_millis();
        if gap < u128::from(least) {
            wrong.push(format!("the second attempt came {gap} ms after the first one, before it was due"));
        }
    }
}

fn run_commands(case: &Case, commands: &[Command]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().display().to_string();
    for (name, content) in &case.files {
        fs::write(directory.path().join(name), content.bytes(&place)).unwrap();
    }
    let mut wrong = Vec::new();
    for (number, command) in commands.iter().enumerate() {
        let mut process = std::process::Command::new(binary());
        process.args(command.run.iter().map(|argument| argument.replace("$DIR", &place)));
        process.current_dir(directory.path()).envs(&case.environment);
        let finished = run(&mut process);
        let label = command.label.clone().unwrap_or_else(|| format!("command {number}"));
        if let Some(status) = &command.status {
            check(&format!("{label}: status"), status, &finished.code.into(), &mut wrong);
        }
        if let Some(output) = &command.output {
            let text = format!("{}{}", finished.stdout, finished.stderr);
            check(&format!("{label}: output"), output, &text.into(), &mut wrong);
        }
    }
    wrong
}
