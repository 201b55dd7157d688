//! Signatures as JOSE has them: algorithms, sets of keys, and tokens up to their claims.

mod algorithm;
mod key_set;
mod token;

pub use self::{
    algorithm::{Algorithm, PublicKey},
    key_set::{KeySet, KeySetError, Verdict},
    token::{Claims, Token},
};
