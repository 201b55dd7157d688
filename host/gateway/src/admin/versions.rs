//! Versions of plugins: installed, activated, rolled back.

use axum::{
    Json,
    extract::{Request, State},
};
use hookgate_journal as journal;
use hookgate_model::{limits, trial::TrialMode};
use hookgate_sandbox::{Provider, Running};

use super::{
    AdminState, ApiError,
    answers::StoreFailed,
    extract::{Order, Path, Query},
    view::{
        ActivateOrder, InstallQuery, InstalledVersion, KeptVersion, Moved, RunningVersion, SourceOrder, SourceVersions,
        Time, VersionHistory, VersionHistoryEntry, VersionList, VersionUse,
    },
};
use crate::{
    live::Live,
    versions::{Activate, AfterInstall, Install, Role, Target, Versions, who},
};

/// The stored versions of a plugin
#[utoipa::path(get, path = "/api/v1/plugins/{name}/versions", operation_id = "list_plugin_versions", tag = "plugins",
    params(("name" = String, description = "The plugin, as sources call it")),
    responses((status = 200, body = VersionList))
)]
pub async fn list(State(state): State<AdminState>, Path(name): Path<String>) -> Result<Json<VersionList>, ApiError> {
    let live = state.live();
    let versions = of(&state)?.of_plugin(&name);
    let versions = versions.iter().map(|(version, needed)| show(&live, version, *needed)).collect();
    Ok(Json(VersionList { versions }))
}

/// The history of a plugin's versions, newest first
#[utoipa::path(get, path = "/api/v1/plugins/{name}/history", operation_id = "show_plugin_history", tag = "plugins",
    params(("name" = String, description = "The plugin, as sources call it")),
    responses((status = 200, body = VersionHistory), StoreFailed)
)]
pub async fn history(
    State(state): State<AdminState>,
    Path(name): Path<String>,
) -> Result<Json<VersionHistory>, ApiError> {
    entries(&state, Some(name)).await
}

/// The history of all plugins' versions, newest first
#[utoipa::path(get, path = "/api/v1/plugins/history", operation_id = "show_history_of_plugins", tag = "plugins",
    responses((status = 200, body = VersionHistory), StoreFailed)
)]
pub async fn whole_history(State(state): State<AdminState>) -> Result<Json<VersionHistory>, ApiError> {
    entries(&state, None).await
}

async fn entries(state: &AdminState, plugin: Option<String>) -> Result<Json<VersionHistory>, ApiError> {
    let is_meant = move |entry: &journal::PluginHistory| plugin.as_ref().is_none_or(|plugin| entry.plugin == *plugin);
    let found = state.read(move |journal| journal.plugin_history(usize::MAX, is_meant)).await?;
    let show = |entry: journal::PluginHistory| VersionHistoryEntry {
        at: Time(entry.at),
        plugin: entry.plugin,
        event: entry.event.name().to_owned(),
        hash: entry.hash,
        source: entry.source,
        by: entry.by,
        reason: entry.reason,
    };
    Ok(Json(VersionHistory { entries: found.into_iter().map(show).collect() }))
}

/// Install a version of a plugin, and activate it
///
/// The body is the component. It must be signed if `plugins.trusted-keys` is set, use only what is granted, pass its own
/// conformance vectors, and judge the latest recorded deliveries of its sources as they were judged before. Then it is
/// activated for all sources that name the plugin, or for one. A refused version changes nothing; the history has the reason.
#[utoipa::path(post, path = "/api/v1/plugins/versions", operation_id = "install_plugin_version", tag = "plugins",
    params(InstallQuery),
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "The component, of at most 64 MiB"),
    responses(
        (status = 200, description = "It is stored, and activated if requested", body = InstalledVersion),
        (status = 404, description = "No such source"),
        (status = 413, description = "The component is too large"),
        (status = 422, description = "It is refused"),
        StoreFailed,
    )
)]
pub async fn install(
    State(state): State<AdminState>,
    Query(query): Query<InstallQuery>,
    request: Request,
) -> Result<Json<InstalledVersion>, ApiError> {
    let order = Install {
        then: then(query.activate.as_deref())?,
        plugin: query.plugin,
        source: query.source,
        despite_recorded: query.despite_recorded,
        by: who::ADMIN,
    };
    let limit = usize::try_from(limits::PLUGIN_FILE_BYTES_MAX).unwrap_or(usize::MAX);
    let component = axum::body::to_bytes(request.into_body(), limit).await.map_err(|error| {
        ApiError::Body(413, format!("the component did not arrive completely, or has more than 64 MiB: {error}"))
    })?;
    let versions = of(&state)?;
    let installed = versions.install(&state.current, component.to_vec(), order).await?;
    let needed = versions.of_plugin(&installed.version.plugin).into_iter();
    let needed = needed.filter(|(version, _)| version.hash == installed.version.hash).any(|(_, needed)| needed);
    Ok(Json(InstalledVersion {
        version: show(&state.live(), &installed.version, needed),
        vectors: installed.vectors,
        recorded: installed.recorded.same,
        recorded_skipped: installed.recorded.skipped,
    }))
}

