//! The release candidate of WASI 0.3.0, which components for Spin 4 ask for.
//!
//! Spin has it beside 0.3.0; wasmtime's crates have 0.3.0 alone. The WIT of what the edge uses is the same, so a component is
//! given the names that are offered here.

const CANDIDATE: &[u8] = b"@0.3.0-rc-2026-03-15";
const RELEASE: &[u8] = b"@0.3.0";
/// Magic number and version.
const HEAD_BYTES: usize = 8;
/// The sections that name what a component imports and exports.
const IMPORTS: u8 = 10;
const EXPORTS: u8 = 11;

/// The component with the names of WASI 0.3.0. Other files are not changed.
pub fn renamed(component: &[u8]) -> Vec<u8> {
    sections_renamed(component).unwrap_or_else(|| component.to_vec())
}

fn sections_renamed(component: &[u8]) -> Option<Vec<u8>> {
    let (head, mut rest) = component.split_at_checked(HEAD_BYTES)?;
    let mut renamed = head.to_vec();
    while let Some((id, after)) = rest.split_first() {
        let (length, at) = number(after)?;
        let section = after.get(at..at.checked_add(length)?)?;
        rest = &after[at + length..];
        let section = match *id {
            IMPORTS | EXPORTS => names_renamed(section)?,
            _ => section.to_vec(),
        };
        renamed.push(*id);
        write_number(&mut renamed, section.len());
        renamed.extend_from_slice(&section);
    }
    Some(renamed)
}

/// A name is its length, which is below 128 and so one byte, and its text.
fn names_renamed(section: &[u8]) -> Option<Vec<u8>> {
    let mut renamed: Vec<u8> = Vec::with_capacity(section.len());
    let mut rest = section;
    while let Some(at) = find(rest, CANDIDATE) {
        renamed.extend_from_slice(&rest[..at]);
        let name = renamed.windows(5).rposition(|window| window == b"wasi:")?;
        let length = renamed.get_mut(name.checked_sub(1)?)?;
        *length = length.checked_sub(u8::try_from(CANDIDATE.len() - RELEASE.len()).ok()?)?;
        renamed.extend_from_slice(RELEASE);
        rest = &rest[at + CANDIDATE.len()..];
    }
    renamed.extend_from_slice(rest);
    Some(renamed)
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

/// A number in LEB128, and how many bytes it has.
fn number(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

fn write_number(into: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        into.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}
