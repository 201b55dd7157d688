//! Everything that patterns want of one field, found by a value in a few look-ups.

use std::{
    borrow::Borrow,
    collections::{BTreeSet, HashMap},
    hash::Hash,
    net::IpAddr,
};

use ipnet::IpNet;

use super::{
    Decimal, Scalar,
    pattern::{Atom, Entry, Range, folded},
    wildcard::Wildcard,
};

/// What it means that a value meets an atom.
#[derive(Clone, Copy, Debug)]
enum Hit {
    /// The condition of this number holds.
    Meets(usize),
    /// This one of the field's `anything-but`s is not met by the value.
    Excludes(usize),
}

/// An index of the conditions on one field.
#[derive(Debug, Default)]
pub(super) struct FieldIndex {
    values: HashMap<Scalar<'static>, Vec<Hit>>,
    texts: HashMap<String, Vec<Hit>>,
    folded_texts: HashMap<String, Vec<Hit>>,
    prefixes: Affixes<Hit>,
    suffixes: Affixes<Hit>,
    folded_prefixes: Affixes<Hit>,
    folded_suffixes: Affixes<Hit>,
    /// Wildcards by the longer of what is before their first star and what is behind their last.
    wildcards_by_head: Affixes<usize>,
    wildcards_by_tail: Affixes<usize>,
    wildcards: Vec<(Wildcard, Hit)>,
    /// In the order of their lower bounds.
    ranges: Vec<(Range, Hit)>,
    networks: HashMap<IpNet, Vec<Hit>>,
    network_lengths: BTreeSet<u8>,
    /// Conditions that any value meets that is not excluded.
    anything_but: Vec<usize>,
    /// Conditions that any value meets.
    present: Vec<usize>,
    /// Conditions that hold when there is no value.
    pub(super) absent: Vec<usize>,
}

impl FieldIndex {
    /// Adds one of the alternatives of a condition. To be followed by [`FieldIndex::finish`].
    pub(super) fn add(&mut self, entry: &Entry, condition: usize) {
        match entry {
            Entry::Exists(true) => self.present.push(condition),
            Entry::Exists(false) => self.absent.push(condition),
            Entry::Is(atom) => self.add_atom(atom, Hit::Meets(condition)),
            Entry::AnythingBut(atoms) => {
                let number = self.anything_but.len();
                self.anything_but.push(condition);
                atoms.iter().for_each(|atom| self.add_atom(atom, Hit::Excludes(number)));
            }
        }
    }

    fn add_atom(&mut self, atom: &Atom, hit: Hit) {
        match atom {
            Atom::Value(Scalar::Text(text)) => self.texts.entry(text.to_string()).or_default().push(hit),
            Atom::Value(value) => self.values.entry(value.clone()).or_default().push(hit),
            Atom::Folded(text) => self.folded_texts.entry(text.clone()).or_default().push(hit),
            Atom::Prefix(text) => self.prefixes.add(text, hit),
            Atom::Suffix(text) => self.suffixes.add(text, hit),
            Atom::PrefixFolded(text) => self.folded_prefixes.add(text, hit),
            Atom::SuffixFolded(text) => self.folded_suffixes.add(text, hit),
            Atom::Wildcard(wildcard, _) => {
                let (head, tail) = (&wildcard.head, wildcard.tail.as_deref().unwrap_or_default());
                if tail.len() > head.len() {
                    self.wildcards_by_tail.add(tail, self.wildcards.len())
                } else {
                    self.wildcards_by_head.add(head, self.wildcards.len())
                }
                self.wildcards.push((wildcard.clone(), hit));
            }
            Atom::Numeric(range) => self.ranges.push((range.clone(), hit)),
            Atom::Cidr(network) => {
                self.network_lengths.insert(network.prefix_len());
                self.networks.entry(*network).or_default().push(hit);
            }
        }
    }

    /// Puts everything in order, once all is added.
    pub(super) fn finish(&mut self) {
        self.ranges.sort_by(|(a, _), (b, _)| lower(a).cmp(&lower(b)));
    }

