//! Parts of the documentation that come from the code: compared in tests, rewritten with `HOOKGATE_BLESS=1`.
#![allow(clippy::unwrap_used)]

use std::path::Path;

/// Compares what stands in `docs/FILE` between `<!-- PART: ... -->` and `<!-- end of PART -->` with `expected`.
pub fn check_docs_part(file: &str, part: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let start = text.find(&format!("<!-- {part}:")).unwrap();
    let start = start + text[start..].find("-->").unwrap() + "-->".len();
    let end = start + text[start..].find(&format!("<!-- end of {part} -->")).unwrap();
    let expected = format!("\n\n{}\n\n", expected.trim());
    if std::env::var_os("HOOKGATE_BLESS").is_some() {
        std::fs::write(&path, format!("{}{expected}{}", &text[..start], &text[end..])).unwrap();
        return;
    }
    assert!(
        text[start..end] == expected,
        "the part {part} of docs/{file} is stale; renew it with: HOOKGATE_BLESS=1 cargo xtask test\n{expected}"
    );
}
