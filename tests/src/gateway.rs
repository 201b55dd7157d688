//! The real binary as a process: started, killed, started again on the same store.

use std::{
    env,
    ffi::OsStr,
    fs::{self, DirBuilder, File},
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, OnceLock},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::{
    Config, Delivery, Reply,
    client::{self, try_send},
    wait::{PATIENCE, eventually, within},
};

/// A running gateway with its own directory; killed when dropped, its log shown if the test has failed.
pub struct Gateway {
    directory: TempDir,
    environment: Vec<(String, String)>,
    /// Standard output is not read beyond the line that says `ready`.
    unread: bool,
    open_files: Option<u32>,
    process: Option<Process>,
    /// Log and output of the processes before this one.
    earlier: String,
    deliveries: SocketAddr,
    admin: SocketAddr,
}

struct Process {
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

/// A command that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

impl Gateway {
    /// Starts a gateway and waits until it is ready.
    pub async fn start(config: Config) -> Gateway {
        Gateway::start_in(tempfile::tempdir().unwrap(), config).await
    }

    /// As [`Gateway::start`], with a standard output that is not read any further after the line `ready`.
    pub async fn start_unread(config: Config) -> Gateway {
        let mut gateway = Gateway::stopped(tempfile::tempdir().unwrap(), &config);
        gateway.unread = true;
        gateway.restart().await;
        gateway
    }

    /// As [`Gateway::start`], in a directory that has something in it already.
    pub async fn start_in(directory: TempDir, config: Config) -> Gateway {
        let mut gateway = Gateway::stopped(directory, &config);
        gateway.restart().await;
        gateway
    }

    /// As [`Gateway::start`], with a soft and hard limit of open files.
    pub async fn start_with_open_files(limit: u32, config: Config) -> Gateway {
        let mut gateway = Gateway::stopped(tempfile::tempdir().unwrap(), &config);
        gateway.open_files = Some(limit);
        gateway.restart().await;
        gateway
    }

    /// Starts one with a command of the test's own, which runs in that directory.
    pub async fn from_command(command: Command, directory: TempDir) -> Gateway {
        let mut gateway = Gateway::in_directory(directory);
        gateway.spawn(command).await;
        gateway
    }

    fn stopped(directory: TempDir, config: &Config) -> Gateway {
        let gateway = Gateway::in_directory(directory);
        gateway.configure(config);
        gateway
    }

    fn in_directory(directory: TempDir) -> Gateway {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Gateway {
            directory,
            environment: Vec::new(),
            unread: false,
            open_files: None,
            process: None,
            earlier: String::new(),
            deliveries: nowhere,
            admin: nowhere,
        }
    }

    /// Writes another configuration, for the next start.
    pub fn configure(&self, config: &Config) {
        fs::write(self.config_file(), config.text(artifacts())).unwrap();
    }

    /// Starts the binary on the same directory; the one before must have ended.
    pub async fn restart(&mut self) {
        assert!(self.process.is_none(), "the gateway still runs");
        let mut command = match self.open_files {
            None => Command::new(binary()),
            Some(limit) => limited(limit),
        };
        command.args(["serve", "--config"]).arg(self.config_file()).current_dir(self.directory.path());
        command.envs(self.environment.iter().cloned());
        self.spawn(command).await;
    }

    async fn spawn(&mut self, command: Command) {
        let (process, mut ready) = Process::spawn(command, self.unread);
        self.process = Some(process);
        let addresses = within("the gateway's line that says it is ready", async {
            let line = ready.wait_for(|line| line.as_ref().is_some()).await;
            line.ok().and_then(|line| line.clone()).as_deref().and_then(addresses)
        });
        match addresses.await {
            Some((deliveries, admin)) => (self.deliveries, self.admin) = (deliveries, admin),
            None => panic!("the gateway did not get ready"),
        }
    }

    /// `kill -9`: nothing is finished, nothing is flushed.
    pub fn kill(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        self.earlier.push_str(&process.said());
    }

