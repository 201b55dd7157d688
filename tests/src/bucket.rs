//! A real server that speaks S3 (`tests/s3-server`) and keeps its objects as files. `cargo xtask test` builds it.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{gateway::target, wait::within};

const ACCESS_KEY: &str = "hookgate-tests";
const SECRET_KEY: &str = "a-secret-key-that-nobody-logs";

/// A running server with one bucket, `bodies`; killed when dropped.
pub struct Bucket {
    root: TempDir,
    address: SocketAddr,
    process: Option<Child>,
}

impl Bucket {
    /// Starts a server and waits until it listens.
    pub async fn start() -> Bucket {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("bodies")).unwrap();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut bucket = Bucket { root, address: nowhere, process: None };
        bucket.restart().await;
        bucket
    }

    /// Starts it on the same objects and at the same address.
    pub async fn restart(&mut self) {
        let mut command = Command::new(server());
        command.args(["--listen", &self.address.to_string()]);
        command.args(["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY]).arg(self.root.path());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = tokio::task::spawn_blocking(move || lines.next().and_then(Result::ok));
        self.process = Some(child);
        let first = within("the bucket's server to listen", first).await.unwrap();
        self.address = first.expect("the bucket's server says where it listens").parse().unwrap();
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// The table `[claims.s3]` of a configuration.
    pub fn table(&self) -> String {
        let address = self.address;
        format!(
            "s3 = {{ bucket = \"bodies\", region = \"us-east-1\", endpoint = \"http://{address}\", prefix = \"hookgate/\", \
             access-key = {{ value = \"{ACCESS_KEY}\" }}, secret-key = {{ value = \"{SECRET_KEY}\" }} }}"
        )
    }

    /// The files of its objects.
    pub fn objects(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.root.path().join("bodies/hookgate")) else { return Vec::new() };
        let visible = |path: &PathBuf| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.'));
        entries.map(|entry| entry.unwrap().path()).filter(visible).collect()
    }

    /// Everything below its root.
    pub fn root(&self) -> &Path {
        self.root.path()
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The server's binary.
fn server() -> PathBuf {
    let path = target().join(format!("hookgate-s3-server{}", env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "there is no {}; cargo xtask test builds it", path.display());
    path
}
