//! What the process is to the machine it runs on: nothing of it is for other users, and it leaves no copy of its memory.

use std::io;

use rustix::{
    fs::Mode,
    process::{Resource, Rlimit, setrlimit, umask},
};

/// From now on files are made with mode 0600 and directories with 0700, whatever asks for more.
pub fn make_files_private() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// No core file is written when the process ends by a fault, and no other process of this user may read its memory, attach
/// to it, or see its environment: all of these hold the secrets of every source.
///
/// # Errors
/// The operating system does not allow it.
pub fn keep_memory_private() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{
        os::unix::fs::PermissionsExt,
        process::{Command, Stdio},
    };

    use super::*;

    const DIRECTORY: &str = "HOOKGATE_PRIVATE_PROCESS";

    /// The child's side: what is set here holds for a whole process. Without its environment there is nothing to do.
    #[test]
    fn keeps_to_itself_when_told_to() {
        let Some(directory) = std::env::var_os(DIRECTORY).map(std::path::PathBuf::from) else { return };
        make_files_private();
        keep_memory_private().unwrap();
        let (file, below) = (directory.join("file"), directory.join("below"));
        std::fs::write(&file, "").unwrap();
        std::fs::create_dir(&below).unwrap();
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&below)), (0o600, 0o700));
        let core = rustix::process::getrlimit(Resource::Core);
        assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{DumpableBehavior, dumpable_behavior};
            assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
            // What the journal gives its engines must still lead somewhere.
            let held = std::fs::File::open(&directory).unwrap();
            let through = format!("/proc/self/fd/{}/file", std::os::fd::AsRawFd::as_raw_fd(&held));
            assert!(std::fs::metadata(through).is_ok());
        }
        std::fs::write(directory.join("done"), "").unwrap();
    }

    #[test]
    fn a_process_keeps_its_files_and_its_memory_to_itself() {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["process::tests::keeps_to_itself_when_told_to", "--exact", "--test-threads=1"]);
        let status = child.env(DIRECTORY, directory.path()).stdin(Stdio::null()).status().unwrap();
        assert!(status.success() && directory.path().join("done").exists());
    }
}
