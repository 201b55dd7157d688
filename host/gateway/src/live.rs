//! The configuration in force with everything built from it, and the place where the next one takes over.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use hookgate_config::Config;
use hookgate_net::fetch::Fetcher;
use hookgate_sandbox::{Origin, Plugin};

use crate::{dispatch::DestinationHealth, fanout::OrderedSources, route::Routes, sources::Sources};

/// A configuration in force.
pub struct Live {
    /// As it was read, except for sections that hold from start to stop.
    pub config: Config,
    /// The plugins in use by the name that sources give them, each with its origin.
    pub plugins: BTreeMap<String, (Plugin, Origin)>,
    /// The sources, each with its plugin.
    pub sources: Arc<Sources>,
    /// Which outputs go where.
    pub routes: Arc<Routes>,
    /// The sources whose events are ordered.
    pub ordered: Arc<OrderedSources>,
    /// What fetches key sets and certificates.
    pub fetcher: Fetcher,
    /// Which destinations are available.
    pub destination_health: DestinationHealth,
}

/// A handle to the configuration in force; cheap to clone.
#[derive(Clone)]
pub struct Current(Arc<ArcSwap<Live>>);

impl Current {
    /// Puts the first configuration in force.
    pub fn new(live: Live) -> Self {
        Current(Arc::new(ArcSwap::from_pointee(live)))
    }

    /// Take it once per unit of work, so that one delivery never sees two configurations.
    pub fn get(&self) -> Arc<Live> {
        self.0.load_full()
    }

    /// Puts another configuration in force. Work that has begun ends under the one with which it began.
    pub fn set(&self, live: Live) {
        self.0.store(Arc::new(live));
    }
}
