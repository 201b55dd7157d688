//! The directory of plugins: a file that has changed is installed as a version, and activated when it passes.
//!
//! The hash of each file that was seen last is kept. So a refused file is not tried again and again, and a file from which an
//! operator has rolled back is not activated again at the next start.

use std::{path::Path, sync::Arc, time::SystemTime};

use hookgate_journal::{Activation, KeptVersion, PluginChanges, PluginEvent, PluginHistory};
use hookgate_model::{clock::now_ms, limits};
use hookgate_sandbox::{Plugin, read_component};
use sha2::{Digest, Sha256};

use super::{AfterInstall, Install, Role, Versions, entry, who};
use crate::live::{Current, Live};

/// The state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileState {
    length: u64,
    modified: Option<SystemTime>,
    /// Whether this state was handled.
    done: bool,
}

/// A file of the directory with the plugin of a source.
struct FoundFile {
    plugin: String,
    component: Vec<u8>,
    hash: String,
}

impl Versions {
    /// Looks at the directory periodically, without end.
    pub async fn watch(self, current: Current) {
        loop {
            tokio::time::sleep(limits::PLUGIN_WATCH_PAUSE).await;
            self.scan(&current, false).await;
        }
    }

    /// Looks at every file of the directory, whether it has changed or not.
    pub async fn rescan(&self, current: &Current) {
        self.0.watched.lock().clear();
        self.scan(current, true).await;
    }

    /// Looks at the directory once. A changed file counts if it is the same at two looks, or at the first with `at_once`.
    pub async fn scan(&self, current: &Current, at_once: bool) {
        let live = current.get();
        let Some(directory) = live.config.plugins.directory.clone() else { return };
        let mut names: Vec<String> = live.config.sources.iter().map(|source| source.plugin.clone()).collect();
        names.sort_unstable();
        names.dedup();
        for plugin in names {
            let path = directory.join(format!("{plugin}.wasm"));
            if !self.has_changed(&plugin, &path, at_once) {
                continue;
            }
            let read = tokio::task::spawn_blocking(move || read_component(&path)).await;
            match read {
                Ok(Ok(component)) => {
                    let hash = hex::encode(Sha256::digest(&component));
                    self.found(current, &live, FoundFile { plugin: plugin.clone(), component, hash }).await;
                }
                Ok(Err(error)) => tracing::error!(plugin, %error, "a file of the plugin directory cannot be read"),
                Err(_) => return,
            }
        }
    }

    /// Whether a file differs from the one that was handled last. After that it counts as handled.
    fn has_changed(&self, plugin: &str, path: &Path, at_once: bool) -> bool {
        let mut watched = self.0.watched.lock();
        let Ok(metadata) = std::fs::metadata(path) else {
            watched.remove(plugin);
            return false;
        };
        let now = FileState { length: metadata.len(), modified: metadata.modified().ok(), done: false };
        let before = watched.get(plugin).copied();
        let is_same = before.is_some_and(|before| FileState { done: false, ..before } == now);
        let due = match before {
            Some(before) if is_same && before.done => false,
            _ => is_same || at_once,
        };
        let done = due || (is_same && before.is_some_and(|before| before.done));
        watched.insert(plugin.to_owned(), FileState { done, ..now });
        due
    }

    async fn found(&self, current: &Current, live: &Live, found: FoundFile) {
        let seen = self.records().seen.get(&found.plugin).cloned();
        if seen.as_ref() == Some(&found.hash) {
            return self.adopt(live, found).await;
        }
        match live.plugins.get(&found.plugin) {
            // It was there when the configuration was read, and runs as the configured plugin.
            Some((given, _)) if seen.is_none() && *given.hash() == found.hash => self.adopt(live, found).await,
            _ => self.take_over(current, found).await,
        }
    }

    /// Makes a version of a file that a start has found in the directory, so that no later start runs another file that has not
    /// passed the checks.
    async fn adopt(&self, live: &Live, found: FoundFile) {
        let FoundFile { plugin: name, component, hash } = found;
        let Some((plugin, _)) = live.plugins.get(&name).filter(|(given, _)| *given.hash() == hash) else { return };
        let _turn = self.turn().await;
        let bare =
            live.config.sources.iter().filter(|source| source.plugin == name && self.activation(source).is_none());
        let bare: Vec<&str> = bare.map(|source| source.name.as_str()).collect();
        if bare.is_empty() {
            return;
        }
        let activation = Activation { plugin: name.clone(), active: Some(hash.clone()), ..Activation::default() };
        let history = |source: &&str| PluginHistory {
            source: Some((*source).to_owned()),
            ..entry(&name, Some(&hash), PluginEvent::Activated, who::CONFIGURATION)
        };
        let changes = PluginChanges {
            versions: vec![version(&name, plugin, component.len())],
            activations: bare.iter().map(|source| ((*source).to_owned(), activation.clone())).collect(),
            seen: vec![(name.clone(), hash.clone())],
            history: bare.iter().map(history).collect(),
            ..PluginChanges::default()
        };
        let kept = self.keep_file(&hash, &Arc::new(component)).await;
        self.loaded().insert(hash.clone(), plugin.clone());
        let adopted = match kept {
            Ok(()) => self.change(changes).await.map_err(Into::into),
            Err(error) => Err(error),
        };
        if let Err(error) = adopted {
            tracing::error!(plugin = name, %error, "the plugin runs, but could not be kept as a version");
        }
    }

    async fn take_over(&self, current: &Current, found: FoundFile) {
        let FoundFile { plugin, component, hash } = found;
        // Noted before it is tried, so that a file that brings the gateway down is not tried again.
        let seen = PluginChanges { seen: vec![(plugin.clone(), hash)], ..PluginChanges::default() };
        if let Err(error) = self.change(seen).await {
            tracing::error!(plugin, %error, "a changed file of the plugin directory could not be noted in the store");
            self.0.watched.lock().remove(&plugin);
            return;
        }
        let order = Install {
            plugin: Some(plugin.clone()),
            source: None,
            then: AfterInstall::Activate(Role::Active),
            despite_recorded: self.0.in_development,
            by: who::DIRECTORY,
        };
        // A refusal is in the history and the log. The running version stays.
        if let Err(error) = self.install(current, component, order).await {
            tracing::error!(plugin, %error, "a changed file of the plugin directory is not put to work");
        }
    }
}

fn version(name: &str, plugin: &Plugin, size: usize) -> KeptVersion {
    KeptVersion {
        hash: plugin.hash().to_owned(),
        plugin: name.to_owned(),
        version: plugin.descriptor().version.clone(),
        size: size as u64,
        installed_at: now_ms(),
        installed_by: who::CONFIGURATION.to_owned(),
        key: plugin.signed_by().first().map(ToString::to_string),
    }
}
