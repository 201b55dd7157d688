//! Running cargo for a crate of someone else's workspace, also from within a build script.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// What a crate is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `wasm32-unknown-unknown`: a module that imports what its own bindings say, and nothing else.
    Pure,
    /// `wasm32-wasip2`: a component that imports WASI.
    Wasip2,
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Target::Pure => "wasm32-unknown-unknown",
            Target::Wasip2 => "wasm32-wasip2",
        }
    }
}

/// Guests live for one call: a small stack is plenty, and cheaper to reset than the linker's 1 MiB.
const STACK_BYTES: u32 = 64 << 10;

/// A crate compiled into a core module.
pub(crate) struct Module {
    pub(crate) package: String,
    pub(crate) crate_dir: PathBuf,
    pub(crate) file: PathBuf,
}

/// Where what cargo says goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Messages {
    /// Into the error, if there is one.
    Kept,
    /// To standard error, as it is said.
    Shown,
}

/// How crates are compiled.
#[derive(Clone, Copy)]
pub(crate) struct Options<'o> {
    pub(crate) target_dir: &'o Path,
    pub(crate) target: Target,
    /// Of the crate, beside its default ones.
    pub(crate) feature: Option<&'o str>,
    /// Where the workspace has such a profile; else `release`.
    pub(crate) profile: &'o str,
    pub(crate) messages: Messages,
}

/// Compiles the crates, those of one workspace together; in the order given.
pub(crate) fn compile<P: AsRef<Path>>(crate_dirs: &[P], options: Options<'_>) -> Result<Vec<Module>> {
    let mut workspaces: Vec<Workspace> = Vec::new();
    let mut wanted = Vec::new();
    for crate_dir in crate_dirs {
        let crate_dir = crate_dir.as_ref();
        let manifest = crate_dir.join("Cargo.toml");
        let manifest = manifest.canonicalize().with_context(|| format!("there is no crate {}", crate_dir.display()))?;
        if !workspaces.iter().any(|workspace| workspace.has(&manifest)) {
            workspaces.push(workspace_of(&manifest)?);
        }
        wanted.push(manifest);
    }
    let mut modules = Vec::new();
    for workspace in &workspaces {
        need_target(&workspace.workspace_root, options.target)?;
        modules.extend(compile_workspace(workspace, &wanted, options)?);
    }
    let found = wanted.iter().map(|manifest| {
        let module = modules.iter().position(|(of, _)| of == manifest).map(|at| modules.swap_remove(at).1);
        module.with_context(|| {
            format!("{} makes no module: its [lib] needs crate-type = [\"cdylib\", \"rlib\"]", manifest.display())
        })
    });
    found.collect()
}

/// What cargo says of a workspace.
#[derive(Deserialize)]
struct Workspace {
    workspace_root: PathBuf,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: PathBuf,
}

impl Workspace {
    fn has(&self, manifest: &Path) -> bool {
        self.packages.iter().any(|package| package.manifest_path == manifest)
    }
}

fn workspace_of(manifest: &Path) -> Result<Workspace> {
    let directory = manifest.parent().unwrap_or(manifest);
    let output = run(cargo(directory).args(["metadata", "--no-deps", "--format-version", "1"]))?;
    serde_json::from_slice(&output.stdout).context("cargo describes the workspace in another form")
}

/// The wanted crates of a workspace, by their manifests.
fn compile_workspace(
    workspace: &Workspace,
    wanted: &[PathBuf],
    Options { target_dir, target, feature, profile, messages }: Options<'_>,
) -> Result<Vec<(PathBuf, Module)>> {
    let root = &workspace.workspace_root;
    let packages: Vec<_> = workspace.packages.iter().filter(|p| wanted.contains(&p.manifest_path)).collect();
    let mut command = cargo(root);
    command.args(["build", "--lib", "--target", target.name(), "--message-format", "json-render-diagnostics"]);
    command.args(["--profile", known_profile(root, profile)?]).arg("--target-dir").arg(absolute(target_dir)?);
    command.arg("--config").arg(rustflags(root, target, profile));
    command.args(feature.iter().flat_map(|feature| ["--features", feature]));
    for package in &packages {
        command.args(["--package", &package.id]);
    }
    let output = match messages {
        Messages::Kept => run(&mut command)?,
        Messages::Shown => run(command.stderr(Stdio::inherit()))?,
    };
    let mut modules = Vec::new();
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let message: Message = serde_json::from_slice(line).context("cargo writes messages of another form")?;
        modules.extend(module_of(message, &packages));
    }
    Ok(modules)
}

