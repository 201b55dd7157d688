//! What is known of versions on trial: counted, bounded, there after a crash, forgotten in time.

use std::sync::Arc;

use hookgate_model::{
    limits,
    trial::{Difference, Part},
};

use super::support::*;
use crate::*;

const NOW: u64 = 1_700_000_000_000;
const RETENTION: std::time::Duration = std::time::Duration::from_secs(3600);

fn opened(dir: &tempfile::TempDir, engine: hookgate_config::EngineKind) -> (Journal, TestClock) {
    let clock = TestClock::at(NOW);
    let journal = Journal::open_with(&store(dir.path(), engine), clock.clock(), Box::new(free_bytes)).unwrap();
    (journal, clock)
}

fn difference(number: u64) -> KeptDifference {
    let event = EventId { delivery: uuid::Uuid::from_u128(u128::from(number)), index: 0 };
    KeptDifference {
        at: NOW + number,
        trace: "0af7651916cd43dd8448eb211c80319c".to_owned(),
        events: vec![event],
        difference: Difference {
            part: Part::Identity,
            what: "event 0: id".to_owned(),
            before: number.to_string(),
            after: "-".to_owned(),
        },
    }
}

fn note(source: &str, candidate: &str, differences: std::ops::Range<u64>) -> TrialNote {
    let counts = TrialCounts { compared: 2, differing: 1, parts: [0, 1, 0, 0, 0, 0], ..TrialCounts::default() };
    let differences = differences.map(difference).collect();
    TrialNote { source: source.to_owned(), candidate: candidate.to_owned(), counts, differences }
}

fn kept(journal: &Journal, source: &str, candidate: &str) -> Vec<u64> {
    let page = journal.differences(source, candidate, None, usize::MAX).unwrap();
    page.items.into_iter().map(|kept| kept.at - NOW).collect()
}

#[test]
fn counts_add_up_and_differences_come_newest_first() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, clock) = opened(&dir, engine);
        assert_eq!(journal.trials("shop").unwrap(), []);
        wait(journal.note_trials(vec![note("shop", "a", 0..3), note("shop", "b", 5..6), note("sho", "a", 7..8)]))
            .unwrap();
        clock.set(NOW + 10);
        wait(journal.note_trials(vec![note("shop", "a", 3..4)])).unwrap();
        let trials = journal.trials("shop").unwrap();
        assert_eq!(trials.iter().map(|trial| trial.candidate.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((trials[0].since, trials[0].last, trials[0].differences), (NOW, NOW + 10, 4));
        assert_eq!((trials[0].counts.compared, trials[0].counts.parts[1]), (4, 2));
        assert_eq!(kept(&journal, "shop", "a"), [3, 2, 1, 0]);
        assert_eq!(kept(&journal, "shop", "b"), [5]);
        assert_eq!(kept(&journal, "sho", "a"), [7]);

        let first = journal.differences("shop", "a", None, 3).unwrap();
        let second = journal.differences("shop", "a", first.next, 3).unwrap();
        assert_eq!((first.items.len(), second.items), (3, vec![difference(0)]));
        assert_eq!(second.next, None);
    });
}

#[test]
fn the_last_ones_are_kept_and_few_versions_of_a_source() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, clock) = opened(&dir, engine);
        let most = limits::TRIAL_DIFFERENCES_MAX;
        for from in (0..most + 500).step_by(250) {
            wait(journal.note_trials(vec![note("shop", "a", from..from + 250)])).unwrap();
        }
        let all = kept(&journal, "shop", "a");
        assert_eq!((all.len() as u64, all.first(), all.last()), (most, Some(&(most + 499)), Some(&500)));
        assert_eq!(journal.trials("shop").unwrap()[0].differences, most + 500);

        for number in 1..=limits::TRIALS_OF_SOURCE_MAX as u64 {
            clock.set(NOW + number);
            wait(journal.note_trials(vec![note("shop", &format!("version {number}"), 0..1)])).unwrap();
        }
        assert_eq!(journal.trials("shop").unwrap().len(), limits::TRIALS_OF_SOURCE_MAX);
        assert!(kept(&journal, "shop", "a").is_empty(), "the one that was counted longest ago is forgotten");
    });
}

#[test]
fn they_outlive_a_restart_and_not_their_time() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(&dir, engine);
        wait(journal.note_trials(vec![note("shop", "a", 0..3), note("shop", "b", 0..2)])).unwrap();
        wait(journal.forget_trial("shop", "b")).unwrap();
        let trials = journal.trials("shop").unwrap();
        close(journal);
        let (journal, clock) = opened(&dir, engine);
        assert_eq!(journal.trials("shop").unwrap(), trials);
        assert_eq!((kept(&journal, "shop", "a"), kept(&journal, "shop", "b")), (vec![2, 1, 0], vec![]));

        let mut sweeper = sweep::Sweeper::default();
        clock.set(NOW + 3_600_000);
        sweeper.pass(&journal, RETENTION).unwrap();
        assert_eq!(journal.trials("shop").unwrap().len(), 1);
        clock.set(NOW + 3_600_001);
        sweeper.pass(&journal, RETENTION).unwrap();
        assert_eq!(journal.trials("shop").unwrap(), []);
        assert!(kept(&journal, "shop", "a").is_empty());
    });
}

#[test]
fn recorded_deliveries_come_newest_first_and_of_their_source_only() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, clock) = opened(&dir, engine);
        let other = |mut commit: Commit| {
            Arc::make_mut(&mut commit.delivery).source = "other".to_owned();
            commit
        };
        let mut ids = Vec::new();
        for number in 0..5 {
            clock.set(NOW + number);
            ids.push(new(&wait(journal.commit(commit(b"{}", &[None]))).unwrap()));
            wait(journal.commit(other(commit(b"{}", &[None])))).unwrap();
        }
        wait(journal.fan_out(ids[4], vec![output("a")], Vec::new())).unwrap();
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = journal.recorded("shop", Some(NOW + 1), before, 2).unwrap();
            assert!(page.items.len() <= 2);
            found.extend(page.items);
            match page.next {
                Some(next) => before = Some(next),
                None => break,
            }
        }
        let newest_first: Vec<EventId> = found.iter().flat_map(|recorded| recorded.event_ids()).collect();
        assert_eq!(newest_first, [ids[4], ids[3], ids[2], ids[1]]);
        assert_eq!(found[0].events, [(0, admission(0), Some(vec![output("a")]))]);
        assert_eq!(found[1].events, [(0, admission(0), None)]);
    });
}
