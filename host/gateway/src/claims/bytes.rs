//! Bodies that are read in pieces: out of a file, or out of a bucket.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use hookgate_capabilities::{Body, ReadBytes};
use hookgate_model::limits;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    time::timeout,
};

/// The bytes of a body, wherever they are. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blob(Arc<dyn ReadBytes>);

impl Blob {
    /// The bytes of a file.
    pub(super) fn of_file(file: Arc<File>, length: u64) -> Blob {
        Blob(Arc::new(FileBytes { file, length }))
    }

    /// The bytes of an object in a bucket.
    pub(super) fn of_object(store: Arc<dyn ObjectStore>, path: Path, length: u64) -> Blob {
        Blob(Arc::new(ObjectBytes { store, path, length, runtime: Handle::current() }))
    }

    /// As a body for plugins.
    pub fn body(&self) -> Body {
        Body::stored(self.0.clone())
    }
}

#[derive(Debug)]
struct FileBytes {
    file: Arc<File>,
    length: u64,
}

impl ReadBytes for FileBytes {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(into, offset)
    }
}

#[derive(Debug)]
struct ObjectBytes {
    store: Arc<dyn ObjectStore>,
    path: Path,
    length: u64,
    runtime: Handle,
}

impl ReadBytes for ObjectBytes {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let (store, path) = (self.store.clone(), self.path.clone());
        let range = offset..offset + into.len() as u64;
        self.runtime.spawn(async move {
            let fetched = timeout(limits::CLAIM_STORE_TIME_MAX, store.get_range(&path, range)).await;
            sender.send(fetched.map_err(|_| io::Error::from(io::ErrorKind::TimedOut)))
        });
        let gone = |_| io::Error::other("the gateway stops");
        let fetched = beside_the_workers(&self.runtime, || receiver.recv()).map_err(gone)?;
        let bytes = fetched?.map_err(io::Error::other)?;
        if bytes.len() != into.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        into.copy_from_slice(&bytes);
        Ok(())
    }

    fn block(&self) -> usize {
        limits::CLAIM_FETCH_BYTES
    }
}

/// Waits without holding up other tasks.
fn beside_the_workers<T>(runtime: &Handle, wait: impl FnOnce() -> T) -> T {
    match runtime.runtime_flavor() {
        RuntimeFlavor::CurrentThread => wait(),
        _ => tokio::task::block_in_place(wait),
    }
}
