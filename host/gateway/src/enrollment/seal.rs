//! The seal key: what encrypts the secrets that the store keeps.
//!
//! XChaCha20-Poly1305 (<https://datatracker.ietf.org/doc/html/draft-irtf-cfrg-xchacha-03>) with a random nonce. What a
//! secret belongs to is authenticated with it, so that no sealed secret can be put in the place of another.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use hmac::{Hmac, Mac};
use hookgate_config::SecretText;
use hookgate_journal::{Sealed, SealedId};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The file in the store's directory that holds the key if none is configured.
const FILE: &str = "seal-key";

/// Hexadecimal digits of a key in its file: 32 bytes.
const KEY_DIGITS: usize = 64;

/// Bytes of a nonce.
const NONCE: usize = 24;

/// Seals and opens.
pub(super) struct SealKey(XChaCha20Poly1305);

/// Why the store's own file gives no key.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyFileError {
    /// It is not there, or cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It has something else in it than a key.
    #[error("it does not hold {KEY_DIGITS} hexadecimal digits")]
    Malformed,
    /// Other users can read it; its mode.
    #[error("other users can read it (mode {0:04o})")]
    Exposed(u32),
}

fn not_text(error: io::Error) -> KeyFileError {
    match error.kind() {
        io::ErrorKind::InvalidData => KeyFileError::Malformed,
        _ => KeyFileError::Io(error),
    }
}

/// The sealed bytes are not what this key has sealed under this id.
#[derive(Debug)]
pub(super) struct NotOpened;

impl SealKey {
    /// Derives the key from an unguessable text of any length (HMAC-SHA256).
    pub(super) fn of_text(text: &SecretText) -> SealKey {
        // An HMAC takes a key of any length.
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(text.expose().as_bytes())
            .unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
        mac.update(b"hookgate: secrets that were handed over, 1");
        let key = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
        SealKey(XChaCha20Poly1305::new((&*key).into()))
    }

    /// Of the store's own file, which must be as [`SealKey::make_file`] makes it.
    pub(super) fn of_file(store: &Path) -> Result<SealKey, KeyFileError> {
        let mut file = File::open(file(store))?;
        let mode = file.metadata()?.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Exposed(mode));
        }
        // A byte more than the digits and a line break would make it another file.
        let mut text = Zeroizing::new(String::with_capacity(KEY_DIGITS + 2));
        io::Read::take(&mut file, KEY_DIGITS as u64 + 2).read_to_string(&mut text).map_err(not_text)?;
        let digits = text.strip_suffix('\n').unwrap_or(&text);
        if digits.len() == KEY_DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            Ok(SealKey::of_text(&SecretText::new(digits.to_owned())))
        } else {
            Err(KeyFileError::Malformed)
        }
    }

    /// Makes the store's own file, durably, for this user only.
    pub(super) fn make_file(store: &Path) -> io::Result<()> {
        let bytes: [u8; 32] = std::array::from_fn(|_| rand::random());
        write_key(store, hex::encode(Zeroizing::new(bytes).as_slice()).as_bytes())
    }

    /// `nonce:24 ciphertext`
    pub(super) fn seal(&self, id: &SealedId, at: u64, secret: &SecretText) -> Vec<u8> {
        let nonce: [u8; NONCE] = std::array::from_fn(|_| rand::random());
        let sealed =
            self.0.encrypt(&XNonce::from(nonce), Payload { msg: secret.expose().as_bytes(), aad: &belongs_to(id, at) });
        // It fails for messages of more than 256 GiB only.
        [nonce.to_vec(), sealed.unwrap_or_default()].concat()
    }

    /// What [`SealKey::seal`] has sealed.
    pub(super) fn open(&self, sealed: &Sealed) -> Result<SecretText, NotOpened> {
        let (nonce, ciphertext) = sealed.bytes.split_first_chunk::<NONCE>().ok_or(NotOpened)?;
        let payload = Payload { msg: ciphertext, aad: &belongs_to(&sealed.id, sealed.at) };
        let text = self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| NotOpened)?;
        String::from_utf8(text).map(SecretText::new).map_err(|_| NotOpened)
    }
}

/// What is authenticated beside the secret.
fn belongs_to(id: &SealedId, at: u64) -> Vec<u8> {
    [&id.key()[..], &at.to_be_bytes()].concat()
}

