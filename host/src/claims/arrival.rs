//! A large body on its way in: from the first byte to an object that a commit may refer to.
//!
//! ```text
//! note (durable) -> blocks into the spool file, and as parts into the bucket -> keep (durable) -> commit -> settled
//! ```
//!
//! Whatever ends it before it is settled (a refusal, a sender that goes away, a panic) has everything removed again.
//! Only while the commit is under way nobody here knows whether the journal has it; then the keeper finds out.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use object_store::{
    PutPayload,
    multipart::{MultipartStore, PartId},
};
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{
    Blob, ClaimError, Claims,
    objects::{Bucket, Objects, blocking, remove_file, sync_directory},
};
use crate::{
    journal::{self, Claim},
    limits,
};

/// What stands behind an object's id in the name of its spool file.
const SPOOL: &str = ".body";

/// A large body on its way in.
pub struct Arrival {
    claims: Claims,
    object: Uuid,
    stage: Stage,
    /// What has come and is not a whole block yet.
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    file: Arc<File>,
    /// Idle, or at work on a block: one at a time, so that the sender waits for the disk and the bucket.
    at_work: Option<JoinHandle<Result<Written, ClaimError>>>,
    written: Option<Written>,
}

#[derive(PartialEq, Eq)]
enum Stage {
    /// Nothing refers to it.
    Loose,
    /// A commit that refers to it is under way.
    InCommit,
    /// It is done with.
    Settled,
}

/// What has been written so far.
struct Written {
    length: u64,
    hash: Sha256,
    upload: Option<Upload>,
}

/// The parts of an upload to a bucket.
struct Upload {
    bucket: Bucket,
    object: Uuid,
    id: String,
    parts: Vec<PartId>,
}

impl Claims {
    /// Bytes of memory that a body takes while it arrives: the block that comes in, and the one that is being written.
    pub fn arrival_bytes(&self) -> usize {
        2 * self.block()
    }

    fn block(&self) -> usize {
        match self.0.objects {
            Objects::Directory(_) => limits::CLAIM_BLOCK_BYTES,
            Objects::Bucket(_) => limits::CLAIM_PART_BYTES,
        }
    }

    /// Begins to take in a body, of so many bytes at least.
    ///
    /// # Errors
    /// There is no room, or the disk or the bucket does not answer.
    pub async fn arrive(&self, expected: u64) -> Result<Arrival, ClaimError> {
        let begun = self.begin(expected).await;
        begun.inspect_err(|_| self.0.metrics.store_failed.increment(1))
    }

    async fn begin(&self, expected: u64) -> Result<Arrival, ClaimError> {
        check_room(&self.0.incoming, self.0.headroom.saturating_add(expected))?;
        let object = Uuid::now_v7();
        let upload = match &self.0.objects {
            Objects::Directory(_) => None,
            Objects::Bucket(bucket) => {
                let id = bucket.s3.create_multipart(&bucket.name(object)).await;
                let id = id.map_err(|error| ClaimError::of_store(&error))?;
                Some(Upload { bucket: bucket.clone(), object, id, parts: Vec::new() })
            }
        };
        let note = upload.as_ref().map(|upload| upload.id.clone()).unwrap_or_default();
        let incoming = self.0.incoming.clone();
        let file = blocking(move || {
            open_spool(&incoming, object, &note).map_err(|error| ClaimError::of_path(&incoming, &error))
        });
        Ok(Arrival {
            claims: self.clone(),
            object,
            stage: Stage::Loose,
            gathered: Vec::new(),
            gathered_bytes: 0,
            file: Arc::new(file.await?),
            at_work: None,
            written: Some(Written { length: 0, hash: Sha256::new(), upload }),
        })
    }
}

