//! A real server that speaks S3: `s3s-fs`, which keeps its objects as files. `cargo xtask test` installs it.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
};

use tempfile::TempDir;
use tokio::sync::watch;

use crate::{gateway::target, wait::within};

/// The version that is installed.
const SERVER: &str = "s3s-fs@0.14.1";
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
        command.args(["--host", "127.0.0.1", "--port", &self.address.port().to_string()]);
        command.args(["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY]).arg(self.root.path());
        command.env("RUST_LOG", "info").env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let (tell, mut told) = watch::channel(None);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("running at http://") {
                    let address: String =
                        address.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
                    tell.send_replace(address.parse().ok());
                }
            }
        });
        self.process = Some(child);
        let listening = async { told.wait_for(Option::is_some).await.map(|address| *address) };
        self.address = within("the bucket's server to listen", listening).await.unwrap().unwrap();
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

/// The server's binary: `HOOKGATE_S3_SERVER`, else installed below `target`, where `cargo xtask test` puts it.
fn server() -> &'static Path {
    static SERVER_BINARY: OnceLock<PathBuf> = OnceLock::new();
    SERVER_BINARY.get_or_init(|| {
        let tools = target().parent().unwrap().join("tools");
        let installed = tools.join("bin/s3s-fs");
        let path = env::var_os("HOOKGATE_S3_SERVER").map_or(installed, PathBuf::from);
        if !path.is_file() {
            let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let mut install = Command::new(cargo);
            install.args(["install", SERVER, "--features", "binary", "--locked", "--debug", "--root"]).arg(&tools);
            assert!(install.status().unwrap().success(), "{SERVER} cannot be installed");
        }
        path
    })
}
