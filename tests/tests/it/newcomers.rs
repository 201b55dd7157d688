//! Messages for newcomers' mistakes: each says what is wrong and what to do.

use std::{fs, io::Read, net::TcpListener, process::Command, thread};

use hookgate_tests::{Answer, Config, Finished, Gateway, Receiver, SECRET, binary, eventually, run, sign};

/// Runs `hookgate` where no gateway is needed.
fn hookgate(arguments: &[&str]) -> Finished {
    run(Command::new(binary()).args(arguments))
}

/// Checks that a command fails with status 1 and says this on standard error.
#[track_caller]
fn fails_with(finished: &Finished, told: &str) {
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains(told), "{told:?} is not said: {finished:?}");
}

/// Serves where it must not start, and gives what it says.
async fn serve(directory: &tempfile::TempDir, text: &str) -> Finished {
    let file = directory.path().join("hookgate.toml");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(binary());
    command.args(["serve", "--config"]).arg(file).current_dir(directory.path());
    tokio::task::spawn_blocking(move || run(&mut command)).await.unwrap()
}

#[tokio::test]
async fn dead_letters_of_a_destination_that_is_not_there_are_an_error() {
    let gone = Receiver::sequence(vec![Answer::status(410)]).await;
    let gateway = Gateway::start(Config::new().stripe("stripe").receiver(&gone)).await;
    for command in ["redrive", "discard"] {
        let order = |destination: &str| gateway.cli(&["dead-letters", command, "--destination", destination]);
        fails_with(&order("reciever"), "there is no destination \"reciever\", did you mean \"receiver\"?");
        fails_with(&order("orders"), "there is no destination \"orders\"");
        assert!(!order("orders").stderr.contains("did you mean"), "{:?}", order("orders"));
        // It is there and has none: nothing was done of what was named.
        let none = order("receiver");
        assert_eq!((none.code, none.stdout.starts_with('0')), (Some(1), true), "{none:?}");
        assert_eq!(order("transform").code, Some(1), "{:?}", order("transform"));
        // With --all nothing is named.
        assert_eq!(gateway.cli(&["dead-letters", command, "--all"]).code, Some(0));
    }
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.accepted();
    gateway.counts("hookgate_dead_letters_total", &["destination=\"receiver\""], 1.0).await;
    let redriven = gateway.cli(&["dead-letters", "redrive", "--destination", "receiver"]).ok();
    assert_eq!(redriven.trim(), "1 on their way again");
    gateway.counts("hookgate_dead_letters_total", &["destination=\"receiver\""], 2.0).await;

    // A destination that is no longer configured is there for as long as it has dead letters.
    let other = Receiver::start().await;
    let without =
        Config::new().stripe("stripe").destination("other", &format!("http = {{ url = \"{}\" }}", other.url()));
    gateway.configure(&without);
    gateway.ask_to_read_again();
    gateway.says("the configuration was read again and is in force").await;
    let discarded = gateway.cli(&["dead-letters", "discard", "--destination", "receiver"]).ok();
    assert_eq!(discarded.trim(), "1 given up");
    fails_with(
        &gateway.cli(&["dead-letters", "discard", "--destination", "receiver"]),
        "there is no destination \"receiver\"",
    );
}

#[tokio::test]
async fn a_name_that_is_nearly_right_is_suggested() {
    let gateway = Gateway::start(Config::new().stripe("shop").receiver(&Receiver::start().await)).await;
    let id = gateway.send("shop", &sign::stripe_event(SECRET, "evt_1")).await.accepted().remove(0);
    let url = gateway.url("shop");
    for (arguments, told) in [
        (&["plugin", "inspect", "stripee"][..], "there is no plugin \"stripee\", did you mean \"stripe\"?"),
        (&["send", "stirpe", "--secret", "s", &url], "there is no plugin \"stirpe\", did you mean \"stripe\"?"),
        (
            &["dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--only", "githbu"],
            "there is no plugin \"githbu\", did you mean \"github\"?",
        ),
        (&["edge", "build", "--plugin", "githb"], "did you mean \"github\"?"),
        (
            &["events", "replay", &id, "--to", "recever"],
            "there is no destination \"recever\", did you mean \"receiver\"?",
        ),
        (&["plugin", "diff", "shpo"], "there is no source \"shpo\", did you mean \"shop\"?"),
        (&["secrets", "open", "shpo"], "there is no source \"shpo\", did you mean \"shop\"?"),
        (&["plugin", "rollback", "stripe", "--source", "shpo"], "there is no source \"shpo\", did you mean \"shop\"?"),
    ] {
        fails_with(&gateway.cli(arguments), told);
    }
    for (arguments, told) in [
        (
            &["send", "stripe", "--secret-name", "singing=s", &url][..],
            "no secret \"singing\", did you mean \"signing\"?",
        ),
        (&["send", "stripe", "--secret", "s", "--set", "tolerence=1", &url], "did you mean \"tolerance\"?"),
    ] {
        let finished = gateway.cli(arguments);
        assert!(finished.code == Some(2) && finished.stderr.contains(told), "{finished:?}");
    }
    // A name that resembles no other is reported without a suggestion.
    let unknown = hookgate(&["plugin", "inspect", "nothing-of-the-kind"]);
    fails_with(&unknown, "there is no plugin \"nothing-of-the-kind\"");
    assert!(!unknown.stderr.contains("did you mean"), "{unknown:?}");
}

