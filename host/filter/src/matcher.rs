//! Many patterns as one, asked with an event at a time.

use std::collections::{BTreeMap, HashMap};

use super::{
    Pattern, Scalar, Seen,
    index::FieldIndex,
    pattern::{Entry, Test},
};

/// Patterns by number, ready to be asked.
///
/// Each combination of a pattern (a choice of one alternative from each `$or`) is a set of conditions. Tests that several
/// patterns have in common are one condition. An event's values are looked up in the index of their field, and each
/// condition that holds is counted in its combinations: one that has all of its own matches.
///
/// Data is asked for only when what is outside of it has not decided: see [`Matcher::matching`].
#[derive(Debug, Default)]
pub struct Matcher {
    wanted: Wanted,
    conditions: Vec<Condition>,
    combinations: Vec<Combination>,
    /// Combinations with nothing outside of `data`.
    all_in_data: Vec<usize>,
    /// Fields that some condition wants absent.
    absent: Vec<usize>,
}

/// The fields that patterns name, as a tree. Field 0 is the event itself.
#[derive(Debug)]
pub struct Wanted {
    fields: Vec<Field>,
}

#[derive(Debug, Default)]
struct Field {
    below: BTreeMap<String, usize>,
    in_data: bool,
    index: FieldIndex,
}

#[derive(Debug)]
struct Condition {
    /// The fields from the top down to the one that is meant.
    path: Vec<usize>,
    one_of: Vec<Entry>,
    /// The combinations that have it.
    combinations: Vec<usize>,
}

#[derive(Debug)]
struct Combination {
    pattern: usize,
    /// In the order of their paths.
    conditions: Vec<usize>,
    /// How many of them are outside of `data`.
    outside: usize,
    /// Whether two of them are about one field.
    doubled: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Wanted { fields: vec![Field::default()] }
    }
}

impl Wanted {
    /// The fields of the event itself that some pattern wants, `data` included, with their numbers.
    pub fn top(&self) -> impl Iterator<Item = (&str, usize)> {
        self.fields.first().into_iter().flat_map(|top| &top.below).map(|(name, field)| (name.as_str(), *field))
    }

    /// The number of a field below another, where some pattern wants it.
    pub(super) fn below(&self, field: usize, name: &str) -> Option<usize> {
        self.fields.get(field)?.below.get(name).copied()
    }

    pub(super) fn has_below(&self, field: usize) -> bool {
        self.fields.get(field).is_some_and(|field| !field.below.is_empty())
    }

    /// The numbers of the fields down a path, made where they are missing.
    fn add(&mut self, path: &[String]) -> Vec<usize> {
        let (mut at, mut fields) = (0, Vec::new());
        for name in path {
            let next = self.fields.len();
            let in_data = self.fields[at].in_data || (at == 0 && name == "data");
            at = *self.fields[at].below.entry(name.clone()).or_insert(next);
            if at == next {
                self.fields.push(Field { in_data, ..Field::default() });
            }
            fields.push(at);
        }
        fields
    }
}

impl Matcher {
    /// Makes patterns ready, each under a number of its own.
    pub fn new<'p>(patterns: impl IntoIterator<Item = (usize, &'p Pattern)>) -> Matcher {
        let mut matcher = Matcher::default();
        let mut known = HashMap::new();
        for (number, pattern) in patterns {
            for tests in pattern.combined() {
                let mut conditions: Vec<usize> = tests
                    .into_iter()
                    .map(|test| *known.entry(test).or_insert_with(|| matcher.condition(test)))
                    .collect();
                conditions.sort_by(|a, b| (&matcher.conditions[*a].path, a).cmp(&(&matcher.conditions[*b].path, b)));
                conditions.dedup();
                matcher.combination(number, conditions);
            }
        }
        for (number, field) in matcher.wanted.fields.iter_mut().enumerate() {
            field.index.finish();
            if !field.index.absent.is_empty() {
                matcher.absent.push(number);
            }
        }
        matcher
    }

    fn condition(&mut self, test: &Test) -> usize {
        let number = self.conditions.len();
        let path = self.wanted.add(&test.path);
        if let Some(field) = path.last().and_then(|last| self.wanted.fields.get_mut(*last)) {
            test.one_of.iter().for_each(|entry| field.index.add(entry, number));
        }
        self.conditions.push(Condition { path, one_of: test.one_of.clone(), combinations: Vec::new() });
        number
    }

    fn combination(&mut self, pattern: usize, conditions: Vec<usize>) {
        let number = self.combinations.len();
        let path = |condition: &usize| &self.conditions[*condition].path;
        let in_data = |condition: &&usize| path(condition).first().is_some_and(|top| self.wanted.fields[*top].in_data);
        let outside = conditions.len() - conditions.iter().filter(in_data).count();
        let doubled = conditions.windows(2).any(|pair| path(&pair[0]) == path(&pair[1]));
        if outside == 0 {
            self.all_in_data.push(number);
        }
        for condition in &conditions {
            self.conditions[*condition].combinations.push(number);
        }
        self.combinations.push(Combination { pattern, conditions, outside, doubled });
    }

    /// What is to be read of an event.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// The patterns that match an event, in the order of their numbers.
    ///
    /// `top` are the fields of the event itself but for `data`, under the numbers of [`Wanted::top`]. `data` is asked for
    /// at most once, and only when a pattern that `concerns` wants to see it and nothing else of that pattern has failed.
    pub fn matching<'a>(
        &self,
        mut top: Vec<(usize, Seen<'a>)>,
        data: impl FnOnce(usize) -> Option<Seen<'a>>,
        concerns: impl Fn(usize) -> bool,
    ) -> Vec<usize> {
        let mut run = Run::new(self);
        top.iter().for_each(|(field, seen)| run.walk(*field, seen));
        run.settle_absent(false);
        if let Some(field) = self.wanted.below(0, "data") {
            let mut waiting = run.undecided.iter().chain(&self.all_in_data);
            if waiting.any(|number| concerns(self.combinations[*number].pattern)) {
                if let Some(seen) = data(field) {
                    run.walk(field, &seen);
                    top.push((field, seen));
                }
                run.settle_absent(true);
            }
        }
        let event = Seen::Object(top);
        let found = run.full.iter().map(|number| &self.combinations[*number]);
        let mut patterns: Vec<usize> = found
            .filter(|found| concerns(found.pattern) && run.is_of_one_piece(found, &event))
            .map(|found| found.pattern)
            .collect();
        patterns.sort_unstable();
        patterns.dedup();
        patterns
    }

    /// The patterns that match an event that is written as JSON, `data` and all. None when it is not a JSON object.
    pub fn matching_document(&self, document: &str) -> Option<Vec<usize>> {
        let Some(Seen::Object(mut top)) = Seen::read(document, &self.wanted, 0) else { return None };
        let data = self.wanted.below(0, "data").and_then(|data| top.iter().position(|(field, _)| *field == data));
        let data = data.map(|at| top.remove(at).1);
        Some(self.matching(top, |_| data, |_| true))
    }
}

