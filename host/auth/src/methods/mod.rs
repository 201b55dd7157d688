//! The methods, a file each.

pub mod addresses;
pub mod api_key;
pub mod basic;
pub mod jwt;
mod known;
pub mod mtls;
