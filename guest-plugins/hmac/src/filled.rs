//! Signed content that is filled from a delivery: its bytes, and what each stretch of them is.

use std::rc::Rc;

use hookgate_plugin_sdk::{Delivery, Part};

use crate::border::{self, Segment, ValueKind};

/// A stretch of filled content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// Bytes.
    Bytes(Vec<u8>),
    /// What was made of the body.
    Remade(Rc<str>),
    /// The delivery's body, where it lies.
    Body,
    /// The secret's bytes.
    Secret,
}

/// A piece of filled content: its bytes, and what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// The bytes.
    pub stretch: Stretch,
    /// What they are.
    pub role: Role,
}

impl Filled {
    /// A covered header as any other value.
    pub fn without_known_name(self) -> Self {
        match self.role {
            Role::Value(ValueKind::Covered | ValueKind::EventType) => {
                Filled { role: Role::Value(ValueKind::Other), ..self }
            }
            _ => self,
        }
    }
}

/// What a piece of filled content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The same in every delivery.
    Fixed,
    /// What the delivery chooses.
    Value(ValueKind),
    /// The body, or what is made of it.
    Body,
    /// The secret's bytes.
    Secret,
    /// A part in brackets that is left out.
    LeftOut,
}

/// The stretches of filled content, as few as there can be.
pub fn stretches(filled: Vec<Filled>) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for Filled { stretch, role } in filled {
        match (stretches.last_mut(), stretch) {
            _ if role == Role::LeftOut => (),
            (Some(Stretch::Bytes(bytes)), Stretch::Bytes(more)) => bytes.extend(more),
            (_, stretch) => stretches.push(stretch),
        }
    }
    stretches
}

/// Whether filled content could also be that of another delivery.
pub fn is_ambiguous(filled: &[Filled], delivery: &Delivery) -> bool {
    let length = delivery.body_length();
    let is_covered =
        filled.iter().any(|filled| matches!(filled.role, Role::Value(ValueKind::Covered | ValueKind::EventType)));
    let beginning = if is_covered { up_to_document(delivery) } else { delivery.body(0, border::BEGINNING.min(length)) };
    let last = length.checked_sub(1).and_then(|last| delivery.body(last, 1).first().copied());
    let text = |filled: &'_ Filled| match &filled.stretch {
        Stretch::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Stretch::Remade(text) => text.to_string(),
        Stretch::Body | Stretch::Secret => String::new(),
    };
    let texts: Vec<String> = filled.iter().map(text).collect();
    let pieces = filled.iter().zip(&texts);
    let segments: Vec<Segment<'_>> = pieces
        .map(|(filled, text)| match (&filled.role, &filled.stretch) {
            (_, Stretch::Body) => Segment::Body(&beginning, last),
            (Role::Body, _) if is_covered => Segment::Body(text.as_bytes(), text.bytes().last()),
            (Role::Body, _) => Segment::Body(beginning_of(text), text.bytes().last()),
            (Role::Secret, _) | (_, Stretch::Secret) => Segment::Secret,
            (Role::Value(kind), _) => Segment::Value(text, *kind),
            (Role::LeftOut, _) => Segment::LeftOut(text),
            (Role::Fixed, _) => Segment::Fixed(text),
        })
        .collect();
    border::unclear(&segments).is_some()
}

/// The body up to where a document opens, and a little more.
fn up_to_document(delivery: &Delivery) -> Vec<u8> {
    let (length, mut beginning) = (delivery.body_length(), Vec::new());
    let mut next = border::BEGINNING;
    loop {
        let at = beginning.len() as u64;
        let more = delivery.body(at, next.min(length - at));
        let is_enough = more.is_empty() || more.iter().any(|byte| border::opens_document(*byte));
        beginning.extend(more);
        if is_enough {
            return beginning;
        }
        next = PIECE;
    }
}

/// Bytes of the body that are looked at in one go.
const PIECE: u64 = 16 * 1024;

fn beginning_of(text: &str) -> &[u8] {
    let length = text.len().min(border::BEGINNING as usize);
    text.as_bytes().get(..length).unwrap_or_default()
}

/// As the host takes it.
pub fn parts(stretches: &[Stretch]) -> Vec<Part<'_>> {
    fn part(stretch: &Stretch) -> Part<'_> {
        match stretch {
            Stretch::Bytes(bytes) => Part::Bytes(bytes),
            Stretch::Remade(text) => Part::Bytes(text.as_bytes()),
            Stretch::Body => Part::Body,
            Stretch::Secret => Part::Secret,
        }
    }
    stretches.iter().map(part).collect()
}

/// The first bytes of it, without the secret's.
pub fn beginning(stretches: &[Stretch], delivery: &Delivery, length: usize) -> Vec<u8> {
    let mut beginning = Vec::new();
    for stretch in stretches {
        let left = length - beginning.len();
        match stretch {
            Stretch::Bytes(bytes) => beginning.extend(bytes.iter().take(left)),
            Stretch::Remade(text) => beginning.extend(text.bytes().take(left)),
            Stretch::Body => beginning.extend(delivery.body(0, left as u64)),
            Stretch::Secret => (),
        }
    }
    beginning
}
