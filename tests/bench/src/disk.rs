//! What the disk itself does: append and fdatasync, nothing else.

use std::{fs::File, io::Write, path::Path, time::Instant};

use anyhow::Result;

/// A file to append to.
pub struct Disk {
    file: File,
    block: Vec<u8>,
}

impl Disk {
    /// A new file in `directory`, with the number of bytes of each append.
    pub fn new(directory: &Path, bytes: usize) -> Result<Disk> {
        let file = File::create(directory.join(format!("fdatasync-{bytes}")))?;
        Ok(Disk { file, block: vec![0x5a; bytes] })
    }

    /// Appends once and syncs; in microseconds.
    pub fn append(&mut self) -> Result<f64> {
        let began = Instant::now();
        self.file.write_all(&self.block)?;
        self.file.sync_data()?;
        Ok(began.elapsed().as_secs_f64() * 1e6)
    }
}
