//! Components written by hand, in WebAssembly text: what no compiler would make of honest source.

use std::fs;

use hookgate_tests::directory;
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where `verify` has its answer: zeroes mean "admitted, with no events and no reply".
pub const ANSWER: u32 = 4096;
/// An admission of the whole body, nothing known of it.
pub const ADMISSION: u32 = 8192;
/// Where strings and lists of the cases begin.
pub const FREE: u32 = 16384;

/// The case `undeclared` of `known-by`, which an admission begins with; zeroes behind it.
const UNDECLARED: &[u8] = &[3];

const DESCRIPTOR: u32 = 1024;
const NAME: u32 = 2048;
const SECRET_SPEC: u32 = 2304;
const SECRET_NAME: u32 = 2560;

/// A component in the making: what stands between a plugin and harm.
pub struct Hostile {
    /// The plugin's name.
    pub name: &'static str,
    /// Further definitions: imports come first in a module, so they have a place of their own.
    pub imports: &'static str,
    /// Functions, tables, a start section.
    pub definitions: &'static str,
    /// 64 KiB each.
    pub pages: u32,
    /// Instead of giving the descriptor.
    pub describe: Option<&'static str>,
    /// The body of `verify (param $delivery i32) (result i32)`.
    pub verify: String,
    /// The body of `transform (param $event i32) (result i32)`.
    pub transform: &'static str,
}

impl Hostile {
    /// A plugin whose `verify` is this, and that does nothing else wrong.
    pub fn verify(name: &'static str, verify: impl Into<String>) -> Hostile {
        Hostile {
            name,
            imports: "",
            definitions: "",
            pages: 4,
            describe: None,
            verify: verify.into(),
            transform: "(call $drop-event (local.get $event)) (i32.const 4096)",
        }
    }

    /// The component's bytes.
    pub fn component(&self) -> Vec<u8> {
        let module = wat::parse_str(self.text()).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        of_module(&module).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Writes the component where a gateway finds it.
    pub fn write(&self, plugins: &std::path::Path) {
        fs::write(plugins.join(format!("{}.wasm", self.name)), self.component()).unwrap();
    }

    fn text(&self) -> String {
        let Hostile { imports, definitions, pages, verify, transform, .. } = self;
        let describe = self.describe.map_or(format!("(i32.const {DESCRIPTOR})"), str::to_owned);
        let data: String = self.data().into_iter().map(|(at, bytes)| segment(at, &bytes)).collect();
        format!(
            r#"(module
                (import "hookgate:provider/capabilities@0.1.0" "[resource-drop]delivery" (func $drop (param i32)))
                (import "hookgate:provider/capabilities@0.1.0" "[resource-drop]event" (func $drop-event (param i32)))
                {imports}
                (memory (export "memory") {pages})
                (global $next (mut i32) (i32.const 65536))
                {data}
                {definitions}
                (func (export "describe") (result i32) {describe})
                (func (export "verify") (param $delivery i32) (result i32) {verify})
                (func (export "transform") (param $event i32) (result i32) {transform})
                (func (export "cabi_realloc") (param i32 i32 i32 $new i32) (result i32)
                    (local $at i32)
                    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
                    (global.set $next (i32.add (local.get $at) (local.get $new)))
                    (local.get $at)))"#
        )
        .replace("(param i32 i32 i32 $new i32)", "(param i32 i32 i32) (param $new i32)")
    }

    /// The descriptor: three strings and six lists; one secret, `signing`, that need not be there.
    fn data(&self) -> Vec<(u32, Vec<u8>)> {
        let name = self.name.len() as u32;
        let descriptor = [NAME, name, NAME, name, NAME, name, 0, 0, SECRET_SPEC, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        // Name, required and handed over, no prefixes, description.
        let spec = [SECRET_NAME, 7, 0, 0, 0, SECRET_NAME, 7];
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
        vec![
            (DESCRIPTOR, words(&descriptor)),
            (NAME, self.name.as_bytes().to_vec()),
            (SECRET_SPEC, words(&spec)),
            (SECRET_NAME, b"signing".to_vec()),
            (ADMISSION, UNDECLARED.to_vec()),
        ]
    }
}

/// A module with a plugin's exports as a component.
pub fn of_module(module: &[u8]) -> Result<Vec<u8>, String> {
    let mut module = module.to_vec();
    let mut resolve = Resolve::default();
    resolve.push_path(directory("wit")).unwrap();
    let package = resolve.push_str("hostile.wit", WORLD).unwrap();
    let world = resolve.select_world(&[package], Some("hostile")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    hookgate_plugin_build::encode(&module, "[]").map_err(|error| format!("{error:#}"))
}

/// A provider that may import a little of WASI.
const WORLD: &str = r#"
package hookgate:hostile;

world hostile {
  include hookgate:provider/provider@0.1.0;
  import wasi:cli/stdout@0.2.0;
  import wasi:clocks/monotonic-clock@0.2.0;
  import wasi:random/random@0.2.0;
}

package wasi:io@0.2.0 {
  interface error {
    resource error;
  }
  interface streams {
    use error.{error};
    variant stream-error {
      last-operation-failed(error),
      closed,
    }
    resource output-stream {
      blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
    }
  }
}

package wasi:cli@0.2.0 {
  interface stdout {
    use wasi:io/streams@0.2.0.{output-stream};
    get-stdout: func() -> output-stream;
  }
}

package wasi:clocks@0.2.0 {
  interface monotonic-clock {
    now: func() -> u64;
  }
}

package wasi:random@0.2.0 {
  interface random {
    get-random-u64: func() -> u64;
  }
}
"#;

fn segment(at: u32, bytes: &[u8]) -> String {
    let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!("(data (i32.const {at}) \"{escaped}\")\n")
}

/// Instructions that give the delivery back, write these words (offset from [`ANSWER`], value), and answer.
pub fn answers(words: &[(u32, u32)]) -> String {
    let stores: String = words
        .iter()
        .map(|(at, value)| format!("(i32.store (i32.const {}) (i32.const {value}))\n", ANSWER + at))
        .collect();
    format!("(call $drop (local.get $delivery)) {stores} (i32.const {ANSWER})")
}

/// Instructions that write words from [`FREE`] on, `count` times the same, each time further on.
pub fn filled(words: &[u32], count: u32) -> String {
    let size = words.len() as u32 * 4;
    let stores: String = (0..)
        .zip(words)
        .map(|(n, word)| format!("(i32.store offset={} (local.get $at) (i32.const {word}))\n", n * 4))
        .collect();
    format!(
        "(local $at i32) (local.set $at (i32.const {FREE}))
         (loop $more {stores}
            (local.set $at (i32.add (local.get $at) (i32.const {size})))
            (br_if $more (i32.lt_u (local.get $at) (i32.const {}))))",
        FREE + size * count
    )
}
