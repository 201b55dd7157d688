//! Files that are not plugins, or would take for ever to load: refused in bounded time, and none of them ends the process.

use std::os::unix::fs::symlink;

use super::*;

/// Those that a compiler should never see.
fn too_large() -> Vec<(&'static str, Vec<u8>)> {
    let component = |module: String| wat::parse_str(format!("(component (core module {module}))")).unwrap();
    let imports: String = (0..1000).map(|n| format!("(import \"stranger-{n}\" (func))")).collect();
    vec![
        ("a-thousand-imports", wat::parse_str(format!("(component {imports})")).unwrap()),
        ("too-many-functions", component("(func)".repeat(200_001))),
        (
            "too-many-variables-and-blocks",
            component(format!("(func (local {}) {})", "i32 ".repeat(3_000), "(block) ".repeat(150_000))),
        ),
        ("too-long-a-function", component(format!("(func {})", "nop ".repeat(1_100_000)))),
    ]
}

#[tokio::test]
async fn components_that_would_take_for_ever_to_load_are_refused_at_once() {
    let plugins = tempfile::tempdir().unwrap();
    for (name, bytes) in too_large() {
        fs::write(plugins.path().join(format!("{name}.wasm")), bytes).unwrap();
    }
    // A file that says it is ten gigabytes long, one without an end, and one that is waited for.
    fs::File::create(plugins.path().join("ten-gigabytes.wasm")).unwrap().set_len(10 << 30).unwrap();
    symlink("/dev/zero", plugins.path().join("endless.wasm")).unwrap();
    let pipe = plugins.path().join("a-pipe.wasm");
    run(Command::new("mkfifo").arg(&pipe)).ok();
    let states = listed(plugins.path());
    for (name, told) in [
        ("a-thousand-imports", "does not fit the world"),
        ("too-many-functions", "more than 200000 functions"),
        ("too-long-a-function", "more than 1048576 bytes in one function"),
        ("too-many-variables-and-blocks", "local variables times blocks"),
        ("ten-gigabytes", "more than 64 MiB"),
        ("endless", "it is not a file"),
        ("a-pipe", "it is not a file"),
    ] {
        assert!(states[name].as_ref().is_some_and(|error| error.contains(told)), "{name}: {:?}", states[name]);
    }
    assert_eq!(states["stripe"], None, "the bundled ones load beside them");
}

/// A component that is not bundled is compiled and called for the first time in a process of its own; so is none that has
/// passed before.
#[tokio::test]
async fn a_component_that_is_not_bundled_is_tried_once_in_a_child_process() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("admits.wasm");
    fs::write(&file, Hostile::verify("admits", admitting(Vec::new())).component()).unwrap();
    let inspect = |plugin: &Path| {
        let mut command = Command::new(binary());
        command.args(["plugin", "inspect"]).arg(plugin).env("XDG_CACHE_HOME", directory.path());
        run(&mut command).ok()
    };
    let passed = || {
        let notes = fs::read_dir(directory.path().join("hookgate/plugins")).unwrap().flatten();
        notes.filter(|note| note.path().extension().is_some_and(|extension| extension == "passed")).count()
    };
    inspect(Path::new("raw"));
    assert_eq!(passed(), 0, "a bundled one needs no trial");
    inspect(&file);
    inspect(&file);
    assert_eq!(passed(), 1);
}

/// What wasm-smith has made: modules with a plugin's exports and imports, whose functions do anything, and components that
/// are anything. `tests/smith` makes the file anew.
#[tokio::test]
async fn generated_components_load_or_are_refused_with_a_reason() {
    let plugins = tempfile::tempdir().unwrap();
    let mut rest = &include_bytes!("generated.bin")[..];
    let mut count = 0;
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let (bytes, behind) = behind.split_at(u32::from_le_bytes(*length) as usize);
        rest = behind;
        let is_component = bytes.get(6) == Some(&1);
        // Some import what the world's types do not allow. These stay modules, which is just as wrong.
        let component =
            if is_component { bytes.to_vec() } else { component::of_module(bytes).unwrap_or_else(|_| bytes.to_vec()) };
        fs::write(plugins.path().join(format!("generated-{count}.wasm")), component).unwrap();
        count += 1;
    }
    let states = listed(plugins.path());
    let generated: Vec<_> = states.iter().filter(|(name, _)| name.starts_with("generated-")).collect();
    assert_eq!(generated.len(), count);
    // They are neither refused for one and the same reason, nor any of them a plugin.
    let told =
        |text: &str| generated.iter().filter(|(_, error)| error.as_ref().is_some_and(|e| e.contains(text))).count();
    assert!(told("does not fit the world") > 0 && told("describe function is broken") > 0, "{generated:?}");
}

/// Each plugin of a directory and the bundled ones, with what is wrong with it.
fn listed(plugins: &Path) -> std::collections::BTreeMap<String, Option<String>> {
    let cache = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary());
    command.args(["plugin", "list", "--json", "--directory"]).arg(plugins).env("XDG_CACHE_HOME", cache.path());
    let finished = run(&mut command);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    let listed: serde_json::Value = serde_json::from_str(&finished.ok()).unwrap();
    let state = |plugin: &serde_json::Value| {
        (plugin["name"].as_str().unwrap().to_owned(), plugin["error"].as_str().map(str::to_owned))
    };
    listed.as_array().unwrap().iter().map(state).collect()
}
