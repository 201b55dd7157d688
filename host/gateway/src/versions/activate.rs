//! Activating versions and rolling them back: durable first, then in one step for each source.

use std::sync::Arc;

use hookgate_config::Source;
use hookgate_journal::{Activation, PluginChanges, PluginEvent, PluginHistory};
use hookgate_model::trial::TrialMode;
use hookgate_sandbox::{Plugin, Provider, Running, Trial};

use super::{VersionError, Versions, entry, install::fits, sources_of};
use crate::live::{Current, Live};

/// An order to activate a version.
#[derive(Clone, Debug)]
pub struct Activate {
    /// The plugin, by the name that sources give it.
    pub plugin: String,
    /// The version.
    pub to: Target,
    /// In what role.
    pub role: Role,
    /// For this source only.
    pub source: Option<String>,
    /// Who gives the order.
    pub by: &'static str,
}

/// The version to activate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// By its hash, or the beginning of it.
    Version(String),
    /// The one that is embedded in the gateway.
    Bundled,
}

/// The role in which a version is activated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// In place of the active version.
    Active,
    /// On trial beside it.
    Trial(TrialMode),
}

/// A change of the activation of one source.
struct Step {
    source: Arc<Source>,
    before: Activation,
    after: Activation,
    event: PluginEvent,
    reason: Option<String>,
}

impl Versions {
    /// Activates a version. Returns the names of the sources.
    ///
    /// # Errors
    /// One of the sources may not or cannot use it; then nothing has changed.
    pub async fn activate(&self, current: &Current, order: Activate) -> Result<Vec<String>, VersionError> {
        let turn = self.turn().await;
        let live = current.get();
        let sources = self.used_by(&live, &order.plugin, order.source.as_deref())?;
        let (hash, plugin) = self.target(&live, &order).await?;
        for source in &sources {
            fits(&live, source, &plugin).await.map_err(VersionError::Refused)?;
        }
        let step = |source: Arc<Source>| {
            let before = self.standing(&source);
            let (after, event, reason) = next(&before, hash.clone(), order.role)?;
            Ok(Step { source, before, after, event, reason })
        };
        let steps = sources.into_iter().map(step).collect::<Result<Vec<_>, VersionError>>()?;
        let done = self.take(&live, steps, order.by).await;
        drop(turn);
        done
    }

    /// Rolls back to the version that was active before. Returns the names of the sources.
    ///
    /// # Errors
    /// There was none, or it cannot be used any more; then nothing has changed.
    pub async fn roll_back(
        &self,
        current: &Current,
        plugin: &str,
        source: Option<&str>,
        by: &'static str,
    ) -> Result<Vec<String>, VersionError> {
        let step = |source: Arc<Source>, before: Activation| {
            let after = in_its_place(&before, before.previous.clone()?);
            Some(Step { source, before, after, event: PluginEvent::RolledBack, reason: None })
        };
        let nothing =
            format!("no source of the plugin {plugin} has had another version before; see hookgate plugin history");
        self.move_all(current, plugin, source, by, step, nothing).await
    }

    /// Activates the version on trial. Returns the names of the sources.
    ///
    /// # Errors
    /// None is on trial.
    pub async fn promote(
        &self,
        current: &Current,
        plugin: &str,
        source: Option<&str>,
        by: &'static str,
    ) -> Result<Vec<String>, VersionError> {
        let step = |source: Arc<Source>, before: Activation| {
            let (hash, _) = before.trial.clone()?;
            let after = in_its_place(&before, Some(hash));
            let reason = Some("its trial has ended well".to_owned());
            Some(Step { source, before, after, event: PluginEvent::Activated, reason })
        };
        let nothing = format!("no version of the plugin {plugin} is on trial");
        self.move_all(current, plugin, source, by, step, nothing).await
    }

    /// Ends the trial of a version. Returns the names of the sources.
    ///
    /// # Errors
    /// None is on trial.
    pub async fn stop_trial(
        &self,
        current: &Current,
        plugin: &str,
        source: Option<&str>,
        by: &'static str,
    ) -> Result<Vec<String>, VersionError> {
        let step = |source: Arc<Source>, before: Activation| {
            before.trial.as_ref()?;
            let after = Activation { trial: None, ..before.clone() };
            Some(Step { source, before, after, event: PluginEvent::TrialEnded, reason: None })
        };
        let nothing = format!("no version of the plugin {plugin} is on trial");
        self.move_all(current, plugin, source, by, step, nothing).await
    }

