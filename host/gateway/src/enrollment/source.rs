//! The secrets of one source: configured ones, and ones that were handed over.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use hookgate_capabilities::Secrets;
use hookgate_config::Source;
use hookgate_model::redact::Texts;

use super::{Enrollments, KnownSecrets};

/// The secrets that a source's plugin may use.
pub struct SourceSecrets {
    source: Arc<Source>,
    /// The result for the latest generation.
    made: ArcSwap<Snapshot>,
    /// Secrets that were handed over; `None` if the provider never does that.
    kept: Option<Enrollments>,
}

/// The secrets at one generation of the handed-over ones.
struct Snapshot {
    generation: u64,
    secrets: Arc<Secrets>,
    texts: Arc<Texts>,
}

impl Snapshot {
    fn of(generation: u64, texts: Texts) -> Snapshot {
        Snapshot { generation, secrets: Arc::new(Secrets::new(texts.clone())), texts: Arc::new(texts) }
    }
}

impl SourceSecrets {
    /// Reads the secrets of a source.
    pub fn new(source: Arc<Source>, kept: &Enrollments) -> Self {
        let kept = (!source.handed_over.is_empty()).then(|| kept.clone());
        let made = match &kept {
            Some(kept) => make(&source, &kept.0.known.load()),
            None => Snapshot::of(0, source.secrets.clone()),
        };
        SourceSecrets { source, made: ArcSwap::from_pointee(made), kept }
    }

    /// The texts of all secrets, by name.
    pub fn by_name(&self) -> Arc<Texts> {
        self.now().texts.clone()
    }

    /// The current secrets. Each generation is decoded once.
    pub fn get(&self) -> Arc<Secrets> {
        self.now().secrets.clone()
    }

    fn now(&self) -> Guard<Arc<Snapshot>> {
        if let Some(kept) = &self.kept {
            let known = kept.0.known.load();
            if self.made.load().generation != known.generation {
                self.made.store(Arc::new(make(&self.source, &known)));
            }
        }
        self.made.load()
    }
}

/// Configured secrets come first: the operator's newest one signs replies to challenges.
fn make(source: &Source, known: &KnownSecrets) -> Snapshot {
    Snapshot::of(known.generation, texts(source, known))
}

fn texts(source: &Source, known: &KnownSecrets) -> Texts {
    let mut texts: Texts = source.secrets.clone();
    for name in &source.handed_over {
        let given = known.of(&source.name, name).iter().map(|version| version.text.clone());
        texts.entry(name.clone()).or_default().extend(given);
    }
    texts
}