#[tokio::test]
async fn a_missing_or_wrong_admin_token_is_reported_with_the_ways_to_give_one() {
    let token = "the-right-admin-token-of-this-test";
    let gateway =
        Gateway::start(Config::new().with("admin", &format!("token = {{ value = \"{token}\" }}")).stripe("stripe"))
            .await;
    let ways = "set HOOKGATE_ADMIN_TOKEN or give --token, or name the gateway's configuration with --config FILE";
    let missing = gateway.cli(&["events", "list"]);
    fails_with(&missing, "the gateway asks for its admin token");
    fails_with(&missing, ways);
    let wrong = gateway.cli(&["events", "list", "--token", "another-token-of-twenty-letters"]);
    fails_with(&wrong, "is not the gateway's admin token");
    fails_with(&wrong, ways);
    assert!(!wrong.stderr.contains("another-token-of-twenty-letters"), "{wrong:?}");
    gateway.cli(&["events", "list", "--token", token]).ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_two_listeners_are_distinguished() {
    let gateway = Gateway::start(Config::new().stripe("stripe")).await;
    let deliveries = format!("http://{}", gateway.deliveries());
    let finished = gateway.cli(&["events", "list", "--admin", &deliveries]);
    fails_with(&finished, "is the listener for deliveries");
    fails_with(&finished, "the admin API is at 127.0.0.1:8081 by default");
    let order = gateway.cli(&["dead-letters", "redrive", "--all", "--admin", &deliveries]);
    fails_with(&order, "is the listener for deliveries");
    let sent = gateway.cli(&["send", "stripe", "--secret", SECRET, &format!("{}/in/stripe", gateway.admin())]);
    assert_eq!(sent.code, Some(1), "{sent:?}");
    assert!(sent.stderr.contains("is the admin API, not the listener for deliveries"), "{sent:?}");
    // Something else that speaks HTTP.
    let other = Receiver::answering(|_, _| Answer::status(404).body("<html>")).await;
    let elsewhere = other.url();
    let elsewhere = elsewhere.split("/").take(3).collect::<Vec<_>>().join("/");
    fails_with(&gateway.cli(&["events", "list", "--admin", &elsewhere]), "is it hookgate's?");
}

#[tokio::test]
async fn a_missing_or_foreign_listener_is_reported_with_what_to_check() {
    let gateway = Gateway::start(Config::new().stripe("stripe")).await;
    let send = |url: &str| gateway.cli(&["send", "stripe", "--secret", "s", url]);
    let without_tls = send(&gateway.url("stripe").replace("http://", "https://"));
    fails_with(&without_tls, "does not speak TLS; try http://");
    assert!(!without_tls.stderr.contains("InvalidContentType"), "{without_tls:?}");

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = send(&format!("http://{free}/in/stripe"));
    fails_with(&refused, &format!("nothing listens at {free}; is the gateway running there?"));
    assert!(!refused.stderr.contains("os error"), "{refused:?}");
    let admin = hookgate(&["events", "list", "--admin", &format!("http://{free}")]);
    fails_with(&admin, &format!("nothing listens at {free}; is the gateway running there?"));
    fails_with(&admin, "--admin");
    fails_with(&send("http://no-such-host.invalid/in/stripe"), "the name no-such-host.invalid does not resolve");
}

/// What listens answers every connection with a TLS alert, as a server does that was spoken to in plain text.
#[test]
fn plain_http_to_a_tls_port_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 512]);
            let _ = std::io::Write::write_all(&mut stream, &[0x15, 3, 3, 0, 2, 2, 50]);
        }
    });
    let sent = hookgate(&["send", "stripe", "--secret", "s", &format!("http://{address}/in/stripe")]);
    fails_with(&sent, "does not answer in HTTP; if it speaks TLS, try https://");
}

