//! The API's JSON, as the gateway writes it and its clients read it.

mod dead_letters;
mod events;
mod gateway;
mod plugins;
mod secrets;
mod time;
mod trials;
mod versions;

pub use self::{dead_letters::*, events::*, gateway::*, plugins::*, secrets::*, time::Time, trials::*, versions::*};
