//! A pattern, understood.

use std::{borrow::Cow, fmt};

use ipnet::IpNet;

use super::{Decimal, Scalar, wildcard::Wildcard};

/// An event pattern. It matches an event of which all tests hold, and of each `$or` one alternative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub(super) root: All,
}

/// What a pattern costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// In how many ways it can match: each choice of one alternative from each `$or`.
    pub combinations: usize,
    /// The tests of all combinations together.
    pub tests: usize,
}

/// What must hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct All {
    pub(super) tests: Vec<Test>,
    /// Each `$or`, with its alternatives.
    pub(super) ors: Vec<Vec<All>>,
}

/// What a pattern wants of one field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Test {
    /// From the event's top to the field.
    pub(super) path: Vec<String>,
    /// One of them must hold; never empty.
    pub(super) one_of: Vec<Entry>,
}

/// An entry in the list of a field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Entry {
    /// A value, or an operator that is met by values.
    Is(Atom),
    /// `anything-but`: a value that is none of these.
    AnythingBut(Vec<Atom>),
    /// `exists`
    Exists(bool),
}

/// What a value can be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Atom {
    /// This very value.
    Value(Scalar<'static>),
    /// A text in whatever case; folded.
    Folded(String),
    /// What a text begins with.
    Prefix(String),
    /// As before, in whatever case; folded.
    PrefixFolded(String),
    /// What a text ends with.
    Suffix(String),
    /// As before, in whatever case; folded.
    SuffixFolded(String),
    /// `*` for any characters.
    Wildcard(Wildcard, String),
    /// A number within bounds.
    Numeric(Range),
    /// A text that is an address of this network.
    Cidr(IpNet),
}

/// Bounds of a number, each with whether it is itself within.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Range {
    pub(super) low: Option<(Decimal, bool)>,
    pub(super) high: Option<(Decimal, bool)>,
}

/// A text without regard to case: letter by letter, so that the beginning of a text folds as it does by itself.
pub(super) fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

impl Pattern {
    /// What it costs.
    pub fn size(&self) -> Size {
        self.root.size()
    }

    /// The tests of each combination.
    pub(super) fn combined(&self) -> Vec<Vec<&Test>> {
        self.root.combined()
    }
}

impl All {
    fn size(&self) -> Size {
        let own = Size { combinations: 1, tests: self.tests.len() };
        let of_or = |or: &Vec<All>| {
            or.iter().map(All::size).fold(Size::default(), |sum, size| Size {
                combinations: sum.combinations.saturating_add(size.combinations),
                tests: sum.tests.saturating_add(size.tests),
            })
        };
        self.ors.iter().map(of_or).fold(own, |all, or| Size {
            combinations: all.combinations.saturating_mul(or.combinations),
            tests: (all.tests.saturating_mul(or.combinations))
                .saturating_add(or.tests.saturating_mul(all.combinations)),
        })
    }

    fn combined(&self) -> Vec<Vec<&Test>> {
        let mut all = vec![self.tests.iter().collect::<Vec<_>>()];
        for or in &self.ors {
            let alternatives: Vec<Vec<&Test>> = or.iter().flat_map(All::combined).collect();
            let joined = |before: &Vec<_>| -> Vec<Vec<_>> {
                alternatives.iter().map(|more| [before.as_slice(), more.as_slice()].concat()).collect()
            };
            all = all.iter().flat_map(joined).collect();
        }
        all
    }
}

impl Entry {
    /// Whether a value meets it.
    pub(super) fn is_met(&self, value: &Scalar<'_>) -> bool {
        match self {
            Entry::Is(atom) => atom.is_met(value),
            Entry::AnythingBut(atoms) => !atoms.iter().any(|atom| atom.is_met(value)),
            Entry::Exists(exists) => *exists,
        }
    }
}

impl Atom {
    /// Whether a value meets it. Texts are met by texts only, numbers by numbers.
    pub(super) fn is_met(&self, value: &Scalar<'_>) -> bool {
        match (self, value) {
            (Atom::Value(wanted), value) => wanted == value,
            (Atom::Numeric(range), Scalar::Number(number)) => range.holds(number),
            (_, Scalar::Text(text)) => self.is_met_by_text(text),
            _ => false,
        }
    }

    fn is_met_by_text(&self, text: &str) -> bool {
        match self {
            Atom::Value(_) | Atom::Numeric(_) => false,
            Atom::Folded(wanted) => folded(text) == *wanted,
            Atom::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Atom::PrefixFolded(prefix) => folded(text).starts_with(prefix.as_str()),
            Atom::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Atom::SuffixFolded(suffix) => folded(text).ends_with(suffix.as_str()),
            Atom::Wildcard(wildcard, _) => wildcard.matches(text),
            Atom::Cidr(network) => text.parse().is_ok_and(|address: std::net::IpAddr| network.contains(&address)),
        }
    }
}

impl Range {
    pub(super) fn holds(&self, number: &Decimal) -> bool {
        let above = self.low.as_ref().is_none_or(|(low, within)| number > low || (*within && number == low));
        above && self.high.as_ref().is_none_or(|(high, within)| number < high || (*within && number == high))
    }
}

/// As it is written in a pattern.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Is(atom) => write!(f, "{atom}"),
            Entry::AnythingBut(atoms) => {
                let atoms: Vec<String> = atoms.iter().map(Atom::to_string).collect();
                write!(f, "{{\"anything-but\": [{}]}}", atoms.join(", "))
            }
            Entry::Exists(exists) => write!(f, "{{\"exists\": {exists}}}"),
        }
    }
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| Scalar::Text(Cow::Borrowed(text)).to_string();
        match self {
            Atom::Value(value) => write!(f, "{value}"),
            Atom::Folded(text) => write!(f, "{{\"equals-ignore-case\": {}}}", quoted(text)),
            Atom::Prefix(text) => write!(f, "{{\"prefix\": {}}}", quoted(text)),
            Atom::PrefixFolded(text) => write!(f, "{{\"prefix\": {{\"equals-ignore-case\": {}}}}}", quoted(text)),
            Atom::Suffix(text) => write!(f, "{{\"suffix\": {}}}", quoted(text)),
            Atom::SuffixFolded(text) => write!(f, "{{\"suffix\": {{\"equals-ignore-case\": {}}}}}", quoted(text)),
            Atom::Wildcard(_, text) => write!(f, "{{\"wildcard\": {}}}", quoted(text)),
            Atom::Numeric(range) => write!(f, "{{\"numeric\": [{range}]}}"),
            Atom::Cidr(network) => write!(f, "{{\"cidr\": \"{network}\"}}"),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some((low, true)), Some((high, true))) = (&self.low, &self.high)
            && low == high
        {
            return write!(f, "\"=\", {low}");
        }
        let bound = |bound: &Option<(Decimal, bool)>, sign: &str| {
            let (number, within) = bound.as_ref()?;
            Some(format!("\"{sign}{}\", {number}", if *within { "=" } else { "" }))
        };
        let bounds: Vec<String> = [bound(&self.low, ">"), bound(&self.high, "<")].into_iter().flatten().collect();
        f.write_str(&bounds.join(", "))
    }
}
