//! The native twin: a provider's logic compiled into the host, without a sandbox. For the benchmark only, and built only
//! with the feature `native-twin`.

use hookgate_capabilities::{CloudEvent, Delivery, Event, Refusal, Verdict};
use hookgate_plugin_sdk::Provider;

/// A provider's functions.
#[derive(Clone, Copy)]
pub struct NativeTwin {
    /// The plugin's name.
    pub name: &'static str,
    /// As the component's export.
    pub verify: fn(&Delivery) -> Result<Verdict, Refusal>,
    /// As the component's export.
    pub transform: fn(&Event) -> Result<Vec<CloudEvent>, String>,
}

impl NativeTwin {
    /// The twin of a plugin crate.
    pub const fn of<P: Provider>(name: &'static str) -> Self {
        NativeTwin { name, verify: P::verify, transform: P::transform }
    }
}
