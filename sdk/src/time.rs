//! Times as providers write them, in milliseconds since the epoch, and the window that a signature lives in.

use crate::{Delivery, Refusal};

/// Unix seconds as text.
pub fn unix_seconds(text: &str) -> Option<u64> {
    unix_millis(text)?.checked_mul(1000)
}

/// Unix milliseconds as text: digits and nothing else.
pub fn unix_millis(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Unix time with a fraction of seconds (`1531420618.000100`), as Slack writes it; finer than milliseconds is cut.
pub fn unix_decimal(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    unix_seconds(seconds)?.checked_add(millis_of(fraction)?)
}

/// RFC 3339 (`2026-08-01T12:30:00.5Z`, `…+02:00`), years 1970 to 9999. A leap second counts as the one after it.
pub fn rfc3339(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<u64> {
        let digits = bytes.get(from..to)?;
        digits.iter().try_fold(0, |n, digit| digit.is_ascii_digit().then(|| n * 10 + u64::from(digit - b'0')))
    };
    let marks = [(4, b"-"), (7, b"-"), (10, b"Tt "), (13, b":"), (16, b":")] as [(usize, &[u8]); 5];
    if !marks.iter().all(|(at, any)| bytes.get(*at).is_some_and(|byte| any.contains(byte))) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let rest = text.get(19..)?;
    let zone = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
    let (fraction, zone) = rest.split_at(zone);
    let fraction = match fraction.strip_prefix('.') {
        Some("") => return None,
        Some(digits) => millis_of(digits)?,
        None if fraction.is_empty() => 0,
        None => return None,
    };
    let seconds = ((days_before(year, month, day)? * 24 + hour) * 60 + minute) * 60 + second;
    let millis = i64::try_from(seconds * 1000 + fraction).ok()? - zone_minutes(zone)? * 60_000;
    u64::try_from(millis).ok()
}

/// As [`rfc3339`], and looser: UTC where no zone stands, zones without colon (`+0200`) or minutes (`+02`).
pub fn iso8601(text: &str) -> Option<u64> {
    let (moment, fraction_and_zone) = text.split_at_checked(19)?;
    let zone = fraction_and_zone.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(fraction_and_zone.len());
    let (fraction, zone) = fraction_and_zone.split_at(zone);
    let zone = match (zone, zone.split_at_checked(3)) {
        ("", _) => "Z".to_owned(),
        (_, Some((hours, ""))) => format!("{hours}:00"),
        (_, Some((hours, minutes))) if minutes.len() == 2 => format!("{hours}:{minutes}"),
        _ => zone.to_owned(),
    };
    rfc3339(&format!("{moment}{fraction}{zone}"))
}

/// The date of a mail header (RFC 2822: `Wed, 02 Aug 2017 14:00:00 +0000`), with seconds; the day's name is not checked.
pub fn rfc2822(text: &str) -> Option<u64> {
    let date = text.split_once(',').map_or(text, |(_, date)| date);
    let [day, month, year, time, zone] = date.split_ascii_whitespace().collect::<Vec<_>>().try_into().ok()?;
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| name.eq_ignore_ascii_case(month))? + 1;
    let zone = if ["GMT", "UT", "UTC"].contains(&zone) { "Z" } else { zone };
    iso8601(&format!("{year}-{month:02}-{day:0>2}T{time}{zone}"))
}

/// RFC 3339 in UTC, to the millisecond.
pub fn to_rfc3339(millis: u64) -> String {
    let (seconds, fraction) = (millis / 1000, millis % 1000);
    let (mut days, clock) = (seconds / 86_400, seconds % 86_400);
    let days_of = |year| 365 + u64::from(is_leap(year));
    let (mut year, mut month) = (1970, 1);
    while days >= days_of(year) && year < 9999 {
        days -= days_of(year);
        year += 1;
    }
    while days >= days_in(year, month) && month < 12 {
        days -= days_in(year, month);
        month += 1;
    }
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z", days + 1)
}

/// Milliseconds of a fraction's digits.
fn millis_of(fraction: &str) -> Option<u64> {
    let digits = fraction.bytes().chain(*b"000").take(3);
    let checked = fraction.bytes().all(|byte| byte.is_ascii_digit());
    checked.then(|| digits.fold(0, |n, digit| n * 10 + u64::from(digit - b'0')))
}

fn zone_minutes(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let [sign, h1, h2, b':', m1, m2] = *zone.as_bytes() else { return None };
    let digits = [h1, h2, m1, m2].map(|digit| char::from(digit).to_digit(10));
    let [Some(h1), Some(h2), Some(m1), Some(m2)] = digits else { return None };
    let (hours, minutes) = (h1 * 10 + h2, m1 * 10 + m2);
    let minutes = (hours < 24 && minutes < 60).then(|| i64::from(hours * 60 + minutes))?;
    match sign {
        b'+' => Some(minutes),
        b'-' => Some(-minutes),
        _ => None,
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the epoch to a date; none before 1970.
fn days_before(year: u64, month: u64, day: u64) -> Option<u64> {
    let years = year.checked_sub(1970)?;
    let before = year - 1;
    let leaps = before / 4 - before / 100 + before / 400 - 477;
    let months: u64 = (1..month).map(|m| days_in(year, m)).sum();
    Some(years * 365 + leaps + months + day - 1)
}

/// Which side of the window is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Neither older nor further in the future.
    Both,
    /// Only not older: the provider's own SDK lets the future pass.
    Past,
}

/// Checks that `signed_at` (milliseconds) is within `tolerance` (seconds) of the delivery's receipt; 0 checks nothing.
///
/// # Errors
/// Stale.
pub fn check(delivery: &Delivery, signed_at: u64, tolerance: u64, window: Window) -> Result<(), Refusal> {
    // Providers sign whole seconds and their SDKs compare whole seconds.
    let (now, then) = (delivery.received_at() / 1000, signed_at / 1000);
    if tolerance == 0 {
        return Ok(());
    }
    if now.saturating_sub(then) > tolerance {
        return Err(Refusal::Stale(format!("signed {} s ago; the tolerance is {tolerance} s", now - then)));
    }
    if window == Window::Both && then.saturating_sub(now) > tolerance {
        return Err(Refusal::Stale(format!("signed {} s in the future; the tolerance is {tolerance} s", then - now)));
    }
    Ok(())
}
