//! What is kept of plugins' versions, the same on both engines.

use hookgate_model::{limits, trial::TrialMode};

use super::support::*;
use crate::*;

fn entry(n: u64, plugin: &str) -> PluginHistory {
    PluginHistory {
        at: n,
        plugin: plugin.to_owned(),
        source: None,
        hash: None,
        event: PluginEvent::Installed,
        by: "admin API".to_owned(),
        reason: None,
    }
}

#[test]
fn versions_and_activations_are_there_after_a_restart() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), engine);
        let version = KeptVersion {
            hash: "ab".repeat(32),
            plugin: "stripe".to_owned(),
            version: "1.0.0".to_owned(),
            size: 7,
            installed_at: 1,
            installed_by: "directory".to_owned(),
            key: None,
        };
        let activation = Activation {
            plugin: "stripe".to_owned(),
            active: Some(version.hash.clone()),
            previous: Some(None),
            trial: Some(("cd".repeat(32), TrialMode::Canary(10))),
        };
        let changes = PluginChanges {
            versions: vec![version.clone()],
            activations: vec![("shop".to_owned(), activation.clone()), ("other".to_owned(), activation.clone())],
            seen: vec![("stripe".to_owned(), "ef".repeat(32))],
            history: vec![entry(1, "stripe"), entry(2, "github")],
            ..PluginChanges::default()
        };
        let journal = Journal::open(&store).unwrap();
        wait(journal.change_plugins(changes)).unwrap();
        let forget = PluginChanges { forgotten: vec!["other".to_owned()], ..PluginChanges::default() };
        wait(journal.change_plugins(forget)).unwrap();
        close(journal);

        let journal = Journal::open(&store).unwrap();
        let kept = journal.plugins().unwrap();
        assert_eq!((kept.versions, kept.activations), (vec![version], vec![("shop".to_owned(), activation)]));
        assert_eq!(kept.seen, [("stripe".to_owned(), "ef".repeat(32))]);
        assert_eq!(journal.plugin_history(10, |_| true).unwrap(), [entry(2, "github"), entry(1, "stripe")]);
        assert_eq!(journal.plugin_history(10, |it| it.plugin == "stripe").unwrap(), [entry(1, "stripe")]);
    });
}

#[test]
fn the_history_is_bounded_and_keeps_the_latest() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&store(dir.path(), hookgate_config::EngineKind::Fjall)).unwrap();
    let max = limits::PLUGIN_HISTORY_MAX;
    for from in [0, max] {
        let history = (from..from + max).map(|n| entry(n, "stripe")).collect();
        wait(journal.change_plugins(PluginChanges { history, ..PluginChanges::default() })).unwrap();
    }
    let kept = journal.plugin_history(usize::MAX, |_| true).unwrap();
    assert_eq!((kept.len() as u64, kept.first().unwrap().at, kept.last().unwrap().at), (max, 2 * max - 1, max));
}