/// One event on its way through a matcher.
struct Run<'m> {
    matcher: &'m Matcher,
    /// Conditions that hold.
    holds: Vec<bool>,
    /// How many conditions hold of each combination.
    counts: Vec<usize>,
    /// Fields that have a value.
    present: Vec<bool>,
    /// Combinations whose conditions outside of `data` hold, and that have others.
    undecided: Vec<usize>,
    /// Combinations all of whose conditions hold.
    full: Vec<usize>,
    /// Whether there is an array with fields in it.
    has_arrays: bool,
}

impl<'m> Run<'m> {
    fn new(matcher: &'m Matcher) -> Self {
        Run {
            matcher,
            holds: vec![false; matcher.conditions.len()],
            counts: vec![0; matcher.combinations.len()],
            present: vec![false; matcher.wanted.fields.len()],
            undecided: Vec::new(),
            full: Vec::new(),
            has_arrays: false,
        }
    }

    fn walk(&mut self, field: usize, seen: &Seen<'_>) {
        match seen {
            Seen::Object(fields) => fields.iter().for_each(|(field, seen)| self.walk(*field, seen)),
            Seen::Array(elements) => {
                self.has_arrays |= self.matcher.wanted.has_below(field);
                elements.iter().for_each(|element| self.walk(field, element));
            }
            Seen::Leaf(value) => {
                self.present[field] = true;
                let matcher = self.matcher;
                matcher.wanted.fields[field].index.look_up(value, &mut |condition| self.meet(condition));
            }
        }
    }

    /// Counts a condition, once.
    fn meet(&mut self, condition: usize) {
        if std::mem::replace(&mut self.holds[condition], true) {
            return;
        }
        for number in &self.matcher.conditions[condition].combinations {
            self.counts[*number] += 1;
            let combination = &self.matcher.combinations[*number];
            match self.counts[*number] {
                count if count == combination.conditions.len() => self.full.push(*number),
                // What is outside of `data` is counted first.
                count if count == combination.outside => self.undecided.push(*number),
                _ => {}
            }
        }
    }

    /// Meets the conditions on fields that turned out to have no value.
    fn settle_absent(&mut self, in_data: bool) {
        let matcher = self.matcher;
        for number in &matcher.absent {
            let field = &matcher.wanted.fields[*number];
            if field.in_data == in_data && !self.present[*number] {
                field.index.absent.iter().for_each(|condition| self.meet(*condition));
            }
        }
    }

    /// Whether the conditions hold together: of an array, in one and the same element.
    fn is_of_one_piece(&self, combination: &Combination, event: &Seen<'_>) -> bool {
        if !self.has_arrays && !combination.doubled {
            return true;
        }
        let by_value = |condition: &&Condition| {
            let wants_absent = condition.one_of.contains(&Entry::Exists(false));
            !wants_absent || condition.path.last().is_some_and(|field| self.present[*field])
        };
        let conditions = combination.conditions.iter().map(|number| &self.matcher.conditions[*number]);
        let conditions: Vec<&Condition> = conditions.filter(by_value).collect();
        fits(&conditions, 0, event)
    }
}

/// Whether what stands at `depth` steps of their paths meets the conditions, which are in the order of their paths.
fn fits(conditions: &[&Condition], depth: usize, seen: &Seen<'_>) -> bool {
    match seen {
        Seen::Array(elements) => elements.iter().any(|element| fits(conditions, depth, element)),
        Seen::Leaf(value) => conditions.iter().all(|condition| condition.is_met_at(depth, value)),
        Seen::Object(fields) => conditions.chunk_by(|a, b| a.path.get(depth) == b.path.get(depth)).all(|together| {
            let wanted = together.first().and_then(|condition| condition.path.get(depth));
            let below = wanted.and_then(|wanted| fields.iter().find(|(field, _)| field == wanted));
            below.is_some_and(|(_, seen)| fits(together, depth + 1, seen))
        }),
    }
}

impl Condition {
    fn is_met_at(&self, depth: usize, value: &Scalar<'_>) -> bool {
        self.path.len() == depth && self.one_of.iter().any(|entry| entry.is_met(value))
    }
}
