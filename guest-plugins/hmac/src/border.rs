//! Whether signed text can be read in one way only.
//!
//! A signature says nothing about where one piece of the signed text ends and the next one begins. Where the end of an id
//! could also be called the beginning of the body, a captured signature would fit a delivery that was never sent. So every
//! piece must have a border that neither side can hold. Of two readings of the same text at most one passes: pieces in
//! front of the body are read from the left, those behind it from the right, and a reading is refused where a piece could
//! end earlier. A time in front of the body is the exception, since some have the text within that also follows them: of
//! these the longest counts.

use crate::moment::Unit;

/// A piece of the signed text, as it stands in a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// Text that is the same in every delivery.
    Fixed(&'a str),
    /// The secret, which no sender can write.
    Secret,
    /// What the delivery chooses.
    Value(&'a str, ValueKind),
    /// The body, by its first [`BEGINNING`] bytes and its last one.
    Body(&'a [u8], Option<u8>),
    /// A part in brackets that is left out, by the text that it would begin with.
    LeftOut(&'a str),
}

/// Bytes of the body that are looked at; no time is longer.
pub const BEGINNING: u64 = 64;

/// What a value can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A time.
    Timestamp(Unit),
    /// Letters and dashes, upper case.
    Method,
    /// A URL or a part of it.
    Url,
    /// A digest in text, which has one length.
    Digest,
    /// Anything.
    Other,
}

/// The segment whose end cannot be told, if there is one.
pub fn unclear(segments: &[Segment<'_>]) -> Option<usize> {
    let is_body = |segment: &Segment<'_>| matches!(segment, Segment::Body(..));
    let is_value = |segment: &Segment<'_>| matches!(segment, Segment::Value(_, kind) if *kind != ValueKind::Digest);
    // Everything else is counted from both ends, so that one piece may hold anything.
    let free = segments.iter().position(is_body).or_else(|| segments.iter().rposition(is_value))?;
    let in_front = segments.iter().enumerate().take(free).find(|(at, _)| !ends_clearly(segments, *at));
    let last = segments.get(free)?;
    let behind = segments.iter().enumerate().skip(free + 1).find(|(at, segment)| match segment {
        Segment::LeftOut(begins) => !is_free_of(last, begins),
        _ => !begins_clearly(segments, *at),
    });
    in_front.or(behind).map(|(at, _)| at)
}

/// Whether the piece that may hold anything does not hold the beginning of a part that is left out behind it. A body may
/// hold whatever there is.
fn is_free_of(last: &Segment<'_>, begins: &str) -> bool {
    matches!(last, Segment::Value(text, _) if !begins.is_empty() && !text.contains(begins))
}

/// Whether a piece in front of the body could not end earlier.
fn ends_clearly(segments: &[Segment<'_>], at: usize) -> bool {
    let Some(Segment::Value(text, kind)) = segments.get(at) else { return true };
    if *kind == ValueKind::Digest {
        return true;
    }
    let behind = segments.get(at + 1..).unwrap_or_default();
    let left_out = behind.iter().map_while(|segment| match segment {
        Segment::LeftOut(text) => Some(*text),
        _ => None,
    });
    let next = first_byte(behind);
    for begins in left_out {
        let Some(first) = begins.bytes().next() else { return false };
        if text.contains(begins) || next == Some(first) {
            return false;
        }
    }
    let mut behind = behind.iter().skip_while(|segment| is_nothing(segment));
    match behind.next() {
        None | Some(Segment::Secret) => true,
        Some(Segment::Fixed(between)) => {
            let whole = format!("{text}{between}");
            let rest: Vec<&Segment<'_>> = behind.collect();
            if let Some(unit) = unit_of(*kind) {
                return !could_go_on(&whole, between, &rest, unit);
            }
            occurrences(&whole, between).filter(|end| *end < text.len()).all(|end| {
                let after = whole.get(end + between.len()..).unwrap_or_default();
                !could_follow(after, &rest)
            })
        }
        Some(Segment::Value(time, ValueKind::Timestamp(unit))) if *kind == ValueKind::Other => {
            let rest: Vec<Segment<'_>> = behind.cloned().collect();
            text.bytes().all(is_plain)
                && first_byte(&rest).is_none_or(|first| !is_plain(first))
                && (0..text.len()).filter(|at| text.is_char_boundary(*at)).all(|at| {
                    let other = format!("{}{time}", text.get(at..).unwrap_or_default());
                    !is_plausible(&other, *unit)
                })
                && (1..time.len())
                    .filter(|at| time.is_char_boundary(*at))
                    .all(|at| !is_plausible(time.get(at..).unwrap_or_default(), *unit))
        }
        Some(_) => is_bordered(text, *kind, next),
    }
}

/// Whether a piece behind the body could not begin later.
fn begins_clearly(segments: &[Segment<'_>], at: usize) -> bool {
    let (text, kind) = match segments.get(at) {
        Some(Segment::Value(text, kind)) => (*text, *kind),
        // A second body has no end of its own.
        Some(Segment::Body(..)) => return false,
        _ => return true,
    };
    if kind == ValueKind::Digest {
        return true;
    }
    let in_front = segments.get(..at).unwrap_or_default();
    match in_front.iter().rev().find(|segment| !is_nothing(segment)) {
        None | Some(Segment::Secret) => true,
        Some(Segment::Fixed(between)) => {
            let whole = format!("{between}{text}");
            occurrences(&whole, between)
                .filter(|begin| *begin > 0)
                .all(|begin| !could_be(whole.get(begin + between.len()..).unwrap_or_default(), kind))
        }
        Some(_) => is_bordered(text, kind, last_byte(in_front)),
    }
}

/// Whether a value is told from a neighbour that begins or ends with this byte, with nothing between.
fn is_bordered(text: &str, kind: ValueKind, neighbour: Option<u8>) -> bool {
    let holds = |byte: u8| match kind {
        ValueKind::Timestamp(_) => is_of_time(byte, text),
        ValueKind::Method => byte.is_ascii_uppercase() || byte == b'-',
        ValueKind::Url => is_of_url(byte),
        ValueKind::Digest | ValueKind::Other => is_plain(byte),
    };
    match kind {
        // It has one length.
        ValueKind::Timestamp(Unit::Seconds | Unit::Millis) => {
            unit_of(kind).is_some_and(|unit| is_plausible(text, unit))
        }
        _ => text.bytes().all(holds) && neighbour.is_none_or(|byte| !holds(byte)),
    }
}

fn unit_of(kind: ValueKind) -> Option<Unit> {
    match kind {
        ValueKind::Timestamp(unit) => Some(unit),
        _ => None,
    }
}

/// What neither JSON, XML nor a quoted text begins with, nor JSON ends with.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.:+/=,~%@|".contains(&byte)
}

/// RFC 3986, but for brackets, which bodies begin with.
fn is_of_url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&'()*+,;=%".contains(&byte)
}

/// What a time that begins or ends like this one could go on with.
fn is_of_time(byte: u8, time: &str) -> bool {
    let is_number = time.bytes().all(|byte| byte.is_ascii_digit());
    byte.is_ascii_digit() || b"-:.+, ".contains(&byte) || (!is_number && byte.is_ascii_alphabetic())
}

/// Whether a shorter text would still be a value of this kind.
fn could_be(text: &str, kind: ValueKind) -> bool {
    unit_of(kind).is_none_or(|unit| could_be_time(text, unit))
}

/// Whether what stands behind an earlier border could be what the next segments say.
fn could_follow(after: &str, rest: &[&Segment<'_>]) -> bool {
    let Some(Segment::Value(time, ValueKind::Timestamp(unit))) = rest.first() else { return true };
    match rest.get(1) {
        Some(Segment::Fixed(between)) => {
            let whole = format!("{after}{time}{between}");
            occurrences(&whole, between).any(|end| could_be_time(whole.get(..end).unwrap_or_default(), *unit))
        }
        _ => true,
    }
}

/// Whether a time with what follows it could be a longer time.
fn could_go_on(whole: &str, between: &str, rest: &[&Segment<'_>], unit: Unit) -> bool {
    let after: Vec<u8> =
        rest.iter().flat_map(|segment| segment.beginning()).copied().take(BEGINNING as usize).collect();
    let longer = format!("{whole}{}", String::from_utf8_lossy(&after));
    let ends = occurrences(&longer, between).filter(|end| *end >= whole.len());
    ends.filter_map(|end| longer.get(..end)).any(|longer| unit.read(longer).is_some())
}

fn could_be_time(text: &str, unit: Unit) -> bool {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number || unit.read(text).is_some()
}

/// Whether it is a time between 2001 and 2286: numbers of those years have one length.
fn is_plausible(text: &str, unit: Unit) -> bool {
    unit.read(text).is_some_and(|millis| (1_000_000_000_000..10_000_000_000_000).contains(&millis))
}

/// Where `part` begins in `whole`, with overlaps.
fn occurrences<'t>(whole: &'t str, part: &'t str) -> impl Iterator<Item = usize> + 't {
    let fits = move |(at, _): &(usize, char)| whole.get(*at..).is_some_and(|rest| rest.starts_with(part));
    whole.char_indices().filter(fits).map(|(at, _)| at)
}

fn is_nothing(segment: &Segment<'_>) -> bool {
    match segment {
        Segment::Fixed(text) | Segment::Value(text, _) => text.is_empty(),
        Segment::Body(beginning, _) => beginning.is_empty(),
        Segment::LeftOut(_) => true,
        Segment::Secret => false,
    }
}

impl Segment<'_> {
    fn beginning(&self) -> &[u8] {
        match self {
            Segment::Fixed(text) | Segment::Value(text, _) => text.as_bytes(),
            Segment::Body(beginning, _) => beginning,
            Segment::Secret | Segment::LeftOut(_) => &[],
        }
    }
}

/// The first byte of the first segment that holds something; none for the secret.
fn first_byte(segments: &[Segment<'_>]) -> Option<u8> {
    segments.iter().find(|segment| !is_nothing(segment))?.beginning().first().copied()
}

fn last_byte(segments: &[Segment<'_>]) -> Option<u8> {
    match segments.iter().rev().find(|segment| !is_nothing(segment))? {
        Segment::Fixed(text) | Segment::Value(text, _) => text.bytes().last(),
        Segment::Body(_, last) => *last,
        Segment::Secret | Segment::LeftOut(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Segment::*, ValueKind::*, *};

    fn body(text: &str) -> Segment<'_> {
        Body(text.as_bytes(), text.bytes().last())
    }

    fn time(text: &str, unit: Unit) -> Segment<'_> {
        Value(text, Timestamp(unit))
    }

    #[test]
    fn an_id_that_could_end_earlier_is_told() {
        let is_clear = |id: &str, between: &str, at: &str, unit: Unit, text: &str| {
            unclear(&[Value(id, Other), Fixed(between), time(at, unit), Fixed(between), body(text)]).is_none()
        };
        let json = "{\"a\":1}";
        for (id, between, at, unit, text) in [
            ("msg_1.1700000000.hello", ".", "1700000000", Unit::Seconds, json),
            ("a.1", ".", "1700000000", Unit::Seconds, json),
            ("a.2017-08-02T14:00:00.5Z.x", ".", "2017-08-02T14:00:00Z", Unit::Iso, json),
            ("a.99999999999999999999999", ".", "1700000000000", Unit::Millis, json),
            ("a:1", ":", "1700000000", Unit::Auto, json),
            ("e76c6bd4-55c9{\"a\":1}", "", "2017-08-02T14:00:00Z", Unit::Iso, json),
            ("e76c6bd4-55c9", "", "2017-08-02T14:00:00Z", Unit::Iso, "text"),
            ("e76c2017-08-02T14:00:00Z", "", "2017-08-02T14:00:00Z", Unit::Iso, "2017-08-02T14:00:00Z"),
        ] {
            assert!(!is_clear(id, between, at, unit, text), "{id}");
        }
        for (id, between, at, unit, text) in [
            ("msg_1", ".", "1700000000", Unit::Seconds, json),
            ("1700000000", ".", "1700000000", Unit::Seconds, json),
            ("evt.created.a1", ".", "1700000000", Unit::Seconds, json),
            ("a..b.", ".", "1700000000", Unit::Seconds, json),
            ("a.1", ":", "1700000000", Unit::Auto, json),
            ("e76c6bd4-55c9-4987-8304-da1588d8988b", "", "2019-11-16T10:11:12.634234626Z", Unit::Iso, json),
            ("cc1", "", "1700000000", Unit::Seconds, json),
        ] {
            assert!(is_clear(id, between, at, unit, text), "{id}");
        }
    }

    #[test]
    fn digits_do_not_move_between_a_timestamp_and_the_body() {
        let is_clear = |at: &str, unit: Unit, text: &str| {
            (unclear(&[time(at, unit), body(text)]).is_none(), unclear(&[body(text), time(at, unit)]).is_none())
        };
        assert_eq!(is_clear("1700000000", Unit::Auto, "{}"), (true, true));
        assert_eq!(is_clear("1700000000", Unit::Seconds, "17"), (true, true));
        assert_eq!(is_clear("170000000", Unit::Seconds, "017"), (false, false));
        assert_eq!(is_clear("1700000000", Unit::Auto, "256{}"), (false, true));
        assert_eq!(is_clear("2017-08-02T14:00:00.5", Unit::Iso, "Z{}"), (false, true));
        assert_eq!(is_clear("2017-08-02T14:00:00Z", Unit::Iso, "{}"), (true, true));
        assert_eq!(is_clear("1700000000", Unit::Auto, "a=1"), (true, false));
        assert_eq!(is_clear("1700000000", Unit::Auto, ""), (true, true));
    }

    #[test]
    fn of_times_that_hold_what_follows_them_the_longest_counts() {
        let is_clear = |at: &str, between: &str, text: &str| {
            unclear(&[Fixed("v1:"), time(at, Unit::Iso), Fixed(between), body(text)]).is_none()
        };
        assert!(is_clear("2023-11-14T22:13:20.5", ".", "x"));
        assert!(is_clear("2023-11-14T22:13:20+00:00", ":", "{}"));
        assert!(!is_clear("2023-11-14T22:13:20", ".", "5.x"));
        assert!(!is_clear("2023-11-14T22:13:20+00", ":", "00:{}"));
    }

    #[test]
    fn what_stands_behind_the_body_cannot_begin_later() {
        let nonce = |nonce: &'static str| {
            unclear(&[body("{}"), Fixed("."), Value(nonce, Other), Fixed("."), time("1", Unit::Seconds)])
        };
        assert_eq!(nonce("01FJA8B4A7BM43YGWSG9GBV067"), None);
        assert_eq!(nonce("a.b"), Some(2));
        assert_eq!(unclear(&[body("{}"), Value("sub_1", Other)]), None);
        assert_eq!(unclear(&[body("{}"), Value("}sub_1", Other)]), Some(1));
    }

    #[test]
    fn a_left_out_part_cannot_have_been_there() {
        let path = |path: &'static str| unclear(&[Value(path, Url), LeftOut("?"), body("{}")]);
        assert_eq!(path("/in/a"), None);
        assert_eq!(path("/in/a?b"), Some(0));
        assert_eq!(unclear(&[Value("/in/a", Url), LeftOut("?"), body("?b{}")]), Some(0));
        assert_eq!(unclear(&[body("{}.x"), LeftOut(".")]), Some(1));
        assert_eq!(unclear(&[Value("/in/a", Url), LeftOut("?")]), None);
        assert_eq!(unclear(&[Value("/in/a?b", Url), LeftOut("?")]), Some(1));
    }

    #[test]
    fn a_method_a_url_and_a_body_are_told_apart() {
        let is_clear = |url: &'static str, text: &str| {
            let at = time("1700000000000", Unit::Millis);
            unclear(&[Value("POST", Method), Value(url, Url), body(text), at]).is_none()
        };
        assert!(is_clear("https://hooks.example.com/in/hubspot?owner=ann@example.com", "[{\"eventId\":1}]"));
        assert!(!is_clear("https://hooks.example.com/in/hubspot?owner=[", "{\"eventId\":1}]"));
        assert!(!is_clear("https://hooks.example.com/in/hubspot?owner", "=ann"));
    }

    /// The kinds of a template's pieces: text between them is drawn apart.
    fn template() -> impl Strategy<Value = Vec<(u8, String)>> {
        let between =
            prop_oneof![Just(String::new()), Just(".".to_owned()), Just(":".to_owned()), Just("v0".to_owned())];
        proptest::collection::vec((0u8..5, between), 1..4)
    }

    /// Cuts a text into the pieces of a template; none where a piece could not be such.
    fn read<'t>(kinds: &'t [(u8, String)], text: &'t str, cuts: &[usize]) -> Option<Vec<Segment<'t>>> {
        let (mut segments, mut rest) = (Vec::new(), text);
        for (at, (kind, between)) in kinds.iter().enumerate() {
            let piece = match cuts.get(at) {
                Some(cut) if at + 1 < kinds.len() => rest.get(..*cut)?,
                _ => rest.strip_suffix(between.as_str())?,
            };
            rest = rest.get(piece.len()..)?.strip_prefix(between.as_str())?;
            let unit = if *kind == 1 { Unit::Seconds } else { Unit::Auto };
            segments.push(match kind {
                0 => body(piece),
                1 | 2 => {
                    unit.read(piece)?;
                    time(piece, unit)
                }
                3 if piece.bytes().all(is_of_url) => Value(piece, Url),
                3 => return None,
                _ => Value(piece, Other),
            });
            segments.push(Fixed(between));
        }
        let bodies = kinds.iter().filter(|(kind, _)| *kind == 0).count();
        (rest.is_empty() && bodies < 2).then_some(segments)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Split differently, the same text: not both are taken.
        #[test]
        fn a_text_is_read_in_one_way_only(
            kinds in template(),
            text in "(1700000000|2017-08-02T14:00:00|Z|\\+00|\\.5|00|1|7|a|\\.|:|v0|\\{|\\}){1,8}",
            one in proptest::collection::vec(0usize..24, 3),
            other in proptest::collection::vec(0usize..24, 3),
        ) {
            let (one, other) = (read(&kinds, &text, &one), read(&kinds, &text, &other));
            if let (Some(one), Some(other)) = (one, other) && one != other {
                let pieces = |segments: &[Segment<'_>]| format!("{segments:?}");
                prop_assert!(
                    unclear(&one).is_some() || unclear(&other).is_some(),
                    "{} and {} of {text}", pieces(&one), pieces(&other)
                );
            }
        }
    }
}
