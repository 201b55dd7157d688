//! Times in the looser notations, against jiff.

use hookgate_plugin_sdk::time::{iso8601, rfc2822, rfc3339};
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use proptest::prelude::*;

#[test]
fn iso_8601_comes_with_many_zones_or_none() {
    for text in [
        "2024-03-27T15:42:29.551",
        "2024-03-27 15:42:29.551Z",
        "2024-03-27T17:42:29.551+02:00",
        "2024-03-27T17:42:29.551+0200",
        "2024-03-27T13:42:29.5519-02",
    ] {
        assert_eq!(iso8601(text), Some(1_711_554_149_551), "{text}");
    }
}

#[test]
fn what_is_no_time_is_none() {
    for text in ["", "2024", "2024-03-27", "2024-03-27T15:42:29+", "2024-03-27T15:42:29.", "2024-03-27T15:42:29+2:00"] {
        assert_eq!(iso8601(text), None, "{text}");
    }
    for text in ["", "Wed", "Wed, 02 Aug 2017 14:00 +0000", "02 Foo 2017 14:00:00 +0000", "2 Aug 17 14:00:00 +0000"] {
        assert_eq!(rfc2822(text), None, "{text}");
    }
}

#[test]
fn mail_dates_name_utc_in_several_ways() {
    for text in ["Wed, 02 Aug 2017 14:00:00 +0000", "2 Aug 2017 14:00:00 GMT", "Wed, 2 Aug 2017 16:00:00 +0200"] {
        assert_eq!(rfc2822(text), Some(1_501_682_400_000), "{text}");
    }
}

proptest! {
    #[test]
    fn a_mail_date_is_read_as_jiff_writes_it(seconds in 0i64..253_000_000_000) {
        let timestamp = Timestamp::from_second(seconds)?;
        let text = DateTimePrinter::new().timestamp_to_string(&timestamp)?;
        prop_assert_eq!(rfc2822(&text), u64::try_from(seconds * 1000).ok());
    }

    #[test]
    fn iso_8601_takes_what_rfc_3339_takes(millis in 0i64..253_000_000_000_000) {
        let text = Timestamp::from_millisecond(millis)?.to_string();
        prop_assert_eq!(iso8601(&text), rfc3339(&text));
        prop_assert_eq!(iso8601(&text), u64::try_from(millis).ok());
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".*") {
        let _ = (iso8601(&text), rfc2822(&text));
    }
}
