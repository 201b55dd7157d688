//! Reads a JSON document (RFC 8259) once, and takes out what is wanted of it.
//!
//! Where something is wanted below a value, its array or object is a [`Frame`]; there are at most as many as a pointer has
//! tokens. Everything else is passed over ([`Reader::pass_value`]), checked for its syntax only.

use super::{
    DEPTH_MAX, Failed,
    input::Input,
    levels::{Level, Levels},
    unescaped,
    wanted::{NodeId, ROOT, Wanted},
};
use crate::CapabilityError;

/// A document being read.
pub(super) struct Reader<'w, I: Input> {
    input: I,
    wanted: &'w Wanted,
    noted: Vec<Noted<I::Text>>,
    frames: Vec<Frame>,
    /// What is open of a value that is passed over.
    levels: Levels,
    copied_bytes: u64,
    is_deep: bool,
}

/// What was read.
pub(super) struct Document<T> {
    /// The values asked for, by their nodes.
    pub(super) texts: Vec<Option<T>>,
    /// It is nested deeper than any pointer reaches.
    pub(super) is_deep: bool,
}

/// What is known of a node.
struct Noted<T> {
    /// Where its value began, the last time that there was one.
    reached_at: Option<u64>,
    text: Option<T>,
}

/// An array or object whose parts are wanted.
struct Frame {
    node: NodeId,
    began_at: u64,
    /// The index of the next element; none in an object.
    next: Option<usize>,
    /// Nothing of it was read yet.
    is_new: bool,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl<'w, I: Input> Reader<'w, I> {
    pub(super) fn new(input: I, wanted: &'w Wanted) -> Self {
        let noted = (0..wanted.len()).map(|_| Noted { reached_at: None, text: None }).collect();
        let (frames, levels) = (Vec::new(), Levels::default());
        Reader { input, wanted, noted, frames, levels, copied_bytes: 0, is_deep: false }
    }

    /// Reads the document to its end.
    pub(super) fn read(mut self) -> Result<Document<I::Text>, Failed> {
        self.pass_byte_order_mark()?;
        self.pass_blanks()?;
        self.value(Some(ROOT))?;
        while let Some(frame) = self.frames.pop() {
            self.go_on(frame)?;
        }
        self.pass_blanks()?;
        match self.peek()? {
            None => Ok(Document { is_deep: self.is_deep, texts: self.texts() }),
            Some(_) => Err(self.not_json("the end of the document")),
        }
    }

    /// What was found at each node. Where a key is doubled, what stood below the earlier one does not count.
    fn texts(self) -> Vec<Option<I::Text>> {
        let mut valid_from = vec![u64::MAX; self.noted.len()];
        let mut texts = Vec::with_capacity(self.noted.len());
        for ((node, parent), noted) in self.wanted.parents().zip(self.noted) {
            let parent_from = if node == ROOT { 0 } else { valid_from[parent] };
            match noted.reached_at.filter(|at| *at >= parent_from) {
                Some(at) => {
                    valid_from[node] = at;
                    texts.push(noted.text);
                }
                None => texts.push(None),
            }
        }
        texts
    }

    /// Reads a value, or opens a frame for it.
    fn value(&mut self, node: Option<NodeId>) -> Result<(), Failed> {
        let Some(node) = node else { return self.pass_value() };
        let began_at = self.input.position();
        self.noted[node].reached_at = Some(began_at);
        if self.wanted.is_asked_for(node) {
            self.input.keep();
        }
        let next = match self.peek()? {
            Some(b'{') if self.wanted.has_members(node) => None,
            Some(b'[') if self.wanted.has_elements(node) => Some(0),
            _ => {
                self.pass_value()?;
                return self.note(node, began_at);
            }
        };
        self.input.advance(1)?;
        self.frames.push(Frame { node, began_at, next, is_new: true });
        Ok(())
    }

    /// Reads on in an array or object: its end, or its next part.
    fn go_on(&mut self, mut frame: Frame) -> Result<(), Failed> {
        let (close, expected) = match frame.next {
            None => (b'}', "`,` or `}`"),
            Some(_) => (b']', "`,` or `]`"),
        };
        self.pass_blanks()?;
        match self.peek()? {
            Some(byte) if byte == close => {
                self.input.advance(1)?;
                return self.note(frame.node, frame.began_at);
            }
            _ if frame.is_new => frame.is_new = false,
            Some(b',') => {
                self.input.advance(1)?;
                self.pass_blanks()?;
            }
            _ => return Err(self.not_json(expected)),
        }
        let child = match &mut frame.next {
            None => self.key(frame.node)?,
            Some(next) => {
                let child = self.wanted.element(frame.node, *next);
                *next += 1;
                child
            }
        };
        self.frames.push(frame);
        self.value(child)
    }

    /// Reads a key and the colon behind it; the node of its value.
    fn key(&mut self, object: NodeId) -> Result<Option<NodeId>, Failed> {
        let from = self.input.position();
        self.input.keep();
        self.pass_string()?;
        let key = self.input.kept(from)?;
        let node = unescaped(key.as_ref()).and_then(|name| self.wanted.member(object, &name));
        self.pass_colon()?;
        Ok(node)
    }

    /// Notes the value that ends here.
    fn note(&mut self, node: NodeId, began_at: u64) -> Result<(), Failed> {
        if !self.wanted.is_asked_for(node) {
            return Ok(());
        }
        self.copied_bytes += self.input.position() - began_at;
        if self.copied_bytes > self.input.copied_bytes_max() {
            return Err(Failed::Call(CapabilityError::AnswerTooLong));
        }
        self.noted[node].text = Some(self.input.kept(began_at)?);
        Ok(())
    }

    /// Passes over a value, however deep it is nested.
    fn pass_value(&mut self) -> Result<(), Failed> {
        loop {
            if self.begins_level()? {
                continue;
            }
            loop {
                let Some(level) = self.levels.last() else { return Ok(()) };
                self.pass_blanks()?;
                match (level, self.peek()?) {
                    (_, Some(b',')) => {
                        self.input.advance(1)?;
                        self.pass_blanks()?;
                        self.pass_key(level)?;
                        break;
                    }
                    (Level::Array, Some(b']')) | (Level::Object, Some(b'}')) => {
                        self.input.advance(1)?;
                        self.levels.pop();
                    }
                    (Level::Array, _) => return Err(self.not_json("`,` or `]`")),
                    (Level::Object, _) => return Err(self.not_json("`,` or `}`")),
                }
            }
        }
    }

    /// Passes over a value without parts; or goes into an array or object up to its first part, where it has one.
    fn begins_level(&mut self) -> Result<bool, Failed> {
        let (level, close) = match self.peek()? {
            Some(b'{') => (Level::Object, b'}'),
            Some(b'[') => (Level::Array, b']'),
            Some(b'"') => return self.pass_string().map(|()| false),
            Some(b'-' | b'0'..=b'9') => return self.pass_number().map(|()| false),
            Some(b't') => return self.pass_word(b"true").map(|()| false),
            Some(b'f') => return self.pass_word(b"false").map(|()| false),
            Some(b'n') => return self.pass_word(b"null").map(|()| false),
            _ => return Err(self.not_json("a value")),
        };
        self.input.advance(1)?;
        self.is_deep |= self.frames.len() + self.levels.len() >= DEPTH_MAX;
        self.pass_blanks()?;
        if self.peek()? == Some(close) {
            self.input.advance(1)?;
            return Ok(false);
        }
        self.levels.push(level)?;
        self.pass_key(level)?;
        Ok(true)
    }

    fn pass_key(&mut self, level: Level) -> Result<(), Failed> {
        match level {
            Level::Array => Ok(()),
            Level::Object => {
                self.pass_string()?;
                self.pass_colon()
            }
        }
    }

    fn pass_colon(&mut self) -> Result<(), Failed> {
        self.pass_blanks()?;
        self.pass_one(|byte| byte == b':', "`:`")?;
        self.pass_blanks()
    }

    fn pass_string(&mut self) -> Result<(), Failed> {
        self.pass_one(|byte| byte == b'"', "a string")?;
        loop {
            let ahead = self.input.ahead()?;
            let stop = ahead.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            let (plain, byte) = match stop {
                Some(at) => (at, ahead.get(at).copied()),
                None if ahead.is_empty() => return Err(self.not_json("`\"` at the end of a string")),
                None => (ahead.len(), None),
            };
            self.input.advance(plain)?;
            match byte {
                None => {}
                Some(b'"') => return self.input.advance(1),
                Some(b'\\') => self.pass_escape()?,
                Some(_) => return Err(self.not_json("no control character in a string")),
            }
        }
    }

    fn pass_escape(&mut self) -> Result<(), Failed> {
        self.input.advance(1)?;
        let is_unicode = self.peek()? == Some(b'u');
        self.pass_one(|byte| b"\"\\/bfnrtu".contains(&byte), "an escape sequence")?;
        for _ in 0..if is_unicode { 4 } else { 0 } {
            self.pass_one(|byte| byte.is_ascii_hexdigit(), "four hex digits")?;
        }
        Ok(())
    }

    fn pass_number(&mut self) -> Result<(), Failed> {
        self.pass_if(|byte| byte == b'-')?;
        if !self.pass_if(|byte| byte == b'0')? {
            self.pass_digits()?;
        }
        if self.pass_if(|byte| byte == b'.')? {
            self.pass_digits()?;
        }
        if self.pass_if(|byte| matches!(byte, b'e' | b'E'))? {
            self.pass_if(|byte| matches!(byte, b'+' | b'-'))?;
            self.pass_digits()?;
        }
        Ok(())
    }

    fn pass_digits(&mut self) -> Result<(), Failed> {
        self.pass_one(|byte| byte.is_ascii_digit(), "a digit")?;
        while self.pass_if(|byte| byte.is_ascii_digit())? {}
        Ok(())
    }

    fn pass_word(&mut self, word: &'static [u8]) -> Result<(), Failed> {
        word.iter().try_for_each(|letter| self.pass_one(|byte| byte == *letter, "true, false or null"))
    }

    fn pass_blanks(&mut self) -> Result<(), Failed> {
        loop {
            let ahead = self.input.ahead()?;
            let blanks = ahead.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count();
            let is_all = blanks > 0 && blanks == ahead.len();
            self.input.advance(blanks)?;
            if !is_all {
                return Ok(());
            }
        }
    }

    fn pass_byte_order_mark(&mut self) -> Result<(), Failed> {
        if self.peek()? == BYTE_ORDER_MARK.first().copied() {
            for mark in BYTE_ORDER_MARK {
                self.pass_one(|byte| byte == *mark, "a value")?;
            }
        }
        Ok(())
    }

    fn pass_one(&mut self, fits: impl Fn(u8) -> bool, expected: &str) -> Result<(), Failed> {
        if self.pass_if(fits)? { Ok(()) } else { Err(self.not_json(expected)) }
    }

    /// Passes over the next byte if it fits.
    fn pass_if(&mut self, fits: impl Fn(u8) -> bool) -> Result<bool, Failed> {
        let does_fit = self.peek()?.is_some_and(fits);
        if does_fit {
            self.input.advance(1)?;
        }
        Ok(does_fit)
    }

    fn peek(&mut self) -> Result<Option<u8>, Failed> {
        Ok(self.input.ahead()?.first().copied())
    }

    fn not_json(&self, expected: &str) -> Failed {
        Failed::Document(format!("not JSON: expected {expected} at byte {}", self.input.position()))
    }
}
