//! What judges the deliveries of a source now, and the place where another version takes over from it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use hookgate_model::trial::TrialMode;

use super::{Breakers, Function, Provider};

/// The active versions for one source. A delivery takes [`Slot::get`] once, at its beginning, and is worked on by what it
/// found there to its end; a version that was switched away from goes when the last of them is done.
pub struct Slot(ArcSwap<Running>);

/// The active versions for a source at one moment.
#[derive(Clone)]
pub struct Running {
    /// Judges and transforms.
    pub active: Provider,
    /// Is on trial beside it.
    pub trial: Option<Trial>,
}

/// A version on trial.
#[derive(Clone)]
pub struct Trial {
    /// The version.
    pub candidate: Provider,
    /// What it gets to see.
    pub mode: TrialMode,
}

impl Running {
    /// One version, and none on trial.
    pub fn new(active: Provider) -> Self {
        Running { active, trial: None }
    }

    /// Which version judges a delivery, by a number from 0 to 99 that is drawn for it.
    pub fn chosen(&self, drawn: u8, breakers: &Breakers) -> &Provider {
        let canary = self.canary(Function::Verify, breakers).filter(|(_, percent)| drawn < *percent);
        canary.map_or(&self.active, |(candidate, _)| candidate)
    }

    /// Which version transforms an event that the one of this hash has verified: the same while it is at work, else the
    /// active one.
    pub fn transforming(&self, hash: &str, breakers: &Breakers) -> &Provider {
        let canary = self.canary(Function::Transform, breakers).filter(|(candidate, _)| candidate.hash() == hash);
        canary.map_or(&self.active, |(candidate, _)| candidate)
    }

    /// The canary with its share, unless it is out: the active version does its work then, at no delivery's cost.
    fn canary(&self, function: Function, breakers: &Breakers) -> Option<(&Provider, u8)> {
        match &self.trial {
            Some(Trial { candidate, mode: TrialMode::Canary(percent) }) => {
                (!breakers.is_open(candidate.hash(), function)).then_some((candidate, *percent))
            }
            _ => None,
        }
    }
}

impl Slot {
    /// With one version, and none on trial.
    pub fn new(active: Provider) -> Self {
        Slot::running(Running::new(active))
    }

    /// With these versions.
    pub fn running(running: Running) -> Self {
        Slot(ArcSwap::from_pointee(running))
    }

    /// What is at work now.
    pub fn get(&self) -> Arc<Running> {
        self.0.load_full()
    }

    /// Has other versions judge the deliveries that begin from now on.
    pub fn set(&self, running: Running) {
        self.0.store(Arc::new(running));
    }
}
