//! What the value that holds the signature looks like: `sha256={signature}`, or a list such as `t={timestamp},v1={signature}`.
//!
//! With a separator the value is a list, whose items are distinguished by the text in front of their slot: they may come in
//! any order, repeat, and have others between them. Items without such text are distinguished by their place; the last of
//! them may repeat. Without a separator the value must look exactly as the format says.

use hookgate_known_providers::template::{self, Token};

/// Signatures in one value that are looked at. A rotation needs two; each costs a pass over the body, and a forger can
/// write as many as a header holds.
const SIGNATURES_MAX: usize = 16;

/// What a slot holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Slot {
    #[default]
    Signature,
    Timestamp,
    Field(String),
}

/// A slot with the text around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Item {
    /// Blanks in front of it, which are written and need not be there.
    blanks: String,
    before: String,
    slot: Slot,
    after: String,
}

/// What a value looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    items: Vec<Item>,
    separator: Option<String>,
    groups: Option<String>,
    strongest: bool,
}

/// How the items of a value are distinguished.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    /// What stands between the items of a list.
    pub separator: Option<String>,
    /// What stands between whole lists, each with a timestamp of its own.
    pub groups: Option<String>,
    /// Whether only the signatures of the first item of the format that is there count, so that a forger cannot fall back to
    /// a weaker one.
    pub strongest: bool,
}

/// The values found in a signature header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// As they stand there, each with the number of its item among those of signatures; one that fits is enough.
    pub signatures: Vec<(usize, String)>,
    /// As it stands there.
    pub timestamp: Option<String>,
    /// Other slots, by their name.
    pub fields: Vec<(String, String)>,
}

impl Format {
    /// Reads a format.
    ///
    /// # Errors
    /// In words: it has no `{signature}`, or its items cannot be distinguished.
    pub fn parse(format: &str, lists: Lists) -> Result<Self, String> {
        let Lists { separator, groups, strongest } = lists;
        let separator = separator.filter(|separator| !separator.is_empty());
        let items = match &separator {
            Some(separator) => format.split(separator.as_str()).map(single).collect::<Result<Vec<_>, _>>()?,
            None => sequence(format)?,
        };
        if !items.iter().any(|item| item.slot == Slot::Signature) {
            return Err(format!("{format:?} has no {{signature}}"));
        }
        Ok(Format { items, separator, groups: groups.filter(|groups| !groups.is_empty()), strongest })
    }

    /// Whether the value holds a timestamp.
    pub fn has_timestamp(&self) -> bool {
        self.items.iter().any(|item| item.slot == Slot::Timestamp)
    }

    /// How many of its items are signatures.
    pub fn signatures(&self) -> usize {
        self.signatures_before(self.items.len())
    }

    fn signatures_before(&self, at: usize) -> usize {
        self.items.iter().take(at).filter(|item| item.slot == Slot::Signature).count()
    }

    /// What a value tells; nothing where it does not look like this.
    pub fn read(&self, value: &str) -> Vec<Proof> {
        let groups: Vec<&str> = match &self.groups {
            Some(groups) => value.split(groups.as_str()).collect(),
            None => vec![value],
        };
        let read = |group: &str| match &self.separator {
            Some(separator) => Some(self.read_list(group, separator)),
            None => self.read_whole(group),
        };
        groups.into_iter().filter_map(read).filter(|proof| !proof.signatures.is_empty()).take(SIGNATURES_MAX).collect()
    }