    /// Applies `step` to each source of a plugin. `nothing` is the error if no source has a step to take.
    async fn move_all(
        &self,
        current: &Current,
        plugin: &str,
        only: Option<&str>,
        by: &'static str,
        step: impl Fn(Arc<Source>, Activation) -> Option<Step>,
        nothing: String,
    ) -> Result<Vec<String>, VersionError> {
        let turn = self.turn().await;
        let live = current.get();
        let sources = self.used_by(&live, plugin, only)?;
        let standing = |source: Arc<Source>| {
            let before = self.standing(&source);
            step(source, before)
        };
        let steps: Vec<Step> = sources.into_iter().filter_map(standing).collect();
        if steps.is_empty() {
            return Err(VersionError::Conflict(nothing));
        }
        let done = self.take(&live, steps, by).await;
        drop(turn);
        done
    }

    /// Makes steps durable and takes them. The caller holds the turn.
    async fn take(&self, live: &Live, steps: Vec<Step>, by: &str) -> Result<Vec<String>, VersionError> {
        // All versions are loaded before anything changes.
        let mut ready = Vec::new();
        for step in &steps {
            ready.push(self.running_as(live, &step.source, &step.after).await?);
        }
        let history = |step: &Step| {
            let hash = match step.event {
                PluginEvent::TrialBegun => step.after.trial.as_ref().map(|(hash, _)| hash),
                PluginEvent::TrialEnded => step.before.trial.as_ref().map(|(hash, _)| hash),
                _ => step.after.active.as_ref(),
            };
            let entry = entry(&step.source.plugin, hash.map(String::as_str), step.event, by);
            PluginHistory { source: Some(step.source.name.clone()), reason: step.reason.clone(), ..entry }
        };
        // A step that changes nothing leaves no trace.
        let moved = |step: &&Step| step.before != step.after;
        let changes = PluginChanges {
            activations: steps
                .iter()
                .filter(moved)
                .map(|step| (step.source.name.clone(), step.after.clone()))
                .collect(),
            history: steps.iter().filter(moved).map(history).collect(),
            ..PluginChanges::default()
        };
        if !changes.activations.is_empty() {
            self.change(changes).await?;
        }
        // The findings and failures of an earlier trial of the same version do not belong to this one.
        for step in steps.iter().filter(moved).filter(|step| step.event == PluginEvent::TrialBegun) {
            if let Some((hash, _)) = &step.after.trial {
                self.0.journal.forget_trial(&step.source.name, hash).await?;
                if let Some(inbound) = live.sources.get(&step.source.name) {
                    inbound.breakers.forget(hash);
                }
            }
        }
        let mut names = Vec::new();
        for (step, running) in steps.into_iter().zip(ready) {
            if let Some(inbound) = live.sources.get(&step.source.name) {
                inbound.plugin.set(running);
            }
            names.push(step.source.name.clone());
        }
        Ok(names)
    }

    /// The versions that a source runs under an activation.
    async fn running_as(&self, live: &Live, source: &Source, to: &Activation) -> Result<Running, VersionError> {
        let ready = async |hash: &str| {
            let plugin = self.load(hash).await.map_err(VersionError::Refused)?;
            super::fit::allowed(&live.config.plugins, source, &plugin).map_err(VersionError::Refused)?;
            Ok::<_, VersionError>(Provider::Sandboxed(plugin))
        };
        let active = match &to.active {
            Some(hash) => ready(hash).await?,
            None => given(live, source)?,
        };
        let trial = match &to.trial {
            Some((hash, mode)) => Some(Trial { candidate: ready(hash).await?, mode: *mode }),
            None => None,
        };
        Ok(Running { active, trial })
    }

    /// The version that an order names, with its hash; `None` for the plugin that the configuration gives.
    async fn target(&self, live: &Live, order: &Activate) -> Result<(Option<String>, Plugin), VersionError> {
        match &order.to {
            Target::Version(hash) => {
                let hash = self.find(&order.plugin, hash)?.hash;
                let plugin = self.load(&hash).await.map_err(VersionError::Refused)?;
                Ok((Some(hash), plugin))
            }
            Target::Bundled => match live.plugins.get(&order.plugin) {
                Some((plugin, _)) if plugin.is_bundled() => Ok((None, plugin.clone())),
                _ => Err(VersionError::Conflict(format!(
                    "the configuration does not give the bundled plugin {0}: there is none, or a file of that name is in the \
                     plugin directory; hookgate plugin versions {0} lists what can be activated",
                    order.plugin
                ))),
            },
        }
    }

