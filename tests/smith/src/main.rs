//! `cargo run` here writes `tests/tests/it/hostile/generated.bin` anew: core modules and components of wasm-smith, each with
//! its length (four bytes, little endian) before it. The same seeds make the same bytes.
//!
//! The modules export what a plugin must and import what one may, so that they become components of the right world, with
//! functions that do anything; the components are anything at all.

use std::{fs, path::Path};

use arbitrary::Unstructured;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use wasm_smith::{Component, Config, Module};

const MODULES: u64 = 150;
const COMPONENTS: u64 = 100;
/// Of random bytes that one of them is made from.
const BYTES: usize = 2048;

const EXPORTS: &str = r#"(module
    (func (export "describe") (result i32) (i32.const 0))
    (func (export "verify") (param i32) (result i32) (i32.const 0))
    (func (export "transform") (param i32) (result i32) (i32.const 0))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
    (memory (export "memory") 1))"#;

const IMPORTS: &str = r#"(module
    (import "hookgate:provider/capabilities@0.1.0" "[method]delivery.received-at" (func (param i32) (result i64)))
    (import "hookgate:provider/capabilities@0.1.0" "[method]delivery.body" (func (param i32 i64 i64 i32)))
    (import "hookgate:provider/capabilities@0.1.0" "[method]delivery.json" (func (param i32 i32 i32 i32)))
    (import "hookgate:provider/capabilities@0.1.0" "[method]secret.equals" (func (param i32 i32 i32) (result i32)))
    (import "hookgate:provider/capabilities@0.1.0" "[resource-drop]secret" (func (param i32)))
    (import "hookgate:provider/capabilities@0.1.0" "[resource-drop]delivery" (func (param i32))))"#;

fn main() {
    let exports = wat::parse_str(EXPORTS).expect("the exports are well formed");
    let imports = wat::parse_str(IMPORTS).expect("the imports are well formed");
    let mut made = Vec::new();
    for seed in 0..MODULES {
        let config = Config {
            exports: Some(exports.clone()),
            available_imports: Some(imports.clone()),
            // What the gateway's engine has on; of the rest the components have enough.
            simd_enabled: seed % 2 == 0,
            threads_enabled: false,
            exceptions_enabled: false,
            gc_enabled: false,
            reference_types_enabled: false,
            compact_imports_enabled: false,
            wide_arithmetic_enabled: false,
            max_memories: 1,
            ..Config::default()
        };
        push(&mut made, module(config, seed));
    }
    for seed in 0..COMPONENTS {
        push(&mut made, component(seed));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/it/hostile/generated.bin");
    println!("{} bytes to {}", made.len(), path.display());
    fs::write(path, made).expect("the file can be written");
}

fn push(made: &mut Vec<u8>, bytes: Vec<u8>) {
    made.extend((bytes.len() as u32).to_le_bytes());
    made.extend(bytes);
}

fn random(seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; BYTES];
    StdRng::seed_from_u64(seed).fill(&mut bytes[..]);
    bytes
}

fn module(config: Config, seed: u64) -> Vec<u8> {
    let bytes = random(seed);
    let module = Module::new(config, &mut arbitrary(&bytes)).expect("wasm-smith makes something of any bytes");
    module.to_bytes()
}

fn component(seed: u64) -> Vec<u8> {
    let bytes = random(1_000_000 + seed);
    let component =
        Component::new(Config::default(), &mut arbitrary(&bytes)).expect("wasm-smith makes something of any bytes");
    component.to_bytes()
}

fn arbitrary(bytes: &[u8]) -> Unstructured<'_> {
    Unstructured::new(bytes)
}
