//! The assembled gateway: everything that runs while it serves, in the order in which it starts and stops.

mod build;
mod error;
mod gauges;
mod listeners;
mod reload;
mod signals;

use std::{path::Path, sync::Arc, thread, time::Instant};

use hookgate_config::{Config, ConfigErrors, Plugins, Source, Warning};
use hookgate_journal::Journal;
use hookgate_sandbox::{ArtifactError, Provider, Sandbox, SandboxError, SandboxLimits, child::FirstCalls};
use hookgate_telemetry::Metrics;
use tokio::{sync::Notify, task::JoinSet};

pub use self::{build::BuildError, error::ServeError};
use self::{
    build::{Built, Handles, build},
    gauges::Gauges,
    listeners::Listeners,
    signals::{Signal, Signals},
};
use crate::{
    admin::{self, AdminState, Parts},
    claims::{self, Claims},
    delivery::{Gateway, Stores},
    descriptors,
    enrollment::Enrollments,
    ingress::Shutdown,
    live::Current,
    pipeline::Dispatcher,
    release, tasks,
    trial::Trials,
    versions::Versions,
};

/// Where a gateway that is ready can be reached.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The base of `/in/{source}`, as this machine sees it.
    pub deliveries: String,
    /// The base of the admin API.
    pub admin: String,
}

/// Replaces a source's plugin; used by the benchmark's native twin.
pub type ReplacePlugin<'a> = &'a dyn Fn(&Source) -> Option<Provider>;

/// Reads the configuration again on SIGHUP.
pub type ReloadConfig<'a> = &'a dyn Fn() -> Result<(Config, Vec<Warning>), ConfigErrors>;

/// Settings of [`run`] that are not in the configuration.
pub struct Options<'a> {
    /// Replaces plugins of sources.
    pub replace_plugin: ReplacePlugin<'a>,
    /// Reads the configuration on SIGHUP. Without it SIGHUP ends the process.
    pub reload_config: Option<ReloadConfig<'a>>,
    /// The plugins are under development: a changed file of their directory takes over even if it judges recorded
    /// deliveries differently.
    pub plugins_in_development: bool,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options { replace_plugin: &|_| None, reload_config: None, plugins_in_development: false }
    }
}

