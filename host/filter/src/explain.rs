//! Why a pattern does not match an event, in words.

use super::{
    Json, Pattern, Scalar,
    pattern::{All, Entry, Test},
};

/// Values of a field that a message shows.
const SHOWN: usize = 5;

/// What of the pattern the event fails, a line each. None of them where the pattern fails only because its fields match
/// in different elements of an array, which is said then; so ask only when the pattern does not match.
pub fn why_not(pattern: &Pattern, event: &Json) -> Vec<String> {
    let failed = failures(&pattern.root, event);
    if failed.is_empty() {
        vec!["each field matches by itself, but not all in the same element of an array".to_owned()]
    } else {
        failed
    }
}

fn failures(all: &All, event: &Json) -> Vec<String> {
    let mut failed: Vec<String> = all.tests.iter().filter_map(|test| failure(test, event)).collect();
    for or in &all.ors {
        let of_each: Vec<Vec<String>> = or.iter().map(|alternative| failures(alternative, event)).collect();
        if of_each.iter().all(|failed| !failed.is_empty()) {
            failed.push("`$or`: none of its alternatives matches".to_owned());
            for (number, failures) in (1..).zip(of_each) {
                failed.extend(failures.into_iter().map(|failure| format!("  {number}. {}", failure.trim_start())));
            }
        }
    }
    failed
}

fn failure(test: &Test, event: &Json) -> Option<String> {
    let values = values_at(&test.path, event);
    let absent = values.is_empty() && test.one_of.contains(&Entry::Exists(false));
    if absent || values.iter().any(|value| test.one_of.iter().any(|entry| entry.is_met(value))) {
        return None;
    }
    let wanted: Vec<String> = test.one_of.iter().map(Entry::to_string).collect();
    let wanted = wanted.join(" or ");
    let path = test.path.join(".");
    let shown: Vec<String> = values.iter().take(SHOWN).map(|value| value.to_string()).collect();
    let more = values.len().saturating_sub(SHOWN);
    Some(match (shown.as_slice(), more) {
        ([], _) => format!("`{path}` has no value, wanted is {wanted}"),
        (_, 0) => format!("`{path}` is {}, wanted is {wanted}", shown.join(", ")),
        (_, more) => format!("`{path}` is {} and {more} more, wanted is {wanted}", shown.join(", ")),
    })
}

/// All values at the end of a path, through arrays.
fn values_at<'e>(path: &[String], event: &'e Json) -> Vec<&'e Scalar<'static>> {
    match (event, path) {
        (Json::Array(elements), _) => elements.iter().flat_map(|element| values_at(path, element)).collect(),
        (Json::Scalar(value), []) => vec![value],
        (Json::Object(fields), [name, below @ ..]) => {
            let field = fields.iter().rev().find(|(field, _)| field == name);
            field.map(|(_, value)| values_at(below, value)).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}
