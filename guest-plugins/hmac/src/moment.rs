//! Timestamps of signatures, and the window that they live in.

use hookgate_plugin_sdk::{Delivery, Refusal, time};

/// How a timestamp is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Detected by its form; written as seconds.
    Auto,
    /// Seconds since the epoch.
    Seconds,
    /// Milliseconds since the epoch.
    Millis,
    /// ISO 8601; UTC where no zone stands.
    Iso,
}

impl Unit {
    /// By its name in settings.
    ///
    /// # Errors
    /// In words, with the names that there are.
    pub fn parse(name: &str) -> Result<Self, String> {
        match name {
            "auto" => Ok(Unit::Auto),
            "s" => Ok(Unit::Seconds),
            "ms" => Ok(Unit::Millis),
            "iso" => Ok(Unit::Iso),
            _ => Err(format!("{name:?} is not a unit: write auto, s, ms or iso")),
        }
    }

    /// Milliseconds since the epoch; none where the text is something else.
    pub fn read(self, text: &str) -> Option<u64> {
        match self {
            Unit::Auto => of_any_look(text),
            Unit::Seconds => time::unix_seconds(text),
            Unit::Millis => time::unix_millis(text),
            Unit::Iso => time::iso8601(text),
        }
    }

    /// As the provider would write it.
    pub fn write(self, millis: u64) -> String {
        match self {
            Unit::Auto | Unit::Seconds => (millis / 1000).to_string(),
            Unit::Millis => millis.to_string(),
            Unit::Iso => time::to_rfc3339(millis),
        }
    }
}

/// A time in any notation: by the number of digits seconds, milliseconds, micro- or nanoseconds; else a date.
pub fn of_any_look(text: &str) -> Option<u64> {
    match (time::unix_millis(text), text.len()) {
        (Some(seconds), ..=11) => seconds.checked_mul(1000),
        (Some(millis), ..=14) => Some(millis),
        (Some(micros), ..=17) => Some(micros / 1000),
        (Some(nanos), _) => Some(nanos / 1_000_000),
        (None, _) => time::iso8601(text).or_else(|| time::rfc2822(text)),
    }
}

/// How far a timestamp may be from the delivery's receipt, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Into the past; 0: any distance.
    pub past: u64,
    /// Into the future; none: any distance.
    pub future: Option<u64>,
}

impl Window {
    /// Whether it shuts anything out.
    pub fn is_open(&self) -> bool {
        self.past == 0 && self.future.is_none()
    }

    /// Checks a timestamp, in milliseconds. Whole seconds are compared, as most providers sign no others.
    ///
    /// # Errors
    /// Stale.
    pub fn check(&self, delivery: &Delivery, signed_at: u64) -> Result<(), Refusal> {
        let (now, then) = (delivery.received_at() / 1000, signed_at / 1000);
        if self.past > 0 && now.saturating_sub(then) > self.past {
            return Err(Refusal::Stale(format!("signed {} s ago; the tolerance is {} s", now - then, self.past)));
        }
        match self.future {
            Some(future) if then.saturating_sub(now) > future => {
                Err(Refusal::Stale(format!("signed {} s in the future; the tolerance is {future} s", then - now)))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_tell_the_unit() {
        for text in [
            "1501682400",
            "1501682400000",
            "1501682400000000",
            "1501682400000000000",
            "2017-08-02T14:00:00Z",
            "2017-08-02T14:00:00",
            "Wed, 02 Aug 2017 14:00:00 GMT",
        ] {
            assert_eq!(of_any_look(text), Some(1_501_682_400_000), "{text}");
        }
        for text in ["", "-1", "1e9", " 1501682400", "99999999999999999999999"] {
            assert_eq!(of_any_look(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(millis in 0u64..253_402_300_799_999) {
            for (unit, precision) in [(Unit::Seconds, 1000), (Unit::Millis, 1), (Unit::Iso, 1)] {
                prop_assert_eq!(unit.read(&unit.write(millis)), Some(millis / precision * precision));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = of_any_look(&text);
        }
    }
}
