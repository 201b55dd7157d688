//! Versions of plugins: installed, activated, rolled back.

use axum::{
    Json,
    body::Bytes,
    extract::{
        Path, Query, Request, State,
        rejection::{BytesRejection, PathRejection, QueryRejection},
    },
};
use hookgate_journal as journal;
use hookgate_model::{limits, trial::TrialMode};
use hookgate_sandbox::{Provider, Running};
use http::HeaderMap;

use super::{
    AdminState, ApiError, Problem, body,
    view::{
        ActivateOrder, InstallQuery, InstalledVersion, KeptVersion, Moved, RunningVersion, SourceOrder, SourceVersions,
        Time, VersionHistory, VersionHistoryEntry, VersionList, VersionUse,
    },
};
use crate::{
    live::Live,
    versions::{Activate, AfterInstall, Install, Role, Target, Versions, who},
};

/// The versions that are kept of a plugin
#[utoipa::path(get, path = "/api/v1/plugins/{name}/versions", operation_id = "list_plugin_versions", tag = "plugins",
    params(("name" = String, description = "The plugin, as sources call it")),
    responses((status = 200, body = VersionList))
)]
pub async fn list(
    State(state): State<AdminState>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<VersionList>, ApiError> {
    let Path(name) = name?;
    let live = state.live();
    let versions = of(&state)?.of_plugin(&name);
    let versions = versions.iter().map(|(version, needed)| show(&live, version, *needed)).collect();
    Ok(Json(VersionList { versions }))
}

/// What was done with a plugin's versions, newest first
#[utoipa::path(get, path = "/api/v1/plugins/{name}/history", operation_id = "show_plugin_history", tag = "plugins",
    params(("name" = String, description = "The plugin, as sources call it")),
    responses(
        (status = 200, body = VersionHistory),
        (status = 503, description = "The store does not answer", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn history(
    State(state): State<AdminState>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<VersionHistory>, ApiError> {
    let Path(name) = name?;
    entries(&state, Some(name)).await
}

/// What was done with versions of all plugins, newest first
#[utoipa::path(get, path = "/api/v1/plugins/history", operation_id = "show_history_of_plugins", tag = "plugins", responses(
    (status = 200, body = VersionHistory),
    (status = 503, description = "The store does not answer", body = Problem, content_type = "application/problem+json"),
))]
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
/// The body is the component. It must be signed where `plugins.trusted-keys` asks for it, use nothing that is not granted,
/// pass its own conformance vectors, and judge the latest recorded deliveries of its sources as they were judged before. Then
/// it is activated for all sources that name the plugin, or for one. What is refused changes nothing; the history tells why.
#[utoipa::path(post, path = "/api/v1/plugins/versions", operation_id = "install_plugin_version", tag = "plugins",
    params(InstallQuery),
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "The component, of at most 64 MiB"),
    responses(
        (status = 200, description = "It is kept, and works where that was wanted", body = InstalledVersion),
        (status = 400, description = "An order that makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such source", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large for a component", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It is refused", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store does not answer", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn install(
    State(state): State<AdminState>,
    query: Result<Query<InstallQuery>, QueryRejection>,
    request: Request,
) -> Result<Json<InstalledVersion>, ApiError> {
    let Query(query) = query?;
    let order = Install {
        then: then(query.activate.as_deref())?,
        plugin: query.plugin,
        source: query.source,
        despite_recorded: query.despite_recorded,
        by: who::ADMIN,
    };
    let limit = usize::try_from(limits::PLUGIN_FILE_BYTES_MAX).unwrap_or(usize::MAX);
    let component = axum::body::to_bytes(request.into_body(), limit).await.map_err(|error| {
        ApiError::Body(413, format!("the component did not come whole, or has more than 64 MiB: {error}"))
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

/// Activate a version that is kept, or the bundled one
///
/// For all sources that name the plugin, or for one; at once, or on trial beside the active one.
#[utoipa::path(post, path = "/api/v1/plugins/{name}/activate", operation_id = "activate_plugin_version", tag = "plugins",
    params(("name" = String, description = "The plugin, as sources call it")), request_body = ActivateOrder,
    responses(
        (status = 200, description = "It works, or is tried", body = Moved),
        (status = 400, description = "An order that makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such plugin, version or source", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It cannot be done as things are", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A source may not use it", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store does not answer", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn activate(
    State(state): State<AdminState>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    order: Result<Bytes, BytesRejection>,
) -> Result<Json<Moved>, ApiError> {
    let Path(plugin) = name?;
    let order: ActivateOrder = body::json_or_nothing(&headers, order)?;
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
        (status = 200, description = "It works again", body = Moved),
        (status = 404, description = "No such plugin or source", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There was none before", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The source may not use it any more", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store does not answer", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn roll_back(
    State(state): State<AdminState>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    order: Result<Bytes, BytesRejection>,
) -> Result<Json<Moved>, ApiError> {
    let (Path(plugin), order) = (name?, body::json_or_nothing::<SourceOrder>(&headers, order)?);
    let versions = of(&state)?;
    let moved = versions.roll_back(&state.current, &plugin, order.source.as_deref(), who::ADMIN).await?;
    Ok(show_moved(&state.live(), moved))
}

/// Promote the version that is on trial
#[utoipa::path(post, path = "/api/v1/plugins/{name}/promote", operation_id = "promote_plugin_version", tag = "plugins",
    params(("name" = String, description = "The plugin, as sources call it")), request_body = SourceOrder,
    responses(
        (status = 200, description = "It works", body = Moved),
        (status = 404, description = "No such plugin or source", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "None is on trial", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The source may not use it", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store does not answer", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn promote(
    State(state): State<AdminState>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    order: Result<Bytes, BytesRejection>,
) -> Result<Json<Moved>, ApiError> {
    let (Path(plugin), order) = (name?, body::json_or_nothing::<SourceOrder>(&headers, order)?);
    let versions = of(&state)?;
    let moved = versions.promote(&state.current, &plugin, order.source.as_deref(), who::ADMIN).await?;
    Ok(show_moved(&state.live(), moved))
}

/// End the trial of a version
#[utoipa::path(post, path = "/api/v1/plugins/{name}/stop-trial", operation_id = "stop_plugin_trial", tag = "plugins",
    params(("name" = String, description = "The plugin, as sources call it")), request_body = SourceOrder,
    responses(
        (status = 200, description = "It is not tried any more", body = Moved),
        (status = 404, description = "No such plugin or source", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "None is on trial", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The source has another plugin", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store does not answer", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn stop_trial(
    State(state): State<AdminState>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    order: Result<Bytes, BytesRejection>,
) -> Result<Json<Moved>, ApiError> {
    let (Path(plugin), order) = (name?, body::json_or_nothing::<SourceOrder>(&headers, order)?);
    let versions = of(&state)?;
    let moved = versions.stop_trial(&state.current, &plugin, order.source.as_deref(), who::ADMIN).await?;
    Ok(show_moved(&state.live(), moved))
}

/// Remove a version that nothing needs
#[utoipa::path(delete, path = "/api/v1/plugins/{name}/versions/{hash}", operation_id = "remove_plugin_version", tag = "plugins",
    params(
        ("name" = String, description = "The plugin, as sources call it"),
        ("hash" = String, description = "Its hash, or the beginning of it (eight digits at least)"),
    ),
    responses(
        (status = 200, description = "It is gone", body = KeptVersion),
        (status = 404, description = "No such version", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "A source needs it", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store does not answer", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn remove(
    State(state): State<AdminState>,
    which: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<KeptVersion>, ApiError> {
    let Path((plugin, hash)) = which?;
    let removed = of(&state)?.remove(&plugin, &hash.to_ascii_lowercase(), who::ADMIN).await?;
    Ok(Json(show(&state.live(), &removed, false)))
}

/// The versions of a running gateway.
pub fn of(state: &AdminState) -> Result<&Versions, ApiError> {
    state.versions.as_ref().ok_or_else(|| ApiError::Conflict("this gateway keeps no versions".to_owned()))
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
    fn what_a_version_is_to_do_is_read() {
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