    fn read_list(&self, list: &str, separator: &str) -> Proof {
        let mut found: Vec<(usize, &str)> = Vec::new();
        let mut unnamed = self.items.iter().enumerate().filter(|(_, item)| item.before.is_empty()).peekable();
        for entry in list.split(separator).map(|entry| entry.trim().trim_end_matches(',')) {
            let named = self.items.iter().enumerate().filter(|(_, item)| !item.before.is_empty());
            let by_name = named.map(|(at, item)| Some((at, item.inside(entry)?))).find(Option::is_some).flatten();
            let by_place = || {
                let (at, item) = *unnamed.peek()?;
                let inside = item.inside(entry)?;
                // The last of them stays, for as many entries as there are.
                if self.items.iter().skip(at + 1).any(|item| item.before.is_empty()) {
                    unnamed.next();
                }
                Some((at, inside))
            };
            found.extend(by_name.or_else(by_place));
        }
        if self.strongest {
            let signed = |at: &usize| self.items.get(*at).is_some_and(|item| item.slot == Slot::Signature);
            let first = found.iter().map(|(at, _)| *at).filter(signed).min();
            found.retain(|(at, _)| !signed(at) || Some(*at) == first);
        }
        self.proof(found)
    }

    fn read_whole(&self, value: &str) -> Option<Proof> {
        let mut rest = value;
        let mut found = Vec::new();
        for (at, item) in self.items.iter().enumerate() {
            rest = rest.strip_prefix(item.before.as_str())?;
            let next = match item.after.as_str() {
                "" => self.items.get(at + 1).map_or("", |next| next.before.as_str()),
                after => after,
            };
            let end = if next.is_empty() { rest.len() } else { rest.find(next)? };
            let (inside, after) = rest.split_at(end);
            found.push((at, inside));
            rest = after.strip_prefix(item.after.as_str())?;
        }
        rest.is_empty().then(|| self.proof(found))
    }

    fn proof(&self, found: Vec<(usize, &str)>) -> Proof {
        let mut proof = Proof::default();
        for (at, inside) in found {
            let Some(item) = self.items.get(at) else { continue };
            match &item.slot {
                Slot::Signature if inside.is_empty() || proof.signatures.len() == SIGNATURES_MAX => (),
                Slot::Signature => proof.signatures.push((self.signatures_before(at), inside.to_owned())),
                Slot::Timestamp => proof.timestamp = proof.timestamp.or_else(|| Some(inside.to_owned())),
                Slot::Field(name) if proof.fields.iter().any(|(known, _)| known == name) => (),
                Slot::Field(name) => proof.fields.push((name.clone(), inside.to_owned())),
            }
        }
        proof
    }

    /// The names of the slots that are neither signature nor timestamp.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.items.iter().filter_map(|item| match &item.slot {
            Slot::Field(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Writes a value with one signature; items whose slot has no value are left out of a list.
    pub fn write(&self, signature: &str, proof: &Proof) -> String {
        let mut signed = false;
        let written = self.items.iter().filter_map(|item| {
            let inside = match &item.slot {
                Slot::Signature => (!std::mem::replace(&mut signed, true)).then_some(signature)?,
                Slot::Timestamp => proof.timestamp.as_deref()?,
                Slot::Field(name) => proof.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value)?,
            };
            Some(format!("{}{}{inside}{}", item.blanks, item.before, item.after))
        });
        written.collect::<Vec<_>>().join(self.separator.as_deref().unwrap_or_default())
    }
}

impl Item {
    fn inside<'v>(&self, entry: &'v str) -> Option<&'v str> {
        entry.strip_prefix(self.before.as_str())?.strip_suffix(self.after.as_str())
    }
}

/// One item of a list.
fn single(text: &str) -> Result<Item, String> {
    let item = text.trim();
    let blanks = text.chars().take_while(|c| c.is_whitespace()).collect();
    match <[Item; 1]>::try_from(sequence(item)?) {
        Ok([item]) => Ok(Item { blanks, ..item }),
        Err(_) => Err(format!("the item {item:?} must have one slot, such as {{signature}} or {{timestamp}}")),
    }
}

