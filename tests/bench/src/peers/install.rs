//! Where the programs of the peers come from. All of it goes below one directory; nothing on the system is changed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

/// Where Debian puts programs, below the root of a system; programs of Postgres come first, since there are wrappers of the
/// same names.
const PROGRAMS: [&str; 4] = ["usr/lib/postgresql/*/bin", "usr/bin", "usr/sbin", "usr/local/bin"];

/// What was installed, and a way to install more.
pub struct Installation {
    directory: PathBuf,
}

impl Installation {
    /// In a directory, which is made if it is missing.
    pub fn new(directory: &Path) -> Result<Installation> {
        fs::create_dir_all(directory)?;
        Ok(Installation { directory: fs::canonicalize(directory)? })
    }

    /// The program of a Debian package: of the system, if it is installed there, or unpacked here.
    pub fn debian_program(&self, packages: &[&str], name: &str) -> Result<PathBuf> {
        self.debian_file(packages, &PROGRAMS.map(|directory| format!("{directory}/{name}")))
    }

    /// A file of a Debian package, as [`Installation::debian_program`]. The paths are alternatives; `*` is any one name.
    pub fn debian_file(&self, packages: &[&str], paths: &[String]) -> Result<PathBuf> {
        if let Some(file) = self.find(paths) {
            return Ok(file);
        }
        self.unpack(packages)?;
        self.find(paths).with_context(|| format!("{packages:?} have no {}", paths.join(", nor ")))
    }

    fn find(&self, paths: &[String]) -> Option<PathBuf> {
        let roots = [self.debian(), PathBuf::from("/")];
        roots.iter().flat_map(|root| paths.iter().flat_map(|path| matches(root, path))).next()
    }

    /// A command that finds the libraries that were unpacked with it.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if program.starts_with(self.debian()) {
            let libraries: Vec<PathBuf> = matches(&self.debian(), "usr/lib/*-linux-gnu").collect();
            command.env(
                "LD_LIBRARY_PATH",
                libraries.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(":"),
            );
        }
        command
    }

    /// The root of the Debian packages that were unpacked here.
    fn debian(&self) -> PathBuf {
        self.directory.join("debian")
    }

    /// Downloads packages, with what they need and the system does not have, and unpacks them.
    fn unpack(&self, packages: &[&str]) -> Result<()> {
        println!("downloading Debian packages: {}", packages.join(", "));
        let apt = self.directory.join("apt");
        let archives = apt.join("archives");
        fs::create_dir_all(apt.join("lists/partial"))?;
        fs::create_dir_all(archives.join("partial"))?;
        self.apt_get(&["update"])?;
        let install = ["install", "--download-only", "--yes", "--no-install-recommends"];
        self.apt_get(&[&install, packages].concat())?;
        for entry in fs::read_dir(archives)? {
            let archive = entry?.path();
            if archive.extension().is_some_and(|extension| extension == "deb") {
                run(Command::new("dpkg-deb").arg("--extract").arg(archive).arg(self.debian()))?;
            }
        }
        Ok(())
    }

    /// With lists and archives of our own, which also needs no root and no locks.
    fn apt_get(&self, arguments: &[&str]) -> Result<()> {
        let apt = self.directory.join("apt");
        let directories = [("Dir::State::lists", apt.join("lists")), ("Dir::Cache", apt)];
        let mut command = Command::new("apt-get");
        command.args(["-o", "APT::Sandbox::User=", "-o", "Debug::NoLocking=1"]);
        for (name, directory) in directories {
            command.arg("-o").arg(format!("{name}={}", directory.display()));
        }
        run(command.args(arguments))
    }

    /// A directory with the files of a Node program and the packages of its lock file.
    pub fn node(&self, program: &Path, files: &[&str]) -> Result<PathBuf> {
        let directory = self.directory_of(program)?;
        for file in files {
            fs::copy(program.join(file), directory.join(file))?;
        }
        let lock = fs::read_to_string(program.join("package-lock.json"))?;
        once(&directory, &lock, || {
            println!("installing with npm: {}", directory.display());
            fs::copy(program.join("package.json"), directory.join("package.json"))?;
            fs::write(directory.join("package-lock.json"), &lock)?;
            run(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&directory))
        })?;
        Ok(directory)
    }

    /// A Python with the packages of a program's `requirements.txt`.
    pub fn python(&self, program: &Path) -> Result<PathBuf> {
        let directory = self.directory_of(program)?;
        let (requirements, environment) = (program.join("requirements.txt"), directory.join("venv"));
        let python = environment.join("bin/python");
        once(&directory, &fs::read_to_string(&requirements)?, || {
            println!("installing with pip: {}", directory.display());
            run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
            run(Command::new(&python).args(["-m", "pip", "install", "--no-deps", "--requirement"]).arg(&requirements))
        })?;
        Ok(python)
    }

    fn directory_of(&self, program: &Path) -> Result<PathBuf> {
        let directory = self.directory.join(program.file_name().context("a program's directory")?);
        fs::create_dir_all(&directory)?;
        Ok(directory)
    }
}

/// Installs in a directory unless the same, told by `what`, has been installed there before.
fn once(directory: &Path, what: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let installed = directory.join("installed");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == what) {
        return Ok(());
    }
    install()?;
    Ok(fs::write(installed, what)?)
}

/// Runs a command; the error has what it printed.
pub fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot run {:?}", command.get_program()))?;
    let printed = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{command:?}: {}: {}", output.status, String::from_utf8_lossy(&printed).trim());
    Ok(())
}

/// Files below a root. In the path, a name with one `*` stands for all names with that start and end.
fn matches(root: &Path, path: &str) -> impl Iterator<Item = PathBuf> {
    let mut found = vec![root.to_owned()];
    for name in path.split('/') {
        found = found.iter().flat_map(|directory| named(directory, name)).collect();
    }
    found.into_iter()
}

fn named(directory: &Path, name: &str) -> Vec<PathBuf> {
    let Some((start, end)) = name.split_once('*') else {
        return Vec::from_iter(Some(directory.join(name)).filter(|path| path.exists()));
    };
    let names =
        fs::read_dir(directory).into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_one =
        |name: &String| name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end);
    let mut found: Vec<PathBuf> = names.filter(is_one).map(|name| directory.join(name)).collect();
    found.sort();
    found
}
