//! What judges the deliveries of a source: a sandboxed plugin, or, in the benchmark only, its native twin.

use hookgate_capabilities::{CloudEvent, Delivery, Event, Refusal, Verdict};

use super::{Broken, EventsOf, Judged, Plugin};

/// What judges the deliveries of a source and transforms its events.
#[derive(Clone)]
pub enum Provider {
    /// A component, in a fresh sandbox for each call.
    Sandboxed(Plugin),
    /// The same provider's logic compiled in, to measure what the sandbox costs.
    #[cfg(feature = "native-twin")]
    Native(super::native::NativeTwin),
}

impl Provider {
    /// The plugin's name, and the SHA-256 of its component in hex.
    pub fn stamp(&self) -> (String, String) {
        match self {
            Provider::Sandboxed(plugin) => (plugin.descriptor().name.clone(), plugin.hash().to_owned()),
            #[cfg(feature = "native-twin")]
            Provider::Native(twin) => (twin.name.to_owned(), "native".to_owned()),
        }
    }

    /// The SHA-256 of the component in hex: which version it is.
    pub fn hash(&self) -> &str {
        match self {
            Provider::Sandboxed(plugin) => plugin.hash(),
            #[cfg(feature = "native-twin")]
            Provider::Native(_) => "native",
        }
    }

    /// The component; none where there is none.
    pub fn plugin(&self) -> Option<&Plugin> {
        match self {
            Provider::Sandboxed(plugin) => Some(plugin),
            #[cfg(feature = "native-twin")]
            Provider::Native(_) => None,
        }
    }

    /// As [`Plugin::uncounted`].
    pub fn uncounted(&self) -> Provider {
        match self {
            Provider::Sandboxed(plugin) => Provider::Sandboxed(plugin.uncounted()),
            #[cfg(feature = "native-twin")]
            Provider::Native(twin) => Provider::Native(*twin),
        }
    }

    /// Whether it is part of the gateway.
    pub fn is_bundled(&self) -> bool {
        self.plugin().is_none_or(Plugin::is_bundled)
    }

    /// The headers that the plugin says it reads, lower case.
    pub fn headers(&self) -> &[String] {
        match self {
            Provider::Sandboxed(plugin) => &plugin.descriptor().headers,
            #[cfg(feature = "native-twin")]
            Provider::Native(_) => &[],
        }
    }

    /// As [`Plugin::verify`].
    pub async fn verify(&self, delivery: Delivery) -> Result<Result<Verdict, Refusal>, Broken> {
        match self {
            Provider::Sandboxed(plugin) => plugin.verify(delivery).await,
            #[cfg(feature = "native-twin")]
            Provider::Native(twin) => Ok((twin.verify)(&delivery)),
        }
    }

    /// As [`Plugin::verify_and_transform`].
    pub async fn verify_and_transform(&self, delivery: Delivery, events_of: EventsOf<'_>) -> Result<Judged, Broken> {
        match self {
            Provider::Sandboxed(plugin) => plugin.verify_and_transform(delivery, events_of).await,
            #[cfg(feature = "native-twin")]
            Provider::Native(twin) => {
                let verdict = (twin.verify)(&delivery);
                let events = match &verdict {
                    Ok(Verdict::Admit(accepted)) => events_of(accepted),
                    _ => Vec::new(),
                };
                Ok(Judged { verdict, transformed: events.iter().map(twin.transform).collect() })
            }
        }
    }

    /// As [`Plugin::transform`].
    pub async fn transform(&self, event: Event) -> Result<Result<Vec<CloudEvent>, String>, Broken> {
        match self {
            Provider::Sandboxed(plugin) => plugin.transform(event).await,
            #[cfg(feature = "native-twin")]
            Provider::Native(twin) => Ok((twin.transform)(&event)),
        }
    }
}