/// Serves until SIGINT or SIGTERM. Then it accepts no more connections and finishes what is in flight, within the drain
/// time-out. `ready` is called once deliveries are accepted.
pub async fn run(config: Config, ready: impl FnOnce(&Ready), options: Options<'_>) -> Result<(), ServeError> {
    let started = Instant::now();
    let open_files = descriptors::raise_limit();
    let mut signals = Signals::new(options.reload_config.is_some()).map_err(ServeError::Signals)?;
    // Metrics that are looked up before this record nothing.
    let metrics = Metrics::install()?;
    let server = config.server.clone();

    // What lasts until the end.
    let sandbox = sandbox(&config.plugins, &config.store.path)?;
    let journal = Journal::open(&config.store)?;
    let enrollments = Enrollments::open(journal.clone(), &config.store.path, config.seal_key.as_ref())?;
    let listeners = Listeners::bind(&config, open_files).await?;
    let public_url = server.public_url.clone().unwrap_or_else(|| listeners.ready.deliveries.clone());
    let claims = Claims::open(&config.claims, &config.store, &public_url)?;
    let (store, in_development) = (&config.store.path, options.plugins_in_development);
    let versions = Versions::open(&journal, store, &sandbox, &config.plugins, claims.clone(), in_development)?;
    let handles = Handles { sandbox, journal, enrollments, claims, versions };

    // What the configuration asks for.
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let Built { live, prepared } = build(config, &handles, None, options.replace_plugin, processors).await?;
    let mut dispatcher = Dispatcher::default();
    dispatcher.work_on(prepared, live.sources.clone(), server.drain_timeout);
    let current = Current::new(live);
    // Plugin files that changed while the gateway was stopped are tried before the first delivery.
    handles.versions.scan(&current, true).await;

    // Both servers.
    let Listeners { deliveries, admin, tls, exempt, ready: addresses } = listeners;
    let gateway = Arc::new(Gateway::new(current.clone(), handles.stores(), &server, exempt, public_url.clone()));
    let receive = move |request, client| {
        let gateway = gateway.clone();
        async move { gateway.receive(request, client).await }
    };
    let gauges = Gauges::new(metrics.clone(), handles.journal.clone(), current.clone(), handles.enrollments.clone());
    let state = handles.admin_state(current.clone(), gauges, public_url, started);
    let (stop, shutdown) = Shutdown::new(server.drain_timeout);
    let deliveries = tokio::spawn(deliveries.serve(receive, shutdown.clone()));
    let admin = tokio::spawn(admin.serve(admin::service(admin::router(state), server.body_timeout), shutdown));

    // Tasks beside them.
    let mut tasks = JoinSet::new();
    let reload_tls = Arc::new(Notify::new());
    tasks.spawn(metrics.keep_up());
    tls.map(|tls| tasks.spawn(tls.keep_up(reload_tls.clone())));
    let (journal, live) = (handles.journal.clone(), current.clone());
    tasks.spawn(tasks::keep_running("release", move || release::run(journal.clone(), live.clone())));
    tasks.spawn(claims::keeper::run(handles.claims.clone(), handles.journal.clone()));
    tasks.spawn(handles.versions.clone().watch(current.clone()));
    ready(&addresses);

    let signal = loop {
        match (signals.wait().await, options.reload_config) {
            (Signal::Stop(signal), _) => break signal,
            (Signal::Reload, None) => {}
            (Signal::Reload, Some(reload_config)) => {
                reload_tls.notify_one();
                reload::reload(reload_config, &current, &handles, &mut dispatcher).await;
            }
        }
    };
    tracing::info!(signal, "stopping: finishing what is in flight");
    let _ = stop.send(true);
    // All three at once, so that the drain time-out bounds the whole. Events that are admitted meanwhile are delivered after
    // the next start.
    let (_, _, in_time) = tokio::join!(deliveries, admin, dispatcher.stop(server.drain_timeout));
    if !in_time {
        tracing::warn!(
            "attempts were still under way when the drain time-out was over; they are made again at the next start"
        );
    }
    // The tasks hold the journal until they have ended.
    tasks.shutdown().await;
    drop((current, handles));
    tracing::info!("stopped");
    Ok(())
}

impl Handles {
    fn stores(&self) -> Stores {
        Stores {
            journal: self.journal.clone(),
            claims: self.claims.clone(),
            enrollments: self.enrollments.clone(),
            trials: Trials::new(self.journal.clone()),
        }
    }

    fn admin_state(&self, current: Current, gauges: Gauges, public_url: String, started: Instant) -> AdminState {
        AdminState::new(Parts {
            current,
            journal: self.journal.clone(),
            enrollments: self.enrollments.clone(),
            claims: Some(self.claims.clone()),
            versions: Some(self.versions.clone()),
            metrics: Box::new(move || gauges.render()),
            public_url,
            started,
        })
    }
}

fn sandbox(plugins: &Plugins, store: &Path) -> Result<Arc<Sandbox>, ServeError> {
    let limits = SandboxLimits {
        concurrency: plugins.concurrency,
        memory_bytes: plugins.memory as usize,
        time: plugins.timeout,
    };
    let artifacts = plugins.cache.clone().unwrap_or_else(|| store.join("plugins"));
    Sandbox::new(limits, &artifacts, FirstCalls::in_child()).map_err(|error| match error {
        SandboxError::Artifacts(error @ ArtifactError::Io(..)) => {
            let key = if plugins.cache.is_some() { "plugins.cache" } else { "store.path" };
            ServeError::Artifacts(error, key)
        }
        error => ServeError::Sandbox(error),
    })
}