/// `now`, `canary:10`, `shadow` or `no`.
fn then(text: Option<&str>) -> Result<AfterInstall, ApiError> {
    let canary = |text: &str| text.strip_prefix("canary:")?.parse().ok();
    match text.unwrap_or("now") {
        "now" => Ok(AfterInstall::Activate(Role::Active)),
        "shadow" => Ok(AfterInstall::Activate(Role::Trial(TrialMode::Shadow))),
        "no" => Ok(AfterInstall::Keep),
        text => match canary(text) {
            Some(percent) => Ok(AfterInstall::Activate(Role::Trial(canary_of(percent)?))),
            None => Err(ApiError::Malformed("`activate` is `now`, `canary:10`, `shadow` or `no`".to_owned())),
        },
    }
}

fn canary_of(percent: u8) -> Result<TrialMode, ApiError> {
    match percent {
        1..=99 => Ok(TrialMode::Canary(percent)),
        _ => Err(ApiError::Malformed("a canary judges 1 to 99 of a hundred deliveries".to_owned())),
    }
}

/// Activate a stored version, or the bundled one
///
/// For all sources that name the plugin, or for one; at once, or on trial beside the active one.
#[utoipa::path(post, path = "/api/v1/plugins/{name}/activate", operation_id = "activate_plugin_version", tag = "plugins",
    params(("name" = String, description = "The plugin, as sources call it")), request_body = ActivateOrder,
    responses(
        (status = 200, description = "It is active, or on trial", body = Moved),
        (status = 404, description = "No such plugin, version or source"),
        (status = 409, description = "It is not possible in the current state"),
        (status = 422, description = "A source may not use it"),
        StoreFailed,
    )
)]
pub async fn activate(
    State(state): State<AdminState>,
    Path(plugin): Path<String>,
    Order(order): Order<ActivateOrder>,
) -> Result<Json<Moved>, ApiError> {
    let to = match (order.hash, order.bundled) {
        (Some(hash), false) => Target::Version(hash.to_ascii_lowercase()),
        (None, true) => Target::Bundled,
        _ => return Err(ApiError::Malformed("say exactly one: `hash`, or `bundled`: true".to_owned())),
    };
    let role = match (order.canary, order.shadow) {
        (None, false) => Role::Active,
        (None, true) => Role::Trial(TrialMode::Shadow),
        (Some(percent), false) => Role::Trial(canary_of(percent)?),
        (Some(_), true) => return Err(ApiError::Malformed("say one: `canary` or `shadow`".to_owned())),
    };
    let activate = Activate { plugin, to, role, source: order.source, by: who::ADMIN };
    let moved = of(&state)?.activate(&state.current, activate).await?;
    Ok(show_moved(&state.live(), moved))
}

/// Roll back to the version that was active before
#[utoipa::path(post, path = "/api/v1/plugins/{name}/rollback", operation_id = "roll_back_plugin", tag = "plugins",
    params(("name" = String, description = "The plugin, as sources call it")), request_body = SourceOrder,
    responses(
        (status = 200, description = "It is active again", body = Moved),
        (status = 404, description = "No such plugin or source"),
        (status = 409, description = "There is no previous version"),
        (status = 422, description = "The source may no longer use it"),
        StoreFailed,
    )
)]
pub async fn roll_back(
    State(state): State<AdminState>,
    Path(plugin): Path<String>,
    Order(order): Order<SourceOrder>,
) -> Result<Json<Moved>, ApiError> {
    let moved = of(&state)?.roll_back(&state.current, &plugin, order.source.as_deref(), who::ADMIN).await?;
    Ok(show_moved(&state.live(), moved))
}

/// Promote the version that is on trial
#[utoipa::path(post, path = "/api/v1/plugins/{name}/promote", operation_id = "promote_plugin_version", tag = "plugins",
    params(("name" = String, description = "The plugin, as sources call it")), request_body = SourceOrder,
    responses(
        (status = 200, description = "It is active", body = Moved),
        (status = 404, description = "No such plugin or source"),
        (status = 409, description = "None is on trial"),
        (status = 422, description = "The source may not use it"),
        StoreFailed,
    )
)]
pub async fn promote(
    State(state): State<AdminState>,
    Path(plugin): Path<String>,
    Order(order): Order<SourceOrder>,
) -> Result<Json<Moved>, ApiError> {
    let moved = of(&state)?.promote(&state.current, &plugin, order.source.as_deref(), who::ADMIN).await?;
    Ok(show_moved(&state.live(), moved))
}

