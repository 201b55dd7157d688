//! What a configuration refers to outside its text: environment variables, and files with secrets.

use std::{
    io::{self, Read},
    path::Path,
};

use hookgate_model::limits::SECRET_BYTES_MAX;
use zeroize::Zeroizing;

use crate::SecretText;

/// What a configuration refers to outside its text.
pub trait Environment {
    /// An environment variable; none when it is not set or is not UTF-8.
    fn variable(&self, name: &str) -> Option<String>;

    /// A file with a secret.
    fn file(&self, path: &Path) -> io::Result<SecretFile>;
}

/// A file with a secret.
pub struct SecretFile {
    /// Its text as it stands there.
    pub text: SecretText,
    /// Whether every user of the machine may read it.
    pub exposed: bool,
}

/// The environment and the files of this process.
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> io::Result<SecretFile> {
        let file = std::fs::File::open(path)?;
        let exposed = world_readable(&file.metadata()?);
        // Room for all at once: a buffer that grows leaves copies behind that are not wiped.
        let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_BYTES_MAX as usize + 1));
        file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > SECRET_BYTES_MAX {
            return Err(io::Error::other(format!("it is larger than {SECRET_BYTES_MAX} bytes")));
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| io::Error::other("it is not text in UTF-8"))?;
        Ok(SecretFile { text: SecretText::new(text.to_owned()), exposed })
    }
}

#[cfg(unix)]
fn world_readable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn world_readable(_: &std::fs::Metadata) -> bool {
    false
}
