//! Whether signed text can be read in one way only.
//!
//! A signature says nothing about where one piece of the signed text ends and the next one begins. Where the end of an id
//! could also be called the beginning of the body, a captured signature would fit a delivery that was never sent. So every
//! piece must have a border that neither side can hold. Of two readings of the same text at most one passes: pieces in
//! front of the body are read from the left, those behind it from the right, and a reading is refused where a piece could
//! end earlier. A time in front of the body is the exception, since some have the text within that also follows them: of
//! these the longest counts. So are headers that the signature names: how many there are is signed as well, one of them
//! may hold what stands between them, and [`Covered`] says where the body begins.

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
    /// The body, by its first bytes and its last one: [`BEGINNING`] of them, or behind covered headers as many as it takes
    /// to the first that [opens a document](opens_document).
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
    /// One of the headers that the signature names, in the order that it names them in.
    Covered,
    /// As [`ValueKind::Covered`]: the header that says what kind of event it is.
    EventType,
    /// Anything.
    Other,
}

/// What a JSON document of an event begins with.
pub fn opens_document(byte: u8) -> bool {
    matches!(byte, b'{' | b'[')
}

/// The segment whose end is ambiguous, if there is one.
pub fn unclear(segments: &[Segment<'_>]) -> Option<usize> {
    if let Some(covered) = Covered::of(segments) {
        let in_front = (0..covered.from).find(|at| !ends_clearly(segments, *at));
        return in_front.or_else(|| covered.unclear());
    }
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

/// Headers that the signature names, with the same text between them, and the body behind them.
///
/// Only one of them may hold that text: the event's type, as it does at Hook0 (`service.resource.verb`), or the last. How
/// much of the text in front of the body is its value then follows from where the body begins: that is where the
/// first document opens, if right behind the text between. Where none opens there, the number of texts within the value
/// must be known instead.
struct Covered<'s> {
    /// The first of them among the segments.
    from: usize,
    values: Vec<&'s str>,
    /// Which of them may hold the text between.
    free: usize,
    /// How often it holds it where no document tells.
    parted: usize,
    between: &'s str,
    body: &'s [u8],
}

/// In the type of an event: `service.resource.verb`, as Hook0 makes every one of them (github.com/hook0/hook0,
/// `event.event_type`: `event_type__name` is generated so). A part that has a dot of its own is not provided for.
const DOTS_OF_TYPE: usize = 2;

impl<'s> Covered<'s> {
    /// None where the segments are others.
    fn of(segments: &'s [Segment<'s>]) -> Option<Self> {
        let is_covered =
            |segment: &Segment<'_>| matches!(segment, Segment::Value(_, ValueKind::Covered | ValueKind::EventType));
        let from = segments.iter().position(is_covered)?;
        let (front, behind) = segments.split_at_checked(from)?;
        let [run @ .., Segment::Body(body, _)] = behind else { return None };
        let Some(Segment::Fixed(between)) = run.last() else { return None };
        let (mut values, mut types) = (Vec::new(), Vec::new());
        for pair in run.chunks(2) {
            let [Segment::Value(text, kind), Segment::Fixed(text_between)] = pair else { return None };
            if text_between != between {
                return None;
            }
            match kind {
                ValueKind::Covered => (),
                ValueKind::EventType => types.push(values.len()),
                _ => return None,
            }
            values.push(*text);
        }
        if between.len() != 1 || front.iter().any(|segment| matches!(segment, Segment::Body(..))) {
            return None;
        }
        let (free, parted) = match types[..] {
            [only] => (only, DOTS_OF_TYPE),
            _ => (values.len().checked_sub(1)?, 0),
        };
        Some(Covered { from, values, free, parted, between, body })
    }

    /// The segment whose end is ambiguous, if there is one.
    fn unclear(&self) -> Option<usize> {
        let free = self.values.get(self.free)?;
        let parts = self.values.iter().enumerate();
        let held = parts.filter(|(at, text)| *at != self.free && text.contains(self.between)).map(|(at, _)| at).next();
        // Where one of them holds such a byte, the first of all is in front of where the body is said to begin.
        let none_opens = !self.values.iter().any(|text| text.bytes().any(opens_document));
        let opens_at = self.body.iter().position(|byte| opens_document(*byte));
        let is_told = match opens_at {
            Some(0) if none_opens => true,
            // The same text, cut later, would have a document behind its headers, and that counts.
            Some(at)
                if none_opens && self.body.get(..at).is_some_and(|text| text.ends_with(self.between.as_bytes())) =>
            {
                false
            }
            _ => free.matches(self.between).count() == self.parted && (none_opens || self.parted == 0),
        };
        let at = held.or_else(|| (!is_told).then_some(self.free))?;
        Some(self.from + 2 * at)
    }
}

