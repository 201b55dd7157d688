//! Tests of the journal over both engines.

#[cfg(unix)]
mod child;
mod claims;
mod clocks;
mod conformance;
mod conformance_orders;
mod differences;
#[cfg(target_os = "linux")]
mod disk;
mod duplicates;
#[cfg(target_os = "linux")]
mod full;
#[cfg(unix)]
mod home;
#[cfg(unix)]
mod kill;
mod migration;
mod model;
mod opening;
mod ordering;
mod ordering_model;
mod plugins;
#[cfg(target_os = "linux")]
mod power;
mod signatures;
mod straight;
mod strands;
pub(crate) mod support;
