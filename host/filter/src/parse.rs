//! From JSON (or TOML, see `config`) to a pattern. Every mistake is reported, each with its path in the pattern.

use std::fmt;

use hookgate_model::limits::{FILTER_COMBINATIONS_MAX, FILTER_DEPTH_MAX, FILTER_TESTS_MAX};

use super::{
    Decimal, Json, Pattern, Scalar,
    pattern::{All, Atom, Entry, Range, Test, folded},
    wildcard::Wildcard,
};

/// Something in a pattern that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}; {instead}", shown(path))]
pub struct Mistake {
    /// From the pattern's top to the place.
    pub path: Vec<Step>,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub instead: String,
}

/// A step down in a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the field of this name.
    Key(String),
    /// To the element of this number.
    Index(usize),
}

/// A path as people write it: `data.amount[0].numeric`.
fn shown(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(name) if text.is_empty() => text.push_str(name),
            Step::Key(name) => text.extend([".", name]),
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    if text.is_empty() { "the pattern".to_owned() } else { format!("`{text}`") }
}

impl Mistake {
    /// The place as people write it.
    pub fn place(&self) -> String {
        shown(&self.path)
    }
}

/// The names of operators, for messages.
const OPERATORS: &str = "prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, cidr, exists";

/// What a field takes, for messages.
const LIST: &str = "write a list of values and operators: [\"a\", 5, null, {\"prefix\": \"b\"}]";

/// Reads a pattern that is written as JSON.
///
/// # Errors
/// Every mistake in it.
pub fn parse_text(text: &str) -> Result<Pattern, Vec<Mistake>> {
    let document = Json::parse(text).map_err(|error| {
        let instead = "write a JSON object: {\"type\": [\"com.github.push\"]}".to_owned();
        vec![Mistake { path: Vec::new(), what: format!("it is {error}"), instead }]
    })?;
    parse(&document)
}

/// Understands a pattern.
///
/// # Errors
/// Every mistake in it.
pub fn parse(document: &Json) -> Result<Pattern, Vec<Mistake>> {
    let mut reader = Reader { path: Vec::new(), mistakes: Vec::new() };
    let mut root = All::default();
    match document {
        Json::Object(fields) => reader.object(fields, &mut Vec::new(), &mut root),
        _ => reader.report("it is not an object", "write an object: {\"type\": [\"com.github.push\"]}"),
    }
    let pattern = Pattern { root };
    let size = pattern.size();
    if reader.mistakes.is_empty() && (size.combinations > FILTER_COMBINATIONS_MAX || size.tests > FILTER_TESTS_MAX) {
        let what = format!(
            "its `$or`s can be combined in more than {FILTER_COMBINATIONS_MAX} ways, or to more than {FILTER_TESTS_MAX} tests"
        );
        reader.report(&what, "make it several routes, or list values of one field in one list");
    }
    if reader.mistakes.is_empty() { Ok(pattern) } else { Err(reader.mistakes) }
}

/// Where the reader is, and what it has found wrong.
struct Reader {
    path: Vec<Step>,
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn report(&mut self, what: &str, instead: &str) {
        let (path, what, instead) = (self.path.clone(), what.to_owned(), instead.to_owned());
        self.mistakes.push(Mistake { path, what, instead });
    }

    fn below<R>(&mut self, step: Step, read: impl FnOnce(&mut Self) -> R) -> R {
        self.path.push(step);
        let result = read(self);
        self.path.pop();
        result
    }

    /// The fields of an object that stands at `at` in the event.
    fn object(&mut self, fields: &[(String, Json)], at: &mut Vec<String>, into: &mut All) {
        if fields.is_empty() {
            self.report("it is empty, and would match everything", "name a field, or leave it out");
        }
        if at.len() > FILTER_DEPTH_MAX {
            return self.report("it is nested too deeply", &format!("at most {FILTER_DEPTH_MAX} levels are taken"));
        }
        for (number, (name, value)) in fields.iter().enumerate() {
            self.below(Step::Key(name.clone()), |reader| {
                if fields.iter().take(number).any(|(before, _)| before == name) {
                    return reader.report("it stands twice", "put both lists into one, or use `$or`");
                }
                reader.field(name, value, at, into);
            });
        }
    }

