use std::collections::BTreeSet;

use hookgate_capabilities::{Delivery, Digest, Encoding, Request};
use hookgate_config::{EngineKind, Source, Store};
use tempfile::TempDir;

use super::*;

fn store(directory: &TempDir) -> Store {
    Store {
        path: directory.path().join("data"),
        engine: EngineKind::Fjall,
        retention: Duration::from_secs(60),
        headroom: 0,
        cache: 1 << 20,
    }
}

fn open(directory: &TempDir, key: Option<&str>) -> Result<Enrollments, EnrollmentsError> {
    let store = store(directory);
    let key = key.map(|key| SecretText::new(key.to_owned()));
    Enrollments::open(Journal::open(&store).unwrap(), &store.path, key.as_ref())
}

fn source(configured: &[&str]) -> Arc<Source> {
    let configured = configured.iter().map(|text| SecretText::new((*text).to_owned())).collect();
    Arc::new(Source {
        secrets: BTreeMap::from([("signing".to_owned(), configured)]),
        handed_over: BTreeSet::from(["signing".to_owned()]),
        ..Source::of_plugin("asana", "asana")
    })
}

fn handing_over(secret: &str, value: &str) -> Enrollment {
    let reply = Reply { status: 200, headers: vec![("x-hook-secret".into(), value.into())], body: Vec::new() };
    Enrollment { secret: secret.to_owned(), value: value.to_owned(), reply }
}

