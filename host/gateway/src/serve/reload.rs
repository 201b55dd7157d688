//! SIGHUP: the configuration is read again and takes over without losing a delivery.

use hookgate_config::{Admin, Config, ConfigErrors, SecretText};
use zeroize::Zeroizing;

use super::{
    ReloadConfig,
    build::{BuildError, Built, Handles, build},
};
use crate::{
    live::{Current, Live},
    pipeline::Dispatcher,
};

#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// Reads the configuration and puts it in force. If there is a mistake in it, the one in force stays.
pub(super) async fn reload(
    reload_config: ReloadConfig<'_>,
    current: &Current,
    handles: &Handles,
    dispatcher: &mut Dispatcher,
) {
    handles.versions.scan(current, true).await;
    // No version is activated between building and taking over.
    let turn = handles.versions.turn().await;
    let Built { live, prepared } = match prepare_next(reload_config, &current.get(), handles).await {
        Ok(built) => built,
        Err(error) => {
            tracing::error!("the configuration is not taken over, the one before stays in force: {error}");
            return;
        }
    };
    let (sources, drain_timeout) = (live.sources.clone(), live.config.server.drain_timeout);
    // From here on, deliveries are judged under the new configuration.
    current.set(live);
    drop(turn);
    dispatcher.work_on(prepared, sources, drain_timeout);
    // Held events may be due earlier under the new rules.
    handles.journal.release_nears().notify_one();
    // The directory may hold plugins that no source has named before.
    handles.versions.rescan(current).await;
    tracing::info!("the configuration was read again and is in force");
}

async fn prepare_next(reload_config: ReloadConfig<'_>, before: &Live, handles: &Handles) -> Result<Built, ReloadError> {
    let (mut config, warnings) = reload_config()?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    for section in keep_start_only_sections(&before.config, &mut config) {
        tracing::warn!("`[{section}]` has changed; that takes effect at the next start");
    }
    // Plugins are compiled one at a time, because deliveries go on meanwhile.
    Ok(build(config, handles, Some(before), &|_| None, 1).await?)
}

/// Listeners, store, logs and the sandbox are made once, at the start. Puts their sections back to what is in force, and
/// returns the names of those that had changed.
fn keep_start_only_sections(before: &Config, next: &mut Config) -> Vec<&'static str> {
    let text = |secret: &Option<SecretText>| secret.as_ref().map(|it| Zeroizing::new(it.expose().to_owned()));
    let admin = |admin: &Admin| (admin.listen, text(&admin.token));
    let sections = [
        ("server", before.server == next.server),
        ("store", before.store == next.store && text(&before.seal_key) == text(&next.seal_key)),
        ("admin", admin(&before.admin) == admin(&next.admin)),
        ("plugins", before.plugins == next.plugins),
        ("log", before.log == next.log),
        ("claims", before.claims.is_same(&next.claims)),
    ];
    next.server = before.server.clone();
    next.store = before.store.clone();
    next.seal_key = before.seal_key.clone();
    next.admin = before.admin.clone();
    next.plugins = before.plugins.clone();
    next.log = before.log.clone();
    next.claims = before.claims.clone();
    sections.into_iter().filter(|(_, is_same)| !is_same).map(|(section, _)| section).collect()
}