impl Arrival {
    /// Takes the next bytes of the body; waits while the disk or the bucket is slower than the sender.
    pub async fn take(&mut self, mut bytes: Bytes) -> Result<(), ClaimError> {
        let block = self.claims.block();
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(block - self.gathered_bytes));
            self.gathered_bytes += piece.len();
            self.gathered.push(piece);
            if self.gathered_bytes == block {
                self.write_gathered().await?;
            }
        }
        Ok(())
    }

    /// The body is whole: its bytes, to be verified.
    pub async fn whole(&mut self) -> Result<Blob, ClaimError> {
        if self.gathered_bytes > 0 {
            self.write_gathered().await?;
        }
        let length = self.idle().await?.length;
        Ok(Blob::of_file(self.file.clone(), length))
    }

    /// Makes an object of it, durably. From here on a commit may refer to it.
    pub async fn keep(&mut self) -> Result<Claim, ClaimError> {
        let kept = self.make_object().await;
        let metrics = &self.claims.0.metrics;
        match &kept {
            Ok(claim) => {
                metrics.stored.increment(1);
                metrics.stored_bytes.increment(claim.length);
                self.stage = Stage::InCommit;
            }
            Err(_) => metrics.store_failed.increment(1),
        }
        kept
    }

    /// The commit is durable: whether it refers to the object.
    pub async fn settle(mut self, referred: bool) {
        self.stage = if referred { Stage::Settled } else { Stage::Loose };
        if referred {
            let (incoming, object) = (self.claims.0.incoming.clone(), self.object);
            let forgotten = blocking(move || forget(&incoming, object)).await;
            if let Err(error) = forgotten {
                // The next start finds out that the journal has it.
                tracing::debug!(%error, "a note about a large body is left behind");
            }
        }
    }

    async fn make_object(&mut self) -> Result<Claim, ClaimError> {
        let spool = spool(&self.claims.0.incoming, self.object);
        let (object, claims) = (self.object, self.claims.clone());
        let Written { length, hash, upload } = self.idle().await?;
        let claim = Claim { object, length: *length, sha256: hash.clone().finalize().into(), ranges: Vec::new() };
        match (upload, &claims.0.objects) {
            (Some(upload), _) => {
                let (bucket, parts) = (upload.bucket.clone(), std::mem::take(&mut upload.parts));
                let name = bucket.name(upload.object);
                let completed = bucket.s3.complete_multipart(&name, &upload.id, parts).await;
                completed.map_err(|error| ClaimError::of_store(&error))?;
                let note = claims.0.incoming.join(object.to_string());
                // There is no upload any more. What is still to be read is read from the open file.
                blocking(move || {
                    fs::write(&note, "").map_err(|error| ClaimError::of_path(&note, &error))?;
                    remove_file(&spool)
                })
                .await?;
            }
            (None, Objects::Directory(path)) => {
                let (file, path) = (self.file.clone(), path.clone());
                let object = path.join(object.to_string());
                let placed = move || {
                    file.sync_all().and_then(|()| fs::rename(&spool, &object)).and_then(|()| sync_directory(&path))
                };
                let incoming = claims.0.incoming.clone();
                blocking(move || placed().map_err(|error| ClaimError::of_path(&incoming, &error))).await?;
            }
            (None, Objects::Bucket(_)) => return Err(ClaimError::Failed("the upload was never begun".to_owned())),
        }
        Ok(claim)
    }

    /// Waits for the block under way.
    async fn idle(&mut self) -> Result<&mut Written, ClaimError> {
        if let Some(at_work) = &mut self.at_work {
            let done = at_work.await.unwrap_or_else(|error| Err(ClaimError::Failed(error.to_string())));
            self.at_work = None;
            match done {
                Ok(written) => self.written = Some(written),
                Err(error) => {
                    self.claims.0.metrics.store_failed.increment(1);
                    return Err(error);
                }
            }
        }
        self.written.as_mut().ok_or_else(|| ClaimError::Failed("a block before it was not written".to_owned()))
    }

    async fn write_gathered(&mut self) -> Result<(), ClaimError> {
        self.idle().await?;
        let block = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        if let Some(written) = self.written.take() {
            let (file, incoming, headroom) =
                (self.file.clone(), self.claims.0.incoming.clone(), self.claims.0.headroom);
            self.at_work = Some(tokio::spawn(written.write(block, file, incoming, headroom)));
        }
        Ok(())
    }
}

impl Written {
    /// Writes one block: hashed and into the spool file, and as a part into the bucket.
    async fn write(
        self,
        block: Vec<Bytes>,
        file: Arc<File>,
        incoming: PathBuf,
        headroom: u64,
    ) -> Result<Written, ClaimError> {
        let Written { length, mut hash, upload } = self;
        let payload = upload.is_some().then(|| block.iter().cloned().collect::<PutPayload>());
        let spooling = blocking(move || {
            let mut at = length;
            for piece in &block {
                hash.update(piece);
                file.write_all_at(piece, at).map_err(|error| ClaimError::of_path(&incoming, &error))?;
                at += piece.len() as u64;
            }
            // Not for every block: the file system is asked.
            if at / limits::CLAIM_ROOM_BYTES != length / limits::CLAIM_ROOM_BYTES {
                check_room(&incoming, headroom)?;
            }
            Ok((at, hash))
        });
        let uploading = async {
            match (upload, payload) {
                (Some(mut upload), Some(payload)) => {
                    upload.put(payload).await?;
                    Ok(Some(upload))
                }
                _ => Ok(None),
            }
        };
        // Both to their ends: a part that was given up halfway could turn up after the upload was aborted.
        let (spooled, uploaded) = tokio::join!(spooling, uploading);
        let ((length, hash), upload) = (spooled?, uploaded?);
        Ok(Written { length, hash, upload })
    }
}

