//! Numbers as JSON writes them, compared by their exact value.

use std::cmp::Ordering;

/// A number of any size and precision: `0.DIGITS × 10^exponent`, so that 300, 300.0 and 3e2 are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    negative: bool,
    exponent: i64,
    /// Without zeros at either end; none for zero.
    digits: Box<str>,
}

/// Larger exponents count as this one: such numbers are not compared in practice.
const EXPONENT_MAX: i64 = 1 << 60;

impl Decimal {
    /// Reads a number as JSON (RFC 8259, section 6) writes it, or with a plus before it, as TOML allows.
    pub fn parse(text: &str) -> Option<Decimal> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let exponent = read_exponent(exponent)?;
        let digits = [whole, fraction].concat();
        let leading = digits.len() - digits.trim_start_matches('0').len();
        let digits = digits.trim_matches('0');
        if digits.is_empty() {
            return Some(Decimal { negative: false, exponent: 0, digits: "".into() });
        }
        let exponent = exponent + whole.len() as i64 - leading as i64;
        Some(Decimal { negative, exponent, digits: digits.into() })
    }

    /// Without regard to the sign. Zero is below everything else.
    fn magnitude(&self) -> (bool, i64, &str) {
        (!self.digits.is_empty(), self.exponent, &self.digits)
    }
}

fn read_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent = digits.parse().unwrap_or(EXPONENT_MAX).min(EXPONENT_MAX);
    Some(if negative { -exponent } else { exponent })
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.magnitude().cmp(&other.magnitude()),
            (true, true) => other.magnitude().cmp(&self.magnitude()),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Decimal { negative, exponent, digits } = self;
        let sign = if *negative { "-" } else { "" };
        let length = digits.len() as i64;
        match *exponent {
            _ if digits.is_empty() => f.write_str("0"),
            e if (length..=20).contains(&e) => write!(f, "{sign}{digits}{}", "0".repeat((e - length) as usize)),
            e if (1..length).contains(&e) => {
                let (whole, fraction) = digits.split_at(e as usize);
                write!(f, "{sign}{whole}.{fraction}")
            }
            e if (-5..=0).contains(&e) => write!(f, "{sign}0.{}{digits}", "0".repeat(-e as usize)),
            e => write!(f, "{sign}0.{digits}e{e}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn numbers_are_equal_by_value_however_they_are_written() {
        for same in [["300", "300.0"], ["3e2", "300"], ["0.30e3", "3E+2"], ["-0.0", "0e99"], ["1e-2", "0.0100"]] {
            assert_eq!(of(same[0]), of(same[1]), "{same:?}");
        }
        assert_ne!(of("0.1"), of("0.10000000000000000001"));
        assert_ne!(of("9007199254740993"), of("9007199254740992"));
    }

    #[test]
    fn numbers_are_in_their_order_whatever_their_size() {
        let ordered = [
            "-1e400",
            "-301.8",
            "-5",
            "-0.05",
            "0",
            "1e-400",
            "0.05",
            "0.5",
            "5",
            "49",
            "50.01",
            "1e30",
            "1e999999999999999999999",
        ];
        assert!(ordered.map(of).is_sorted());
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", "-", ".5", "1e", "1e+", "0x10", "inf", "nan", "1_000", "1.2.3", "--1"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_numbers(a in -100_000i64..100_000, b in -100_000i64..100_000, scale in 0u32..6) {
            let text = |n: i64| format!("{n}e-{scale}");
            prop_assert_eq!(of(&text(a)).cmp(&of(&text(b))), a.cmp(&b));
        }

        #[test]
        fn what_is_shown_reads_back(n: f64) {
            prop_assume!(n.is_finite());
            let number = of(&format!("{n:e}"));
            prop_assert_eq!(of(&number.to_string()), number);
        }
    }
}
