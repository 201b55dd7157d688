//! When a delivery was sent, according to its own headers: for vectors that do not say when they were received.

/// Unix times from 2001 to 2100: whatever else has ten digits is rarely in between.
const PLAUSIBLE: std::ops::Range<f64> = 978_307_200.0..4_102_444_800.0;

/// Every time in the headers' values, in seconds since the epoch, in order: runs of 10 digits (seconds) or 13
/// (milliseconds), and RFC 3339.
pub fn of_headers(headers: &[(String, Vec<u8>)]) -> Vec<f64> {
    let texts = headers.iter().filter_map(|(_, value)| std::str::from_utf8(value).ok());
    texts.flat_map(of_text).filter(|time| PLAUSIBLE.contains(time)).collect()
}

fn of_text(text: &str) -> Vec<f64> {
    let date = text.trim().parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond() as f64 / 1000.0);
    let runs = text.split(|c: char| !c.is_ascii_digit()).filter_map(|run| match run.len() {
        10 => run.parse().ok(),
        13 => run.parse().ok().map(|ms: f64| ms / 1000.0),
        _ => None,
    });
    date.into_iter().chain(runs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_in_the_forms_that_providers_use() {
        let cases: &[(&str, &[f64])] = &[
            ("1610000000", &[1_610_000_000.0]),
            ("t=1633519811129,v1=00ff", &[1_633_519_811.129]),
            ("2020-01-01T00:00:00-07:00", &[1_577_862_000.0]),
            ("0000000001 9999999999 123 16100000000", &[]),
            ("application/json", &[]),
        ];
        for (value, times) in cases {
            let headers = [("x".to_owned(), value.as_bytes().to_vec())];
            assert_eq!(of_headers(&headers), *times, "{value}");
        }
    }
}