impl Upload {
    async fn put(&mut self, payload: PutPayload) -> Result<(), ClaimError> {
        let name = self.bucket.name(self.object);
        let part = self.bucket.s3.put_part(&name, &self.id, self.parts.len(), payload).await;
        self.parts.push(part.map_err(|error| ClaimError::of_store(&error))?);
        Ok(())
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        match self.stage {
            Stage::Settled => {}
            Stage::InCommit => self.claims.doubt(self.object),
            Stage::Loose => {
                // Without a runtime the gateway is ending, and its next start removes what is left.
                let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
                let (claims, object, at_work) = (self.claims.clone(), self.object, self.at_work.take());
                runtime.spawn(async move {
                    if let Some(at_work) = at_work {
                        let _ = at_work.await;
                    }
                    claims.discard(object).await;
                });
            }
        }
    }
}

impl Claims {
    /// Removes all that there is of an object to which nothing refers; what cannot be removed now is tried again.
    pub(super) async fn discard(&self, object: Uuid) {
        match self.remove_all(object).await {
            Ok(()) => self.0.metrics.discarded.increment(1),
            Err(error) => {
                tracing::warn!(%object, %error, "a large body that is not needed cannot be removed yet");
                self.0.metrics.remove_failed.increment(1);
                self.doubt(object);
            }
        }
    }

    async fn remove_all(&self, object: Uuid) -> Result<(), ClaimError> {
        let note = self.0.incoming.join(object.to_string());
        let upload = match fs::read_to_string(&note) {
            Ok(text) => text.trim().to_owned(),
            // The note goes last: without it there is nothing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(ClaimError::of_path(&note, &error)),
        };
        if let (Objects::Bucket(bucket), false) = (&self.0.objects, upload.is_empty()) {
            bucket.abort(object, &upload).await?;
        }
        self.0.objects.remove(object).await?;
        let incoming = self.0.incoming.clone();
        blocking(move || forget(&incoming, object)).await
    }

    /// Removes the note about an object that the journal has.
    pub(super) async fn settled(&self, object: Uuid) -> Result<(), ClaimError> {
        let incoming = self.0.incoming.clone();
        blocking(move || forget(&incoming, object)).await
    }
}

/// What an earlier process has left in the directory: the ids of its objects.
pub(super) fn left_behind(incoming: &Path) -> io::Result<Vec<Uuid>> {
    let mut objects = BTreeSet::new();
    for entry in fs::read_dir(incoming)? {
        let name = entry?.file_name();
        let name = name.to_str().unwrap_or_default();
        objects.extend(name.strip_suffix(SPOOL).unwrap_or(name).parse::<Uuid>().ok());
    }
    Ok(objects.into_iter().collect())
}

fn spool(incoming: &Path, object: Uuid) -> PathBuf {
    incoming.join(format!("{object}{SPOOL}"))
}

/// Notes durably that an object is under way (and as which upload), and makes its spool file.
fn open_spool(incoming: &Path, object: Uuid, upload: &str) -> io::Result<File> {
    let private = |options: &mut fs::OpenOptions| options.create_new(true).mode(0o600).clone();
    let mut note = private(File::options().write(true)).open(incoming.join(object.to_string()))?;
    writeln!(note, "{upload}")?;
    note.sync_all()?;
    sync_directory(incoming)?;
    private(File::options().read(true).write(true)).open(spool(incoming, object))
}

/// Removes the spool file, if it is still there, then the note.
fn forget(incoming: &Path, object: Uuid) -> Result<(), ClaimError> {
    remove_file(&spool(incoming, object))?;
    remove_file(&incoming.join(object.to_string()))
}

fn check_room(incoming: &Path, needed: u64) -> Result<(), ClaimError> {
    match journal::free_bytes(incoming) {
        Some(free) if free < needed => {
            Err(ClaimError::Full(format!("{free} bytes are free where {needed} are needed at {}", incoming.display())))
        }
        _ => Ok(()),
    }
}
