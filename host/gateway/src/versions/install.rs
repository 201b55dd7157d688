//! Installing a version: the checks that it must pass before a source may use it.

use std::sync::Arc;

use hookgate_config::Source;
use hookgate_conformance::Difference;
use hookgate_journal::{KeptVersion, PluginChanges, PluginEvent, PluginHistory};
use hookgate_model::{clock::now_ms, limits};
use hookgate_sandbox::{Plugin, vectors};
use sha2::{Digest, Sha256};

use super::{
    Activate, Recorded, Records, Role, Target, VersionError, Versions, entry, fit, recorded, shortened, sources_of,
};
use crate::live::{Current, Live};

/// An order to install a component.
#[derive(Clone, Debug)]
pub struct Install {
    /// The plugin that it is a version of, by the name that sources give it. `None` for the name in its descriptor.
    pub plugin: Option<String>,
    /// For this source only.
    pub source: Option<String>,
    /// What happens after the installation.
    pub then: AfterInstall,
    /// Accept it even if it judges recorded deliveries differently.
    pub despite_recorded: bool,
    /// Who gives the order.
    pub by: &'static str,
}

/// What happens with a version after its installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterInstall {
    /// It is only kept.
    Keep,
    /// It is activated.
    Activate(Role),
}

/// A version that was installed.
#[derive(Clone, Debug)]
pub struct Installed {
    /// The version.
    pub version: KeptVersion,
    /// The sources for which it is active or on trial.
    pub sources: Vec<String>,
    /// The number of its own vectors, which have passed.
    pub vectors: usize,
    /// The results of the recorded deliveries of all these sources.
    pub recorded: Recorded,
}

/// A component that has passed the checks.
struct Checked {
    plugin: Plugin,
    name: String,
    vectors: usize,
    recorded: Recorded,
}

impl Versions {
    /// Installs a component, and activates it if the order says so.
    ///
    /// # Errors
    /// It is refused, with an entry in the history, or the store fails.
    pub async fn install(
        &self,
        current: &Current,
        component: Vec<u8>,
        order: Install,
    ) -> Result<Installed, VersionError> {
        let (versions, current) = (self.clone(), current.clone());
        // In a task of its own, so that a client that disconnects does not leave something half done.
        let installing = tokio::spawn(async move { versions.install_in_turn(&current, component, order).await });
        installing
            .await
            .unwrap_or_else(|error| Err(VersionError::Refused(format!("the gateway has a defect: {error}"))))
    }

    async fn install_in_turn(
        &self,
        current: &Current,
        component: Vec<u8>,
        order: Install,
    ) -> Result<Installed, VersionError> {
        let _installing = self.0.installing.lock().await;
        let hash = hex::encode(Sha256::digest(&component));
        let component = Arc::new(component);
        let mut name = order.plugin.clone();
        let checked = match self.checked(&current.get(), &component, &order, &mut name).await {
            Ok(checked) => checked,
            Err(error) => {
                self.note_refusal(name.as_deref().unwrap_or("?"), &hash, &order, &error).await;
                return Err(error);
            }
        };
        let version = self.keep(&checked, &component, order.by).await?;
        let mut sources = Vec::new();
        if let AfterInstall::Activate(role) = order.then {
            let activate = Activate {
                plugin: checked.name.clone(),
                to: Target::Version(version.hash.clone()),
                role,
                source: order.source.clone(),
                by: order.by,
            };
            // If no source uses the plugin yet, the version is only kept.
            if !sources_of(&current.get(), &checked.name, order.source.as_deref())?.is_empty() {
                sources = self.activate(current, activate).await?;
            }
        }
        Ok(Installed { version, sources, vectors: checked.vectors, recorded: checked.recorded })
    }

    /// Checks a component. `name` is set to its plugin once that is known.
    async fn checked(
        &self,
        live: &Live,
        component: &Arc<Vec<u8>>,
        order: &Install,
        name: &mut Option<String>,
    ) -> Result<Checked, VersionError> {
        let plugin = self.compile(component.to_vec()).await.map_err(VersionError::Refused)?;
        let name = name.get_or_insert_with(|| plugin.descriptor().name.clone()).clone();
        let sources = sources_of(live, &name, order.source.as_deref())?;
        if order.then != AfterInstall::Keep {
            for source in &sources {
                fits(live, source, &plugin).await.map_err(VersionError::Refused)?;
            }
        }
        let vectors = passed_vectors(&plugin).await.map_err(VersionError::Refused)?;
        let recorded = self.passed_recorded(live, &sources, &plugin, order.despite_recorded).await?;
        Ok(Checked { plugin, name, vectors, recorded })
    }

