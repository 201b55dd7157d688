//! The configuration that is in force, with what was made of it, and the place where another one takes over from it.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use hookgate_config::Config;
use hookgate_net::fetch::Fetcher;
use hookgate_sandbox::{Origin, Plugin};

use crate::{dispatch::Breakers, sources::Sources};

/// A configuration in force.
pub struct Live {
    /// As it was read, but for what holds from start to end.
    pub config: Config,
    /// The plugins in use, by the name that sources call them, each with where it came from.
    pub plugins: BTreeMap<String, (Plugin, Origin)>,
    /// The sources, each with its plugin.
    pub sources: Arc<Sources>,
    /// What fetches key sets and certificates.
    pub fetcher: Fetcher,
    /// Which destinations count as away.
    pub breakers: Breakers,
}

/// Where the configuration in force is found; cheap to clone.
#[derive(Clone)]
pub struct Current(Arc<ArcSwap<Live>>);

impl Current {
    /// The first one.
    pub fn new(live: Live) -> Self {
        Current(Arc::new(ArcSwap::from_pointee(live)))
    }

    /// The one in force now. Whoever works on something takes it once and keeps it: nothing is worked on by two.
    pub fn get(&self) -> Arc<Live> {
        self.0.load_full()
    }

    /// Puts another one in force. What is under way ends under the one with which it began.
    pub fn set(&self, live: Live) {
        self.0.store(Arc::new(live));
    }
}