    fn field(&mut self, name: &str, value: &Json, at: &mut Vec<String>, into: &mut All) {
        if name == "$or" {
            return self.or(value, at, into);
        }
        at.push(name.to_owned());
        match value {
            Json::Object(fields) => self.object(fields, at, into),
            Json::Array(entries) if entries.is_empty() => {
                self.report("the list is empty, and nothing matches it", LIST)
            }
            Json::Array(entries) => {
                let one_of = self.each(entries, Reader::entry);
                into.tests.push(Test { path: at.clone(), one_of });
            }
            Json::Scalar(value) => self.report("it is a value by itself", &format!("write it in a list: [{value}]")),
        }
        at.pop();
    }

    fn or(&mut self, value: &Json, at: &mut Vec<String>, into: &mut All) {
        let instead = "write a list of at least two patterns: [{\"a\": [1]}, {\"b\": [2]}]";
        let Json::Array(alternatives) = value else { return self.report("`$or` takes a list of patterns", instead) };
        if alternatives.len() < 2 {
            return self.report("it has fewer than two alternatives", instead);
        }
        let mut read = Vec::new();
        for (index, alternative) in alternatives.iter().enumerate() {
            self.below(Step::Index(index), |reader| {
                let Json::Object(fields) = alternative else { return reader.report("it is not an object", instead) };
                let mut all = All::default();
                reader.object(fields, at, &mut all);
                read.push(all);
            });
        }
        into.ors.push(read);
    }

    /// Reads the elements of a list; wrong elements are reported and left out.
    fn each<T>(&mut self, entries: &[Json], read: impl Fn(&mut Self, &Json) -> Option<T>) -> Vec<T> {
        let one = |(index, entry)| self.below(Step::Index(index), |reader| read(reader, entry));
        entries.iter().enumerate().filter_map(one).collect()
    }

    /// An entry in the list of a field.
    fn entry(&mut self, entry: &Json) -> Option<Entry> {
        let fields = match entry {
            Json::Scalar(value) => return Some(Entry::Is(Atom::Value(value.clone()))),
            Json::Object(fields) => fields,
            Json::Array(_) => {
                self.report("it is a list in a list", LIST);
                return None;
            }
        };
        let [(operator, operand)] = fields.as_slice() else {
            self.report("an operator has one name", &format!("write one of {OPERATORS}, each in an object of its own"));
            return None;
        };
        self.below(Step::Key(operator.clone()), |reader| match (operator.as_str(), operand) {
            ("exists", Json::Scalar(Scalar::Boolean(exists))) => Some(Entry::Exists(*exists)),
            ("exists", _) => reader.none("it takes true or false", "write {\"exists\": true}"),
            ("anything-but", operand) => reader.anything_but(operand).map(Entry::AnythingBut),
            (operator, operand) => reader.operator(operator, operand).map(Entry::Is),
        })
    }

    fn none<T>(&mut self, what: &str, instead: &str) -> Option<T> {
        self.report(what, instead);
        None
    }

    fn operator(&mut self, operator: &str, operand: &Json) -> Option<Atom> {
        match (operator, operand) {
            ("numeric", operand) => self.numeric(operand),
            ("prefix" | "suffix", Json::Object(fields)) => match fields.as_slice() {
                [(name, Json::Scalar(Scalar::Text(text)))] if name == "equals-ignore-case" => {
                    let text = folded(text);
                    Some(if operator == "prefix" { Atom::PrefixFolded(text) } else { Atom::SuffixFolded(text) })
                }
                _ => self.none(
                    "in an object it takes only `equals-ignore-case` with a text",
                    &format!("write {{\"{operator}\": {{\"equals-ignore-case\": \"a\"}}}}"),
                ),
            },
            ("prefix" | "suffix" | "equals-ignore-case" | "wildcard" | "cidr", Json::Scalar(Scalar::Text(text))) => {
                self.text_operator(operator, text)
            }
            ("prefix" | "suffix" | "equals-ignore-case" | "wildcard" | "cidr", _) => {
                self.none("it takes a text", &format!("write {{\"{operator}\": \"a\"}}"))
            }
            _ => self.none("there is no such operator", &format!("the operators are: {OPERATORS}")),
        }
    }

