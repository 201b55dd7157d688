//! What was fetched, and what could not be: so much and no more, the least used goes first.

use std::{collections::HashMap, sync::Arc};

use hookgate_model::limits;
use tokio::{sync, time::Instant};

use super::{Anew, Document, FetchError, request::Fetched};

/// What is known, by the queries' names.
#[derive(Default)]
pub(super) struct Cache {
    entries: HashMap<Arc<str>, Entry>,
    /// Documents so far.
    fetched: u64,
    /// Grows with each use.
    uses: u64,
}

/// What is known of one query.
#[derive(Default)]
struct Entry {
    document: Option<Arc<Document>>,
    /// The last attempt, where it failed.
    failed: Option<(Instant, FetchError)>,
    /// When it was last asked for anew.
    asked_anew: Option<Instant>,
    used: u64,
    /// A key of a document of it has verified a signature.
    is_proven: bool,
    /// Held by the one who fetches.
    flight: Arc<sync::Mutex<()>>,
}

impl Entry {
    fn failed_now(&self, now: Instant) -> Option<&FetchError> {
        let (at, error) = self.failed.as_ref()?;
        (now < *at + limits::FETCH_FAILURE_PAUSE).then_some(error)
    }

    fn is_wanted(&self) -> bool {
        Arc::strong_count(&self.flight) > 1
    }
}

impl Cache {
    /// The document while it is fresh, and while its server fails for as long as it is usable; the failure of a moment
    /// ago; none when it must be fetched.
    pub fn look(&mut self, name: &Arc<str>, now: Instant) -> Option<Result<Arc<Document>, FetchError>> {
        self.uses += 1;
        let entry = self.entries.get_mut(name)?;
        entry.used = self.uses;
        let document = entry.document.as_ref();
        if let Some(fresh) = document.filter(|document| now < document.fresh_until) {
            return Some(Ok(fresh.clone()));
        }
        let error = entry.failed_now(now)?.clone();
        let usable = document.filter(|document| now < document.usable_until);
        Some(usable.cloned().ok_or(error))
    }

