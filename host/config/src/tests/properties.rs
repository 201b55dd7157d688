//! No text, however damaged, does more than have its mistakes told.

use proptest::prelude::*;

use super::*;

/// Every mistake has a place within the text.
fn check_places(text: &str) {
    let Err(errors) = parse(text) else { return };
    let lines: Vec<&str> = text.split('\n').collect();
    assert!(!errors.problems().is_empty(), "an error without a mistake");
    for problem in errors.problems() {
        assert!((1..=lines.len()).contains(&problem.line), "{problem}");
        let line = lines[problem.line - 1];
        assert!((1..=line.chars().count() + 1).contains(&problem.column), "{problem}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "(.|\n){0,200}") {
        check_places(&text);
    }

    /// The full configuration, with a piece cut out and another put in.
    #[test]
    fn no_damage_panics(from in 0..FULL.len(), length in 0usize..40, put in "[\\[\\]{}=\"a-z0-9.\n#, ]{0,12}") {
        let (from, to) = (FULL.floor_char_boundary(from), FULL.floor_char_boundary(from + length));
        check_places(&format!("{}{put}{}", &FULL[..from], &FULL[to..]));
    }

    /// Every value of the full configuration, with another in its place.
    #[test]
    fn no_value_panics(line in 0..FULL.lines().count(), value in "(\"[a-z0-9/:.]{0,9}\"|-?[0-9]{1,30}|true|\\[\\]|\\{\\}|[0-9]\\.[0-9]|nan)") {
        let replaced = |(at, text): (usize, &str)| match text.split_once(" = ") {
            Some((key, _)) if at == line => format!("{key} = {value}"),
            _ => text.to_owned(),
        };
        check_places(&FULL.lines().enumerate().map(replaced).collect::<Vec<_>>().join("\n"));
    }
}