    fn text_operator(&mut self, operator: &str, text: &str) -> Option<Atom> {
        match operator {
            "prefix" => Some(Atom::Prefix(text.to_owned())),
            "suffix" => Some(Atom::Suffix(text.to_owned())),
            "equals-ignore-case" => Some(Atom::Folded(folded(text))),
            "wildcard" => match Wildcard::parse(text) {
                Ok(wildcard) => Some(Atom::Wildcard(wildcard, text.to_owned())),
                Err(what) => self.none(&format!("it {what}"), r"* is any text, \* a star, \\ a backslash"),
            },
            _ => match text.parse::<ipnet::IpNet>() {
                Ok(network) => Some(Atom::Cidr(network.trunc())),
                Err(_) => self.none("it is not a network", "write \"10.0.0.0/8\", \"192.0.2.1/32\" or \"fd00::/8\""),
            },
        }
    }

    /// Values, or one operator over texts, or several of its operands.
    fn anything_but(&mut self, operand: &Json) -> Option<Vec<Atom>> {
        match operand {
            Json::Object(fields) => match fields.as_slice() {
                [(operator, operand)]
                    if ["prefix", "suffix", "equals-ignore-case", "wildcard"].contains(&operator.as_str()) =>
                {
                    self.below(Step::Key(operator.clone()), |reader| reader.anything_but_operator(operator, operand))
                }
                _ => self.none(
                    "in an object it takes one of prefix, suffix, equals-ignore-case, wildcard",
                    "write {\"anything-but\": {\"prefix\": [\"a\", \"b\"]}}",
                ),
            },
            Json::Array(entries) if entries.is_empty() => {
                self.none("the list is empty", "write {\"exists\": true} for any value at all")
            }
            Json::Array(entries) => {
                let values = self.each(entries, Reader::anything_but_value);
                let texts = values.iter().filter(|value| matches!(value, Atom::Value(Scalar::Text(_)))).count();
                if texts != 0 && texts != values.len() {
                    self.report("it mixes texts and numbers", "write a list of texts, or a list of numbers");
                }
                Some(values)
            }
            value => self.anything_but_value(value).map(|value| vec![value]),
        }
    }

    fn anything_but_value(&mut self, value: &Json) -> Option<Atom> {
        match value {
            Json::Scalar(value @ (Scalar::Text(_) | Scalar::Number(_))) => Some(Atom::Value(value.clone())),
            _ => self.none("it takes texts or numbers", "write {\"anything-but\": [\"a\", \"b\"]}"),
        }
    }

    fn anything_but_operator(&mut self, operator: &str, operand: &Json) -> Option<Vec<Atom>> {
        match operand {
            Json::Array(entries) if entries.is_empty() => self.none("the list is empty", "write a text in it"),
            Json::Array(entries) => Some(self.each(entries, |reader, entry| reader.operator(operator, entry))),
            Json::Scalar(_) => self.operator(operator, operand).map(|atom| vec![atom]),
            Json::Object(_) => self.none("it takes a text or a list of texts", "write \"a\" or [\"a\", \"b\"]"),
        }
    }

    fn numeric(&mut self, operand: &Json) -> Option<Atom> {
        let instead = "write [\"=\", 5], [\">\", 0] or [\">=\", 0, \"<\", 10]";
        let Json::Array(entries) = operand else { return self.none("it takes a list", instead) };
        let comparison = |pair: &[Json]| match pair {
            [Json::Scalar(Scalar::Text(sign)), Json::Scalar(Scalar::Number(number))] => {
                Some((sign.to_string(), number.clone()))
            }
            _ => None,
        };
        let Some(read) = entries.chunks(2).map(comparison).collect::<Option<Vec<(String, Decimal)>>>() else {
            return self.none("it takes signs and numbers in turn", instead);
        };
        let signs: Vec<&str> = read.iter().map(|(sign, _)| sign.as_str()).collect();
        let numbers: Vec<&Decimal> = read.iter().map(|(_, number)| number).collect();
        let bound = |at: usize| numbers.get(at).map(|number| ((*number).clone(), signs[at].ends_with('=')));
        let range = match signs.as_slice() {
            ["="] => Range { low: bound(0), high: bound(0) },
            [">" | ">="] => Range { low: bound(0), high: None },
            ["<" | "<="] => Range { low: None, high: bound(0) },
            [">" | ">=", "<" | "<="] => Range { low: bound(0), high: bound(1) },
            _ => return self.none("its signs are not =, >, >=, <, <=, or a lower bound before an upper one", instead),
        };
        if let [low, high] = numbers.as_slice()
            && low >= high
        {
            return self.none("its lower bound is not below the upper one, and nothing matches it", instead);
        }
        Some(Atom::Numeric(range))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(std::slice::from_ref(self)))
    }
}
