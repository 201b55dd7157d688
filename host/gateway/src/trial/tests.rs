//! Versions on trial over a real journal and real components: `hmac` as another version of `github`, and `raw`, which lets
//! anybody in.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use hookgate_capabilities::{Body, Delivery, Request, SecretText, Secrets, Verdict};
use hookgate_config::{EngineKind, Source, Store};
use hookgate_journal::{Admitted, Commit, Journal, KeptTrial};
use hookgate_model::trial::Part;
use hookgate_model::{
    event::{EventId, KeptDelivery},
    limits,
    trial::TrialMode,
};
use hookgate_net::{egress::Guard, fetch::Fetcher};
use hookgate_sandbox::{Broken, Catalog, Plugin, Provider, Running, Sandbox, SandboxLimits, Trial, child::FirstCalls};
use tempfile::TempDir;

use super::{case::Case, *};
use crate::{
    enrollment::Enrollments,
    fetched_keys::GrantedUrls,
    sources::{Inbound, Sources},
    versions::{Recorded, recorded::judge_again},
};

const SECRET: &str = "It's a Secret to Everybody";

struct Bench {
    journal: Journal,
    sources: Sources,
    github: Plugin,
    sandbox: Arc<Sandbox>,
    handed_over: Enrollments,
    _directory: TempDir,
}

