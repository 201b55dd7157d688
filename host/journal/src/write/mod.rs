//! Writing: one thread takes requests, gathers them into a batch and makes the batch durable with one sync.

pub(crate) mod clock;
mod draft;
mod fronts;
mod recent;
mod shared;
mod writer;

pub use self::shared::Health;
pub(crate) use self::{
    clock::Clocks,
    draft::Draft,
    recent::RecentEvent,
    shared::Shared,
    writer::{Kind, Request, Task, Writer},
};