/// A file stands where the directory would be made: even root cannot write there.
#[tokio::test]
async fn an_unusable_directory_is_reported_with_its_configuration_key() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("locked"), "").unwrap();
    let text = Config::new().with("store", "path = \"locked/data\"").stripe("stripe").text("CACHE".as_ref());
    let store = serve(&directory, &text.replace("cache = \"CACHE\"", "")).await;
    fails_with(&store, "set store.path to a directory that");
    assert!(!store.stderr.contains("plugins.cache"), "{store:?}");

    let text = Config::new().stripe("stripe").text(&directory.path().join("locked/cache"));
    let cache = serve(&directory, &text).await;
    fails_with(&cache, "set plugins.cache to a directory that");
    assert!(!cache.stderr.contains("store.path"), "{cache:?}");
}

#[test]
fn the_states_of_events_are_all_explained_once() {
    let help = hookgate(&["events", "list", "--help"]).ok();
    for state in ["held", "waiting", "pending", "delivered", "dead", "unrouted", "dropped"] {
        assert!(help.contains(&format!("- {state}:")), "{state}: {help}");
    }
    assert_eq!(help.matches("A handoff").count(), 2, "of pending and dead one sentence each: {help}");
    let sentence = help.split("States:").nth(1).unwrap().split("\n\n").next().unwrap();
    for state in ["held", "dropped"] {
        assert!(sentence.contains(state), "{state}: {sentence}");
    }
}

/// A gateway to try things, on free ports and with its own cache of nothing.
fn dev(more: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(["dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).args(more);
    command
}

#[tokio::test]
async fn a_gateway_to_try_things_introduces_itself_on_one_screen() {
    let mut gateway = Gateway::from_command(dev(&[]), tempfile::tempdir().unwrap()).await;
    let shown = gateway.stdout();
    let lines: Vec<&str> = shown.lines().collect();
    let rows: usize = lines.iter().map(|line| line.chars().count().div_ceil(100).max(1)).sum();
    assert!(rows <= 24, "{rows} rows of 100 columns:\n{shown}");
    assert!(shown.contains("stripe") && shown.contains("github") && shown.contains("twilio"), "{shown}");
    let examples: Vec<&&str> = lines.iter().filter(|line| line.contains("hookgate send ")).collect();
    assert_eq!(examples.len(), 1, "{shown}");

    // The example works, and so does each of the others, where it is said that they are.
    let file = lines.iter().find_map(|line| line.trim().strip_prefix("cat ")).unwrap().to_owned();
    let commands = fs::read_to_string(&file).unwrap();
    let of_github = commands.lines().find(|line| line.contains("hookgate send github ")).unwrap();
    for line in [examples[0], of_github] {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        let sent = gateway.cli(&words).ok();
        assert!(sent.starts_with("200 OK  accepted"), "{line}: {sent}");
    }
    gateway.says("delivered").await;
    assert!(gateway.stop().await.success());
    eventually("the secrets to be gone", async || (!fs::exists(&file).unwrap()).then_some(())).await;
}

#[tokio::test]
async fn a_few_sources_are_shown_with_their_commands() {
    let gateway =
        Gateway::from_command(dev(&["--only", "stripe", "--only", "github"]), tempfile::tempdir().unwrap()).await;
    let shown = gateway.stdout();
    assert!(shown.contains("hookgate send stripe ") && shown.contains("hookgate send github "), "{shown}");
    assert!(!shown.contains("cat "), "{shown}");
}

#[tokio::test]
async fn a_port_in_use_is_reported_first() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for option in ["--listen", "--admin"] {
        let other = if option == "--listen" { "--admin" } else { "--listen" };
        let mut command = Command::new(binary());
        command.args(["dev", "--only", "stripe", option, &address, other, "127.0.0.1:0"]);
        let finished = tokio::task::spawn_blocking(move || run(&mut command)).await.unwrap();
        fails_with(&finished, &format!("cannot listen at {address}"));
        fails_with(&finished, &format!("name another address with {option}"));
        assert!(finished.stderr.starts_with("error: "), "{finished:?}");
    }
}
