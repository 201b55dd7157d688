//! `hookgate plugin sign`

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use ed25519_dalek::{
    SigningKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, spki::der::pem::LineEnding},
};
use hookgate_model::component_signature::{self, TrustedKey};
use hookgate_sandbox::read_component;
use serde::Serialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::cli::{Exit, Usage, output::Format};

/// Sign a component, so that gateways with the public key in plugins.trusted-keys accept it
///
/// The signature (Ed25519) becomes a section of the component, which changes its hash. The key is a file in PEM (PKCS #8), as
/// written by `openssl genpkey -algorithm ed25519`; --new-key creates it. The public key is printed.
///
/// Examples:
///   hookgate plugin sign ./my-provider.wasm --key release.pem --new-key
///   hookgate plugin sign ./my-provider.wasm --key release.pem --out ./signed/my-provider.wasm
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Sign {
    /// The component
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file of the private key
    #[arg(long, value_name = "KEYFILE")]
    key: PathBuf,
    /// Create the key; its file must not exist
    #[arg(long)]
    new_key: bool,
    /// The file for the signed component, instead of the file itself
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

#[derive(Serialize)]
struct Signed {
    file: String,
    hash: String,
    key: String,
    public_key: String,
}

impl Sign {
    pub async fn run(self) -> Result<Exit> {
        let component = read_component(&self.file)?;
        let key = if self.new_key { make(&self.key)? } else { read(&self.key)? };
        let signed = component_signature::sign(&component, &key)
            .with_context(|| format!("{} is not a component", self.file.display()))?;
        let out = self.out.as_ref().unwrap_or(&self.file);
        write(out, &signed).with_context(|| format!("cannot write {}", out.display()))?;
        let public = TrustedKey::of(&key);
        let signed = Signed {
            file: out.display().to_string(),
            hash: hex::encode(Sha256::digest(&signed)),
            key: public.id().to_string(),
            public_key: public.text(),
        };
        self.format.print(&signed, |signed| {
            format!(
                "{} is signed with the key {}, and has the hash {}\n\n[plugins]\ntrusted-keys = [\"{}\"]",
                signed.file, signed.key, signed.hash, signed.public_key
            )
        })?;
        Ok(Exit::Ok)
    }
}

fn read(path: &Path) -> Result<SigningKey> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.with_context(|| format!("cannot read the key {}; --new-key makes one", path.display()))?;
    let key = SigningKey::from_pkcs8_pem(&text);
    key.map_err(|_| Usage(format!("{} is not an Ed25519 private key in PEM (PKCS #8)", path.display())).into())
}

/// Makes a key in a file that only this user can read.
fn make(path: &Path) -> Result<SigningKey> {
    let seed = Zeroizing::new(rand::random::<[u8; 32]>());
    let key = SigningKey::from_bytes(&seed);
    let Ok(pem) = key.to_pkcs8_pem(LineEnding::LF) else { bail!("a key cannot be written in PEM") };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(pem.as_bytes()));
    written.with_context(|| format!("cannot make the key {}", path.display()))?;
    Ok(key)
}

/// Under another name first: a gateway may be looking at the file.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("wasm.new");
    fs::write(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .inspect_err(|_| drop(fs::remove_file(&temporary)))
}
