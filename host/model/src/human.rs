//! Figures and texts for people.

use crate::limits::NAME_BYTES_MAX;

/// What comes from strangers must not steer the terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `, did you mean "x"?` where one of the names is near.
pub fn did_you_mean<'n>(text: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    // A third of the letters may be wrong; what is longer than any name is near none.
    let letters = text.chars().count();
    let near = names
        .into_iter()
        .filter(|_| letters <= NAME_BYTES_MAX)
        .map(|name| (strsim::osa_distance(text, name), name))
        .filter(|(mistakes, _)| *mistakes <= (letters / 3).max(1))
        .min();
    near.map_or_else(String::new, |(_, name)| format!(", did you mean \"{name}\"?"))
}

/// A span of time as a person says it, in its two largest units: `850ms`, `12s`, `3m 20s`, `2h 5m`, `4d 3h`.
pub fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    let two = |large: u64, large_name: &str, small: u64, small_name: &str| match small {
        0 => format!("{large}{large_name}"),
        _ => format!("{large}{large_name} {small}{small_name}"),
    };
    match seconds {
        0 => format!("{ms}ms"),
        1..60 => format!("{seconds}s"),
        60..3_600 => two(seconds / 60, "m", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds / 60 % 60, "m"),
        _ => two(seconds / 86_400, "d", seconds / 3_600 % 24, "h"),
    }
}

/// A number of bytes: `512 B`, `1.5 KiB`, `20 MiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = "B";
    for larger in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    if value.fract() < 0.05 || value >= 100.0 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_none_that_is_far() {
        let suggested = |text: &str| did_you_mean(text, ["stripe", "github", "svix"]);
        for text in ["strpie", "stripee", "Stripe", "strip"] {
            assert_eq!(suggested(text), ", did you mean \"stripe\"?", "{text}");
        }
        assert_eq!(suggested("svx"), ", did you mean \"svix\"?");
        for text in ["", "paypal", &"stripe".repeat(1000)] {
            assert_eq!(suggested(text), "", "{text}");
        }
    }

    #[test]
    fn spans_have_their_two_largest_units() {
        let cases = [
            (0, "0ms"),
            (850, "850ms"),
            (12_999, "12s"),
            (60_000, "1m"),
            (200_000, "3m 20s"),
            (7_500_000, "2h 5m"),
            (86_400_000, "1d"),
            (356_400_000, "4d 3h"),
        ];
        for (ms, text) in cases {
            assert_eq!(span(ms), text);
        }
    }

    #[test]
    fn bytes_have_the_unit_that_suits_them() {
        let cases = [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (20 << 20, "20 MiB")];
        for (count, text) in cases {
            assert_eq!(bytes(count), text);
        }
    }
}