impl Bench {
    async fn new() -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let store = Store {
            path: directory.path().join("data"),
            engine: EngineKind::Fjall,
            retention: Duration::from_secs(3600),
            headroom: 0,
            cache: 8 << 20,
        };
        let journal = Journal::open(&store).unwrap();
        let limits = SandboxLimits { concurrency: 4, memory_bytes: 32 << 20, time: Duration::from_secs(10) };
        let sandbox = Sandbox::new(limits, &directory.path().join("cache"), FirstCalls::InThisProcess).unwrap();
        let github = Catalog::new(None).unwrap().load("github", &sandbox).await.unwrap();
        let handed_over = Enrollments::open(journal.clone(), &store.path, None).unwrap();
        let sources = sources(source(SECRET), &github, &handed_over);
        Bench { journal, sources, github, sandbox, handed_over, _directory: directory }
    }

    async fn plugin(&self, name: &str) -> Plugin {
        Catalog::new(None).unwrap().load(name, &self.sandbox).await.unwrap()
    }

    fn inbound(&self) -> &Inbound {
        self.sources.get("github").unwrap()
    }

    /// A delivery as GitHub signs it.
    async fn signed(&self, body: &str) -> Arc<Request> {
        let secrets = Secrets::new(BTreeMap::from([("signing".to_owned(), vec![SecretText::new(SECRET.to_owned())])]));
        let plain = request(body, Vec::new());
        let delivery = Delivery::new(Arc::new(plain), Arc::default(), Arc::new(secrets));
        let signed = self.github.sign(delivery).await.unwrap().unwrap();
        let headers = signed.headers.into_iter().map(|(name, value)| (name, value.into_bytes()));
        Arc::new(request(body, headers.collect()))
    }

    /// Judges a live delivery as the gateway does, and has the version on trial see it.
    async fn live(&self, trials: &Trials, request: &Arc<Request>) {
        let running = self.inbound().plugin.get();
        let shadow = ShadowTrial::new(&running).unwrap();
        let body = Body::Memory(request.body.clone());
        let judged = Case::new(self.inbound(), request.clone(), body.clone(), &[], uuid::Uuid::nil());
        let judged = judged.judge(&running.active).await;
        shadow.record(self.inbound(), request, &body, &[], &judged);
        trials.compare(shadow, "0af7651916cd43dd8448eb211c80319c".to_owned(), []);
    }

    /// Admits a delivery as the gateway does.
    async fn admit(&self, request: Arc<Request>) -> EventId {
        let body = Body::Memory(request.body.clone());
        let active = Provider::Sandboxed(self.github.clone());
        let case = Case::new(self.inbound(), request.clone(), body, &[], uuid::Uuid::nil());
        let Ok(Ok(Verdict::Admit(accepted))) = case.judge(&active).await else { panic!("it is not admitted") };
        let commit = Commit::new(
            KeptDelivery {
                source: "github".to_owned(),
                plugin: active.stamp(),
                trace: "0af7651916cd43dd8448eb211c80319c".to_owned(),
                request: Arc::unwrap_or_clone(request),
                senders: Vec::new(),
                claim: None,
                is_incomplete: false,
                decoded: None,
            },
            accepted.events.into_iter().map(|event| (event, None)).collect(),
        );
        match self.journal.commit(commit).await.unwrap()[..] {
            [Admitted::New(id)] => id,
            ref other => panic!("{other:?}"),
        }
    }

    async fn replay(&self, candidate: &Plugin, deliveries: usize) -> Report {
        let bounds = Bounds { since: None, deliveries, time: Duration::from_secs(600) };
        recorded(&self.journal, None, self.inbound(), candidate, bounds).await.unwrap()
    }

    /// What is known of a version on trial, once a delivery is compared.
    async fn compared(&self, candidate: &Plugin) -> KeptTrial {
        for _ in 0..3_000 {
            let mut trials = self.journal.trials("github").unwrap();
            trials.retain(|trial| trial.candidate == candidate.hash() && trial.counts.compared > 0);
            if let Some(trial) = trials.pop() {
                return trial;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("they are not compared");
    }
}

fn source(secret: &str) -> Source {
    Source {
        secrets: BTreeMap::from([("signing".to_owned(), vec![SecretText::new(secret.to_owned())])]),
        settings: BTreeMap::from([("provider".to_owned(), "github".to_owned())]),
        ..Source::of_plugin("github", "github")
    }
}

fn sources(source: Source, github: &Plugin, handed_over: &Enrollments) -> Sources {
    let running = Running::new(Provider::Sandboxed(github.clone()));
    let one = [(Arc::new(source), running, GrantedUrls::default())];
    Sources::new(one, &Fetcher::new(Guard::default()), handed_over, None, &Sources::default())
}

fn request(body: &str, headers: Vec<(String, Vec<u8>)>) -> Request {
    Request {
        method: "POST".to_owned(),
        url: "https://hooks.example/in/github".to_owned(),
        headers,
        received_at: 1_700_000_000_000,
        body: Bytes::from(body.to_owned()),
    }
}

fn on_trial(inbound: &Inbound, candidate: &Plugin, mode: TrialMode) {
    let active = inbound.plugin.get().active.clone();
    let trial = Some(Trial { candidate: Provider::Sandboxed(candidate.clone()), mode });
    inbound.plugin.set(Running { active, trial });
}

fn parts(counts: &[u64; 6]) -> Vec<Part> {
    Part::ALL.into_iter().zip(counts).filter(|(_, count)| **count > 0).map(|(part, _)| part).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_sees_what_the_active_version_sees_and_all_differences_are_kept() {
    let bench = Bench::new().await;
    let trials = Trials::new(bench.journal.clone());
    assert!(ShadowTrial::new(&bench.inbound().plugin.get()).is_none(), "nothing is on trial");
    let raw = bench.plugin("raw").await;
    on_trial(bench.inbound(), &raw, TrialMode::Canary(10));
    assert!(ShadowTrial::new(&bench.inbound().plugin.get()).is_none(), "a canary judges by itself");

    // The same component differs in nothing.
    on_trial(bench.inbound(), &bench.github.clone(), TrialMode::Shadow);
    let genuine = bench.signed("{\"action\": \"opened\"}").await;
    bench.live(&trials, &genuine).await;
    let same = bench.compared(&bench.github).await;
    assert_eq!((same.counts.compared, same.counts.differing, same.differences), (1, 0, 0));

    // One that lets anybody in: of a forged delivery that is the difference.
    on_trial(bench.inbound(), &raw, TrialMode::Shadow);
    let forged = Arc::new(Request { body: Bytes::from_static(b"{\"action\": \"forged\"}"), ..(*genuine).clone() });
    bench.live(&trials, &forged).await;
    let found = bench.compared(&raw).await;
    assert_eq!((found.counts.compared, found.counts.differing, found.differences), (1, 1, 1));
    assert_eq!(parts(&found.counts.parts), [Part::Verdict]);
    let page = bench.journal.differences("github", raw.hash(), None, 10).unwrap();
    let [kept] = &page.items[..] else { panic!("{page:?}") };
    assert!(kept.difference.before.starts_with("refused as unauthenticated"), "{kept:?}");
    assert_eq!((kept.difference.after.as_str(), kept.events.len()), ("admitted", 0));
    // Nothing of it was admitted.
    assert!(bench.journal.waiting().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_are_not_compared_and_counted() {
    let bench = Bench::new().await;
    let trials = Trials::new(bench.journal.clone());
    on_trial(bench.inbound(), &bench.github.clone(), TrialMode::Shadow);
    let large = "x".repeat(limits::TRIAL_ROOM_UNITS * limits::TRIAL_UNIT_BYTES);
    bench.live(&trials, &Arc::new(request(&large, Vec::new()))).await;
    bench.live(&trials, &bench.signed("{}").await).await;
    let counts = bench.compared(&bench.github).await.counts;
    assert_eq!((counts.compared, counts.skipped_large), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_needs_keys_is_not_compared() {
    let bench = Bench::new().await;
    let request = bench.signed("{}").await;
    let case = Case::new(bench.inbound(), request.clone(), Body::Memory(request.body.clone()), &[], uuid::Uuid::nil());
    let need = hookgate_capabilities::KeyNeed {
        request: Arc::new(hookgate_capabilities::KeyRequest {
            url: "https://keys.example/".to_owned(),
            format: hookgate_capabilities::OwnedKeyFormat::Certificate(Vec::new()),
            fields: Vec::new(),
            at: String::new(),
        }),
        newer_than: None,
    };
    let github = Provider::Sandboxed(bench.github.clone());
    let why = case.answer(&github, &Err(Broken::KeysNeeded(Box::new(need)))).await;
    assert_eq!(why, Err(case::NotJudged::Keys));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_tried_on_recorded_deliveries() {
    let bench = Bench::new().await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(bench.admit(bench.signed(&format!("{{\"number\": {number}}}")).await).await);
    }

    // The same version: nothing differs.
    let same = bench.replay(&bench.github, 100).await;
    assert_eq!((same.judged, same.differing, same.more), (3, 0, false), "{same:?}");
    assert!(same.found.is_empty() && same.unjudged.is_empty());

    // Another one, which admits the same and transforms it otherwise.
    let hmac = bench.plugin("hmac").await;
    let other = bench.replay(&hmac, 100).await;
    assert_eq!((other.judged, other.differing), (3, 3), "{other:?}");
    assert!(!other.active.parts.contains_key(&Part::Verdict), "{other:?}");
    assert!(other.active.parts.contains_key(&Part::Output), "{other:?}");
    // They were not transformed yet: of their outputs nothing is recorded.
    assert!(!other.recorded.parts.contains_key(&Part::Output), "{other:?}");
    assert_eq!(other.found[0].events, [ids[2]], "newest first");

    // The bounds are kept.
    let two = bench.replay(&hmac, 2).await;
    assert_eq!((two.judged, two.more), (2, true));
    let late = Bounds { since: Some(u64::MAX >> 17), deliveries: 100, time: Duration::from_secs(600) };
    let late = recorded(&bench.journal, None, bench.inbound(), &hmac, late).await.unwrap();
    assert_eq!(late.judged, 0);
    assert_eq!(bench.journal.waiting(), ids, "nothing was admitted again");
}

/// With another secret neither version can repeat its old judgement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_admits_any_more_says_nothing_of_a_version() {
    let bench = Bench::new().await;
    bench.admit(bench.signed("{}").await).await;
    let rotated = sources(source("another secret"), &bench.github, &bench.handed_over);
    let bounds = Bounds { since: None, deliveries: 10, time: Duration::from_secs(600) };
    let inbound = rotated.get("github").unwrap();
    let report = recorded(&bench.journal, None, inbound, &bench.github, bounds).await.unwrap();
    assert_eq!((report.judged, report.unjudged), (0, BTreeMap::from([(Unjudged::Outdated, 1)])));
    // A version that lets anybody in says so.
    let raw = bench.plugin("raw").await;
    let report = recorded(&bench.journal, None, inbound, &raw, bounds).await.unwrap();
    assert_eq!((report.judged, report.differing), (1, 1), "{report:?}");
    assert_eq!(report.active.parts, BTreeMap::from([(Part::Verdict, 1)]));
}

/// What is asked of a version before it is taken in: whatever it makes of events, it knows them by the same names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_must_judge_recorded_deliveries_as_before() {
    let bench = Bench::new().await;
    bench.admit(bench.signed("{\"number\": 1}").await).await;
    let latest = bench.admit(bench.signed("{\"number\": 2}").await).await.delivery;
    let judged = async |inbound: &Inbound, candidate: &str| {
        let candidate = bench.plugin(candidate).await;
        judge_again(&bench.journal, None, inbound, &candidate).await.unwrap()
    };
    // It transforms them otherwise.
    assert_eq!(judged(bench.inbound(), "hmac").await, Ok(Recorded { same: 2, skipped: 0 }));
    // It does not know what they are.
    let objection = judged(bench.inbound(), "raw").await.unwrap_err();
    assert!(objection.contains(&format!("{latest} differently: event 0: id is -, and was ")), "{objection}");
    // It knows, and lets anybody in.
    let place = |name: &str, header: &str| (name.to_owned(), format!("header:{header}"));
    let settings = BTreeMap::from([place("id", "x-github-delivery"), place("kind", "x-github-event")]);
    let knowing = sources(Source { settings, ..source(SECRET) }, &bench.github, &bench.handed_over);
    let objection = judged(knowing.get("github").unwrap(), "raw").await.unwrap_err();
    assert!(objection.contains(&format!("{latest} with a byte more in its body")), "{objection}");
    // With another secret neither version can judge it.
    let rotated = sources(source("another secret"), &bench.github, &bench.handed_over);
    let rotated = rotated.get("github").unwrap();
    assert_eq!(judged(rotated, "github").await, Ok(Recorded { same: 0, skipped: 2 }));
    assert_eq!(judged(rotated, "raw").await, Ok(Recorded { same: 0, skipped: 2 }));
}