/// What cargo says of its work; only finished libraries matter here.
#[derive(Deserialize)]
struct Message {
    package_id: Option<String>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

fn module_of(message: Message, packages: &[&Package]) -> Option<(PathBuf, Module)> {
    let package = packages.iter().find(|package| Some(&package.id) == message.package_id.as_ref())?;
    let file = message.filenames.into_iter().find(|file| file.extension().is_some_and(|e| e == "wasm"))?;
    let crate_dir = package.manifest_path.parent()?.to_owned();
    Some((package.manifest_path.clone(), Module { package: package.name.clone(), crate_dir, file }))
}

/// Runs a crate's own tests, all that they say on standard output and standard error; whether they have passed.
pub(crate) fn test(crate_dir: &Path, target_dir: &Path, stdout: Stdio) -> Result<bool> {
    let mut command = cargo(crate_dir);
    command.args(["test", "--quiet"]).arg("--target-dir").arg(absolute(target_dir)?);
    let status = command.stdin(Stdio::null()).stdout(stdout).status();
    Ok(status.with_context(|| cannot_run(&command))?.success())
}

/// The profile where the workspace has it.
fn known_profile<'p>(workspace: &Path, profile: &'p str) -> Result<&'p str> {
    let manifest = workspace.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let heading = format!("[profile.{profile}]");
    Ok(if text.lines().any(|line| line.trim() == heading) { profile } else { "release" })
}

/// The stack, numbers in the code as short as they can be (a tenth of a component: the linker leaves them at their longest),
/// and paths that do not say whose machine it was: the same source makes the same component anywhere.
fn rustflags(workspace: &Path, target: Target, profile: &str) -> String {
    // Debug information would change with each moved line, and a component does not keep it.
    let linker = [&format!("-zstack-size={STACK_BYTES}"), "--compress-relocations", "--strip-debug"];
    let mut flags: Vec<_> = linker.iter().map(|argument| format!("-Clink-arg={argument}")).collect();
    if profile == "edge" {
        // SHA-256 in vectors, which wasmtime, and so Spin, has by default.
        flags.push("-Ctarget-feature=+simd128".to_owned());
    }
    let homes = [("CARGO_HOME", ".cargo", "cargo"), ("RUSTUP_HOME", ".rustup", "rustup")];
    let homes = homes.into_iter().filter_map(|(variable, directory, name)| {
        let home = env::var_os(variable).map(PathBuf::from);
        Some((home.or_else(|| Some(env::home_dir()?.join(directory)))?, name))
    });
    for (directory, name) in homes.chain([(workspace.to_owned(), "plugin")]) {
        flags.push(format!("--remap-path-prefix={}=/{name}", directory.display()));
    }
    let quoted: Vec<_> = flags.iter().map(|flag| format!("{flag:?}")).collect();
    format!("target.{}.rustflags=[{}]", target.name(), quoted.join(","))
}

/// Installs the target where it is missing.
fn need_target(workspace: &Path, target: Target) -> Result<()> {
    let target = target.name();
    let mut rustc = Command::new("rustc");
    rustc.current_dir(workspace).args(["--print", "target-libdir", "--target", target]);
    let libraries = run(&mut rustc).ok().and_then(|output| String::from_utf8(output.stdout).ok());
    if libraries.is_some_and(|directory| Path::new(directory.trim()).is_dir()) {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup.current_dir(workspace).args(["target", "add", target]);
    run(&mut rustup).map(drop).with_context(|| {
        format!("the Rust target {target} is missing and could not be installed; try `rustup target add {target}`")
    })
}

/// Cargo, as if called from a shell: nothing of a build that we may be part of reaches it.
fn cargo(directory: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(directory);
    for (name, _) in env::vars_os() {
        if of_another_build(&name) {
            command.env_remove(name);
        }
    }
    command
}

fn of_another_build(name: &OsString) -> bool {
    let Some(name) = name.to_str() else { return false };
    let machine = ["CARGO_HOME", "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTR", "CARGO_SOURCE_", "CARGO_TERM_"];
    let build = ["CARGO", "DEP_"];
    let names = [
        "RUSTC",
        "RUSTDOC",
        "RUSTFLAGS",
        "RUSTDOCFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_LINKER",
        "TARGET",
        "HOST",
        "OPT_LEVEL",
        "PROFILE",
        "DEBUG",
        "OUT_DIR",
        "NUM_JOBS",
        "MAKEFLAGS",
        "MFLAGS",
        "CLIPPY_ARGS",
        "CLIPPY_CONF_DIR",
    ];
    !machine.iter().any(|kept| name.starts_with(kept))
        && (build.iter().any(|prefix| name.starts_with(prefix)) || names.contains(&name))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("no such directory: {}", path.display()))
}

fn run(command: &mut Command) -> Result<Output> {
    // Standard error is kept, unless it was set to be shown.
    let output = command.stdin(Stdio::null()).output().with_context(|| cannot_run(command))?;
    if !output.status.success() {
        bail!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output)
}

fn cannot_run(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    format!("cannot run {program}; plugins are built with Rust, see https://rustup.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_the_surrounding_build_is_kept_away() {
        let cases = [
            ("CARGO_ENCODED_RUSTFLAGS", true),
            ("CARGO_TARGET_DIR", true),
            ("CARGO_MAKEFLAGS", true),
            ("CARGO_CFG_TARGET_OS", true),
            ("RUSTFLAGS", true),
            ("RUSTC_WORKSPACE_WRAPPER", true),
            ("TARGET", true),
            ("DEP_Z_ROOT", true),
            ("CARGO_HOME", false),
            ("CARGO_REGISTRIES_X_INDEX", false),
            ("RUSTUP_TOOLCHAIN", false),
            ("PATH", false),
        ];
        for (name, leaks) in cases {
            assert_eq!(of_another_build(&name.into()), leaks, "{name}");
        }
    }
}
