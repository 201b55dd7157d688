//! The admin API, for operators and their tools, on a listener of its own.
//!
//! ```text
//! request -> door (host, origin, token) -> a handler -> the journal, the configuration, the metrics
//! ```
//!
//! [`router`] is the whole API, [`openapi`] its description, made from the same handlers. `hookgate events`,
//! `hookgate duplicates` and `hookgate dead-letters` are its clients; the JSON in [`view`] is theirs as well.

mod answers;
mod body;
mod dead_letters;
mod door;
mod duplicates;
mod events;
mod extract;
mod health;
mod inventory;
pub(crate) mod paging;
mod problem;
mod refusals;
mod secrets;
mod status;
mod story;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod trial;
mod versions;
pub mod view;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, extract::DefaultBodyLimit, middleware, routing::get};
use bytes::Bytes;
use hookgate_config::Source;
use hookgate_journal::{Journal, JournalError};
use hookgate_model::limits;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tower::ServiceExt;
use utoipa::OpenApi;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};

pub use self::problem::{ApiError, Problem};
use crate::{
    claims::Claims,
    enrollment::Enrollments,
    ingress::Client,
    live::{Current, Live},
    sources::Inbound,
    versions::Versions,
};

/// Bytes of a request's body: a list of dead letters is the longest.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The same where a component is sent.
const COMPONENT_BYTES_MAX: usize = limits::PLUGIN_FILE_BYTES_MAX as usize;

/// The state of the API; cheap to clone.
#[derive(Clone)]
pub struct AdminState(Arc<Parts>);

/// The parts of [`AdminState`].
pub struct Parts {
    /// The configuration in force.
    pub current: Current,
    /// The journal.
    pub journal: Journal,
    /// The secrets that providers have handed over.
    pub enrollments: Enrollments,
    /// The large bodies.
    pub claims: Option<Claims>,
    /// Versions of plugins.
    pub versions: Option<Versions>,
    /// Renders the metrics in Prometheus' text format.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// The base of `/in/{source}`, as providers see it.
    pub public_url: String,
    /// When the gateway was started.
    pub started: Instant,
}

/// The source of that name.
fn inbound<'l>(live: &'l Live, name: &str) -> Result<&'l Inbound, ApiError> {
    live.sources.get(name).ok_or_else(|| no_such_source(live, name))
}

/// A source as it is configured.
fn configured<'l>(live: &'l Live, name: &str) -> Result<&'l Source, ApiError> {
    let found = live.config.sources.iter().find(|source| source.name == name);
    found.map(|source| &**source).ok_or_else(|| no_such_source(live, name))
}

fn no_such_source(live: &Live, name: &str) -> ApiError {
    let names: Vec<&str> = live.config.sources.iter().map(|source| source.name.as_str()).collect();
    ApiError::no_such("source", name, &names)
}

/// An answer that is being made.
type Answer = Pin<Box<dyn Future<Output = Response<Full<Bytes>>> + Send>>;

impl AdminState {
    /// The state with these parts.
    pub fn new(parts: Parts) -> Self {
        AdminState(Arc::new(parts))
    }

    /// The configuration in force.
    fn live(&self) -> Arc<Live> {
        self.0.current.get()
    }

    /// Asks the journal, on a thread that may wait for the disk.
    async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Journal) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let journal = self.0.journal.clone();
        let answer = tokio::task::spawn_blocking(move || ask(&journal)).await;
        Ok(answer.map_err(|error| ApiError::Broken(error.to_string()))??)
    }
}

impl std::ops::Deref for AdminState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The API's title page.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "hookgate admin API",
        description = "Shows what a running gateway has admitted and delivered, and takes orders to deliver again. \
            Errors are problem documents (RFC 9457) whose `detail` says what to do. Times are RFC 3339. \
            Lists have pages: send `next_page` as `page`, with the same filter, to get the next one."
    ),
    tags(
        (name = "events", description = "Admitted events, and what became of them"),
        (name = "duplicates", description = "Repeated events that were dropped, and can be admitted after all"),
        (name = "dead letters", description = "Events that could not be delivered"),
        (name = "refusals", description = "Refused deliveries, and why they were refused"),
        (name = "secrets", description = "Secrets that providers have handed over in handshakes, without their values"),
        (name = "plugins", description = "Versions of plugins: installed, activated, rolled back"),
        (name = "gateway", description = "The state of the gateway and its parts"),
    ),
    components(schemas(Problem)),
    modifiers(&BearerToken),
    security((), ("token" = [])),
)]
struct TitlePage;

/// The token of `[admin] token`.
struct BearerToken;

impl utoipa::Modify for BearerToken {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("`admin.token` of the configuration; without one the API answers on loopback only"))
            .build();
        api.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

fn documented() -> OpenApiRouter<AdminState> {
    OpenApiRouter::with_openapi(TitlePage::openapi())
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(status::status))
        .routes(routes!(inventory::sources))
        .routes(routes!(inventory::destinations))
        .routes(routes!(inventory::plugins))
        .routes(routes!(inventory::plugin))
        .routes(routes!(trial::show))
        .routes(routes!(trial::differences))
        .routes(routes!(trial::replay).layer(DefaultBodyLimit::max(COMPONENT_BYTES_MAX)))
        .routes(routes!(versions::install))
        .routes(routes!(versions::whole_history))
        .routes(routes!(versions::list))
        .routes(routes!(versions::history))
        .routes(routes!(versions::activate))
        .routes(routes!(versions::roll_back))
        .routes(routes!(versions::promote))
        .routes(routes!(versions::stop_trial))
        .routes(routes!(versions::remove))
        .routes(routes!(events::list))
        .routes(routes!(events::show))
        .routes(routes!(events::replay))
        .routes(routes!(duplicates::list))
        .routes(routes!(duplicates::show))
        .routes(routes!(duplicates::admit))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::show))
        .routes(routes!(dead_letters::redrive))
        .routes(routes!(dead_letters::discard))
        .routes(routes!(refusals::list))
        .routes(routes!(refusals::show))
        .routes(routes!(secrets::list))
        .routes(routes!(secrets::open))
        .routes(routes!(secrets::forget))
}

/// The API's description, OpenAPI 3.1, as JSON.
pub fn openapi() -> String {
    // It is made of constants: a failure would show in the tests.
    let mut api = documented().into_openapi();
    answers::describe(&mut api);
    api.to_pretty_json().unwrap_or_default()
}

/// The whole API.
pub fn router(state: AdminState) -> Router {
    let description = Bytes::from(openapi());
    let (api, _) = documented().split_for_parts();
    let description = move || async move { ([(http::header::CONTENT_TYPE, "application/json")], description) };
    api.route("/api/v1/openapi.json", get(description))
        .fallback(|| async { ApiError::NoSuchPath })
        .method_not_allowed_fallback(|| async { ApiError::WrongMethod })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(state.clone(), door::guard))
        .with_state(state)
}

/// The API as [`crate::ingress::Listener::serve`] wants it.
///
/// If a request's body takes longer than `body_timeout`, handlers that read it get an error; others are not affected.
pub fn service(
    router: Router,
    body_timeout: Duration,
) -> impl Fn(Request<Incoming>, Client) -> Answer + Clone + Send + Sync + 'static {
    move |request, _| {
        let router = router.clone();
        Box::pin(async move {
            let request = request.map(|body| body::Timely::new(body, body_timeout));
            let Ok(response) = router.oneshot(request).await;
            let (head, body) = response.into_parts();
            // Every answer was made in memory, so reading it cannot fail.
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            Response::from_parts(head, Full::new(body))
        })
    }
}
