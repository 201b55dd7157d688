//! The admin API: what operators and their tools see and order, on a listener of its own.
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
mod health;
pub(crate) mod paging;
mod parts;
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
    versions::Versions,
};

/// Bytes of a request's body: a list of dead letters is the longest.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The same where a component is sent.
const COMPONENT_BYTES_MAX: usize = limits::PLUGIN_FILE_BYTES_MAX as usize;

/// Everything that the API tells of; cheap to clone.
#[derive(Clone)]
pub struct AdminState(Arc<Parts>);

/// What [`AdminState`] is made of.
pub struct Parts {
    /// The configuration in force.
    pub current: Current,
    /// The journal.
    pub journal: Journal,
    /// The secrets that providers have handed over.
    pub handed_over: Enrollments,
    /// Where large bodies are.
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

/// An answer that is being made.
type Answer = Pin<Box<dyn Future<Output = Response<Full<Bytes>>> + Send>>;

impl AdminState {
    /// Takes the parts over.
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
        description = "What a running gateway has admitted and delivered, and orders to deliver again. \
            Errors are problem documents (RFC 9457) whose `detail` says what to do. Times are RFC 3339. \
            Lists come in pages: hand `next_page` back as `page`, with the same filter."
    ),
    tags(
        (name = "events", description = "What was admitted, and what became of it"),
        (name = "duplicates", description = "What came again and was dropped, and can be admitted after all"),
        (name = "dead letters", description = "What could not be delivered"),
        (name = "refusals", description = "What was turned away, and why"),
        (name = "secrets", description = "What providers have handed over in handshakes; never the secrets themselves"),
        (name = "plugins", description = "Versions of plugins: installed, activated, rolled back"),
        (name = "gateway", description = "What runs, and how it does"),
    ),
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
        .routes(routes!(parts::sources))
        .routes(routes!(parts::destinations))
        .routes(routes!(parts::plugins))
        .routes(routes!(parts::plugin))
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
    // It is made of constants: what cannot be written here cannot be written in the test either.
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
/// A request's body has so much time; handlers that read it see its end as an error, those that do not are unaffected.
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
            // Every answer was made in memory: there is nothing to fail.
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            Response::from_parts(head, Full::new(body))
        })
    }
}
