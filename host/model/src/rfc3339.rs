//! Moments as text (RFC 3339).

/// A moment in milliseconds since the epoch, to the millisecond: `2023-11-14T22:13:20.123Z`. A moment after the year 9999
/// is shown as the last one of that year.
pub fn write(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
    format!("{time:.3}")
}

/// The moment that a text names, in milliseconds since the epoch.
///
/// # Errors
/// It is not a time as RFC 3339 writes it, or lies before 1970.
pub fn read(text: &str) -> Result<u64, String> {
    let time: jiff::Timestamp = text.parse().map_err(|_| format!("{text:?} is not a time in the form of RFC 3339"))?;
    u64::try_from(time.as_millisecond()).map_err(|_| format!("{text} lies before 1970"))
}
