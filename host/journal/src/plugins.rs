//! Versions of plugins: which there are, which of them are at work, and what was done with them.

use std::ops::ControlFlow;

use hookgate_model::{limits, trial::TrialMode};
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use crate::{
    Journal,
    engine::{Direction, Engine, Space},
    record::{self, Record, keys},
    types::JournalError,
    write::{Draft, Kind},
};

/// What an entry of the space is about.
const VERSION: u8 = b'v';
const ACTIVATION: u8 = b'a';
const SEEN: u8 = b'd';
const HISTORY: u8 = b'h';
/// How many entries the history has had in all.
const COUNT: &[u8] = b"n";

/// A version of a plugin whose component is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptVersion {
    /// The SHA-256 of its component, in hex.
    pub hash: String,
    /// The plugin that it is a version of, as sources call it.
    pub plugin: String,
    /// What it calls its version itself.
    pub version: String,
    /// Bytes of its component.
    pub size: u64,
    /// When it was installed, in milliseconds since the epoch.
    pub installed_at: u64,
    /// By whom: `admin API`, `directory` or `configuration`.
    pub installed_by: String,
    /// The id of the key that has signed it, in hex; none when it is not signed.
    pub key: Option<String>,
}

/// Which versions work for a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activation {
    /// The plugin that the source named then; where it names another one by now, this counts for nothing.
    pub plugin: String,
    /// The hash of the active one; none: what the configuration gives.
    pub active: Option<String>,
    /// The one before it, to which a rollback goes; the inner none as above, the outer one where there was none.
    pub previous: Option<Option<String>>,
    /// The one on trial beside it.
    pub trial: Option<(String, TrialMode)>,
}

/// What happened to a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum PluginEvent {
    /// Its component was installed.
    Installed,
    /// It was not installed, or not activated.
    Refused,
    /// It judges the source's deliveries from then on; without a hash: what the configuration gives does.
    Activated,
    /// As above, again.
    RolledBack,
    /// It is tried.
    TrialBegun,
    /// It is not tried any more.
    TrialEnded,
    /// Its component was removed.
    Removed,
}

/// An entry of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginHistory {
    /// When, in milliseconds since the epoch.
    pub at: u64,
    /// The plugin, as sources call it.
    pub plugin: String,
    /// The source, where it is about one.
    pub source: Option<String>,
    /// The SHA-256 of the component, in hex.
    pub hash: Option<String>,
    /// What happened.
    pub event: PluginEvent,
    /// Who did it: `admin API`, `directory` or `configuration`.
    pub by: String,
    /// Why, or how.
    pub reason: Option<String>,
}

/// Changes that are made durable together.
#[derive(Clone, Debug, Default)]
pub struct PluginChanges {
    /// Versions that are kept from now on.
    pub versions: Vec<KeptVersion>,
    /// Those that are not: plugin and hash.
    pub removed: Vec<(String, String)>,
    /// By source: which versions work for it.
    pub activations: Vec<(String, Activation)>,
    /// Sources that run what the configuration gives, and of which nothing is kept.
    pub forgotten: Vec<String>,
    /// By plugin: the hash of the file that was last seen in the directory.
    pub seen: Vec<(String, String)>,
    /// Entries for the history.
    pub history: Vec<PluginHistory>,
}

/// All that is kept, but for the history.
#[derive(Clone, Debug, Default)]
pub struct KeptPlugins {
    /// By hash and plugin.
    pub versions: Vec<KeptVersion>,
    /// By source.
    pub activations: Vec<(String, Activation)>,
    /// By plugin: the hash of the file that was last seen in the directory.
    pub seen: Vec<(String, String)>,
}

