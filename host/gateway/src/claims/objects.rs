//! Where objects lie: a directory, or a bucket that speaks S3.

use std::{
    fs::{self, File},
    io,
    ops::Range,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use hookgate_config as config;
use hookgate_model::{claim::Claim, private};
use http::Method;
use object_store::{
    GetOptions, GetRange, GetResultPayload, ObjectStore, ObjectStoreExt, aws::AmazonS3, multipart::MultipartStore,
    path::Path, signer::Signer,
};
use uuid::Uuid;

use super::{ClaimError, bytes::Blob, s3};

/// The object store.
pub(super) enum Objects {
    /// Files of a directory, each with an object's id as its name.
    Directory(PathBuf),
    /// Objects of a bucket.
    Bucket(Bucket),
}

/// A bucket, and what stands before the names of its objects.
#[derive(Clone)]
pub(super) struct Bucket {
    pub s3: Arc<AmazonS3>,
    prefix: String,
}

/// A stretch of an object, to be sent.
pub enum Stretch {
    /// Of this file.
    File(File),
    /// As it comes.
    Stream(BoxStream<'static, Result<Bytes, object_store::Error>>),
}

impl Bucket {
    /// The name of an object.
    pub fn name(&self, object: Uuid) -> Path {
        Path::from(format!("{}{object}", self.prefix))
    }

    /// Aborts an upload. A completed one is unknown to the bucket, which some stores report as forbidden.
    pub async fn abort(&self, object: Uuid, upload: &str) -> Result<(), ClaimError> {
        use object_store::Error::{NotFound, PermissionDenied};
        match self.s3.abort_multipart(&self.name(object), &upload.to_owned()).await {
            Ok(()) | Err(NotFound { .. }) => Ok(()),
            Err(error @ PermissionDenied { .. }) => {
                tracing::warn!(%object, %error, "an upload was complete already, or may not be aborted");
                Ok(())
            }
            Err(error) => Err(ClaimError::of_store(&error)),
        }
    }

    async fn get(&self, claim: &Claim, range: Range<u64>) -> Result<Stretch, ClaimError> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        match self.s3.get_opts(&self.name(claim.object), options).await {
            Ok(got) if got.meta.size == claim.length => match got.payload {
                GetResultPayload::Stream(stream) => Ok(Stretch::Stream(stream)),
            },
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Err(ClaimError::Missing(claim.object)),
            Err(error) => Err(ClaimError::of_store(&error)),
        }
    }

    async fn remove(&self, object: Uuid) -> Result<(), ClaimError> {
        match self.s3.delete(&self.name(object)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(ClaimError::of_store(&error)),
        }
    }
}

impl Objects {
    pub fn open(config: &config::Claims) -> Result<Objects, ClaimError> {
        if let Some(bucket) = &config.s3 {
            let s3 = s3::client(bucket).map_err(|error| ClaimError::of_store(&error))?;
            return Ok(Objects::Bucket(Bucket { s3: Arc::new(s3), prefix: bucket.prefix.clone() }));
        }
        let path = config.path.join("objects");
        private::make_directory(&path).map_err(|error| ClaimError::of_path(&path, &error))?;
        Ok(Objects::Directory(path))
    }

    /// The bytes of an object, to be read in pieces.
    pub async fn body(&self, claim: &Claim) -> Result<Blob, ClaimError> {
        match self {
            Objects::Directory(path) => Ok(Blob::of_file(Arc::new(open(path, claim).await?), claim.length)),
            Objects::Bucket(bucket) => Ok(Blob::of_object(bucket.s3.clone(), bucket.name(claim.object), claim.length)),
        }
    }

    /// A stretch of an object, to be sent.
    pub async fn get(&self, claim: &Claim, range: Range<u64>) -> Result<Stretch, ClaimError> {
        match self {
            Objects::Directory(path) => Ok(Stretch::File(open(path, claim).await?)),
            Objects::Bucket(bucket) => bucket.get(claim, range).await,
        }
    }

    /// A URL of the object itself that is valid for `ttl`; `None` for a directory.
    pub async fn link(&self, object: Uuid, ttl: Duration) -> Option<String> {
        let Objects::Bucket(bucket) = self else { return None };
        let signed = bucket.s3.signed_url(Method::GET, &bucket.name(object), ttl).await;
        signed
            .inspect_err(|error| tracing::warn!(%error, "an object's own URL cannot be signed"))
            .ok()
            .map(String::from)
    }

    /// Removes an object, durably; a missing one is not an error.
    pub async fn remove(&self, object: Uuid) -> Result<(), ClaimError> {
        match self {
            Objects::Bucket(bucket) => bucket.remove(object).await,
            Objects::Directory(path) => {
                let path = path.clone();
                blocking(move || {
                    remove_file(&path.join(object.to_string()))?;
                    sync_directory(&path).map_err(|error| ClaimError::of_path(&path, &error))
                })
                .await
            }
        }
    }
}

/// The file of an object, which must have the length that the journal knows.
async fn open(directory: &FilePath, claim: &Claim) -> Result<File, ClaimError> {
    let path = directory.join(claim.object.to_string());
    let (object, length) = (claim.object, claim.length);
    blocking(move || {
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((found, file)) if found == length => Ok(file),
            Ok(_) => Err(ClaimError::Missing(object)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ClaimError::Missing(object)),
            Err(error) => Err(ClaimError::of_path(&path, &error)),
        }
    })
    .await
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(path: &FilePath) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes a file; a missing one is not an error.
pub(super) fn remove_file(path: &FilePath) -> Result<(), ClaimError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ClaimError::of_path(path, &error)),
        _ => Ok(()),
    }
}

/// Runs work that waits for the disk on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ClaimError> + Send + 'static,
) -> Result<T, ClaimError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ClaimError::Failed(error.to_string())))
}
