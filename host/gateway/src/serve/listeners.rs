use std::{net::SocketAddr, sync::Arc};

use hookgate_config::Config;
use hookgate_model::limits;
use hookgate_telemetry::ServerMetrics;
use ipnet::IpNet;

use super::{Ready, ServeError};
use crate::{
    descriptors,
    ingress::{self, Bounds, Listener, Tls},
};

/// The bound sockets of the gateway.
pub(super) struct Listeners {
    pub(super) deliveries: Listener,
    pub(super) admin: Listener,
    pub(super) tls: Option<Arc<Tls>>,
    /// Addresses that may use all of a shared resource: trusted proxies and this machine.
    pub(super) exempt: Vec<IpNet>,
    pub(super) ready: Ready,
}

impl Listeners {
    /// Binds both addresses. `open_files` is the limit of open files of this process.
    pub(super) async fn bind(config: &Config, open_files: Option<u64>) -> Result<Self, ServeError> {
        let server = &config.server;
        // A proxy or a tunnel on this machine forwards deliveries of many senders, and is seldom configured as trusted.
        let exempt: Vec<IpNet> = server.trusted_proxies.iter().copied().chain(ingress::this_machine()).collect();
        let bounds = |connections| Bounds {
            connections,
            trusted_proxies: server.trusted_proxies.clone(),
            exempt: exempt.clone(),
            header_timeout: server.header_timeout,
        };
        let connections = descriptors::connections(server.connections, &config.destinations, open_files);
        let metrics = Some(ServerMetrics::new(ingress::refusal_causes()));
        let deliveries = bind(server.listen, bounds(connections), metrics, "server.listen").await?;
        let admin = bind(config.admin.listen, bounds(limits::ADMIN_CONNECTIONS), None, "admin.listen").await?;
        let tls = server.tls.clone().map(Tls::load).transpose()?;
        let ready = Ready {
            deliveries: url(if tls.is_some() { "https" } else { "http" }, &deliveries, server.listen),
            admin: url("http", &admin, config.admin.listen),
        };
        Ok(Listeners { deliveries: deliveries.with_tls(tls.clone()), admin, tls, exempt, ready })
    }
}

/// `key` is the configuration key of the address.
async fn bind(
    address: SocketAddr,
    bounds: Bounds,
    metrics: Option<ServerMetrics>,
    key: &'static str,
) -> Result<Listener, ServeError> {
    Listener::bind(address, bounds, metrics).await.map_err(|error| ServeError::Listen(address, error, key))
}

/// With the port that the operating system has chosen, if the configured one is 0.
fn url(scheme: &str, listener: &Listener, configured: SocketAddr) -> String {
    format!("{scheme}://{}", listener.local_addr().unwrap_or(configured))
}
