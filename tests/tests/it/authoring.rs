//! Writing a plugin, as `docs/writing-a-plugin.md` says: with the binary and cargo, from nothing to a verified delivery.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use hookgate_tests::{Finished, Gateway, binary, directory, run};
use serde_json::Value;

/// Cargo builds while it is waited for, on a machine where others build too.
const BUILD_PATIENCE: Duration = Duration::from_secs(300);

/// The binary, in a directory; what cargo makes goes where the gateway's own plugins are built.
fn hookgate(arguments: &[&str], here: &Path) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(here).env("CARGO_TARGET_DIR", directory("target/plugins"));
    command
}

fn in_crate(arguments: &[&str], here: &Path) -> Finished {
    run(&mut hookgate(arguments, here))
}

/// Waits for a text in what the gateway says, from that many bytes on.
async fn says(gateway: &Gateway, text: &str) {
    let began = Instant::now();
    while !gateway.said().contains(text) {
        assert!(began.elapsed() < BUILD_PATIENCE, "{text:?} was not said");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn replace_in(file: PathBuf, from: &str, to: &str) {
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from:?} is not in {}", file.display());
    fs::write(file, text.replace(from, to)).unwrap();
}

#[tokio::test]
async fn from_nothing_to_a_verified_delivery_and_a_change_while_it_runs() {
    let home = tempfile::tempdir().unwrap();
    let made = in_crate(&["plugin", "new", "parcelbird"], home.path()).ok();
    assert!(made.contains("made parcelbird") && made.contains("cd parcelbird"), "{made}");
    let again = in_crate(&["plugin", "new", "parcelbird"], home.path());
    assert!(again.code == Some(1) && again.stderr.contains("not empty"), "{again:?}");

    let plugin = home.path().join("parcelbird");
    let tested = in_crate(&["plugin", "test"], &plugin).ok();
    assert!(tested.contains("test result: ok. 2 passed"), "natively: {tested}");
    assert!(tested.contains("ok parcelbird-own-01\n") && tested.contains("parcelbird: 4 passed, 0 failed"), "{tested}");

    let built: Value = serde_json::from_str(&in_crate(&["plugin", "build", "--json"], &plugin).ok()).unwrap();
    assert_eq!((&built["name"], &built["version"]), (&"parcelbird".into(), &"0.1.0".into()));
    let component = fs::read(plugin.join("plugins/parcelbird.wasm")).unwrap();
    assert_eq!(built["size_bytes"], component.len());
    fs::write(plugin.join("hookgate.toml"), configuration_of_the_tutorial()).unwrap();
    let mut check = hookgate(&["check"], &plugin);
    let checked = run(check.env("PARCELBIRD_SECRET", "pbsec_test")).ok();
    assert!(checked.starts_with("ok: 1 source, 1 destination, 1 route"), "{checked}");

    let dev = hookgate(&["plugin", "dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"], &plugin);
    let mut gateway = Gateway::from_command(dev, home).await;
    let offered = gateway.says("hookgate send parcelbird").await;
    let send: Vec<&str> = offered.split_whitespace().skip(1).collect();
    let sent = in_crate(&send, &plugin).ok();
    assert!(sent.starts_with("200 OK  accepted"), "{sent}");
    gateway.says("\"type\":\"example.parcelbird.parcel.delivered\"").await;
    let forged: Vec<&str> = send.iter().map(|word| if word.len() == 64 { "pbsec_wrong" } else { word }).collect();
    let refused = in_crate(&forged, &plugin);
    assert!(refused.stdout.contains("401 Unauthorized"), "{refused:?}");

    // A version whose vectors fail is not used, and the differences are reported.
    replace_in(plugin.join("src/lib.rs"), "example.parcelbird.{kind}", "changed.parcelbird.{kind}");
    says(&gateway, "it is not put to use").await;
    let told = gateway.said();
    assert!(told.contains("FAIL parcelbird-own-01") && told.contains("CloudEvent 0 type"), "{told}");
    assert!(!told.contains("is in force"), "{told}");

    replace_in(plugin.join("vectors/own.json"), "example.parcelbird.parcel", "changed.parcelbird.parcel");
    says(&gateway, "the configuration was read again and is in force").await;
    in_crate(&send, &plugin).ok();
    gateway.says("\"type\":\"changed.parcelbird.parcel.delivered\"").await;
    gateway.stop().await;
}

/// The block of the document in which a source has the plugin.
fn configuration_of_the_tutorial() -> String {
    let document = fs::read_to_string(directory("docs/writing-a-plugin.md")).unwrap();
    let mut blocks = document.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.find(|block| block.contains("plugin = \"parcelbird\"")).unwrap().to_owned()
}

#[test]
fn commands_for_authors_say_what_is_missing() {
    let here = tempfile::tempdir().unwrap();
    for (arguments, told) in [
        (&["plugin", "test"][..], "hookgate plugin new NAME"),
        (&["plugin", "build", "nowhere"], "nowhere is not a crate"),
        (&["plugin", "build", "--vectors", "v.json"], "another language's tools"),
        (&["plugin", "dev", "nowhere"], "nowhere is not a crate"),
        (&["plugin", "new", "acme", "--sdk", "."], "not a checkout of hookgate"),
    ] {
        let finished = in_crate(arguments, here.path());
        assert!(finished.code == Some(1) && finished.stderr.contains(told), "{arguments:?}: {finished:?}");
    }
    assert_eq!(in_crate(&["plugin", "new", "Acme"], here.path()).code, Some(2));
    assert_eq!(fs::read_dir(here.path()).unwrap().count(), 0);
}
