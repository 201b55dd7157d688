//! The API's JSON, as the gateway writes it and its clients read it.

mod dead_letters;
mod duplicates;
mod events;
mod gateway;
mod plugins;
mod refusals;
mod secrets;
mod time;
mod trials;
mod versions;

pub use self::{
    dead_letters::*, duplicates::*, events::*, gateway::*, plugins::*, refusals::*, secrets::*, time::Time, trials::*,
    versions::*,
};
