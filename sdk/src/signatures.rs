//! Lists of signatures in one header.

/// Signatures that are tried for one delivery. Rotations need two; each costs a pass over the body, and a forger can
/// write as many as a header holds.
pub const TRIED_MAX: usize = 16;

/// The pairs of a list like `t=1700000000,v1=5257a8…,v1=…`, in order: blanks around names and values are dropped, and so
/// are entries without `=`. A value may hold `=` itself.
pub fn pairs(list: &str, separator: char) -> impl Iterator<Item = (&str, &str)> {
    list.split(separator)
        .filter_map(|entry| entry.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim()))
        .filter(|(name, _)| !name.is_empty())
}

/// The first value of that name in a list of pairs.
pub fn value<'l>(list: &'l str, separator: char, name: &str) -> Option<&'l str> {
    pairs(list, separator).find(|(n, _)| *n == name).map(|(_, value)| value)
}

/// The values of that name in a list of pairs, no more than [`TRIED_MAX`].
pub fn values<'l>(list: &'l str, separator: char, name: &str) -> impl Iterator<Item = &'l str> {
    pairs(list, separator).filter(move |(n, _)| *n == name).map(|(_, value)| value).take(TRIED_MAX)
}
