//! What of a component decides how long compiling it takes, and how much of it there may be.

use wasmparser::{Parser, Payload};

use crate::limits;

/// Checks a component's functions before any of them is compiled. What cannot be read is left to the compiler, which stops
/// at the same place.
///
/// # Errors
/// What there is too much of.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    let (mut functions, mut code) = (0, 0);
    for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
        let Payload::CodeSectionEntry(body) = payload else { continue };
        let range = body.range();
        let size = range.end.saturating_sub(range.start);
        at_most("bytes in one function", size, limits::PLUGIN_FUNCTION_BYTES_MAX)?;
        functions += 1;
        code += size;
        at_most("functions", functions, limits::PLUGIN_FUNCTIONS_MAX)?;
        at_most("bytes of code", code, limits::PLUGIN_CODE_BYTES_MAX)?;
    }
    Ok(())
}

fn at_most(what: &str, count: usize, max: usize) -> Result<(), String> {
    match count > max {
        true => Err(format!("it has more than {max} {what}")),
        false => Ok(()),
    }
}
