//! Borders within signed text.
//!
//! Many providers sign several values one after the other: `{timestamp}.{body}`, or fields with colons between them. A
//! signature proves the text as a whole and not where one value ends and the next begins. If two splits of one text
//! both make sense, a captured delivery can be sent again as another one, under the same signature.
//!
//! [`check`] refuses text whose split could have been another one. Call it before the signature is checked, with the
//! pieces in the order in which they are signed.

use std::fmt;

/// A piece of signed text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Text that the sender has no hand in: a separator, a label, the configured URL.
    Fixed(&'t str),
    /// A value of the sender's that consists of the bytes of one class. It ends where a byte of another class follows.
    Value {
        /// What the refusal calls it.
        name: &'t str,
        /// Its bytes.
        bytes: &'t [u8],
        /// The class of all its bytes.
        of: Class<'t>,
    },
    /// The one value that may hold anything, as a body does. Pieces before it are read from the beginning of the text, and
    /// pieces behind it from the end, so that only its outermost bytes matter; none where it is empty.
    Anything {
        /// Its first byte.
        first: Option<u8>,
        /// Its last byte.
        last: Option<u8>,
    },
}

/// The bytes that a value can consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class<'t> {
    /// Decimal digits.
    Digits,
    /// Every byte but this one, the border.
    Except(u8),
    /// These bytes.
    Among(&'t [u8]),
}

/// Why the split of a signed text could have been another one, in words for the operator's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguous(String);

impl fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Ambiguous {}

impl Class<'_> {
    fn holds(&self, byte: u8) -> bool {
        match self {
            Class::Digits => byte.is_ascii_digit(),
            Class::Except(border) => byte != *border,
            Class::Among(bytes) => bytes.contains(&byte),
        }
    }
}

impl<'t> Piece<'t> {
    /// A text of the sender's that holds no byte `border`.
    pub fn until(border: u8, name: &'t str, text: &'t str) -> Self {
        Piece::Value { name, bytes: text.as_bytes(), of: Class::Except(border) }
    }

    /// A number of the sender's.
    pub fn digits(name: &'t str, text: &'t str) -> Self {
        Piece::Value { name, bytes: text.as_bytes(), of: Class::Digits }
    }

    /// A value that may hold anything, all of whose bytes are at hand.
    pub fn anything(bytes: &[u8]) -> Self {
        Piece::Anything { first: bytes.first().copied(), last: bytes.last().copied() }
    }

    fn first(&self) -> Option<u8> {
        match self {
            Piece::Fixed(text) => text.bytes().next(),
            Piece::Value { bytes, .. } => bytes.first().copied(),
            Piece::Anything { first, .. } => *first,
        }
    }

    fn last(&self) -> Option<u8> {
        match self {
            Piece::Fixed(text) => text.bytes().next_back(),
            Piece::Value { bytes, .. } => bytes.last().copied(),
            Piece::Anything { last, .. } => *last,
        }
    }
}

