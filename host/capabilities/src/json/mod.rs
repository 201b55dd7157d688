//! Values of a JSON document by their pointers (RFC 6901), found in one pass.
//!
//! Neither the document nor the pointers decide how deep the host recurses: the pointers are a flat list ([`wanted`]), and
//! the reader ([`reader`]) keeps its place in a list of its own. Both run on the stack of the plugin that asks.

mod input;
mod levels;
mod reader;
#[cfg(feature = "stored")]
mod stream;
mod wanted;

use std::borrow::Cow;

use self::{
    input::{InMemory, Input},
    reader::Reader,
    wanted::Wanted,
};
use crate::{Body, CapabilityError};

/// A value found in a JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonValue {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// As written: no precision is lost.
    Number(String),
    /// With escapes undone.
    Text(String),
    /// An array or object, byte for byte as written.
    Composite(String),
}

/// What stands at each pointer, or why the document is not JSON.
pub type JsonAnswer = Result<Vec<Option<JsonValue>>, String>;

/// What was found in a JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json {
    /// What stands at each pointer.
    pub values: Vec<Option<JsonValue>>,
    /// Part of the document counts as absent: levels that no pointer reaches, or a string asked for that is not Unicode
    /// text (it holds half of a surrogate pair).
    pub is_incomplete: bool,
}

/// Why a document was not read to its end.
#[derive(Debug, PartialEq, Eq)]
enum Failed {
    /// The call of the plugin ends.
    Call(CapabilityError),
    /// It is not JSON.
    Document(String),
}

/// Pointers in one call.
const POINTERS_MAX: usize = 256;
/// Tokens of a pointer. Arrays and objects nested deeper than this cannot be reached.
const DEPTH_MAX: usize = 128;
/// Bytes of a pointer.
const POINTER_BYTES_MAX: usize = 4 << 10;

/// Finds what stands at each pointer. Of doubled keys the last counts. A byte order mark before the document is skipped
/// (RFC 8259, 8.1).
///
/// # Errors
/// The plugin asks for what it must not ask for, or the body cannot be read. The inner error is a document that is not
/// JSON.
pub(crate) fn select<P: AsRef<str>>(document: &Body, pointers: &[P]) -> Result<Result<Json, String>, CapabilityError> {
    if pointers.len() > POINTERS_MAX {
        return Err(CapabilityError::TooManyPointers(pointers.len()));
    }
    let wanted = Wanted::new(pointers)?;
    let found = match document {
        Body::Memory(bytes) => InMemory::new(bytes).and_then(|input| read(input, &wanted, pointers.len())),
        #[cfg(feature = "stored")]
        Body::Stored(stored) => read(stream::Stream::new(stored), &wanted, pointers.len()),
        #[cfg(not(feature = "stored"))]
        Body::Stored(_) => {
            Err(Failed::Call(CapabilityError::Unreadable("this host keeps all bodies in memory".to_owned())))
        }
    };
    match found {
        Ok(json) => Ok(Ok(json)),
        Err(Failed::Document(why)) => Ok(Err(why)),
        Err(Failed::Call(error)) => Err(error),
    }
}

fn read<I: Input>(input: I, wanted: &Wanted, pointers: usize) -> Result<Json, Failed> {
    let answer_bytes_max = input.answer_bytes_max();
    let document = Reader::new(input, wanted).read()?;
    let found = wanted.in_order(&document.texts, pointers);
    // Pointers to the same or to nested values could otherwise make any multiple of a document.
    let answer_bytes = found.iter().flatten().map(|text| text.len() as u64).sum::<u64>();
    if answer_bytes > answer_bytes_max {
        return Err(Failed::Call(CapabilityError::AnswerTooLong));
    }
    let values: Vec<_> = found.iter().map(|text| classify((*text)?)).collect();
    let is_unreadable = |(text, value): (&Option<&str>, &Option<JsonValue>)| text.is_some() && value.is_none();
    let is_incomplete = document.is_deep || found.iter().zip(&values).any(is_unreadable);
    Ok(Json { values, is_incomplete })
}

/// The value that a text is; none where it is a string that is not Unicode text.
fn classify(text: &str) -> Option<JsonValue> {
    Some(match text.as_bytes().first() {
        Some(b'n') => JsonValue::Null,
        Some(b't') => JsonValue::Boolean(true),
        Some(b'f') => JsonValue::Boolean(false),
        Some(b'"') => JsonValue::Text(unescaped(text)?.into_owned()),
        Some(b'{' | b'[') => JsonValue::Composite(text.to_owned()),
        _ => JsonValue::Number(text.to_owned()),
    })
}

/// The text of a string as it is written, quotes included. None where it holds half of a surrogate pair, which is the one
/// thing that the reader lets pass and no text can hold.
fn unescaped(written: &str) -> Option<Cow<'_, str>> {
    if written.contains('\\') {
        serde_json::from_str(written).ok().map(Cow::Owned)
    } else {
        written.strip_prefix('"')?.strip_suffix('"').map(Cow::Borrowed)
    }
}
