//! The vectors inside a component.

/// The name of the custom section.
const NAME: &[u8] = b"hookgate:vectors";

/// The JSON text of the vectors that a component carries; none where it has no such section, or is not a component.
///
/// Components are a preamble of 8 bytes and sections: an id, the length in LEB128, the content; a custom section (id 0)
/// begins with its name. Nested components are not looked into.
/// <https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md>
pub fn embedded(component: &[u8]) -> Option<&str> {
    let (preamble, mut rest) = component.split_at_checked(8)?;
    if !preamble.starts_with(b"\0asm") {
        return None;
    }
    while let Some((id, after)) = rest.split_first() {
        let (content, after) = sized(after)?;
        rest = after;
        if *id == 0
            && let Some((NAME, data)) = sized(content)
        {
            return std::str::from_utf8(data).ok();
        }
    }
    None
}

/// Bytes with their length before them, and what follows.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut length, mut rest) = (0usize, bytes);
    for shift in [0, 7, 14, 21, 28] {
        let (byte, after) = rest.split_first()?;
        rest = after;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return rest.split_at_checked(length);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_is_found_behind_others_and_damage_is_none() {
        let mut component = b"\0asm\x0d\0\x01\0".to_vec();
        component.extend(b"\x01\x02xy");
        component.extend(b"\x00\x05\x04nameX"[..7].iter());
        component.extend([0, 0x80 | 20, 0, 16]);
        component.extend(NAME);
        component.extend(b"[ ]");
        assert_eq!(embedded(&component), Some("[ ]"));
        for cut in 0..component.len() {
            assert_eq!(embedded(&component[..cut]), None, "cut at {cut}");
        }
    }
}