/// Checks that the text which these pieces make has no other split into pieces of the same kinds.
///
/// Each value must consist of its class alone and must be followed by a byte that is not of its class (preceded, for
/// values behind [`Piece::Anything`]). So it is the longest run of its class there, and every reader finds the same end.
/// That also holds where pieces are optional, as long as all values have the same border.
///
/// # Errors
/// A value holds what its class does not, or its neighbour begins with what it could hold, or several values may hold
/// anything.
pub fn check(pieces: &[Piece<'_>]) -> Result<(), Ambiguous> {
    let is_anything = |piece: &Piece<'_>| matches!(piece, Piece::Anything { .. });
    let middle = pieces.iter().position(is_anything).unwrap_or(pieces.len());
    let (before, rest) = pieces.split_at(middle);
    let behind = rest.get(1..).unwrap_or_default();
    if behind.iter().any(is_anything) {
        return Err(Ambiguous("two values of the signed text may hold anything".to_owned()));
    }
    for (at, piece) in before.iter().enumerate() {
        check_value(piece, pieces.iter().skip(at + 1).find_map(Piece::first))?;
    }
    for (at, piece) in behind.iter().enumerate() {
        check_value(piece, pieces.iter().take(middle + 1 + at).rev().find_map(Piece::last))?;
    }
    Ok(())
}

/// `neighbour` is the byte next to the value, on the side where its end is looked for; none at the end of the text.
fn check_value(piece: &Piece<'_>, neighbour: Option<u8>) -> Result<(), Ambiguous> {
    let Piece::Value { name, bytes, of } = piece else { return Ok(()) };
    if !bytes.iter().all(|byte| of.holds(*byte)) {
        return Err(Ambiguous(format!("{name} holds what could be a border of the signed text")));
    }
    if neighbour.is_some_and(|byte| of.holds(byte)) {
        Err(Ambiguous(format!("the end of {name} is ambiguous in the signed text")))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_border_within_a_value_is_refused() {
        let signed = |id: &str| {
            check(&[
                Piece::until(b'.', "the id", id),
                Piece::Fixed("."),
                Piece::digits("the timestamp", "1700000000"),
                Piece::Fixed("."),
                Piece::anything(b"7.{}"),
            ])
        };
        assert_eq!(signed("msg_1"), Ok(()));
        let why = signed("msg_1.1700000000").expect_err("a dot").to_string();
        assert_eq!(why, "the id holds what could be a border of the signed text");
    }

    #[test]
    fn a_number_must_not_stand_before_a_digit() {
        let signed = |body: &[u8]| check(&[Piece::digits("the timestamp", "170"), Piece::anything(body)]);
        assert_eq!(signed(b"{\"a\":1}"), Ok(()));
        assert_eq!(signed(b""), Ok(()));
        let why = signed(b"7").expect_err("a digit").to_string();
        assert_eq!(why, "the end of the timestamp is ambiguous in the signed text");
        let unsigned = check(&[Piece::digits("the timestamp", "17a"), Piece::Fixed(".")]);
        assert!(unsigned.is_err(), "{unsigned:?}");
    }

    #[test]
    fn what_stands_behind_a_body_is_read_from_the_end() {
        let signed = |body: &[u8], behind: &str| {
            check(&[Piece::anything(body), Piece::Fixed("|"), Piece::until(b'|', "the key", behind)])
        };
        assert_eq!(signed(b"a|b", "k"), Ok(()));
        assert!(signed(b"a", "b|k").is_err());
    }

    #[test]
    fn two_values_that_may_hold_anything_have_no_border() {
        assert!(check(&[Piece::anything(b"a"), Piece::Fixed("."), Piece::anything(b"b")]).is_err());
    }

    /// The kinds of pieces of a text, without what stands in them.
    #[derive(Clone, Copy, Debug)]
    enum Slot {
        Fixed(&'static str),
        Value(Class<'static>),
        Anything,
    }

    fn slot() -> impl Strategy<Value = Slot> {
        prop_oneof![
            prop_oneof![Just("."), Just(":"), Just("1"), Just("a."), Just("")].prop_map(Slot::Fixed),
            prop_oneof![Just(Class::Digits), Just(Class::Except(b'.')), Just(Class::Among(b"a:"))]
                .prop_map(Slot::Value),
            Just(Slot::Anything),
        ]
    }

    fn piece(slot: Slot, text: &[u8]) -> Piece<'_> {
        match slot {
            Slot::Fixed(fixed) => Piece::Fixed(fixed),
            Slot::Value(of) => Piece::Value { name: "a value", bytes: text, of },
            Slot::Anything => Piece::anything(text),
        }
    }

    /// Every way to take a text apart into these slots.
    fn splits<'t>(slots: &[Slot], text: &'t [u8]) -> Vec<Vec<Piece<'t>>> {
        let Some((slot, others)) = slots.split_first() else {
            return if text.is_empty() { vec![Vec::new()] } else { Vec::new() };
        };
        let ends = match slot {
            Slot::Fixed(fixed) if text.starts_with(fixed.as_bytes()) => fixed.len()..=fixed.len(),
            Slot::Fixed(_) => return Vec::new(),
            Slot::Value(_) | Slot::Anything => 0..=text.len(),
        };
        let begun = ends.flat_map(|end| {
            let (own, rest) = text.split_at(end);
            let with_own = move |rest: Vec<Piece<'t>>| [vec![piece(*slot, own)], rest].concat();
            splits(others, rest).into_iter().map(with_own)
        });
        begun.collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn of_all_splits_of_a_text_at_most_one_passes(
            slots in proptest::collection::vec(slot(), 1..6),
            text in proptest::collection::vec(proptest::sample::select(b"a1.:".to_vec()), 0..9),
        ) {
            let passed: Vec<_> = splits(&slots, &text).into_iter().filter(|split| check(split).is_ok()).collect();
            prop_assert!(passed.len() <= 1, "{passed:?}");
        }
    }
}
