//! Stripe's logic compiled in, no sandbox. `cargo xtask bench` builds it; where everything is built at once it is left out,
//! since it would add it to the gateway that is tested.

use anyhow::Result;
use hookgate_sandbox::Provider;

/// The twin.
///
/// # Errors
/// It was left out.
#[cfg(feature = "native-twin")]
pub fn twin() -> Result<Provider> {
    Ok(Provider::Native(hookgate_sandbox::NativeTwin::of::<hookgate_plugin_stripe::Stripe>("stripe")))
}

/// The twin.
///
/// # Errors
/// It was left out.
#[cfg(not(feature = "native-twin"))]
pub fn twin() -> Result<Provider> {
    anyhow::bail!(
        "this benchmark was built without the native twin; cargo xtask bench builds it with --features native-twin"
    )
}