/// Slots with the text in front of them; what follows the last one is its own.
fn sequence(format: &str) -> Result<Vec<Item>, String> {
    let mut items: Vec<Item> = Vec::new();
    let mut before = String::new();
    for token in template::parse(format)? {
        match token {
            Token::Text(text) => before = text,
            Token::Slot(name) => {
                if before.is_empty() && !items.is_empty() {
                    return Err(format!("nothing tells the slots of {format:?} apart"));
                }
                let slot = match name.as_str() {
                    "signature" => Slot::Signature,
                    "timestamp" => Slot::Timestamp,
                    _ => Slot::Field(name),
                };
                items.push(Item { before: std::mem::take(&mut before), slot, ..Item::default() });
            }
            Token::Optional(_) => return Err(format!("{format:?} cannot have parts in brackets")),
        }
    }
    match items.last_mut() {
        Some(last) => last.after = before,
        None => return Err(format!("{format:?} has no {{signature}}")),
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn list(separator: &str) -> Lists {
        Lists { separator: Some(separator.to_owned()), ..Lists::default() }
    }

    /// The signatures and timestamp of each group.
    fn read(format: &str, lists: Lists, value: &str) -> Vec<String> {
        let format = Format::parse(format, lists).unwrap();
        let text = |(_, signature): &(usize, String)| signature.clone();
        let texts = |proof: &Proof| proof.signatures.iter().map(text).collect::<Vec<_>>().join("/");
        let show = |proof: Proof| format!("{}@{}", texts(&proof), proof.timestamp.unwrap_or_default());
        format.read(value).into_iter().map(show).collect()
    }

    #[test]
    fn a_single_value_must_look_as_it_says() {
        let none = Lists::default;
        assert_eq!(read("{signature}", none(), "ab"), ["ab@"]);
        assert_eq!(read("sha256={signature}", none(), "sha256=ab"), ["ab@"]);
        assert_eq!(read("HMAC {signature}", none(), "HMAC ab=="), ["ab==@"]);
        assert_eq!(read("v={timestamp},d={signature}", none(), "v=1,d=ab"), ["ab@1"]);
        assert_eq!(read("<{signature}>", none(), "<ab>"), ["ab@"]);
        for value in ["ab", "sha1=ab", " sha256=ab", "sha256="] {
            assert!(read("sha256={signature}", none(), value).is_empty(), "{value}");
        }
        for value in ["d=ab,v=1", "x-v=1,d=ab", "v=1;d=ab", "v=1"] {
            assert!(read("v={timestamp},d={signature}", none(), value).is_empty(), "{value}");
        }
    }

    #[test]
    fn lists_are_told_apart_by_name_or_place() {
        for (format, separator, value, expected) in [
            ("t={timestamp},v1={signature}", ",", "t=1,v0=x,v1=a,v1=b", "a/b@1"),
            ("t={timestamp},v1={signature}", ",", "v1=a==, t=1", "a==@1"),
            ("ts={timestamp};h1={signature}", ";", "ts=1;h1=a", "a@1"),
            ("v1,{signature}", " ", "v1,a v1a,b v2,c v1,d", "a/d@"),
            ("v1,{signature}", " ", "v1,a, v1,b", "a/b@"),
            ("v1={signature}", ",", "v1=a, v1=b", "a/b@"),
            ("{signature}", ",", "a,b", "a/b@"),
            ("{signature}", ".", "a.b", "a/b@"),
            ("{timestamp},{signature}", ",", "1,a,b", "a/b@1"),
            ("v0={signature},{signature}", ",", "v0=a,b,c", "a/b/c@"),
            ("t={timestamp}&s={signature}", "&", "t=1&s=a", "a@1"),
        ] {
            assert_eq!(read(format, list(separator), value), [expected], "{format} of {value}");
        }
        assert!(read("t={timestamp},v1={signature}", list(","), "t=1,v0=a").is_empty());
    }

    #[test]
    fn groups_have_a_timestamp_each() {
        let lists = Lists { groups: Some(" ".into()), ..list(",") };
        assert_eq!(read("t={timestamp},v1={signature}", lists, "t=1,v1=a t=2,v1=b"), ["a@1", "b@2"]);
    }

    #[test]
    fn a_weaker_signature_does_not_stand_in_for_a_stronger_one() {
        let lists = || Lists { strongest: true, ..list(",") };
        let format = "t={timestamp},h={covered},v1={signature},v0={signature}";
        assert_eq!(read(format, lists(), "t=1,h=x,v0=a,v1=b"), ["b@1"]);
        assert_eq!(read(format, lists(), "t=1,v0=a"), ["a@1"]);
    }

    #[test]
    fn signatures_know_their_item() {
        let format = Format::parse("t={timestamp},v1={signature},v0={signature}", list(",")).unwrap();
        let proof = format.read("v0=a,v1=b,t=1,v0=c").remove(0);
        assert_eq!(proof.signatures, [(1, "a".to_owned()), (0, "b".to_owned()), (1, "c".to_owned())]);
        assert_eq!(format.signatures(), 2);
    }

    #[test]
    fn other_slots_are_fields() {
        let format = Format::parse("sign={signature}, env={env}, t={timestamp}", list(",")).unwrap();
        let proof = format.read("sign=a=, env=master, t=1").remove(0);
        assert_eq!(proof.fields, [("env".to_owned(), "master".to_owned())]);
    }

    #[test]
    fn the_blanks_of_a_format_are_written_and_need_not_be_read() {
        let format = Format::parse("t={timestamp}, v1={signature}", list(",")).unwrap();
        let proof = Proof { timestamp: Some("1".to_owned()), ..Proof::default() };
        assert_eq!(format.write("ab", &proof), "t=1, v1=ab");
        assert_eq!(read("t={timestamp}, v1={signature}", list(","), "t=1,v1=ab"), ["ab@1"]);
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused() {
        for (format, separator) in [
            ("", None),
            ("sha256=", None),
            ("{timestamp}", None),
            ("{timestamp}{signature}", None),
            ("[{signature}]", None),
            ("{signature", None),
            ("t={timestamp}{signature},", Some(",")),
            ("t={timestamp},v1", Some(",")),
        ] {
            let lists = Lists { separator: separator.map(str::to_owned), ..Lists::default() };
            assert!(Format::parse(format, lists).is_err(), "{format}");
        }
    }

    #[test]
    fn no_more_signatures_are_read_than_can_be_tried() {
        let many = vec!["v1=a"; 1000].join(",");
        assert_eq!(Format::parse("v1={signature}", list(",")).unwrap().read(&many)[0].signatures.len(), SIGNATURES_MAX);
    }

    proptest! {
        #[test]
        fn a_written_value_is_read_again(
            names in proptest::collection::hash_set("[a-z][a-z0-9]{0,3}", 3),
            separator in "[,;&]",
            signature in "[0-9a-f]{4,8}",
            timestamp in "[0-9]{4,8}",
            rotated in any::<bool>(),
        ) {
            let names: Vec<String> = names.into_iter().collect();
            let [t, s, f] = &names[..] else { panic!() };
            let text = format!("{t}={{timestamp}}{separator}{f}={{env}}{separator}{s}={{signature}}");
            let proof = Proof {
                signatures: vec![(0, signature.clone())],
                timestamp: Some(timestamp),
                fields: vec![("env".into(), "x".into())],
            };
            for lists in [list(&separator), Lists::default()] {
                let rotated = rotated && lists.separator.is_some();
                let format = Format::parse(&text, lists).unwrap();
                let mut value = format.write(&signature, &proof);
                if rotated {
                    value = format!("{s}=0{separator}{value}");
                }
                let read = format.read(&value);
                prop_assert_eq!(read.len(), 1);
                prop_assert!(read[0].signatures.contains(&(0, signature.clone())));
                prop_assert_eq!((&read[0].timestamp, &read[0].fields), (&proof.timestamp, &proof.fields));
            }
        }

        #[test]
        fn any_value_of_any_format_is_read_or_refused(format in "[a-c={},; ]{0,6}\\{signature\\}[a-c={},; ]{0,6}", value in ".*") {
            for separator in [None, Some(",".to_owned()), Some(" ".to_owned())] {
                if let Ok(format) = Format::parse(&format, Lists { separator, ..Lists::default() }) {
                    format.read(&value);
                }
            }
        }
    }
}