    async fn passed_recorded(
        &self,
        live: &Live,
        sources: &[Arc<Source>],
        plugin: &Plugin,
        despite: bool,
    ) -> Result<Recorded, VersionError> {
        let mut all = Recorded::default();
        for inbound in sources.iter().filter_map(|source| live.sources.get(&source.name)) {
            let claims = Some(&self.0.claims);
            match recorded::judge_again(&self.0.journal, claims, inbound, plugin).await? {
                Ok(Recorded { same, skipped }) => {
                    all.same += same;
                    all.skipped += skipped;
                }
                Err(how) if despite => {
                    tracing::warn!(source = inbound.source.name, how, "a version is taken despite a recorded delivery");
                }
                Err(how) => {
                    let text = format!("{how}; if that is intended, install it with --despite-recorded");
                    return Err(VersionError::Refused(text));
                }
            }
        }
        Ok(all)
    }

    /// Keeps the file first, so that every version in the journal has one.
    async fn keep(&self, checked: &Checked, component: &Arc<Vec<u8>>, by: &str) -> Result<KeptVersion, VersionError> {
        let plugin = &checked.plugin;
        let version = KeptVersion {
            hash: plugin.hash().to_owned(),
            plugin: checked.name.clone(),
            version: plugin.descriptor().version.clone(),
            size: component.len() as u64,
            installed_at: now_ms(),
            installed_by: by.to_owned(),
            key: plugin.signed_by().first().map(ToString::to_string),
        };
        let _turn = self.turn().await;
        // Even if the version is kept already, because its file may be damaged.
        self.keep_file(&version.hash, component).await?;
        if let Some(before) = self.records().versions.get(&version.name()) {
            return Ok(before.clone());
        }
        let note = (checked.vectors == 0).then(|| "it carries no conformance vectors".to_owned());
        let installed =
            PluginHistory { reason: note, ..entry(&version.plugin, Some(&version.hash), PluginEvent::Installed, by) };
        let removed = self.records().too_many(&version);
        let changes = PluginChanges {
            versions: vec![version.clone()],
            removed: removed.clone(),
            history: vec![installed],
            ..PluginChanges::default()
        };
        self.change(changes).await?;
        removed.iter().for_each(|(_, hash)| self.drop_file(hash));
        Ok(version)
    }

    pub(super) async fn keep_file(&self, hash: &str, component: &Arc<Vec<u8>>) -> Result<(), VersionError> {
        let (files, name, component) = (self.0.files.clone(), hash.to_owned(), component.clone());
        let kept = tokio::task::spawn_blocking(move || files.keep(&name, &component)).await;
        let kept = kept.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        kept.map_err(|error| VersionError::File(self.0.files.path(hash), error))
    }

    /// Writes to the history why a component was refused, or to the log if the store fails.
    async fn note_refusal(&self, plugin: &str, hash: &str, order: &Install, error: &VersionError) {
        let refused = PluginHistory {
            source: order.source.clone(),
            reason: Some(shortened(error.to_string())),
            ..entry(plugin, Some(hash), PluginEvent::Refused, order.by)
        };
        let changes = PluginChanges { history: vec![refused], ..PluginChanges::default() };
        if let Err(failed) = self.change(changes).await {
            tracing::error!(plugin, hash, %error, %failed, "a plugin version was refused, and the reason could not be stored");
        }
    }
}

impl Records {
    /// The oldest versions of a plugin that must go to make room for one more. Versions that are needed stay.
    fn too_many(&self, more: &KeptVersion) -> Vec<(String, String)> {
        let of = self.versions.values().filter(|version| version.plugin == more.plugin && version.hash != more.hash);
        let mut of: Vec<_> = of.collect();
        of.sort_by_key(|version| version.installed_at);
        let surplus = (of.len() + 1).saturating_sub(limits::PLUGIN_VERSIONS_MAX);
        let idle = of.into_iter().filter(|version| !self.needs(&version.hash));
        idle.take(surplus).map(KeptVersion::name).collect()
    }
}

/// Whether a source may and can use a version.
pub(super) async fn fits(live: &Live, source: &Source, plugin: &Plugin) -> Result<(), String> {
    fit::allowed(&live.config.plugins, source, plugin)?;
    fit::configured(source, plugin)?;
    match fit::objection(plugin, source).await {
        None => Ok(()),
        Some(objection) => Err(format!(
            "it cannot judge deliveries with the secrets and settings of the source {}: {objection}",
            source.name
        )),
    }
}

/// Runs the vectors that a component carries. Returns their number.
async fn passed_vectors(plugin: &Plugin) -> Result<usize, String> {
    let all = vectors::carried(plugin).map_err(|error| format!("its conformance vectors cannot be read: {error}"))?;
    let count = all.len();
    for (id, vector) in all {
        let differences = match vector {
            Ok(vector) => in_words(&vectors::differences(plugin, vector, &[]).await),
            Err(error) => error,
        };
        if !differences.is_empty() {
            return Err(format!("its own conformance vector {id} fails: {differences}"));
        }
    }
    Ok(count)
}

fn in_words(differences: &[Difference]) -> String {
    differences.iter().map(Difference::to_string).collect::<Vec<_>>().join("; ")
}
