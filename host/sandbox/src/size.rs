//! What of a component decides how long compiling it takes, and how much of it there may be.

use hookgate_model::limits;
use wasmparser::{FunctionBody, Operator, Parser, Payload};

use super::VECTORS;

/// Checks a component's functions before any of them is compiled. What cannot be read is left to the compiler, which stops
/// at the same place.
///
/// # Errors
/// What there is too much of.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    let (mut functions, mut code, mut vectors) = (0, 0, 0);
    for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
        match payload {
            Payload::CodeSectionEntry(body) => {
                functions += 1;
                code += check_function(&body)?;
                at_most("functions", functions, limits::PLUGIN_FUNCTIONS_MAX)?;
                at_most("bytes of code", code, limits::PLUGIN_CODE_BYTES_MAX)?;
            }
            Payload::CustomSection(section) if section.name() == VECTORS => {
                vectors += section.data().len();
                at_most("bytes of conformance vectors", vectors, limits::PLUGIN_VECTORS_BYTES_MAX)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Bytes of a function.
fn check_function(body: &FunctionBody<'_>) -> Result<usize, String> {
    let range = body.range();
    let size = range.end.saturating_sub(range.start);
    at_most("bytes in one function", size, limits::PLUGIN_FUNCTION_BYTES_MAX)?;
    check_variables(body, size)?;
    Ok(size)
}

/// The compiler follows each local variable through each block, so a few bytes of locals and many blocks take minutes.
fn check_variables(body: &FunctionBody<'_>, size: usize) -> Result<(), String> {
    let Ok(locals) = body.get_locals_reader() else { return Ok(()) };
    let locals = locals.into_iter().map_while(Result::ok).map(|(count, _)| count as usize).sum::<usize>();
    at_most("local variables in one function", locals, limits::PLUGIN_FUNCTION_LOCALS_MAX)?;
    // An instruction has a byte at least. Most functions need not be looked through.
    if locals.saturating_mul(size) <= limits::PLUGIN_FUNCTION_LOCALS_TIMES_BLOCKS_MAX {
        return Ok(());
    }
    let Ok(instructions) = body.get_operators_reader() else { return Ok(()) };
    let blocks = instructions.into_iter().map_while(Result::ok).filter(ends_block).count();
    let product = locals.saturating_mul(blocks);
    at_most("local variables times blocks in one function", product, limits::PLUGIN_FUNCTION_LOCALS_TIMES_BLOCKS_MAX)
}

/// Whether another block begins behind an instruction.
fn ends_block(instruction: &Operator<'_>) -> bool {
    matches!(
        instruction,
        Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Else
            | Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
    )
}

fn at_most(what: &str, count: usize, max: usize) -> Result<(), String> {
    if count > max { Err(format!("it has more than {max} {what}")) } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A component of one function with that many locals and that many blocks, one behind the other.
    fn component(locals: u32, blocks: usize) -> Vec<u8> {
        fn leb(mut number: usize) -> Vec<u8> {
            let mut bytes = Vec::new();
            loop {
                let byte = (number & 0x7f) as u8;
                number >>= 7;
                if number == 0 {
                    bytes.push(byte);
                    return bytes;
                }
                bytes.push(byte | 0x80);
            }
        }
        let section = |id: u8, content: Vec<u8>| [vec![id], leb(content.len()), content].concat();
        // block empty, end
        let code = [vec![1], leb(locals as usize), vec![0x7f], [0x02, 0x40, 0x0b].repeat(blocks), vec![0x0b]].concat();
        let body = [vec![1], leb(code.len()), code].concat();
        let module =
            [b"\0asm\x01\0\0\0".to_vec(), section(1, vec![1, 0x60, 0, 0]), section(3, vec![1, 0]), section(10, body)]
                .concat();
        [b"\0asm\x0d\0\x01\0".to_vec(), section(1, module)].concat()
    }

    #[test]
    fn locals_times_blocks_are_bounded_and_either_alone_is_not_harmful() {
        assert_eq!(check(&component(10, 300_000)), Ok(()));
        assert_eq!(check(&component(5_000, 1_000)), Ok(()));
        for (locals, blocks, expected) in
            [(3_000, 150_000, "times blocks"), (50_000, 1, "local variables in one function")]
        {
            let error = check(&component(locals, blocks)).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
