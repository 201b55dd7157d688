//! Digests by their names in settings.

use hookgate_plugin_sdk::Digest;

/// By its name.
///
/// # Errors
/// In words, with the names that there are.
pub fn parse(name: &str) -> Result<Digest, String> {
    match name {
        "md5" => Ok(Digest::Md5),
        "sha1" => Ok(Digest::Sha1),
        "sha256" => Ok(Digest::Sha256),
        "sha384" => Ok(Digest::Sha384),
        "sha512" => Ok(Digest::Sha512),
        _ => Err(format!("{name:?} is not a digest: write md5, sha1, sha256, sha384 or sha512")),
    }
}

/// Its length in bytes.
pub fn length(digest: Digest) -> usize {
    match digest {
        Digest::Md5 => 16,
        Digest::Sha1 => 20,
        Digest::Sha256 => 32,
        Digest::Sha384 => 48,
        Digest::Sha512 => 64,
    }
}