    /// Notes that a key of the document has verified a signature.
    pub fn prove(&mut self, name: &Arc<str>) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.is_proven = true;
        }
    }

    /// Whether a key of a document of this query has ever verified a signature, as far as is remembered.
    pub fn is_proven(&self, name: &Arc<str>) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.is_proven)
    }

    /// Whether somebody fetches it now, or waits for that.
    pub fn is_under_way(&self, name: &Arc<str>) -> bool {
        self.entries.get(name).is_some_and(Entry::is_wanted)
    }

    /// Whether it is time to fetch a document again that is proven and still fresh, and no fetch is under way.
    pub fn is_due(&self, name: &Arc<str>, now: Instant) -> bool {
        let Some(entry) = self.entries.get(name).filter(|entry| entry.is_proven && !entry.is_wanted()) else {
            return false;
        };
        let is_old = entry.document.as_ref().is_some_and(|document| now >= document.old_from);
        is_old && entry.failed_now(now).is_none()
    }

    /// The lock that is held while the query is under way.
    pub fn flight(&mut self, name: &Arc<str>) -> Arc<sync::Mutex<()>> {
        self.entry(name).flight.clone()
    }

    /// Stores the outcome of a query. Returns the answer for the caller.
    pub fn learn(
        &mut self,
        name: &Arc<str>,
        fetched: Result<Fetched, FetchError>,
        now: Instant,
    ) -> Result<Arc<Document>, FetchError> {
        self.fetched += 1;
        let number = self.fetched;
        let entry = self.entry(name);
        match fetched {
            Ok(Fetched { bytes, age }) => {
                let (old_from, fresh_until) = (now + age * 3 / 4, now + age);
                let usable_until = fresh_until + limits::FETCHED_STALE_MAX;
                let document = Arc::new(Document { bytes, number, old_from, fresh_until, usable_until });
                (entry.document, entry.failed) = (Some(document.clone()), None);
                Ok(document)
            }
            Err(error) => {
                entry.failed = Some((now, error.clone()));
                let old = entry.document.as_ref();
                // One that was asked for anew is still fresh, and has not what was missing.
                let usable = old.filter(|old| now >= old.fresh_until && now < old.usable_until);
                usable.cloned().ok_or(error)
            }
        }
    }

    /// Whether asking anew can bring more than what is known.
    pub fn anew(&mut self, name: &Arc<str>, now: Instant) -> Anew {
        let entry = self.entries.get(name);
        let asked = entry.and_then(|entry| entry.asked_anew);
        let a_moment_ago = asked.is_some_and(|asked| now < asked + limits::FETCH_ANEW_PAUSE);
        // What could not be had a moment ago is not known to be all that there is.
        if a_moment_ago && entry.is_some_and(|entry| entry.failed.is_none()) { Anew::Current } else { Anew::Outdated }
    }

    /// Notes that the document is asked for anew; the failure of a moment ago, where it must not be yet.
    pub fn ask_anew(&mut self, name: &Arc<str>, now: Instant) -> Option<FetchError> {
        let entry = self.entry(name);
        let failed = entry.failed_now(now).cloned();
        if failed.is_none() {
            entry.asked_anew = Some(now);
        }
        failed
    }

    fn entry(&mut self, name: &Arc<str>) -> &mut Entry {
        if !self.entries.contains_key(name) && self.entries.len() >= limits::FETCHED_DOCUMENTS_MAX {
            self.make_room();
        }
        self.uses += 1;
        let entry = self.entries.entry(name.clone()).or_default();
        entry.used = self.uses;
        entry
    }

    /// Forgets what failed before what is there, and that before what is proven, of each the least recently used. What
    /// somebody waits for stays: those are fewer than what there is room for.
    fn make_room(&mut self) {
        let idle = self.entries.iter().filter(|(_, entry)| !entry.is_wanted());
        let least = idle.min_by_key(|(_, entry)| (entry.is_proven, entry.document.is_some(), entry.used));
        if let Some(name) = least.map(|(name, _)| name.clone()) {
            self.entries.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::Failure, *};

    const AGE: Duration = Duration::from_secs(600);

    fn name(text: impl std::fmt::Display) -> Arc<str> {
        text.to_string().into()
    }

    fn fetched(bytes: &'static str) -> Result<Fetched, FetchError> {
        Ok(Fetched { bytes: bytes.into(), age: AGE })
    }

    fn failure() -> FetchError {
        FetchError { url: "https://keys.example/".into(), why: Failure::Status(500) }
    }

    fn bytes(look: Option<Result<Arc<Document>, FetchError>>) -> Option<Result<bytes::Bytes, FetchError>> {
        look.map(|known| known.map(|document| document.bytes.clone()))
    }

    #[test]
    fn a_document_is_used_while_fresh_and_stands_in_while_its_server_fails() {
        let (mut cache, start, a) = (Cache::default(), Instant::now(), name("a"));
        assert_eq!(bytes(cache.look(&a, start)), None);
        cache.learn(&a, fetched("1"), start).unwrap();
        assert_eq!(bytes(cache.look(&a, start + AGE / 2)), Some(Ok("1".into())));
        let later = start + AGE;
        assert_eq!(bytes(cache.look(&a, later)), None, "to be fetched again");
        assert_eq!(cache.learn(&a, Err(failure()), later).unwrap().bytes, "1", "it stands in");
        assert_eq!(bytes(cache.look(&a, later)), Some(Ok("1".into())));
        assert_eq!(bytes(cache.look(&a, later + limits::FETCH_FAILURE_PAUSE)), None, "to be tried again");
        let end = start + AGE + limits::FETCHED_STALE_MAX;
        assert_eq!(cache.learn(&a, Err(failure()), end).unwrap_err(), failure(), "not for ever");
        assert_eq!(bytes(cache.look(&a, end)), Some(Err(failure())));
        cache.learn(&a, fetched("2"), end + AGE).unwrap();
        assert_eq!(bytes(cache.look(&a, end + AGE)), Some(Ok("2".into())));
    }

    #[test]
    fn asking_anew_is_bounded_and_a_failure_of_it_proves_nothing() {
        let (mut cache, start, a) = (Cache::default(), Instant::now(), name("a"));
        cache.learn(&a, fetched("1"), start).unwrap();
        assert_eq!(cache.anew(&a, start), Anew::Outdated, "the first one is free");
        assert_eq!(cache.ask_anew(&a, start), None);
        cache.learn(&a, fetched("2"), start).unwrap();
        assert_eq!(cache.anew(&a, start), Anew::Current);
        let later = start + limits::FETCH_ANEW_PAUSE;
        assert_eq!(cache.anew(&a, later), Anew::Outdated);
        assert_eq!(cache.ask_anew(&a, later), None);
        assert_eq!(cache.learn(&a, Err(failure()), later), Err(failure()), "what is fresh has not what was missing");
        assert_eq!(bytes(cache.look(&a, later)), Some(Ok("2".into())), "for all others it is as good as before");
        assert_eq!(cache.anew(&a, later), Anew::Outdated);
        assert_eq!(cache.ask_anew(&a, later), Some(failure()), "the server is left alone for a while");
        assert_eq!(cache.ask_anew(&a, later + limits::FETCH_FAILURE_PAUSE), None);
    }

    #[test]
    fn only_what_is_proven_is_due_before_it_is_out_of_date() {
        let (mut cache, start, a) = (Cache::default(), Instant::now(), name("a"));
        cache.prove(&a);
        assert!(!cache.is_proven(&a), "nothing is known of it");
        cache.learn(&a, fetched("1"), start).unwrap();
        let old = start + AGE * 3 / 4;
        assert!(!cache.is_due(&a, old));
        cache.prove(&a);
        assert!(cache.is_proven(&a) && !cache.is_due(&a, start) && cache.is_due(&a, old));
        let under_way = cache.flight(&a);
        assert!(!cache.is_due(&a, old), "somebody fetches it already");
        drop(under_way);
        assert!(cache.learn(&a, Err(failure()), old).is_err());
        assert_eq!(bytes(cache.look(&a, old)), Some(Ok("1".into())), "it stays in use");
        assert!(!cache.is_due(&a, old), "its server is left alone for a while");
        assert!(cache.is_due(&a, old + limits::FETCH_FAILURE_PAUSE));
        cache.learn(&a, fetched("2"), old).unwrap();
        assert!(!cache.is_due(&a, old + AGE / 2));
    }

    #[test]
    fn what_is_proven_outlives_whatever_strangers_have_fetched() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.learn(&name("proven"), fetched("1"), now).unwrap();
        cache.prove(&name("proven"));
        for n in 0..limits::FETCHED_DOCUMENTS_MAX * 3 {
            cache.learn(&name(n), fetched("2"), now).unwrap();
        }
        assert!(cache.is_proven(&name("proven")));
    }

    #[test]
    fn what_was_made_up_is_forgotten_before_what_is_there() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.learn(&name("real"), fetched("1"), now).unwrap();
        let waited_for = cache.flight(&name("waited-for"));
        for n in 0..limits::FETCHED_DOCUMENTS_MAX * 3 {
            let _ = cache.learn(&name(n), Err(failure()), now);
        }
        assert!(cache.entries.len() <= limits::FETCHED_DOCUMENTS_MAX, "{}", cache.entries.len());
        assert_eq!(bytes(cache.look(&name("real"), now)), Some(Ok("1".into())));
        assert!(cache.entries.contains_key("waited-for"));
        drop(waited_for);
        for n in 0..limits::FETCHED_DOCUMENTS_MAX {
            cache.learn(&name(format!("there {n}")), fetched("2"), now).unwrap();
            cache.look(&name("real"), now);
        }
        assert!(cache.entries.len() <= limits::FETCHED_DOCUMENTS_MAX, "{}", cache.entries.len());
        assert_eq!(bytes(cache.look(&name("real"), now)), Some(Ok("1".into())), "what is used stays");
    }
}