impl Journal {
    /// The versions of plugins that are kept, and which of them work for which source.
    pub fn plugins(&self) -> Result<KeptPlugins, JournalError> {
        let mut kept = KeptPlugins::default();
        let mut read = |key: &[u8], value: &[u8]| {
            let Some((of, name)) = key.split_first() else { return Ok(()) };
            let name = String::from_utf8_lossy(name).into_owned();
            match *of {
                VERSION => kept.versions.push(record::read(value, &name)?),
                ACTIVATION => kept.activations.push((name.clone(), record::read(value, &name)?)),
                SEEN => kept.seen.push((name, String::from_utf8_lossy(value).into_owned())),
                _ => {}
            }
            Ok(())
        };
        scan(&*self.engine()?, Direction::Forward, &mut |key, value| {
            read(key, value).map(|()| ControlFlow::Continue(()))
        })?;
        Ok(kept)
    }

    /// The last `limit` entries of the plugins' history that are wanted, newest first.
    pub fn plugin_history(
        &self,
        limit: usize,
        wanted: impl Fn(&PluginHistory) -> bool,
    ) -> Result<Vec<PluginHistory>, JournalError> {
        let mut found = Vec::new();
        scan(&*self.engine()?, Direction::Backward, &mut |key, value| {
            if key.first() == Some(&HISTORY) {
                let entry: PluginHistory = record::read(value, &hex::encode(key))?;
                if wanted(&entry) {
                    found.push(entry);
                }
            }
            Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(found)
    }

    /// Makes changes of what is kept of plugins, durably and as a whole.
    pub async fn change_plugins(&self, changes: PluginChanges) -> Result<(), JournalError> {
        self.write(Kind::Order, move |draft| changes.write(draft)).await
    }
}

impl KeptVersion {
    /// Plugin and hash.
    pub fn name(&self) -> (String, String) {
        (self.plugin.clone(), self.hash.clone())
    }
}

impl PluginEvent {
    /// One word for it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl Record for KeptVersion {
    const KIND: &'static str = "version of the plugin";
}

impl Record for Activation {
    const KIND: &'static str = "activation of the source";
}

impl Record for PluginHistory {
    const KIND: &'static str = "entry of the plugins' history";
}

impl PluginChanges {
    pub(super) fn write(self, draft: &mut Draft<'_>) -> Result<(), JournalError> {
        for version in &self.versions {
            draft.writes.put(
                Space::Plugins,
                named(VERSION, &versioned(&version.plugin, &version.hash)),
                record::write(version)?,
            );
        }
        for (plugin, hash) in &self.removed {
            draft.writes.delete(Space::Plugins, named(VERSION, &versioned(plugin, hash)));
        }
        for (source, activation) in &self.activations {
            draft.writes.put(Space::Plugins, named(ACTIVATION, source), record::write(activation)?);
        }
        for source in &self.forgotten {
            draft.writes.delete(Space::Plugins, named(ACTIVATION, source));
        }
        for (plugin, hash) in &self.seen {
            draft.writes.put(Space::Plugins, named(SEEN, plugin), hash.as_bytes().to_vec());
        }
        let mut count =
            draft.get(Space::Plugins, COUNT)?.and_then(|count| count.try_into().ok()).map_or(0, u64::from_be_bytes);
        for entry in &self.history {
            draft.writes.put(Space::Plugins, numbered(count), record::write(entry)?);
            if let Some(oldest) = count.checked_sub(limits::PLUGIN_HISTORY_MAX) {
                draft.writes.delete(Space::Plugins, numbered(oldest));
            }
            count += 1;
        }
        draft.writes.put(Space::Plugins, COUNT.to_vec(), count.to_be_bytes().to_vec());
        Ok(())
    }
}

fn named(of: u8, name: &str) -> Vec<u8> {
    [&[of], name.as_bytes()].concat()
}

/// One component may be a version of several plugins, under the names that sources give them.
fn versioned(plugin: &str, hash: &str) -> String {
    format!("{hash}{plugin}")
}

fn numbered(number: u64) -> Vec<u8> {
    [&[HISTORY][..], &number.to_be_bytes()].concat()
}

type Look<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, JournalError>;

/// The whole space, until something is wrong.
fn scan(engine: &dyn Engine, direction: Direction, look: Look<'_>) -> Result<(), JournalError> {
    let mut failed = None;
    engine.scan(Space::Plugins, &keys::all(), direction, &mut |key, value| match look(key, value) {
        Ok(flow) => flow,
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    failed.map_or(Ok(()), Err)
}