    /// Reports which conditions a value meets; a condition may be reported several times.
    pub(super) fn look_up(&self, value: &Scalar<'_>, meets: &mut impl FnMut(usize)) {
        self.present.iter().for_each(|condition| meets(*condition));
        let mut excluded = vec![false; self.anything_but.len()];
        let mut hit = |hit: &Hit| match *hit {
            Hit::Meets(condition) => meets(condition),
            Hit::Excludes(number) => excluded[number] = true,
        };
        match value {
            Scalar::Text(text) => self.look_up_text(text, &mut hit),
            Scalar::Number(number) => {
                each(&self.values, value, &mut hit);
                self.look_up_range(number, &mut hit);
            }
            Scalar::Null | Scalar::Boolean(_) => each(&self.values, value, &mut hit),
        }
        let met = self.anything_but.iter().zip(excluded).filter(|(_, excluded)| !excluded);
        met.for_each(|(condition, _)| meets(*condition));
    }

    fn look_up_text(&self, text: &str, hit: &mut impl FnMut(&Hit)) {
        each(&self.texts, text, hit);
        self.prefixes.beginning(text, hit);
        self.suffixes.ending(text, hit);
        let mut wildcard = |number: &usize| {
            let (wildcard, meant) = &self.wildcards[*number];
            if wildcard.matches(text) {
                hit(meant);
            }
        };
        self.wildcards_by_head.beginning(text, &mut wildcard);
        self.wildcards_by_tail.ending(text, &mut wildcard);
        if !(self.folded_texts.is_empty() && self.folded_prefixes.is_empty() && self.folded_suffixes.is_empty()) {
            let folded = folded(text);
            each(&self.folded_texts, folded.as_str(), hit);
            self.folded_prefixes.beginning(&folded, hit);
            self.folded_suffixes.ending(&folded, hit);
        }
        if let (false, Ok(address)) = (self.networks.is_empty(), text.parse::<IpAddr>()) {
            for length in &self.network_lengths {
                if let Ok(network) = IpNet::new(address, *length) {
                    each(&self.networks, &network.trunc(), hit);
                }
            }
        }
    }

    fn look_up_range(&self, number: &Decimal, hit: &mut impl FnMut(&Hit)) {
        let end = self.ranges.partition_point(|(range, _)| lower(range).is_none_or(|low| low <= number));
        self.ranges[..end].iter().filter(|(range, _)| range.holds(number)).for_each(|(_, meant)| hit(meant));
    }
}

fn lower(range: &Range) -> Option<&Decimal> {
    range.low.as_ref().map(|(number, _)| number)
}

fn each<K, Q, T>(map: &HashMap<K, Vec<T>>, key: &Q, found: &mut impl FnMut(&T))
where
    K: Hash + Eq + Borrow<Q>,
    Q: Hash + Eq + ?Sized,
{
    map.get(key).into_iter().flatten().for_each(found);
}

/// Beginnings or ends of texts. A text is looked up once for each length that occurs among them.
#[derive(Debug)]
struct Affixes<T> {
    by_text: HashMap<Vec<u8>, Vec<T>>,
    lengths: BTreeSet<usize>,
}

impl<T> Default for Affixes<T> {
    fn default() -> Self {
        Affixes { by_text: HashMap::new(), lengths: BTreeSet::new() }
    }
}

impl<T> Affixes<T> {
    fn add(&mut self, affix: &str, meant: T) {
        self.lengths.insert(affix.len());
        self.by_text.entry(affix.as_bytes().to_vec()).or_default().push(meant);
    }

    fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    fn beginning(&self, text: &str, found: &mut impl FnMut(&T)) {
        for length in self.lengths.range(..=text.len()) {
            each(&self.by_text, &text.as_bytes()[..*length], found);
        }
    }

    fn ending(&self, text: &str, found: &mut impl FnMut(&T)) {
        for length in self.lengths.range(..=text.len()) {
            each(&self.by_text, &text.as_bytes()[text.len() - length..], found);
        }
    }
}