    /// SIGTERM, without waiting.
    pub fn ask_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGHUP, without waiting: the configuration is read again.
    pub fn ask_to_read_again(&self) {
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid() as i32).unwrap(), signal).unwrap();
    }

    /// Waits until the process has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().unwrap();
        let began = Instant::now();
        loop {
            if let Some(status) = process.child.try_wait().unwrap() {
                process.finish();
                self.earlier.push_str(&process.said());
                return status;
            }
            if began.elapsed() > PATIENCE {
                self.process = Some(process);
                panic!("the gateway does not end");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// SIGTERM, and waits until the process has ended.
    pub async fn stop(&mut self) -> ExitStatus {
        self.ask_to_stop();
        self.ended().await
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().child.id()
    }

    /// Where a source takes deliveries.
    pub fn url(&self, source: &str) -> String {
        format!("http://{}/in/{source}", self.deliveries)
    }

    /// The listener for providers.
    pub fn deliveries(&self) -> SocketAddr {
        self.deliveries
    }

    /// The admin listener.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Sends a delivery to a source.
    pub async fn send(&self, source: &str, delivery: &Delivery) -> Reply {
        client::send(&self.url(source), delivery).await
    }

    /// As [`Gateway::send`]; none when the gateway went away meanwhile.
    pub async fn try_send(&self, source: &str, delivery: &Delivery) -> Option<Reply> {
        try_send(&self.url(source), delivery).await
    }

    /// The URL of the admin listener.
    pub fn admin(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// A page of the admin listener, which must be there.
    pub async fn admin_get(&self, path: &str) -> Reply {
        client::get(&format!("{}{path}", self.admin())).await.unwrap()
    }

    /// A POST to the admin listener.
    pub async fn admin_post(&self, path: &str, body: &str) -> Reply {
        let request = Delivery::post(&[("content-type", "application/json")], body);
        client::send(&format!("{}{path}", self.admin()), &request).await
    }

    /// Waits until the samples of that metric add up to so much: what a request has done may be seen before it is counted.
    pub async fn counts(&self, name: &str, labels: &[&str], expected: f64) {
        let counted = async || (self.metric(name, labels).await == expected).then_some(());
        eventually(&format!("{name} {labels:?} to be {expected}"), counted).await;
    }

    /// The sum of a metric over all label sets that hold these labels (`name="value"`); 0 where it is not there.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let page = self.admin_get("/metrics").await.text();
        let samples = page.lines().filter(|line| {
            let end = line.find(['{', ' ']).unwrap_or(line.len());
            line.get(..end) == Some(name) && labels.iter().all(|label| line.contains(label))
        });
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Runs `hookgate` against this gateway's admin API.
    pub fn cli(&self, arguments: &[&str]) -> Finished {
        let mut command = Command::new(binary());
        command.args(arguments).env("HOOKGATE_ADMIN", self.admin()).current_dir(self.directory.path());
        run(&mut command)
    }

    /// The directory that holds configuration and store.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.directory.path().join("hookgate.toml")
    }

    /// All that the gateway has written so far, log and output, of every process.
    pub fn said(&self) -> String {
        self.earlier.clone() + &self.process.as_ref().map(Process::said).unwrap_or_default()
    }

    /// A line of the log with that text in it, once it is there: what has happened may be seen before its line is read.
    pub async fn says(&self, text: &str) -> String {
        let line = async || self.said().lines().find(|line| line.contains(text)).map(str::to_owned);
        eventually(&format!("{text:?} in the log"), line).await
    }

    /// What the running process has written to standard output.
    pub fn stdout(&self) -> String {
        self.process.as_ref().map(|process| process.stdout.lock().unwrap().clone()).unwrap_or_default()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let said = &self.earlier;
            let from = said.floor_char_boundary(said.len().saturating_sub(20_000));
            eprintln!("---- what the gateway wrote, the end of it ----\n{}\n----", &said[from..]);
        }
    }
}

