//! The gateway put together: everything that runs while it serves, in the order in which it starts and stops.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};

use hookgate_capabilities::UrlPattern;
use hookgate_config as config;
use hookgate_config::{Config, ConfigErrors, Warning};
use hookgate_journal as journal;
use hookgate_journal::{Journal, JournalError, OpenError};
use hookgate_model::{
    handoff::{ORDERING, TRANSFORM},
    limits,
};
use hookgate_net::{egress::Guard, fetch::Fetcher, tls::TlsError};
use hookgate_sandbox::{
    ArtifactError, Catalog, CatalogError, Function, Origin, Plugin, Provider, Running, Sandbox, SandboxError,
    SandboxLimits, child::FirstCalls,
};
use hookgate_telemetry::{
    DestinationMetrics, JournalMetrics, Metrics, ServerMetrics, TlsMetrics, enrolled_secrets,
    metrics::{held_events, plugin_breaker_open, plugin_version},
};
use tokio::sync::Notify;

use crate::{
    admin::{self, AdminState, Parts},
    claims::{self, ClaimError, Claims},
    descriptors,
    dispatch::StartError,
    gateway::{Gateway, Stores},
    handed_over::{HandedOver, HandedOverError},
    ingress::{self, Bounds, Listener, Shutdown, Tls},
    keys::Granted,
    live::{Current, Live},
    pipeline::{Dispatcher, Prepared},
    release,
    sources::{Inbound, Sources},
    tasks,
    trial::Trials,
    versions::{NotRunning, Versions},
};

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The sandbox.
    #[error(transparent)]
    Sandbox(SandboxError),
    /// The directory of compiled plugins, and the key of the configuration that it follows from.
    #[error("{0}; set {1} to a directory that the gateway's user can write to")]
    Artifacts(ArtifactError, &'static str),
    /// A plugin.
    #[error(transparent)]
    Plugin(#[from] CatalogError),
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A version that is activated.
    #[error(transparent)]
    Version(#[from] NotRunning),
    /// What the store keeps of versions.
    #[error("the versions of plugins cannot be read: {0}")]
    Versions(JournalError),
    /// The secrets that were handed over.
    #[error(transparent)]
    HandedOver(#[from] HandedOverError),
    /// A destination.
    #[error(transparent)]
    Destination(#[from] StartError),
    /// The directory of claims, or the bucket.
    #[error(transparent)]
    Claims(#[from] ClaimError),
    /// A listener.
    #[error("cannot listen at {0}: {1}; set {2} to an address that is free")]
    Listen(SocketAddr, io::Error, &'static str),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Metrics.
    #[error("{0}; one gateway a process")]
    Metrics(#[from] hookgate_telemetry::metrics::AlreadyInstalled),
    /// Signals.
    #[error("the operating system does not let the gateway wait for signals: {0}")]
    Signals(io::Error),
}

/// Where a gateway that is ready can be reached.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The base of `/in/{source}`, as this machine sees it.
    pub deliveries: String,
    /// The base of the admin API.
    pub admin: String,
}

/// What judges deliveries, other than the plugin that a source names.
pub type Substitute<'a> = &'a dyn Fn(&config::Source) -> Option<Provider>;

/// Reads the configuration once more.
pub type Again<'a> = &'a dyn Fn() -> Result<(Config, Vec<Warning>), ConfigErrors>;

/// What a caller of [`run`] may have differently.
pub struct Options<'a> {
    /// Puts something else in the place of a source's plugin: the benchmark's native twin.
    pub substitute: Substitute<'a>,
    /// With it SIGHUP has the configuration read again; without, SIGHUP ends the process as it does any other.
    pub again: Option<Again<'a>>,
    /// Somebody is working on the plugins: a changed file of their directory takes over although it judges recorded
    /// deliveries otherwise.
    pub is_dev: bool,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options { substitute: &|_| None, again: None, is_dev: false }
    }
}

/// Serves until SIGINT or SIGTERM, then stops: no new connections, what is in flight is finished, within the drain
/// time-out. `ready` is called once deliveries are taken.
pub async fn run(config: Config, ready: impl FnOnce(&Ready), options: Options<'_>) -> Result<(), ServeError> {
    let Options { substitute, again, is_dev } = options;
    let started = Instant::now();
    let descriptors = descriptors::raise_limit();
    let mut signals = Signals::new(again.is_some()).map_err(ServeError::Signals)?;
    // First of all: handles that are looked up before it count nothing.
    let metrics = Metrics::install()?;
    let sandbox = sandbox(&config)?;
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let journal = Journal::open(&config.store)?;
    let fetcher = Fetcher::new(Guard::new(config.egress.allow.clone()));
    let handed_over = HandedOver::open(journal.clone(), &config.store.path, config.seal_key.as_ref())?;

    let mut server = config.server.clone();
    server.connections = descriptors::connections(&config, descriptors);
    let header_timeout = server.header_timeout;
    // A proxy or a tunnel on this machine brings everybody's deliveries, and is seldom named as a trusted one.
    let exempt = server.trusted_proxies.iter().copied().chain(ingress::this_machine()).collect::<Vec<_>>();
    let bind = |address, connections, metrics, key| {
        let trusted_proxies = server.trusted_proxies.clone();
        let bounds = Bounds { connections, trusted_proxies, exempt: exempt.clone(), header_timeout };
        async move {
            let listener = Listener::bind(address, bounds, metrics).await;
            listener.map_err(|error| ServeError::Listen(address, error, key))
        }
    };
    let deliveries =
        bind(server.listen, server.connections, Some(ServerMetrics::new(ingress::refusal_causes())), "server.listen")
            .await?;
    let admin = bind(config.admin.listen, limits::ADMIN_CONNECTIONS, None, "admin.listen").await?;
    let tls = server.tls.clone().map(Tls::load).transpose()?;
    let deliveries = deliveries.with_tls(tls.clone());
    let url = |scheme, listener: &Listener, address| format!("{scheme}://{}", listener.local_addr().unwrap_or(address));
    let at = Ready {
        deliveries: url(if tls.is_some() { "https" } else { "http" }, &deliveries, server.listen),
        admin: url("http", &admin, config.admin.listen),
    };

    let public_url = server.public_url.clone().unwrap_or_else(|| at.deliveries.clone());
    let claims = Claims::open(&config.claims, &config.store, &public_url)?;
    let versions = Versions::open(&journal, &config.store.path, &sandbox, &config.plugins, claims.clone(), is_dev);
    let versions = versions.map_err(ServeError::Versions)?;
    let plugins = load_plugins(&config, &sandbox, &versions, substitute, processors).await?;
    let running = running(&config, &plugins, &versions, substitute).await?;
    let sources = Sources::new(running, &fetcher, &handed_over, Some(claims.clone()), &Sources::default());
    let sources = Arc::new(sources);
    let prepared = Dispatcher::prepare(&config, &journal, Some(&claims))?;
    let breakers = prepared.breakers();
    let current = Current::new(Live { config, plugins, sources: sources.clone(), fetcher, breakers });
    let mut dispatcher = Dispatcher::default();
    dispatcher.work_on(prepared, sources, server.drain_timeout);
    // Files that have changed while the gateway stood still are tried before the first delivery.
    versions.look(&current, true).await;
    let lasting = Lasting {
        sandbox,
        journal: journal.clone(),
        handed_over: handed_over.clone(),
        claims: claims.clone(),
        versions: versions.clone(),
    };
    let stores = Stores {
        journal: journal.clone(),
        claims: claims.clone(),
        handed_over: handed_over.clone(),
        trials: Trials::new(journal.clone()),
    };
    let gateway = Gateway::new(current.clone(), stores, &server, exempt.clone(), public_url.clone());
    let gateway = Arc::new(gateway);
    let state = AdminState::new(Parts {
        current: current.clone(),
        journal: journal.clone(),
        handed_over: handed_over.clone(),
        claims: Some(claims.clone()),
        versions: Some(versions.clone()),
        metrics: render(metrics.clone(), journal.clone(), current.clone(), handed_over.clone()),
        public_url,
        started,
    });

    let (stop, shutdown) = Shutdown::new(server.drain_timeout);
    let receive = move |request, client| {
        let gateway = gateway.clone();
        async move { gateway.receive(request, client).await }
    };
    let taking = tokio::spawn(deliveries.serve(receive, shutdown.clone()));
    let telling = tokio::spawn(admin.serve(admin::service(admin::router(state), server.body_timeout), shutdown));
    let keeping_up = tokio::spawn(metrics.keep_up());
    let tls_again = Arc::new(Notify::new());
    let watching_tls = tls.map(|tls| tokio::spawn(tls.keep_up(tls_again.clone())));
    let releasing = tokio::spawn(tasks::keep_running("release", {
        let (journal, current) = (journal.clone(), current.clone());
        move || release::run(journal.clone(), current.clone())
    }));
    let keeping_claims = tokio::spawn(claims::keeper::run(claims, journal.clone()));
    let watching_plugins = tokio::spawn(versions.watch(current.clone()));
    ready(&at);

    let signal = loop {
        match (signals.wait().await, again) {
            (Signal::Stop(signal), _) => break signal,
            (Signal::ReadAgain, None) => {}
            (Signal::ReadAgain, Some(again)) => {
                tls_again.notify_one();
                read_again(again, &current, &lasting, &mut dispatcher).await;
            }
        }
    };
    tracing::info!(signal, "stopping: finishing what is in flight");
    let _ = stop.send(true);
    // All at once, so that the drain time-out bounds the whole. What is admitted meanwhile waits for the next start.
    let (_, _, in_time) = tokio::join!(taking, telling, dispatcher.stop(server.drain_timeout));
    keeping_up.abort();
    if let Some(watching) = watching_tls {
        watching.abort();
    }
    for holding in [releasing, keeping_claims, watching_plugins] {
        holding.abort();
        // It holds the journal until it has gone.
        let _ = holding.await;
    }
    if !in_time {
        tracing::warn!(
            "attempts were still under way when the drain time-out was over; they are made again at the next start"
        );
    }
    drop((current, lasting, handed_over, journal));
    tracing::info!("stopped");
    Ok(())
}

/// What stays from the start to the end, whatever configuration is in force.
struct Lasting {
    sandbox: Arc<Sandbox>,
    journal: Journal,
    handed_over: HandedOver,
    claims: Claims,
    versions: Versions,
}

/// Reads the configuration again and puts it in force. While something is wrong with it, the one in force stays.
async fn read_again(again: Again<'_>, current: &Current, lasting: &Lasting, dispatcher: &mut Dispatcher) {
    lasting.versions.look(current, true).await;
    // What works does not change between reading and taking over.
    let turn = lasting.versions.turn().await;
    let (live, prepared) = match next(again, &current.get(), lasting).await {
        Ok(next) => next,
        Err(error) => {
            tracing::error!("the configuration is not taken over, the one before stays in force: {error}");
            return;
        }
    };
    let (sources, drain_timeout) = (live.sources.clone(), live.config.server.drain_timeout);
    current.set(live);
    drop(turn);
    // Deliveries are judged by the new one from here on.
    dispatcher.work_on(prepared, sources, drain_timeout);
    // What is held may be due sooner now.
    lasting.journal.release_nears().notify_one();
    // Plugins of the directory that no source has named before.
    lasting.versions.look_again(current).await;
    tracing::info!("the configuration was read again and is in force");
}

/// Everything that the configuration asks for, ready to take over.
async fn next(again: Again<'_>, before: &Live, lasting: &Lasting) -> Result<(Live, Prepared), NextError> {
    let (mut config, warnings) = again()?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    for section in keep_what_holds_from_the_start(&before.config, &mut config) {
        tracing::warn!("`[{section}]` has changed; that takes effect at the next start");
    }
    // One at a time: deliveries are being taken meanwhile.
    let plugins = load_plugins(&config, &lasting.sandbox, &lasting.versions, &|_| None, 1).await?;
    // What was fetched under the same rules stays.
    let fetcher = match config.egress.allow == before.config.egress.allow {
        true => before.fetcher.clone(),
        false => Fetcher::new(Guard::new(config.egress.allow.clone())),
    };
    let running = running(&config, &plugins, &lasting.versions, &|_| None).await?;
    let claims = Some(lasting.claims.clone());
    let prepared = Dispatcher::prepare(&config, &lasting.journal, claims.as_ref())?;
    let sources = Arc::new(Sources::new(running, &fetcher, &lasting.handed_over, claims, &before.sources));
    Ok((Live { config, plugins, sources, fetcher, breakers: prepared.breakers() }, prepared))
}

/// Why another configuration does not take over.
#[derive(Debug, thiserror::Error)]
enum NextError {
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Plugin(#[from] CatalogError),
    #[error(transparent)]
    Version(#[from] NotRunning),
    #[error(transparent)]
    Destination(#[from] StartError),
}

/// Listeners, store, logs and the sandbox are made once. What another configuration says of them is put back to what
/// holds; the sections in which that changed something.
fn keep_what_holds_from_the_start(before: &Config, next: &mut Config) -> Vec<&'static str> {
    let text = |secret: &Option<config::SecretText>| {
        secret.as_ref().map(|secret| zeroize::Zeroizing::new(secret.expose().to_owned()))
    };
    let admin = |admin: &config::Admin| (admin.listen, text(&admin.token));
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
    sections.into_iter().filter(|(_, same)| !same).map(|(section, _)| section).collect()
}

/// The sandbox that a configuration asks for.
pub fn sandbox(config: &Config) -> Result<Arc<Sandbox>, ServeError> {
    let limits = SandboxLimits {
        concurrency: config.plugins.concurrency,
        memory_bytes: config.plugins.memory as usize,
        time: config.plugins.timeout,
    };
    Sandbox::new(limits, &artifacts(config), FirstCalls::in_child()).map_err(|error| match error {
        SandboxError::Artifacts(error @ ArtifactError::Io(..)) => {
            let key = if config.plugins.cache.is_some() { "plugins.cache" } else { "store.path" };
            ServeError::Artifacts(error, key)
        }
        error => ServeError::Sandbox(error),
    })
}

fn artifacts(config: &Config) -> PathBuf {
    config.plugins.cache.clone().unwrap_or_else(|| config.store.path.join("plugins"))
}

/// The plugins that sources name, as the configuration gives them, each loaded once, so many at once, and where each came
/// from. One that does not load is left out where no source needs it: all have another version activated.
async fn load_plugins(
    config: &Config,
    sandbox: &Arc<Sandbox>,
    versions: &Versions,
    substitute: Substitute<'_>,
    at_once: usize,
) -> Result<BTreeMap<String, (Plugin, Origin)>, CatalogError> {
    let catalog = Catalog::new(config.plugins.directory.as_deref())?.trusting(&config.plugins.trusted_keys);
    let has_another = |source: &Arc<config::Source>| versions.activation(source).is_some_and(|it| it.active.is_some());
    let sources = config.sources.iter().filter(|source| substitute(source).is_none());
    let names: BTreeSet<&str> = sources.map(|source| source.plugin.as_str()).collect();
    let mut loaded = BTreeMap::new();
    for (name, plugin) in catalog.load_all(names, sandbox, at_once).await {
        match plugin {
            Ok(plugin) => {
                let origin = catalog.origin(&name).cloned().unwrap_or(Origin::Bundled);
                loaded.insert(name, (plugin, origin));
            }
            Err(error) if config.sources.iter().filter(|source| source.plugin == name).all(has_another) => {
                tracing::warn!(plugin = name, %error, "what the configuration gives is not needed, and does not load");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(loaded)
}

/// Each source with the versions that judge its deliveries, and the URLs that a bundled one may have fetched.
async fn running(
    config: &Config,
    plugins: &BTreeMap<String, (Plugin, Origin)>,
    versions: &Versions,
    substitute: Substitute<'_>,
) -> Result<Vec<(Arc<config::Source>, Running, Granted)>, NotRunning> {
    let mut all = Vec::new();
    for source in &config.sources {
        let given = plugins.get(&source.plugin).map(|(plugin, _)| plugin);
        let running = match substitute(source) {
            Some(native) => Some(Running::new(native)),
            None => {
                let given = given.map(|plugin| Provider::Sandboxed(plugin.clone()));
                versions.running(&config.plugins, source, given).await?
            }
        };
        if let Some(running) = running {
            let granted = granted(source, running.active.plugin().into_iter().chain(given));
            all.push((source.clone(), running, granted));
        }
    }
    Ok(all)
}

/// What the source says; of a bundled plugin among these also what itself says.
fn granted<'p>(source: &config::Source, plugins: impl Iterator<Item = &'p Plugin>) -> Granted {
    let mut granted = Granted { keys: source.keys.allow.clone(), confirm: source.keys.confirm.clone() };
    for plugin in plugins.filter(|plugin| plugin.is_bundled()).take(1) {
        // A plugin with a pattern that is none does not load.
        let patterns = |urls: &[String]| urls.iter().filter_map(|url| UrlPattern::new(url).ok()).collect::<Vec<_>>();
        granted.keys.extend(patterns(&plugin.descriptor().key_urls));
        granted.confirm.extend(patterns(&plugin.descriptor().confirm_urls));
    }
    granted
}

/// Renders the metrics, the journal's figures brought up to date first.
fn render(
    metrics: Metrics,
    journal: Journal,
    current: Current,
    handed_over: HandedOver,
) -> Box<dyn Fn() -> String + Send + Sync> {
    // Those of TLS are there without TLS as well, at 0.
    let (of_journal, _) = (JournalMetrics::new(), TlsMetrics::new());
    let sources = Mutex::new(BTreeSet::new());
    let at_work = Mutex::new(BTreeMap::new());
    let known = Mutex::new(BTreeSet::from([TRANSFORM, ORDERING].map(str::to_owned)));
    Box::new(move || {
        let live = current.get();
        if let Ok(free) = journal::free_bytes(&live.config.store.path) {
            of_journal.free_bytes.set(free as f64);
        }
        let kept = handed_over.list();
        for source in &live.config.sources {
            let count = kept.iter().filter(|told| told.source == source.name).count();
            enrolled_secrets(&source.name).set(count as f64);
        }
        let mut sources = sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.extend(live.config.sources.iter().map(|source| source.name.clone()));
        for name in &*sources {
            // Of a source that is gone from the configuration nothing is out.
            let inbound = live.sources.get(name);
            for function in Function::ALL {
                let is_open =
                    |inbound: &Inbound| inbound.breakers.is_open(inbound.plugin.get().active.hash(), function);
                plugin_breaker_open(name, function.name()).set(f64::from(u8::from(inbound.is_some_and(is_open))));
            }
        }
        drop(sources);
        let mut at_work = at_work.lock().unwrap_or_else(PoisonError::into_inner);
        at_work.values_mut().for_each(|is| *is = false);
        at_work.extend(live.sources.at_work().into_iter().map(|version| (version, true)));
        for ((source, plugin, hash, role), is) in &*at_work {
            plugin_version(source, plugin, hash, role).set(f64::from(u8::from(*is)));
        }
        // A store that is being opened again has no figures now; the last ones stand.
        if let Ok(stats) = journal.stats() {
            of_journal.inbox.set(stats.inbox as f64);
            of_journal.bytes.set(stats.size as f64);
            let ordered = live.config.sources.iter().filter(|source| source.ordering.is_some());
            for source in ordered.map(|source| &source.name).chain(stats.held.keys()) {
                held_events(source).set(stats.held.get(source).copied().unwrap_or_default() as f64);
            }
            // Those of destinations that are gone from the configuration must not stop where they stood.
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            known.extend(live.config.destinations.iter().map(|destination| destination.name.clone()));
            known.extend(stats.destinations.keys().cloned());
            for name in &*known {
                let metrics = DestinationMetrics::new(name);
                let figures = stats.destinations.get(name);
                metrics.queued.set(figures.map_or(0, |figures| figures.queued) as f64);
                metrics.waiting.set(figures.map_or(0, |figures| figures.waiting) as f64);
                metrics.blocked_keys.set(figures.map_or(0, |figures| figures.blocking) as f64);
                metrics.oldest.set(figures.and_then(|figures| figures.oldest).unwrap_or_default().as_secs_f64());
            }
        }
        metrics.render()
    })
}

/// What the operating system tells.
enum Signal {
    /// SIGINT or SIGTERM, by name.
    Stop(&'static str),
    /// SIGHUP.
    ReadAgain,
}

/// SIGINT, SIGTERM, and SIGHUP where it is listened to.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hang_up: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    #[cfg(unix)]
    fn new(read_again: bool) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: read_again.then(|| signal(SignalKind::hangup())).transpose()?,
        })
    }

    #[cfg(unix)]
    async fn wait(&mut self) -> Signal {
        let hang_up = async {
            match &mut self.hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Signal::Stop("SIGINT"),
            _ = hang_up => Signal::ReadAgain,
        }
    }

    #[cfg(not(unix))]
    fn new(_: bool) -> io::Result<Self> {
        Ok(Signals {})
    }

    #[cfg(not(unix))]
    async fn wait(&mut self) -> Signal {
        // An error means that nothing can be waited for; then the gateway runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Stop("interrupt")
    }
}