/// Whether the piece that may hold anything does not hold the beginning of a part that is left out behind it. A body may
/// hold any text.
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
    let mut behind = behind.iter().skip_while(|segment| is_never_there(segment));
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
        Some(_) if *kind == ValueKind::Timestamp(Unit::Iso) => {
            is_longest(text, segments.get(at + 1..).unwrap_or_default())
        }
        Some(Segment::Value(time, ValueKind::Timestamp(unit))) if *kind == ValueKind::Other => {
            let rest: Vec<Segment<'_>> = behind.cloned().collect();
            is_plausible(time, *unit)
                && text.bytes().all(is_plain)
                && first_byte(&rest).is_none_or(|first| !is_plain(first))
                // Of times that end where this one does the shortest counts, so that an id may end in digits.
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
    match in_front.iter().rev().find(|segment| !is_never_there(segment)) {
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

/// Whether a value can be distinguished from a neighbour that begins or ends with this byte, with nothing between.
fn is_bordered(text: &str, kind: ValueKind, neighbour: Option<u8>) -> bool {
    let holds = |byte: u8| match kind {
        ValueKind::Timestamp(_) => is_of_time(byte, text),
        ValueKind::Method => byte.is_ascii_uppercase() || byte == b'-',
        ValueKind::Url => is_of_url(byte),
        _ => is_plain(byte),
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

/// Whether no longer text that begins like this time is one. Nothing goes on behind `Z` or a whole offset.
fn is_longest(time: &str, behind: &[Segment<'_>]) -> bool {
    let after: Vec<u8> = behind.iter().flat_map(Segment::beginning).copied().take(BEGINNING as usize).collect();
    let longer = format!("{time}{}", String::from_utf8_lossy(&after));
    let ends = longer.char_indices().map(|(at, c)| at + c.len_utf8()).filter(|end| *end > time.len());
    Unit::Iso.read(time).is_some()
        && ends.filter_map(|end| longer.get(..end)).all(|text| Unit::Iso.read(text).is_none())
}

/// Whether it is a time between 2001 and 2286: numbers of those years have one length, and no zero in front.
fn is_plausible(text: &str, unit: Unit) -> bool {
    !text.starts_with('0')
        && unit.read(text).is_some_and(|millis| (1_000_000_000_000..10_000_000_000_000).contains(&millis))
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

/// Whether nothing stands there in any reading. A value or a body that is empty in this one could hold something in another.
fn is_never_there(segment: &Segment<'_>) -> bool {
    matches!(segment, Segment::Fixed("") | Segment::LeftOut(_))
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
            // The same text as below, cut earlier.
            ("9f9f2ab2892bece0871f3208fa9c084", "", "01796040773", Unit::Seconds, json),
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
            ("9f9f2ab2892bece0871f3208fa9c0840", "", "1796040773", Unit::Seconds, json),
            ("9f9f2ab2892bece0871f3208fa9c0800", "", "1796040773000", Unit::Millis, json),
            ("9f9f2ab2892bece0871f3208fa9c0840", "", "1796040773", Unit::Auto, json),
            ("cc00", "", "1700000000", Unit::Seconds, json),
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
        assert_eq!(is_clear("01700000000", Unit::Seconds, "{}"), (false, false));
    }

    #[test]
    fn nothing_goes_on_behind_the_zone_of_a_time() {
        let is_clear = |at: &str, text: &str| unclear(&[time(at, Unit::Iso), body(text)]).is_none();
        for (at, text) in [
            ("2017-08-02T14:00:00Z", "ticket=1&x=2"),
            ("2017-08-02T14:00:00.5z", "Z"),
            ("2017-08-02T14:00:00Z", "00:00"),
            ("2017-08-02T14:00:00-07:00", "00"),
            ("2017-08-02T14:00:00-0700", ":00"),
            ("2017-08-02T14:00:00", "ticket=1"),
        ] {
            assert!(is_clear(at, text), "{at} {text}");
        }
        for (at, text) in [
            ("2017-08-02T14:00:00", "Zticket=1"),
            ("2017-08-02T14:00:00", ".5Zx"),
            ("2017-08-02T14:00:00.5", "5x"),
            ("2017-08-02T14:00:00", "-07:00x"),
            ("2017-08-02T14:00:00-07", ":00x"),
            ("2017-08-02T14:00:00-07", "00x"),
            ("no time", "x"),
        ] {
            assert!(!is_clear(at, text), "{at} {text}");
        }
    }

    /// As Hook0 signs: a time, the names of headers, these values of theirs, and a body.
    fn covered<'t>(values: &[(&'t str, ValueKind)], text: &'t str) -> Option<usize> {
        let front = [time("1700000000", Unit::Seconds), Fixed("."), Value("content-type x-event-id", Other)];
        let values = values.iter().flat_map(|(text, kind)| [Fixed("."), Value(text, *kind)]);
        let segments: Vec<Segment<'_>> = front.into_iter().chain(values).chain([Fixed("."), body(text)]).collect();
        unclear(&segments)
    }

    #[test]
    fn the_type_of_an_event_may_have_dots_in_front_of_a_document() {
        let of_type = |kind: &'static str, text: &'static str| {
            covered(&[("application/json; charset=utf-8", Covered), ("1a01cb48", Covered), (kind, EventType)], text)
        };
        for kind in ["", "a", "a.b", "wallet.activity.detected", "a.b.c.d.e", "v1..x."] {
            for text in ["{}", "{\"a\":1.5}", "[{\"a\":\"b.{\"}]"] {
                assert_eq!(of_type(kind, text), None, "{kind} {text}");
            }
        }
        // The same texts, cut elsewhere.
        for (kind, text) in [
            ("wallet", "activity.detected.{}"),
            ("wallet.activity.detected.{\"a\":1", "5}"),
            ("wallet.{\"a\":1", "5}"),
            ("wallet.activity.detected", "x.{}"),
            ("a", "{\"a\":1}x.{}"),
            ("a.{\"a\":1}x", "{}"),
        ] {
            let expected = (kind, text) == ("a", "{\"a\":1}x.{}");
            assert_eq!(of_type(kind, text).is_none(), expected, "{kind} {text}");
        }
        let moved = |id: &'static str, kind: &'static str| covered(&[(id, Covered), (kind, EventType)], "{}");
        assert_eq!(moved("1a01cb48", "wallet.activity.detected"), None);
        assert_eq!(moved("1a01cb48.wallet", "activity.detected"), Some(4));
    }

    /// Hook0's own vector: `service.resource.verb` and `hello !`.
    #[test]
    fn the_type_of_an_event_has_two_dots_in_front_of_other_text() {
        let of_type =
            |kind: &'static str, text: &'static str| covered(&[("1a01cb48", Covered), (kind, EventType)], text);
        assert_eq!(of_type("service.resource.verb", "hello !"), None);
        assert_eq!(of_type("service.resource.verb", "a.b.c"), None);
        assert_eq!(of_type("service.resource.verb", ""), None);
        assert_eq!(of_type("service.resource.verb", " {}"), None);
        assert!(of_type("service.resource", "verb.hello !").is_some());
        assert!(of_type("service.resource.verb.hello", "you").is_some());
        assert!(of_type("service.resource.{", "}").is_some());
    }

    #[test]
    fn of_covered_headers_without_a_type_the_last_may_have_dots_in_front_of_a_document() {
        assert_eq!(covered(&[("a", Covered), ("b.c", Covered)], "{}"), None);
        assert_eq!(covered(&[("a.b", Covered), ("c", Covered)], "{}"), Some(4));
        assert_eq!(covered(&[("a", Covered), ("b", Covered)], "c.d"), None);
        assert!(covered(&[("a", Covered), ("b.c", Covered)], "d").is_some());
        assert!(covered(&[("a", Covered), ("b", Covered)], "c.{}").is_some());
        assert_eq!(covered(&[("a", Covered), ("{", Covered)], "c.{}"), None);
        // Of two types neither is the one that has the dots.
        assert_eq!(covered(&[("a.b", EventType), ("c", EventType)], "{}"), Some(4));
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
    fn a_body_does_not_move_into_the_value_beside_it() {
        for (id, text) in [("evt_1", "{\"a\":1}"), ("", "{}"), ("evt_1", "")] {
            assert_eq!(unclear(&[Value(id, Other), body(text)]), None, "{id}");
            assert_eq!(unclear(&[body(text), Value(id, Other)]), None, "{id}");
        }
        for id in ["evt_1{\"a\":1}", "{\"a\":1}evt_1", "{}"] {
            assert_eq!(unclear(&[Value(id, Other), body("")]), Some(0), "{id}");
            assert_eq!(unclear(&[body(""), Fixed(""), Value(id, Other)]), Some(2), "{id}");
            assert_eq!(unclear(&[Value(id, Other), Value("", Other), body("")]), Some(0), "{id}");
        }
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
        let kind = prop_oneof![0u8..5, Just(7)];
        proptest::collection::vec((kind, between), 1..4)
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
            let unit = [Unit::Iso, Unit::Seconds, Unit::Auto, Unit::Iso].get(usize::from(*kind) % 4).copied()?;
            segments.push(match kind {
                0 => body(piece),
                1 | 2 | 7 => {
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

    /// All the ways in which a text can be taken apart into the pieces of a template.
    fn readings<'t>(kinds: &'t [(u8, String)], text: &'t str) -> Vec<Vec<Segment<'t>>> {
        let mut all_cuts = vec![Vec::new()];
        for _ in 1..kinds.len() {
            let longer = |cuts: Vec<usize>| (0..=text.len()).map(move |cut| [cuts.clone(), vec![cut]].concat());
            all_cuts = all_cuts.into_iter().flat_map(longer).collect();
        }
        all_cuts.iter().filter_map(|cuts| read(kinds, text, cuts)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// Of the ways to cut a text into as many covered values and a body, one at most is taken.
        #[test]
        fn covered_values_are_read_in_one_way_only(
            text in "(a|\\.|\\{|\\}|\\[|1|\\.\\{){1,14}",
            kinds in proptest::collection::vec(any::<bool>(), 1..4),
        ) {
            let kinds: Vec<ValueKind> = kinds.into_iter().map(|is| if is { EventType } else { Covered }).collect();
            let dots: Vec<usize> = text.match_indices('.').map(|(at, _)| at).collect();
            let taken: Vec<Vec<usize>> = choices(dots.len(), kinds.len())
                .into_iter()
                .filter(|chosen| {
                    let (mut values, mut from) = (Vec::new(), 0);
                    for (dot, kind) in chosen.iter().zip(&kinds) {
                        values.push((text.get(from..dots[*dot]).unwrap_or_default(), *kind));
                        from = dots[*dot] + 1;
                    }
                    covered(&values, text.get(from..).unwrap_or_default()).is_none()
                })
                .collect();
            prop_assert!(taken.len() < 2, "{:?} of {} as {:?}", taken, text, kinds);
        }

        /// What providers with an event's type sign is taken.
        #[test]
        fn a_document_behind_any_type_is_taken(kind in "[ -Z^-z|~]{0,20}", text in "[{\\[][ -~]{0,20}") {
            prop_assert_eq!(covered(&[("text/plain", Covered), ("1a01", Covered), (&kind, EventType)], &text), None);
        }
    }

    /// Each way to choose `count` of `of` items, in order.
    fn choices(of: usize, many: usize) -> Vec<Vec<usize>> {
        if many == 0 {
            return vec![Vec::new()];
        }
        let last = (0..of).flat_map(|last| choices(last, many - 1).into_iter().map(move |front| (front, last)));
        last.map(|(front, last)| front.into_iter().chain([last]).collect()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// Split differently, the same text: not both are taken.
        #[test]
        fn a_text_is_read_in_one_way_only(
            kinds in template(),
            text in "(1700000000|2017-08-02T14:00:00|Z|\\+00|\\.5|00|0|1|7|a|\\.|:|v0|\\{|\\}){1,8}",
        ) {
            let taken: Vec<_> =
                readings(&kinds, &text).into_iter().filter(|segments| unclear(segments).is_none()).collect();
            prop_assert!(taken.len() <= 1, "{taken:?} of {text}");
        }
    }
}
