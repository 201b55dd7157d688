//! What a plugin may not ask for.

use crate::KeyNeed;

/// A plugin has asked for what the contract rules out: its call ends here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// A part of a message, or a payload, lies outside the body.
    #[error(
        "bytes {offset} to {offset}+{length} lie outside the body of {body} bytes; check against body-length first"
    )]
    OutsideBody {
        /// Where it would begin.
        offset: u64,
        /// How many bytes it would have.
        length: u64,
        /// How many the body has.
        body: u64,
    },
    /// A message repeats the body over and over.
    #[error("a message of {0} bytes is too long: at most twice the body and 1 MiB")]
    MessageTooLong(u64),
    /// A derived key outgrows every use.
    #[error("a key of {0} bytes is too long: at most 64 KiB")]
    KeyTooLong(usize),
    /// A prefix that the descriptor does not list for the secret. The message leaves the prefix out: a plugin that guesses
    /// may be right.
    #[error(
        "the descriptor lists no such prefix for the secret {0:?}; every prefix to be taken off must be listed there"
    )]
    UnlistedPrefix(String),
    /// Too many JSON pointers in one call.
    #[error("{0} JSON pointers are too many: at most 256 in one call")]
    TooManyPointers(usize),
    /// A JSON pointer with too many tokens or bytes.
    #[error("a JSON pointer of {0} bytes is too long: at most 128 tokens and 4 KiB")]
    PointerTooLong(usize),
    /// A JSON pointer that is none (RFC 6901).
    #[error("not a JSON Pointer: it is empty or begins with a slash, and has ~0 and ~1 as its only escapes: {0}")]
    NotAPointer(String),
    /// The values at the pointers, taken together, are far longer than the document.
    #[error("the values asked of a JSON document add up to more than four times its length, or to more than 16 MiB")]
    AnswerTooLong,
    /// The plugin is not to blame: keys must be fetched before it can go on.
    #[error("keys must be fetched from {} before it can go on", .0.request.url)]
    KeysNeeded(Box<KeyNeed>),
    /// A request for keys has too many fields or bytes.
    #[error("a request for keys of {0} bytes is too long: at most 4 KiB and 16 fields")]
    KeyRequestTooLong(usize),
    /// More of a body that is not in memory than one read brings.
    #[error("a read of {0} bytes is too long: at most 16 MiB at a time of a body that is kept outside memory")]
    ReadTooLong(u64),
    /// The plugin is not to blame: the body is kept outside memory and cannot be read now.
    #[error("the body cannot be read: {0}")]
    Unreadable(String),
}
