//! A large body on its way in: from the first byte to an object that a commit may refer to.
//!
//! ```text
//! note (durable) -> blocks into the spool file, and as parts into the bucket -> keep (durable) -> commit -> settled
//! ```
//!
//! If an upload ends before it is settled (a refusal, a sender that goes away, a panic), everything of it is removed. Only while
//! the commit is under way it is unknown whether the journal has it; then the keeper finds out.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    future::Future,
    io::{self, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use hookgate_journal as journal;
use hookgate_model::{claim::Claim, limits};
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

/// The suffix of spool files, after the object's id.
const SPOOL: &str = ".body";

/// A large body on its way in. It exists before any file or object of the body, and removes all of them unless a commit refers
/// to them. A request can be dropped at any `await`, so each step that makes something durable runs in a task of its own, for
/// which the removal waits.
pub struct Upload {
    under_way: Arc<UnderWay>,
    stage: Stage,
    /// Bytes that are not a whole block yet.
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    /// The step that is writing to the spool file and the bucket. There is one at a time, so that the sender waits for both.
    at_work: Option<JoinHandle<Result<Spool, ClaimError>>>,
    /// `None` while a step is running.
    spool: Option<Spool>,
}

#[derive(PartialEq, Eq)]
enum Stage {
    /// No commit refers to it.
    Loose,
    /// A commit that refers to it is under way.
    InCommit,
    /// Its commit is durable.
    Settled,
}

/// An object that is being worked on, so that the keeper leaves it alone.
struct UnderWay {
    claims: Claims,
    object: Uuid,
}

/// What has been written so far.
struct Spool {
    file: Arc<File>,
    length: u64,
    hash: Sha256,
    bucket_upload: Option<BucketUpload>,
}

/// The parts of an upload to a bucket.
struct BucketUpload {
    bucket: Bucket,
    object: Uuid,
    id: String,
    parts: Vec<PartId>,
}

impl Claims {
    /// Bytes of memory that a body takes during its upload: the block that comes in, and the one that is being written.
    pub fn upload_bytes(&self) -> usize {
        2 * self.block()
    }

    fn block(&self) -> usize {
        match self.0.objects {
            Objects::Directory(_) => limits::CLAIM_BLOCK_BYTES,
            Objects::Bucket(_) => limits::CLAIM_PART_BYTES,
        }
    }

    /// Begins the upload of a body of at least `expected` bytes.
    ///
    /// # Errors
    /// There is no room, or the disk or the bucket does not answer.
    pub async fn begin_upload(&self, expected: u64) -> Result<Upload, ClaimError> {
        let begun = self.begin(expected).await;
        begun.inspect_err(|_| self.0.metrics.store_failed.increment(1))
    }

    async fn begin(&self, expected: u64) -> Result<Upload, ClaimError> {
        check_room(&self.0.incoming, self.0.headroom.saturating_add(expected))?;
        let mut upload = Upload {
            under_way: Arc::new(UnderWay::new(self.clone(), Uuid::now_v7())),
            stage: Stage::Loose,
            gathered: Vec::new(),
            gathered_bytes: 0,
            at_work: None,
            spool: None,
        };
        upload.work(Spool::open(self.clone(), upload.under_way.object));
        upload.idle().await?;
        Ok(upload)
    }

    /// Whether an object is being worked on.
    pub(super) fn is_under_way(&self, object: Uuid) -> bool {
        self.0.under_way.lock().contains(&object)
    }
}

impl UnderWay {
    fn new(claims: Claims, object: Uuid) -> Self {
        claims.0.under_way.lock().insert(object);
        UnderWay { claims, object }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.claims.0.under_way.lock().remove(&self.object);
    }
}

impl Upload {
    /// Appends the next bytes of the body. Waits while the disk or the bucket is slower than the sender.
    pub async fn take(&mut self, mut bytes: Bytes) -> Result<(), ClaimError> {
        let block = self.under_way.claims.block();
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

    /// Ends the body. Returns its bytes, to be verified.
    pub async fn whole(&mut self) -> Result<Blob, ClaimError> {
        if self.gathered_bytes > 0 {
            self.write_gathered().await?;
        }
        let spool = self.idle().await?;
        Ok(Blob::of_file(spool.file.clone(), spool.length))
    }

    /// Makes a durable object of it. After this a commit may refer to it.
    pub async fn keep(&mut self) -> Result<Claim, ClaimError> {
        let kept = self.make_object().await;
        let metrics = &self.under_way.claims.0.metrics;
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

    /// The commit is durable. `referred` says whether it refers to the object.
    pub async fn settle(mut self, referred: bool) {
        self.stage = if referred { Stage::Settled } else { Stage::Loose };
        if referred {
            let (incoming, object) = (self.under_way.claims.0.incoming.clone(), self.under_way.object);
            let forgotten = blocking(move || forget(&incoming, object)).await;
            if let Err(error) = forgotten {
                // The keeper finds out that the journal has it.
                tracing::debug!(%error, "a note about a large body is left behind");
            }
        }
    }

    async fn make_object(&mut self) -> Result<Claim, ClaimError> {
        self.idle().await?;
        if let Some(spool) = self.spool.take() {
            self.work(spool.become_object(self.under_way.claims.clone(), self.under_way.object));
        }
        let object = self.under_way.object;
        let Spool { length, hash, .. } = self.idle().await?;
        Ok(Claim { object, length: *length, sha256: hash.clone().finalize().into(), ranges: Vec::new() })
    }

    /// Begins the next step, which runs to its end even if this is dropped.
    fn work(&mut self, step: impl Future<Output = Result<Spool, ClaimError>> + Send + 'static) {
        self.at_work = Some(tokio::spawn(step));
    }

    /// Waits for the step under way.
    async fn idle(&mut self) -> Result<&mut Spool, ClaimError> {
        if let Some(at_work) = &mut self.at_work {
            let done = at_work.await.unwrap_or_else(|error| Err(ClaimError::Failed(error.to_string())));
            self.at_work = None;
            self.spool = Some(done?);
        }
        self.spool.as_mut().ok_or_else(|| ClaimError::Failed("a step before it has failed".to_owned()))
    }

    async fn write_gathered(&mut self) -> Result<(), ClaimError> {
        let idle = self.idle().await.map(drop);
        idle.inspect_err(|_| self.under_way.claims.0.metrics.store_failed.increment(1))?;
        let block = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        if let Some(spool) = self.spool.take() {
            self.work(spool.write(block, self.under_way.claims.clone()));
        }
        Ok(())
    }
}

impl Spool {
    /// Begins the upload to a bucket if there is one, notes it durably, and makes the spool file.
    async fn open(claims: Claims, object: Uuid) -> Result<Spool, ClaimError> {
        let bucket_upload = match &claims.0.objects {
            Objects::Directory(_) => None,
            Objects::Bucket(bucket) => {
                let id = bucket.s3.create_multipart(&bucket.name(object)).await;
                let id = id.map_err(|error| ClaimError::of_store(&error))?;
                Some(BucketUpload { bucket: bucket.clone(), object, id, parts: Vec::new() })
            }
        };
        let note = bucket_upload.as_ref().map(|upload| upload.id.clone()).unwrap_or_default();
        let incoming = claims.0.incoming.clone();
        let opened = blocking(move || {
            open_spool(&incoming, object, &note).map_err(|error| ClaimError::of_path(&incoming, &error))
        });
        match opened.await {
            Ok(file) => Ok(Spool { file: Arc::new(file), length: 0, hash: Sha256::new(), bucket_upload }),
            Err(error) => {
                // There may be no note of it.
                if let Some(BucketUpload { bucket, id, .. }) = bucket_upload
                    && let Err(error) = bucket.abort(object, &id).await
                {
                    tracing::warn!(%object, %error, "an upload that was begun cannot be aborted");
                }
                Err(error)
            }
        }
    }

    /// Writes one block: hashed and into the spool file, and as a part into the bucket.
    async fn write(self, block: Vec<Bytes>, claims: Claims) -> Result<Spool, ClaimError> {
        let Spool { file, length, mut hash, bucket_upload } = self;
        let payload = bucket_upload.is_some().then(|| block.iter().cloned().collect::<PutPayload>());
        let spool = file.clone();
        let spooling = blocking(move || {
            let incoming = &claims.0.incoming;
            let mut at = length;
            for piece in &block {
                hash.update(piece);
                spool.write_all_at(piece, at).map_err(|error| ClaimError::of_path(incoming, &error))?;
                at += piece.len() as u64;
            }
            // Not for every block, because this asks the file system.
            if at / limits::CLAIM_ROOM_BYTES != length / limits::CLAIM_ROOM_BYTES {
                check_room(incoming, claims.0.headroom)?;
            }
            Ok((at, hash))
        });
        let uploading = async {
            match (bucket_upload, payload) {
                (Some(mut bucket_upload), Some(payload)) => {
                    bucket_upload.put(payload).await?;
                    Ok(Some(bucket_upload))
                }
                _ => Ok(None),
            }
        };
        // Both run to their ends: a part that was cut off could appear after the upload was aborted.
        let (spooled, uploaded) = tokio::join!(spooling, uploading);
        let ((length, hash), bucket_upload) = (spooled?, uploaded?);
        Ok(Spool { file, length, hash, bucket_upload })
    }

    /// Makes a durable object of the written bytes. They can still be read from the open file.
    async fn become_object(mut self, claims: Claims, object: Uuid) -> Result<Spool, ClaimError> {
        let incoming = claims.0.incoming.clone();
        let spool = spool(&incoming, object);
        match (&mut self.bucket_upload, &claims.0.objects) {
            (Some(bucket_upload), _) => {
                let (name, parts) =
                    (bucket_upload.bucket.name(bucket_upload.object), std::mem::take(&mut bucket_upload.parts));
                let completed = bucket_upload.bucket.s3.complete_multipart(&name, &bucket_upload.id, parts).await;
                completed.map_err(|error| ClaimError::of_store(&error))?;
                let note = incoming.join(object.to_string());
                // The upload has ended.
                blocking(move || {
                    fs::write(&note, "").map_err(|error| ClaimError::of_path(&note, &error))?;
                    remove_file(&spool)
                })
                .await?;
            }
            (None, Objects::Directory(path)) => {
                let (file, path) = (self.file.clone(), path.clone());
                let place = move || {
                    file.sync_all()?;
                    fs::rename(&spool, path.join(object.to_string()))?;
                    sync_directory(&path)
                };
                blocking(move || place().map_err(|error| ClaimError::of_path(&incoming, &error))).await?;
            }
            (None, Objects::Bucket(_)) => return Err(ClaimError::Failed("the upload was never begun".to_owned())),
        }
        Ok(self)
    }
}

impl BucketUpload {
    async fn put(&mut self, payload: PutPayload) -> Result<(), ClaimError> {
        let name = self.bucket.name(self.object);
        let part = self.bucket.s3.put_part(&name, &self.id, self.parts.len(), payload).await;
        self.parts.push(part.map_err(|error| ClaimError::of_store(&error))?);
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let UnderWay { claims, object } = &*self.under_way;
        match self.stage {
            Stage::Settled => {}
            Stage::InCommit => claims.doubt(*object),
            Stage::Loose => {
                // Without a runtime the gateway is ending, and its next start removes what is left.
                let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
                let (under_way, at_work) = (self.under_way.clone(), self.at_work.take());
                runtime.spawn(async move {
                    if let Some(at_work) = at_work {
                        let _ = at_work.await;
                    }
                    under_way.claims.discard(under_way.object).await;
                });
            }
        }
    }
}

impl Claims {
    /// Removes everything of an object to which no commit refers. False if that failed; then it is tried again later.
    pub(super) async fn discard(&self, object: Uuid) -> bool {
        let removed = self.remove_all(object).await;
        match &removed {
            Ok(()) => self.0.metrics.discarded.increment(1),
            Err(error) => {
                tracing::warn!(%object, %error, "a large body that is not needed cannot be removed yet");
                self.0.metrics.remove_failed.increment(1);
                self.doubt_later(object);
            }
        }
        removed.is_ok()
    }

    async fn remove_all(&self, object: Uuid) -> Result<(), ClaimError> {
        let note = self.0.incoming.join(object.to_string());
        let bucket_upload = match fs::read_to_string(&note) {
            Ok(text) => text.trim().to_owned(),
            // The note is removed last, so without it nothing is left.
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(ClaimError::of_path(&note, &error)),
        };
        if let (Objects::Bucket(bucket), false) = (&self.0.objects, bucket_upload.is_empty()) {
            bucket.abort(object, &bucket_upload).await?;
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

/// The ids of objects with files in the directory that were not written for at least `age`.
pub(super) fn left_behind(incoming: &Path, age: Duration) -> io::Result<Vec<Uuid>> {
    let now = SystemTime::now();
    let mut objects = BTreeMap::new();
    for entry in fs::read_dir(incoming)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        let Ok(object) = name.strip_suffix(SPOOL).unwrap_or(name).parse::<Uuid>() else { continue };
        // The file may have been removed meanwhile.
        let written = entry.metadata().and_then(|metadata| metadata.modified()).unwrap_or(now);
        let is_old = now.duration_since(written).unwrap_or_default() >= age;
        *objects.entry(object).or_insert(true) &= is_old;
    }
    Ok(objects.into_iter().filter_map(|(object, is_old)| is_old.then_some(object)).collect())
}

fn spool(incoming: &Path, object: Uuid) -> PathBuf {
    incoming.join(format!("{object}{SPOOL}"))
}

/// Writes a durable note about an object (with the id of its upload), and makes its spool file.
fn open_spool(incoming: &Path, object: Uuid, bucket_upload: &str) -> io::Result<File> {
    let private = |options: &mut fs::OpenOptions| options.create_new(true).mode(0o600).clone();
    let mut note = private(File::options().write(true)).open(incoming.join(object.to_string()))?;
    writeln!(note, "{bucket_upload}")?;
    note.sync_all()?;
    sync_directory(incoming)?;
    private(File::options().read(true).write(true)).open(spool(incoming, object))
}

/// Removes the spool file, if there is one, then the note.
fn forget(incoming: &Path, object: Uuid) -> Result<(), ClaimError> {
    remove_file(&spool(incoming, object))?;
    remove_file(&incoming.join(object.to_string()))
}

fn check_room(incoming: &Path, needed: u64) -> Result<(), ClaimError> {
    let free = journal::free_bytes(incoming).map_err(|error| ClaimError::of_path(incoming, &error))?;
    if free < needed {
        Err(ClaimError::Full(format!("{free} bytes are free where {needed} are needed at {}", incoming.display())))
    } else {
        Ok(())
    }
}