/// End the trial of a version
#[utoipa::path(post, path = "/api/v1/plugins/{name}/stop-trial", operation_id = "stop_plugin_trial", tag = "plugins",
    params(("name" = String, description = "The plugin, as sources call it")), request_body = SourceOrder,
    responses(
        (status = 200, description = "The trial has ended", body = Moved),
        (status = 404, description = "No such plugin or source"),
        (status = 409, description = "None is on trial"),
        (status = 422, description = "The source has another plugin"),
        StoreFailed,
    )
)]
pub async fn stop_trial(
    State(state): State<AdminState>,
    Path(plugin): Path<String>,
    Order(order): Order<SourceOrder>,
) -> Result<Json<Moved>, ApiError> {
    let moved = of(&state)?.stop_trial(&state.current, &plugin, order.source.as_deref(), who::ADMIN).await?;
    Ok(show_moved(&state.live(), moved))
}

/// Remove an unused version
#[utoipa::path(delete, path = "/api/v1/plugins/{name}/versions/{hash}", operation_id = "remove_plugin_version", tag = "plugins",
    params(
        ("name" = String, description = "The plugin, as sources call it"),
        ("hash" = String, description = "Its hash, or the beginning of it (at least eight digits)"),
    ),
    responses(
        (status = 200, description = "It is removed", body = KeptVersion),
        (status = 404, description = "No such version"),
        (status = 409, description = "A source needs it"),
        StoreFailed,
    )
)]
pub async fn remove(
    State(state): State<AdminState>,
    Path((plugin, hash)): Path<(String, String)>,
) -> Result<Json<KeptVersion>, ApiError> {
    let removed = of(&state)?.remove(&plugin, &hash.to_ascii_lowercase(), who::ADMIN).await?;
    Ok(Json(show(&state.live(), &removed, false)))
}

/// The versions of a running gateway.
pub fn of(state: &AdminState) -> Result<&Versions, ApiError> {
    state.versions.as_ref().ok_or_else(|| ApiError::Conflict("this gateway stores no versions".to_owned()))
}

fn show(live: &Live, version: &journal::KeptVersion, needed: bool) -> KeptVersion {
    let works = |name: &String| {
        let inbound = live.sources.get(name)?;
        let running = of_running(&inbound.plugin.get());
        let running = running.into_iter().find(|running| running.hash == version.hash)?;
        Some(VersionUse { source: name.clone(), role: running.role, percent: running.percent })
    };
    KeptVersion {
        hash: version.hash.clone(),
        plugin: version.plugin.clone(),
        version: version.version.clone(),
        component_bytes: version.size,
        installed_at: Time(version.installed_at),
        installed_by: version.installed_by.clone(),
        signed_by: version.key.clone(),
        needed,
        works_for: live.config.sources.iter().filter_map(|source| works(&source.name)).collect(),
    }
}

fn show_moved(live: &Live, sources: Vec<String>) -> Json<Moved> {
    let show = |source: String| {
        let running = live.sources.get(&source).map(|inbound| of_running(&inbound.plugin.get()));
        SourceVersions { source, versions: running.unwrap_or_default() }
    };
    Json(Moved { sources: sources.into_iter().map(show).collect() })
}

/// The active versions for a source, the active one first.
pub fn of_running(running: &Running) -> Vec<RunningVersion> {
    let show = |provider: &Provider, role: &str, percent| RunningVersion {
        role: role.to_owned(),
        hash: provider.hash().to_owned(),
        version: provider.plugin().map(|plugin| plugin.descriptor().version.clone()).unwrap_or_default(),
        percent,
    };
    let mut all = vec![show(&running.active, "active", None)];
    if let Some(trial) = &running.trial {
        let percent = match trial.mode {
            TrialMode::Canary(percent) => Some(percent),
            TrialMode::Shadow => None,
        };
        all.push(show(&trial.candidate, trial.mode.name(), percent));
    }
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_word_for_activation_is_read() {
        let trial = |mode| AfterInstall::Activate(Role::Trial(mode));
        for (text, wanted) in [
            (None, Some(AfterInstall::Activate(Role::Active))),
            (Some("now"), Some(AfterInstall::Activate(Role::Active))),
            (Some("no"), Some(AfterInstall::Keep)),
            (Some("shadow"), Some(trial(TrialMode::Shadow))),
            (Some("canary:10"), Some(trial(TrialMode::Canary(10)))),
            (Some("canary:0"), None),
            (Some("canary:100"), None),
            (Some("canary"), None),
            (Some("later"), None),
        ] {
            assert_eq!(then(text).ok(), wanted, "{text:?}");
        }
    }
}
