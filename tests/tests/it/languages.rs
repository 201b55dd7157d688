//! The plugins of `examples/plugins`, one in each language, built by that language's own tools and judged by the same
//! vectors. Where a tool is not installed the test says so, on standard error, and passes.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use hookgate_tests::{binary, directory, run};

/// What Python takes; `examples/plugins/README.md` says the same.
const ROOM: [&str; 4] = ["--memory", "128MiB", "--timeout", "2s"];

fn example(path: &str) -> PathBuf {
    directory("examples/plugins").join(path)
}

/// The first of these commands that is there.
// `eprintln` is shown of failed tests only.
#[allow(clippy::explicit_write)]
fn tool(names: &[&str]) -> Option<PathBuf> {
    let local = example("javascript/node_modules/.bin");
    let mut directories: Vec<PathBuf> = vec![local];
    directories.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    let found = names.iter().flat_map(|name| directories.iter().map(move |directory| directory.join(name)));
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        writeln!(std::io::stderr(), "skipped: {} is not installed (examples/plugins)", names.join(" or ")).unwrap();
    }
    found
}

/// Puts the vectors into what was built, and judges it in the sandbox.
fn judge(built: &Path, room: &[&str]) {
    let here = built.parent().unwrap();
    let vectors = example("vectors.json");
    let mut finish = Command::new(binary());
    finish.current_dir(here).args(["plugin", "build"]).arg(built).arg("--vectors").arg(vectors).args(room);
    let finished = run(&mut finish).ok();
    assert!(finished.contains("courier 0.1.0"), "{finished}");
    let mut test = Command::new(binary());
    test.current_dir(here).args(["plugin", "test", "plugins/courier.wasm", "--time"]).args(room);
    let tested = run(&mut test).ok();
    assert!(tested.contains("courier: 6 passed, 0 failed\nverify of courier-01: "), "{tested}");
}

#[test]
fn javascript_in_its_engine() {
    let nothing = ["stdio", "random", "clocks", "http", "fetch-event"].map(|feature| ["--disable", feature]).concat();
    javascript("componentize-js", &nothing);
}

fn javascript(name: &str, arguments: &[&str]) {
    let Some(componentize) = tool(&[name]) else { return };
    let out = tempfile::tempdir().unwrap();
    let built = out.path().join("courier.wasm");
    let mut build = Command::new(componentize);
    // Its options take several values: the source goes before them.
    build.arg(example("javascript/courier.js")).arg("--wit").arg(directory("wit")).args(arguments);
    build.args(["--world-name", "provider-with-sender", "-o"]).arg(&built);
    run(build.current_dir(out.path())).ok();
    judge(&built, &[]);
}

#[test]
fn python() {
    let Some(componentize) = tool(&["componentize-py"]) else { return };
    let out = tempfile::tempdir().unwrap();
    let built = out.path().join("courier.wasm");
    std::fs::copy(example("python/courier.py"), out.path().join("courier.py")).unwrap();
    let mut build = Command::new(componentize);
    build.arg("-d").arg(directory("wit")).args(["-w", "hookgate:provider/provider-with-sender", "componentize"]);
    build.args(["--stub-wasi", "courier", "-o"]).arg(&built);
    run(build.current_dir(out.path())).ok();
    judge(&built, &ROOM);
}

#[test]
fn c() {
    let Some(bindgen) = tool(&["wit-bindgen"]) else { return };
    let Some(clang) = tool(&["clang", "clang-19", "clang-18", "clang-17", "clang-16"]) else { return };
    let out = tempfile::tempdir().unwrap();
    let (bindings, built) = (out.path().join("bindings"), out.path().join("courier.wasm"));
    let mut generate = Command::new(bindgen);
    run(generate.arg("c").arg(directory("wit")).args(["--world", "provider", "--out-dir"]).arg(&bindings)).ok();
    let mut compile = Command::new(clang);
    compile.args(["--target=wasm32", "-Os", "-nostdlib", "-ffreestanding", "-mbulk-memory", "-Wl,--no-entry"]);
    compile.arg("-Wl,-z,stack-size=65536").arg("-I").arg(example("c/libc")).arg("-I").arg(&bindings);
    compile.args([example("c/courier.c"), example("c/libc/libc.c")]);
    compile.args([bindings.join("provider.c"), bindings.join("provider_component_type.o")]).arg("-o").arg(&built);
    run(&mut compile).ok();
    judge(&built, &[]);
}