async fn takes(kept: &Enrollments, source: &Arc<Source>, value: &str) -> bool {
    match kept.enroll(source, handing_over("signing", value)).await {
        Ok(reply) => {
            assert_eq!(reply.headers[0].1, value);
            true
        }
        Err(NotEnrolled::Closed(why)) => {
            assert!(!why.contains(value), "{why}");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

/// Whether a plugin finds this secret.
fn finds(secrets: &SourceSecrets, text: &str) -> bool {
    let request = Request {
        method: "POST".to_owned(),
        url: "http://localhost/".to_owned(),
        headers: Vec::new(),
        received_at: 0,
        body: bytes::Bytes::new(),
    };
    let delivery = Delivery::new(Arc::new(request), Arc::default(), secrets.get());
    let secret = delivery.secret("signing", Encoding::Utf8, None);
    // A MAC, so that what was decoded before does not stand in the way.
    let _ = secret.as_ref().map(|secret| secret.mac(Digest::Sha256, &[]));
    secret.is_ok_and(|secret| secret.equals(text.as_bytes()))
}

#[tokio::test]
async fn the_first_is_taken_and_further_ones_while_a_window_is_open() {
    let directory = tempfile::tempdir().unwrap();
    let (kept, source) = (open(&directory, None).unwrap(), source(&[]));
    let secrets = SourceSecrets::new(source.clone(), &kept);
    assert!(!finds(&secrets, "one"));
    assert!(takes(&kept, &source, "one").await);
    assert!(finds(&secrets, "one"), "at once");
    assert!(takes(&kept, &source, "one").await, "the same again is answered");
    assert!(!takes(&kept, &source, "two").await);
    kept.open_window("asana", Duration::from_secs(60));
    assert!(takes(&kept, &source, "two").await);
    assert!(finds(&secrets, "one") && finds(&secrets, "two"));
    kept.open_window("asana", Duration::ZERO);
    assert!(!takes(&kept, &source, "three").await);
    assert_eq!(kept.list().len(), 2);
}

#[tokio::test]
async fn a_configured_secret_or_another_name_leaves_no_first_one() {
    let directory = tempfile::tempdir().unwrap();
    let kept = open(&directory, None).unwrap();
    assert!(!takes(&kept, &source(&["configured"]), "s3cret").await);
    let other = kept.enroll(&source(&[]), handing_over("other", "one")).await;
    assert!(matches!(other, Err(NotEnrolled::Closed(_))));
    assert!(kept.list().is_empty() && kept.0.journal.sealed().unwrap().is_empty());
}

#[tokio::test]
async fn of_many_at_once_one_is_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let (kept, source) = (open(&directory, None).unwrap(), source(&[]));
    let taken = (0..20).map(|n| {
        let (kept, source) = (kept.clone(), source.clone());
        tokio::spawn(async move { kept.enroll(&source, handing_over("signing", &format!("s{n}"))).await.is_ok() })
    });
    let mut count = 0;
    for one in taken.collect::<Vec<_>>() {
        count += usize::from(one.await.unwrap());
    }
    assert_eq!((count, kept.list().len()), (1, 1));
}

#[tokio::test]
async fn there_is_a_bound() {
    let directory = tempfile::tempdir().unwrap();
    let (kept, source) = (open(&directory, None).unwrap(), source(&[]));
    kept.open_window("asana", Duration::from_secs(3600));
    for n in 0..limits::ENROLLED_VERSIONS_MAX {
        assert!(takes(&kept, &source, &format!("secret-{n}")).await);
    }
    assert!(!takes(&kept, &source, "one-too-many").await);
    let oldest = kept.list().last().unwrap().version;
    assert_eq!(kept.forget("asana", &[oldest]).await.unwrap(), 1);
    assert!(takes(&kept, &source, "one-too-many").await);
}

#[tokio::test]
async fn they_survive_a_restart_and_open_with_their_key_only() {
    const KEYS: [&str; 2] = ["0123456789abcdef0123456789abcdef", "ffffffffffffffff0123456789abcdef"];
    for key in [None, Some(KEYS[0])] {
        let directory = tempfile::tempdir().unwrap();
        let source = source(&[]);
        let kept = open(&directory, key).unwrap();
        assert!(takes(&kept, &source, "one").await);
        drop(kept);
        let kept = reopened(&directory, key).unwrap();
        assert!(finds(&SourceSecrets::new(source.clone(), &kept), "one"));
        drop(kept);
        let error = reopened(&directory, Some(KEYS[1])).err().unwrap();
        assert!(matches!(error, EnrollmentsError::OtherKey { .. }), "{error}");
        assert!(error.to_string().contains("store.seal-key"), "{error}");
        let own = seal::file(&store(&directory).path);
        assert_eq!(own.exists(), key.is_none());
        let _ = std::fs::remove_file(&own);
        let error = reopened(&directory, None).err().unwrap();
        assert!(matches!(error, EnrollmentsError::Missing(_)), "{error}");
    }
}

/// Once the writer of the store before has ended.
fn reopened(directory: &TempDir, key: Option<&str>) -> Result<Enrollments, EnrollmentsError> {
    let store = store(directory);
    let journal = loop {
        match Journal::open(&store) {
            Ok(journal) => break journal,
            Err(hookgate_journal::OpenError::InUse { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    let key = key.map(|key| SecretText::new(key.to_owned()));
    Enrollments::open(journal, &store.path, key.as_ref())
}

#[tokio::test]
async fn what_is_forgotten_is_gone_for_good() {
    let directory = tempfile::tempdir().unwrap();
    let (kept, source) = (open(&directory, None).unwrap(), source(&[]));
    let secrets = SourceSecrets::new(source.clone(), &kept);
    assert!(takes(&kept, &source, "one").await);
    assert_eq!(kept.forget("other", &[]).await.unwrap(), 0);
    assert_eq!(kept.forget("asana", &[]).await.unwrap(), 1);
    assert!(!finds(&secrets, "one") && kept.list().is_empty() && kept.0.journal.sealed().unwrap().is_empty());
    assert!(takes(&kept, &source, "two").await, "the next is a first one again");
}

#[test]
fn no_debug_output_holds_a_secret() {
    let handed_over = handing_over("signing", "s3cret");
    assert!(!format!("{handed_over:?}").contains("s3cret"));
    let verdict = hookgate_capabilities::Verdict::Enroll(handed_over);
    assert!(!format!("{verdict:?}").contains("s3cret"));
}