    /// The sources that use a plugin, at least one.
    fn used_by(&self, live: &Live, plugin: &str, only: Option<&str>) -> Result<Vec<Arc<Source>>, VersionError> {
        let sources = sources_of(live, plugin, only)?;
        if sources.is_empty() {
            Err(VersionError::NotFound(format!("no source uses a plugin {plugin:?}")))
        } else {
            Ok(sources)
        }
    }

    /// The activation of a source; an empty one if it has none.
    pub(super) fn standing(&self, source: &Source) -> Activation {
        let fresh = || Activation { plugin: source.plugin.clone(), ..Activation::default() };
        self.activation(source).unwrap_or_else(fresh)
    }
}

/// The plugin that the configuration gives a source.
fn given(live: &Live, source: &Source) -> Result<Provider, VersionError> {
    let given = live.plugins.get(&source.plugin).map(|(plugin, _)| Provider::Sandboxed(plugin.clone()));
    given.ok_or_else(|| {
        let text =
            format!("the configured plugin of the source {} does not load; see the log of the start", source.name);
        VersionError::Conflict(text)
    })
}

/// Replaces the active version, which is remembered, and ends a trial.
fn in_its_place(before: &Activation, active: Option<String>) -> Activation {
    Activation { plugin: before.plugin.clone(), active, previous: Some(before.active.clone()), trial: None }
}

/// The activation after an order, with its event and reason for the history.
fn next(
    before: &Activation,
    hash: Option<String>,
    role: Role,
) -> Result<(Activation, PluginEvent, Option<String>), VersionError> {
    match role {
        Role::Active if before.active == hash => {
            // It is active already; a trial beside it ends.
            Ok((Activation { trial: None, ..before.clone() }, PluginEvent::Activated, None))
        }
        Role::Active => Ok((in_its_place(before, hash), PluginEvent::Activated, None)),
        Role::Trial(mode) => {
            let Some(hash) = hash.filter(|hash| before.active.as_ref() != Some(hash)) else {
                let text = "a trial is of a version that does not work already, named by its hash";
                return Err(VersionError::Conflict(text.to_owned()));
            };
            let reason = match mode {
                TrialMode::Canary(percent) => format!("it judges {percent} of 100 deliveries"),
                TrialMode::Shadow => "it sees every delivery, without effect".to_owned(),
            };
            let after = Activation { trial: Some((hash, mode)), ..before.clone() };
            Ok((after, PluginEvent::TrialBegun, Some(reason)))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(active: Option<&str>) -> Activation {
        Activation { plugin: "p".to_owned(), active: active.map(str::to_owned), ..Activation::default() }
    }

    #[test]
    fn the_version_before_is_remembered_once_another_one_works() {
        let (first, ..) = next(&at(None), Some("a".to_owned()), Role::Active).unwrap();
        assert_eq!((&first.active, &first.previous), (&Some("a".to_owned()), &Some(None)));
        let (again, ..) = next(&first, Some("a".to_owned()), Role::Active).unwrap();
        assert_eq!(again, first, "the same once more changes nothing, and forgets nothing");
        let (second, ..) = next(&first, Some("b".to_owned()), Role::Active).unwrap();
        assert_eq!(second.previous, Some(Some("a".to_owned())));
        let (bundled, ..) = next(&second, None, Role::Active).unwrap();
        assert_eq!((bundled.active, bundled.previous), (None, Some(Some("b".to_owned()))));
    }

    #[test]
    fn a_trial_is_of_another_version_and_ends_when_one_is_put_to_work() {
        let canary = Role::Trial(TrialMode::Canary(10));
        let (trial, event, _) = next(&at(Some("a")), Some("b".to_owned()), canary).unwrap();
        assert_eq!((&trial.active, event), (&Some("a".to_owned()), PluginEvent::TrialBegun));
        assert_eq!(trial.trial, Some(("b".to_owned(), TrialMode::Canary(10))));
        assert_eq!(next(&trial, Some("b".to_owned()), Role::Active).unwrap().0.trial, None);
        assert_eq!(next(&trial, Some("a".to_owned()), Role::Active).unwrap().0.trial, None);
        assert!(next(&at(Some("a")), Some("a".to_owned()), canary).is_err());
        assert!(next(&at(Some("a")), None, canary).is_err());
    }
}
