//! In what an answer is not the one that a vector asks for, field by field, for people to read.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// Differences that are reported for one document; more would not help where the whole document is wrong.
const VALUES_MAX: usize = 20;

/// Characters of a value that stand in a table.
const CELL_CHARS: usize = 44;

/// Of these, what stands before the first one that differs.
const BEFORE_CHARS: usize = 12;

/// A field whose value is not the one that the vector asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which: `verdict`, `event 0 id`, `CloudEvent 1 data /amount`.
    pub field: String,
    /// What the vector says, values as JSON, `none` for none.
    pub expected: String,
    /// What the plugin has answered.
    pub actual: String,
}

impl Difference {
    /// From texts for people.
    pub fn new(field: impl Into<String>, expected: impl Into<String>, actual: impl Into<String>) -> Self {
        Difference { field: field.into(), expected: expected.into(), actual: actual.into() }
    }

    /// The same, of a field of that.
    pub(crate) fn within(self, whole: &str) -> Self {
        Difference { field: format!("{whole} {}", self.field), ..self }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {}, but is {}", self.field, self.expected, self.actual)
    }
}

/// A value, where it is not the expected one.
pub(crate) fn of_value(field: &str, expected: Value, actual: Value) -> Option<Difference> {
    (expected != actual).then(|| Difference::new(field, shown(Some(&expected)), shown(Some(&actual))))
}

/// Every value of a JSON document that is not the expected one, each by its JSON Pointer.
pub(crate) fn of_documents(field: &str, expected: &Value, actual: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    descend(field, "", Some(expected), Some(actual), &mut found);
    found
}

fn descend(field: &str, pointer: &str, expected: Option<&Value>, actual: Option<&Value>, found: &mut Vec<Difference>) {
    if expected == actual || found.len() >= VALUES_MAX {
        return;
    }
    match (expected, actual) {
        (Some(Value::Object(expected)), Some(Value::Object(actual))) => {
            let others = actual.keys().filter(|key| !expected.contains_key(*key));
            for key in expected.keys().chain(others) {
                let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                descend(field, &pointer, expected.get(key), actual.get(key), found);
            }
        }
        (Some(Value::Array(expected)), Some(Value::Array(actual))) => {
            for at in 0..expected.len().max(actual.len()) {
                descend(field, &format!("{pointer}/{at}"), expected.get(at), actual.get(at), found);
            }
        }
        _ => {
            let field = format!("{field} {pointer}");
            found.push(Difference::new(field.trim_end(), shown(expected), shown(actual)));
        }
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::Null) => "none".to_owned(),
        Some(value) => value.to_string(),
    }
}

/// A table of differences: expected and actual side by side. Of long values the place where they part.
pub fn side_by_side(differences: &[Difference]) -> String {
    let mut rows = vec![["FIELD".to_owned(), "EXPECTED".to_owned(), "ACTUAL".to_owned()]];
    rows.extend(differences.iter().map(|difference| {
        let (expected, actual) = where_they_part(&printable(&difference.expected), &printable(&difference.actual));
        [printable(&difference.field), expected, actual]
    }));
    let width = |column: fn(&[String; 3]) -> &String| rows.iter().map(|row| column(row).chars().count()).max();
    let (first, second) = (width(|[field, ..]| field).unwrap_or(0), width(|[_, expected, _]| expected).unwrap_or(0));
    let lines = rows.iter().map(|[field, expected, actual]| format!("{field:first$}  {expected:second$}  {actual}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Two values, shortened to the stretch in which they begin to differ.
fn where_they_part(expected: &str, actual: &str) -> (String, String) {
    let longest = expected.chars().count().max(actual.chars().count());
    let common = expected.chars().zip(actual.chars()).take_while(|(one, other)| one == other).count();
    let begin = if longest > CELL_CHARS { common.saturating_sub(BEFORE_CHARS) } else { 0 };
    (cell(expected, begin), cell(actual, begin))
}

fn cell(text: &str, begin: usize) -> String {
    let mut rest = text.chars().skip(begin);
    let shown: String = rest.by_ref().take(CELL_CHARS).collect();
    let before = if begin > 0 { "…" } else { "" };
    let behind = if rest.next().is_some() { "…" } else { "" };
    format!("{before}{shown}{behind}")
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(differences: &[Difference]) -> Vec<(&str, &str, &str)> {
        differences.iter().map(|d| (d.field.as_str(), d.expected.as_str(), d.actual.as_str())).collect()
    }

    #[test]
    fn documents_are_compared_value_by_value() {
        let expected = json!({"a": 1, "b": {"c": [1, 2]}, "d/e": null, "same": true});
        let actual = json!({"a": 2, "b": {"c": [1, 3, 4]}, "f": "x", "same": true});
        let found = of_documents("payload", &expected, &actual);
        let told = [
            ("payload /a", "1", "2"),
            ("payload /b/c/1", "2", "3"),
            ("payload /b/c/2", "nothing", "4"),
            ("payload /d~1e", "none", "nothing"),
            ("payload /f", "nothing", "\"x\""),
        ];
        assert_eq!(fields(&found), told);
        assert_eq!(fields(&of_documents("data", &json!(1), &json!("1"))), [("data", "1", "\"1\"")]);
        assert_eq!(of_documents("data", &json!([]), &json!([])), []);
        let (many, none) = (json!((0..100).collect::<Vec<_>>()), json!((1..101).collect::<Vec<_>>()));
        assert_eq!(of_documents("data", &many, &none).len(), VALUES_MAX);
    }

    #[test]
    fn expected_and_actual_stand_side_by_side_and_long_values_where_they_part() {
        let long = |end: &str| format!("\"{}{end}\"", "x".repeat(100));
        let differences = [Difference::new("id", "\"a\"", "none"), Difference::new("kind", long("1"), long("2\n"))];
        let table = side_by_side(&differences);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "FIELD  EXPECTED         ACTUAL");
        assert_eq!(lines[1], "id     \"a\"              none");
        assert_eq!(lines[2], "kind   …xxxxxxxxxxxx1\"  …xxxxxxxxxxxx2 \"");
    }
}
