//! Signatures as JOSE has them: algorithms, sets of keys, and tokens up to their claims. Single keys are read by
//! [`hookgate_capabilities::jwk`], as those of plugins are.

mod algorithm;
mod key_set;
mod token;

pub use self::{
    algorithm::Algorithm,
    key_set::{KeySet, KeySetError, Verdict},
    token::{Claims, Token},
};
