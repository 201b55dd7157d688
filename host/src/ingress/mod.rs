//! The door: connections, requests read within their bounds, and the answers to those that are turned away.

mod begin;
mod body;
mod client;
mod listener;
mod patient;
mod rates;
mod refusal;
mod shares;
mod tls;

pub use self::{
    body::{BodyBounds, BodyRoom, WholeBody, discard_of_stranger, read_body},
    client::{client_address, counted, this_machine},
    listener::{Bounds, Listener, Shutdown},
    rates::SourceRates,
    refusal::{Refused, TABLE},
    tls::{ClientCertificate, Tls, TlsError, read as read_tls, server_config},
};
