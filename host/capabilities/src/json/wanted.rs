//! The pointers of a call as a tree in one flat list: what is wanted at a value, and below it.

use std::{borrow::Cow, collections::BTreeMap};

use super::{DEPTH_MAX, POINTER_BYTES_MAX};
use crate::CapabilityError;

/// A value that some pointer leads to or through: its place in the list.
pub(super) type NodeId = usize;

/// The whole document.
pub(super) const ROOT: NodeId = 0;

/// All nodes. A parent stands before its children.
pub(super) struct Wanted(Vec<Node>);

#[derive(Default)]
struct Node {
    parent: NodeId,
    /// The pointers that lead here, by their place in the call.
    pointers: Vec<usize>,
    /// The children, where this is an object.
    members: BTreeMap<String, NodeId>,
    /// The children, where this is an array.
    elements: BTreeMap<usize, NodeId>,
}

impl Wanted {
    /// # Errors
    /// A pointer is not one, or is too long.
    pub(super) fn new<P: AsRef<str>>(pointers: &[P]) -> Result<Wanted, CapabilityError> {
        let mut wanted = Wanted(vec![Node::default()]);
        for (index, pointer) in pointers.iter().enumerate() {
            let node = wanted.path(pointer.as_ref())?;
            wanted.0[node].pointers.push(index);
        }
        Ok(wanted)
    }

    /// Makes the nodes of a pointer; the last one.
    fn path(&mut self, pointer: &str) -> Result<NodeId, CapabilityError> {
        if pointer.is_empty() {
            return Ok(ROOT);
        }
        let not_a_pointer = || CapabilityError::NotAPointer(pointer.chars().take(100).collect());
        let tokens = pointer.strip_prefix('/').ok_or_else(not_a_pointer)?;
        if pointer.len() > POINTER_BYTES_MAX || tokens.split('/').nth(DEPTH_MAX).is_some() {
            return Err(CapabilityError::PointerTooLong(pointer.len()));
        }
        let mut node = ROOT;
        for token in tokens.split('/') {
            node = self.child(node, unescape(token).ok_or_else(not_a_pointer)?);
        }
        Ok(node)
    }

    fn child(&mut self, parent: NodeId, token: Cow<'_, str>) -> NodeId {
        if let Some(known) = self.member(parent, &token) {
            return known;
        }
        let child = self.0.len();
        self.0.push(Node { parent, ..Node::default() });
        if let Some(index) = array_index(&token) {
            self.0[parent].elements.insert(index, child);
        }
        self.0[parent].members.insert(token.into_owned(), child);
        child
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a pointer leads to this value itself.
    pub(super) fn is_asked_for(&self, node: NodeId) -> bool {
        !self.0[node].pointers.is_empty()
    }

    /// Whether anything is wanted of the members of an object here.
    pub(super) fn has_members(&self, node: NodeId) -> bool {
        !self.0[node].members.is_empty()
    }

    /// Whether anything is wanted of the elements of an array here.
    pub(super) fn has_elements(&self, node: NodeId) -> bool {
        !self.0[node].elements.is_empty()
    }

    /// The member of this name of an object here.
    pub(super) fn member(&self, node: NodeId, name: &str) -> Option<NodeId> {
        self.0[node].members.get(name).copied()
    }

    /// The element with this index of an array here.
    pub(super) fn element(&self, node: NodeId, index: usize) -> Option<NodeId> {
        self.0[node].elements.get(&index).copied()
    }

    /// The nodes with their parents, parents first.
    pub(super) fn parents(&self) -> impl Iterator<Item = (NodeId, NodeId)> {
        self.0.iter().enumerate().map(|(node, Node { parent, .. })| (node, *parent))
    }

    /// What was found at each node, in the order of the pointers.
    pub(super) fn in_order<'t, T: AsRef<str>>(&self, texts: &'t [Option<T>], pointers: usize) -> Vec<Option<&'t str>> {
        let mut found = vec![None; pointers];
        for (node, text) in self.0.iter().zip(texts) {
            for pointer in &node.pointers {
                found[*pointer] = text.as_ref().map(AsRef::as_ref);
            }
        }
        found
    }
}

/// `~1` is a slash, `~0` a tilde, and nothing else follows a tilde.
fn unescape(token: &str) -> Option<Cow<'_, str>> {
    if !token.contains('~') {
        return Some(Cow::Borrowed(token));
    }
    let mut text = String::with_capacity(token.len());
    let mut chars = token.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '~' => match chars.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            c => c,
        });
    }
    Some(Cow::Owned(text))
}

/// Digits without a leading zero.
fn array_index(token: &str) -> Option<usize> {
    let plain = token.bytes().all(|b| b.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    plain.then(|| token.parse().ok()).flatten()
}
