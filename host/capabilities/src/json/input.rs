//! Where the reader has a document's bytes from.

use super::Failed;

/// The bytes of a document, from its beginning to its end. They are UTF-8.
pub(super) trait Input {
    /// A piece of the document.
    type Text: AsRef<str>;

    /// The unread bytes at hand: at least one, unless the document has ended.
    fn ahead(&mut self) -> Result<&[u8], Failed>;

    /// Goes past bytes that [`Input::ahead`] has shown.
    fn advance(&mut self, bytes: usize) -> Result<(), Failed>;

    /// Where the first unread byte stands.
    fn position(&self) -> u64;

    /// Keeps the bytes from here on, until [`Input::kept`] is called for them. Calls nest.
    fn keep(&mut self);

    /// The text from `from`, where [`Input::keep`] was last called, up to here.
    fn kept(&mut self, from: u64) -> Result<Self::Text, Failed>;

    /// Bytes of all values that the reader may take copies of.
    fn copied_bytes_max(&self) -> u64;

    /// Bytes of all values that one call may ask for.
    fn answer_bytes_max(&self) -> u64;
}

/// A document in memory: nothing is copied.
pub(super) struct InMemory<'d> {
    document: &'d str,
    at: usize,
}

impl<'d> InMemory<'d> {
    pub(super) fn new(document: &'d [u8]) -> Result<Self, Failed> {
        let not_text = |error| Failed::Document(format!("the JSON is not UTF-8: {error}"));
        Ok(InMemory { document: std::str::from_utf8(document).map_err(not_text)?, at: 0 })
    }
}

impl<'d> Input for InMemory<'d> {
    type Text = &'d str;

    fn ahead(&mut self) -> Result<&[u8], Failed> {
        Ok(self.document.as_bytes().get(self.at..).unwrap_or_default())
    }

    fn advance(&mut self, bytes: usize) -> Result<(), Failed> {
        self.at += bytes;
        Ok(())
    }

    fn position(&self) -> u64 {
        self.at as u64
    }

    fn keep(&mut self) {}

    fn kept(&mut self, from: u64) -> Result<&'d str, Failed> {
        // Values begin and end with ASCII characters.
        Ok(self.document.get(from as usize..self.at).unwrap_or_default())
    }

    fn copied_bytes_max(&self) -> u64 {
        u64::MAX
    }

    fn answer_bytes_max(&self) -> u64 {
        4 * self.document.len() as u64
    }
}
