use hookgate_auth::{Credentials, Denied};
use hookgate_capabilities::Request;
use hookgate_model::{event::Sender, redact};
use hookgate_net::tls::ClientCertificate;
use http::{HeaderMap, request::Parts};

use super::DeliveryContext;
use crate::ingress::Refused;

impl DeliveryContext<'_> {
    /// Who the sender is, by the head and the connection.
    pub(super) async fn authenticate(&self, head: &Parts) -> Result<Vec<Sender>, Refused> {
        let certificate = head.extensions.get::<ClientCertificate>();
        let credentials =
            Credentials { headers: &head.headers, client: self.client, certificate, now: self.received_at };
        self.inbound.authenticator.authenticate(credentials).await.map_err(|denied| match denied {
            Denied::Missing(why, challenges) => Refused::NoCredentials(why, challenges),
            Denied::Wrong(why, challenges) => Refused::WrongCredentials(why, challenges),
            Denied::Forbidden(why, challenges) => Refused::Forbidden(why, challenges),
            Denied::Unavailable(why) => Refused::AuthUnavailable(why),
        })
    }

    /// Hides the credentials of `auth` from the plugin, unless it reads that header itself.
    pub(super) fn remove_credentials(&self, headers: &mut HeaderMap) {
        let read_by_plugin = self.provider.headers();
        for name in self.inbound.authenticator.headers() {
            if !read_by_plugin.iter().any(|read| read == name.as_str()) {
                headers.remove(name);
            }
        }
    }

    /// The request as it is kept: without headers with which a reader could act as the sender, unless the plugin needs them
    /// to judge the delivery again; and never with those of `auth`.
    pub(super) fn without_credentials(&self, mut request: Request) -> Request {
        let (read_by_plugin, of_auth) = (self.provider.headers(), self.inbound.authenticator.headers());
        request.headers.retain(|(name, _)| {
            let may_stay = !redact::CREDENTIALS.contains(&name.as_str()) || read_by_plugin.contains(name);
            may_stay && !of_auth.iter().any(|header| header == name.as_str())
        });
        redact::take_out(&mut request, &self.inbound.secrets.by_name());
        request
    }
}