/// Where a store has its own key.
pub(super) fn file(store: &Path) -> PathBuf {
    store.join(FILE)
}

/// Has a store that was moved to another directory take its own key along.
pub fn carry_key(from: &Path, to: &Path) -> io::Result<()> {
    match fs::read(file(from)).map(Zeroizing::new) {
        Ok(key) => write_key(to, &key),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Under another name first, so that a key is whole or not there.
fn write_key(store: &Path, text: &[u8]) -> io::Result<()> {
    let new = store.join("seal-key.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut written = options.open(&new)?;
    written.write_all(text)?;
    written.sync_all()?;
    fs::rename(&new, file(store))?;
    if cfg!(unix) { File::open(store)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn key(text: &str) -> SealKey {
        SealKey::of_text(&SecretText::new(text.to_owned()))
    }

    fn sealed(key: &SealKey, secret: &str) -> Sealed {
        let id = SealedId { source: "asana".to_owned(), secret: "signing".to_owned(), version: Uuid::from_u128(7) };
        let bytes = key.seal(&id, 5, &SecretText::new(secret.to_owned()));
        Sealed { id, at: 5, bytes }
    }

    #[test]
    fn what_is_sealed_opens_under_its_own_key_and_name_only() {
        let kept = sealed(&key("one"), "s3cret");
        assert_eq!(key("one").open(&kept).unwrap().expose(), "s3cret");
        assert!(!kept.bytes.windows(6).any(|window| window == b"s3cret"));
        assert!(key("two").open(&kept).is_err());
        let of_another = SealedId { source: "asan".to_owned(), ..kept.id.clone() };
        assert!(key("one").open(&Sealed { id: of_another, ..kept.clone() }).is_err());
        assert!(key("one").open(&Sealed { at: 6, ..kept.clone() }).is_err());
        assert_ne!(sealed(&key("one"), "s3cret").bytes, kept.bytes, "a nonce is used once");
    }

    #[test]
    fn a_file_is_made_once_is_private_and_moves_along() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let missing = SealKey::of_file(one.path()).err().unwrap();
        assert!(matches!(missing, KeyFileError::Io(error) if error.kind() == io::ErrorKind::NotFound));
        carry_key(one.path(), other.path()).unwrap();
        SealKey::make_file(one.path()).unwrap();
        let kept = sealed(&SealKey::of_file(one.path()).unwrap(), "s3cret");
        carry_key(one.path(), other.path()).unwrap();
        assert!(SealKey::of_file(other.path()).unwrap().open(&kept).is_ok());
        #[cfg(unix)]
        for directory in [&one, &other] {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(file(directory.path())).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_that_is_not_a_key_or_not_private_is_refused() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().unwrap();
        SealKey::make_file(directory.path()).unwrap();
        let path = file(directory.path());
        let digits = fs::read_to_string(&path).unwrap();
        assert!(digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let set = |text: &[u8], mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            SealKey::of_file(directory.path()).err()
        };
        assert!(set(format!("{digits}\n").as_bytes(), 0o600).is_none());
        assert!(set(digits.as_bytes(), 0o400).is_none());
        let not_keys = [
            String::new(),
            "\n".to_owned(),
            digits[1..].to_owned(),
            format!("{digits}0"),
            format!("{digits}\n\n"),
            format!("{digits} "),
            format!(" {}", &digits[1..]),
            "g".repeat(64),
            "ß".repeat(32),
        ];
        for text in not_keys {
            assert!(matches!(set(text.as_bytes(), 0o600), Some(KeyFileError::Malformed)), "{text:?}");
        }
        assert!(matches!(set(&[0xff; 64], 0o600), Some(KeyFileError::Malformed)));
        for mode in [0o640, 0o604, 0o644, 0o660] {
            assert!(matches!(set(digits.as_bytes(), mode), Some(KeyFileError::Exposed(found)) if found == mode));
        }
    }

    proptest! {
        #[test]
        fn no_changed_byte_is_taken(secret in "[a-z]{1,40}", at: prop::sample::Index, bit in 0..8_u32) {
            let mut kept = sealed(&key("one"), &secret);
            let at = at.index(kept.bytes.len());
            kept.bytes[at] ^= 1_u8 << bit;
            prop_assert!(key("one").open(&kept).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let kept = Sealed { bytes, ..sealed(&key("one"), "a") };
            prop_assert!(key("one").open(&kept).is_err());
        }
    }
}
