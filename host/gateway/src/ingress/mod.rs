//! Connections, requests that are read within bounds, and answers to refused requests.

mod begin;
mod body;
mod conversation;
mod decode;
mod head;
mod line_ends;
mod listener;
mod patient;
mod progress;
mod rates;
mod refusal;
mod resting;
mod shares;
mod shutdown;
mod tls;

pub use hookgate_net::client::{Client, this_machine};

pub use self::{
    body::{BodyBounds, BodyRoom, WholeBody, discard_of_stranger, read_body},
    decode::{Decoder, content_codings},
    listener::{Bounds, Listener},
    rates::{Failures, SourceRates},
    refusal::{Refused, refusal_causes},
    resting::{Holders, Registration, Resting},
    shares::{NoRoom, Share, Shares, Size},
    shutdown::Shutdown,
    tls::Tls,
};