impl Process {
    fn spawn(mut command: Command, unread: bool) -> (Process, watch::Receiver<Option<String>>) {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (Arc::default(), Arc::default());
        let (tell, ready) = watch::channel(None);
        collect(child.stdout.take().unwrap(), Arc::clone(&stdout), Some(tell), unread);
        collect(child.stderr.take().unwrap(), Arc::clone(&stderr), None, false);
        (Process { child, stdout, stderr }, ready)
    }

    /// Waits a little for what is still in the pipes.
    fn finish(&self) {
        let began = Instant::now();
        let others = |text: &Arc<Mutex<String>>| Arc::strong_count(text) > 1;
        while (others(&self.stdout) || others(&self.stderr)) && began.elapsed() < Duration::from_secs(2) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn said(&self) -> String {
        format!("{}{}", self.stderr.lock().unwrap(), self.stdout.lock().unwrap())
    }
}

/// The binary under a limit of open files; arguments may follow.
fn limited(open_files: u32) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {open_files} && exec \"$0\" \"$@\"")]).arg(binary());
    command
}

/// Reads a pipe to its end on a thread, and sends the line that says `ready`, or an empty line if it ends without one.
/// With `unread` nothing is read behind that line, and the pipe stays open.
fn collect(
    pipe: impl Read + Send + 'static,
    into: Arc<Mutex<String>>,
    tell: Option<watch::Sender<Option<String>>>,
    unread: bool,
) {
    thread::spawn(move || {
        let mut lines = BufReader::new(pipe).split(b'\n').map_while(Result::ok);
        for line in lines.by_ref() {
            let line = String::from_utf8_lossy(&line).into_owned();
            if let Some(tell) = tell.as_ref().filter(|_| line.starts_with("ready ")) {
                tell.send_replace(Some(line.clone()));
            }
            let mut text = into.lock().unwrap();
            text.push_str(&line);
            text.push('\n');
            if unread && line.starts_with("ready ") {
                break;
            }
        }
        if unread {
            let _open = lines;
            loop {
                thread::park();
            }
        }
        if let Some(tell) = tell {
            tell.send_if_modified(|line| line.is_none() && line.replace(String::new()).is_none());
        }
    });
}

/// `ready deliveries=http://IP:PORT admin=http://IP:PORT`, with `https` for the first where it speaks TLS.
fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let of = |name: &str| {
        let url = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
        url.split_once("://")?.1.trim_end_matches('/').parse().ok()
    };
    Some((of("deliveries")?, of("admin")?))
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Finished {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Finished {
    /// Checks that it went well, and gives its output.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }
}

/// The binary under test: `HOOKGATE_BIN`, else the workspace's own, built if need be.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let given = env::var_os("HOOKGATE_BIN").map(PathBuf::from);
        let path = given.unwrap_or_else(build);
        assert!(path.is_file(), "there is no binary {}", path.display());
        path
    })
}

/// `target/debug`: where the executable of this test lies.
pub(crate) fn target() -> PathBuf {
    let executable = env::current_exe().unwrap();
    let directory = executable.parent().unwrap();
    if directory.file_name() == Some(OsStr::new("deps")) {
        directory.parent().unwrap().to_owned()
    } else {
        directory.to_owned()
    }
}

fn build() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--package", "hookgate", "--bin", "hookgate", "--target-dir"])
        .arg(target().parent().unwrap());
    run(command.current_dir(workspace())).ok();
    target().join("hookgate")
}

/// The root of the workspace.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A directory of the workspace's sources.
pub fn directory(path: &str) -> PathBuf {
    workspace().join(path)
}

/// Compiled plugins, shared by all tests; the first one fills it while the others wait.
fn artifacts() -> &'static Path {
    static ARTIFACTS: OnceLock<PathBuf> = OnceLock::new();
    ARTIFACTS.get_or_init(|| {
        let path = target().join("tested-plugins");
        let lock = File::create(target().join("tested-plugins.lock")).unwrap();
        lock.lock().unwrap();
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&path).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hookgate.toml");
        fs::write(&file, Config::new().stripe("warm").text(&path)).unwrap();
        let mut command = Command::new(binary());
        run(command.args(["check", "--config"]).arg(file)).ok();
        path
    })
}
