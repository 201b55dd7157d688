//! What is this user's alone: directories that are made so, and files that are found otherwise.

use std::{
    fs::{self, DirBuilder, Metadata},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::Path,
};

/// Makes a directory, and those above it that are missing, with mode 0700. One that is there is left as it is.
pub fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Whether it belongs to the user that this process runs as, and no other user may read or write it.
pub fn is_private(metadata: &Metadata) -> bool {
    metadata.mode() & 0o077 == 0 && metadata.uid() == rustix::process::geteuid().as_raw()
}

/// The mode of a file or directory that other users can get at: some of the bits `others` are set, and they may pass through
/// every directory above it. None for a private one, and for one that is not there.
pub fn exposed_mode(path: &Path, others: u32) -> Option<u32> {
    let path = path.canonicalize().ok()?;
    let mode = fs::metadata(&path).ok()?.mode() & 0o7777;
    let is_passable = |above: &Path| fs::metadata(above).is_ok_and(|metadata| metadata.mode() & 0o011 != 0);
    (mode & others != 0 && path.ancestors().skip(1).all(is_passable)).then_some(mode)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn made_directories_are_private_whatever_the_umask() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b");
        make_directory(&inner).unwrap();
        make_directory(&inner).unwrap();
        for made in [dir.path().join("a"), inner] {
            assert!(is_private(&fs::metadata(made).unwrap()));
        }
    }

    #[test]
    fn what_others_can_reach_is_exposed_and_what_lies_in_a_private_directory_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (open, file) = (dir.path().join("open"), dir.path().join("open/file"));
        fs::create_dir(&open).unwrap();
        fs::write(&file, "").unwrap();
        set(&open, 0o755);
        set(&file, 0o640);
        set(dir.path(), 0o700);
        assert_eq!(exposed_mode(&file, 0o077), None);
        set(dir.path(), 0o711);
        assert_eq!(exposed_mode(&file, 0o077), Some(0o640));
        assert_eq!(exposed_mode(&file, 0o007), None);
        assert_eq!(exposed_mode(&open, 0o077), Some(0o755));
        set(&open, 0o700);
        assert_eq!(exposed_mode(&open, 0o077), None);
        assert_eq!(exposed_mode(&dir.path().join("missing"), 0o077), None);
    }
}
