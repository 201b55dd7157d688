//! The peers, each started as its documentation says, in a directory of its own.

use std::{
    fs,
    net::SocketAddr,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::{
    install::{Installation, run},
    process::{Process, free_address},
};
use crate::deliveries::SECRET;

/// The user `nobody` and the group `nogroup`, for Postgres, which does not run as root.
const NOBODY: u32 = 65534;

/// A way to receive webhooks that hookgate is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Peer {
    /// Express with Octokit's verification, and Redis.
    ExpressRedis,
    /// FastAPI and Postgres.
    FastapiPostgres,
    /// adnanh/webhook.
    Webhook,
    /// nginx with njs.
    NginxNjs,
}

/// A peer that takes deliveries.
pub struct Started {
    /// Where.
    pub at: SocketAddr,
    /// Its processes, in the order in which they are to end.
    pub processes: Vec<Process>,
}

impl Peer {
    /// Its name on the command line, and that of its directory.
    pub fn name(self) -> &'static str {
        match self {
            Peer::ExpressRedis => "express-redis",
            Peer::FastapiPostgres => "fastapi-postgres",
            Peer::Webhook => "webhook",
            Peer::NginxNjs => "nginx-njs",
        }
    }

    /// Its name in the table.
    pub fn title(self) -> &'static str {
        match self {
            Peer::ExpressRedis => "Express, Octokit, Redis",
            Peer::FastapiPostgres => "FastAPI, Postgres",
            Peer::Webhook => "adnanh/webhook",
            Peer::NginxNjs => "nginx with njs",
        }
    }

    /// Whether a delivery is on the disk before it is answered.
    pub fn is_durable(self) -> bool {
        match self {
            Peer::ExpressRedis | Peer::FastapiPostgres => true,
            Peer::Webhook | Peer::NginxNjs => false,
        }
    }

    /// The path that takes deliveries.
    pub fn path(self) -> &'static str {
        match self {
            Peer::ExpressRedis | Peer::FastapiPostgres | Peer::NginxNjs => "/webhooks/github",
            Peer::Webhook => "/hooks/github",
        }
    }

    /// Installs it where that has not been done, and starts it; it stores in `directory`.
    pub fn start(self, installation: &Installation, directory: &Path) -> Result<Started> {
        match self {
            Peer::ExpressRedis => self.express_redis(installation, directory),
            Peer::FastapiPostgres => self.fastapi_postgres(installation, directory),
            Peer::Webhook => self.webhook(installation, directory),
            Peer::NginxNjs => self.nginx_njs(installation, directory),
        }
    }

    /// The directory with its program and configuration.
    fn program(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(self.name())
    }

    fn express_redis(self, installation: &Installation, directory: &Path) -> Result<Started> {
        let redis_server = installation.debian_program(&["redis-server"], "redis-server")?;
        let server = installation.node(&self.program(), &["server.js"])?;

        let database = free_address()?;
        let mut command = installation.command(&redis_server);
        command.arg(self.program().join("redis.conf")).arg("--dir").arg(directory);
        command.args(["--bind", &database.ip().to_string(), "--port", &database.port().to_string()]);
        let mut redis = Process::start("redis", &mut command, directory)?;
        redis.wait_for_port(database)?;

        let at = free_address()?;
        let mut command = Command::new("node");
        command.arg("server.js").current_dir(server);
        command.env("NODE_ENV", "production").env("GITHUB_SECRET", SECRET).env("PORT", at.port().to_string());
        command.env("REDIS_URL", format!("redis://{database}"));
        let mut node = Process::start("node", &mut command, directory)?;
        node.wait_for_port(at)?;
        Ok(Started { at, processes: vec![node, redis] })
    }

    fn fastapi_postgres(self, installation: &Installation, directory: &Path) -> Result<Started> {
        let python = installation.python(&self.program())?;
        let (postgres, database) = self.postgres(installation, directory)?;

        let at = free_address()?;
        let mut command = Command::new(python);
        command.args(["-m", "uvicorn", "app:app", "--workers", "2", "--no-access-log", "--log-level", "warning"]);
        command
            .args(["--host", &at.ip().to_string(), "--port", &at.port().to_string(), "--app-dir"])
            .arg(self.program());
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("GITHUB_SECRET", SECRET);
        command.env("DATABASE_URL", format!("postgres://bench@{database}/postgres"));
        let mut uvicorn = Process::start("uvicorn", &mut command, directory)?;
        uvicorn.wait_for_port(at)?;
        Ok(Started { at, processes: vec![uvicorn, postgres] })
    }

    /// As Debian sets it up, except for the address; with the table of the program.
    fn postgres(self, installation: &Installation, directory: &Path) -> Result<(Process, SocketAddr)> {
        let program = |name: &str| installation.debian_program(&["postgresql"], name);
        let data = directory.join("data");
        fs::create_dir(&data)?;
        let own = |mut command: Command| {
            // Not where this was started: that may be closed to the other user.
            command.current_dir(&data);
            if rustix::process::geteuid().is_root() {
                command.uid(NOBODY).gid(NOBODY);
            }
            command
        };
        if rustix::process::geteuid().is_root() {
            chown(&data, Some(NOBODY), Some(NOBODY))?;
        }
        let mut initdb = own(installation.command(&program("initdb")?));
        initdb.args(["--username", "bench", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--pgdata"]);
        run(initdb.arg(&data)).context("if it may not reach its files: --directory says where they are")?;

        let at = free_address()?;
        let (host, port) = (at.ip().to_string(), at.port().to_string());
        let mut command = own(installation.command(&program("postgres")?));
        command.arg("-D").arg(&data).args(["-p", &port, "-c", &format!("listen_addresses={host}")]);
        command.args(["-c", "unix_socket_directories="]);
        // On SIGTERM it would wait for its clients to leave.
        let mut postgres = Process::start("postgres", &mut command, directory)?.stopped_by(Signal::INT);
        let mut schema = installation.command(&program("psql")?);
        schema.args(["--host", &host, "--port", &port, "--username", "bench", "--dbname", "postgres", "--quiet"]);
        let mut ask = installation.command(&program("pg_isready")?);
        ask.args(["--host", &host, "--port", &port, "--quiet"]);
        postgres.wait_until(|| ask.status().is_ok_and(|status| status.success()))?;
        run(schema.args(["--set", "ON_ERROR_STOP=1", "--file"]).arg(self.program().join("schema.sql")))?;
        Ok((postgres, at))
    }

    fn webhook(self, installation: &Installation, directory: &Path) -> Result<Started> {
        let webhook = installation.debian_program(&["webhook"], "webhook")?;
        let at = free_address()?;
        let mut command = installation.command(&webhook);
        command.arg("-template").arg("-hooks").arg(self.program().join("hooks.json")).env("GITHUB_SECRET", SECRET);
        command.args(["-ip", &at.ip().to_string(), "-port", &at.port().to_string()]);
        let mut webhook = Process::start("webhook", &mut command, directory)?;
        webhook.wait_for_port(at)?;
        Ok(Started { at, processes: vec![webhook] })
    }

    fn nginx_njs(self, installation: &Installation, directory: &Path) -> Result<Started> {
        let packages = ["nginx", "libnginx-mod-http-js"];
        let nginx = installation.debian_program(&packages, "nginx")?;
        let module = "usr/lib/nginx/modules/ngx_http_js_module.so".to_owned();
        let module = installation.debian_file(&packages, &[module])?;
        let at = free_address()?;
        let template = fs::read_to_string(self.program().join("nginx.conf"))?;
        let configuration = template
            .replace("{{module}}", &module.display().to_string())
            .replace("{{program}}", &self.program().display().to_string())
            .replace("{{address}}", &at.to_string());
        fs::write(directory.join("nginx.conf"), configuration)?;
        let mut command = installation.command(&nginx);
        command.arg("-p").arg(directory).args(["-e", "stderr", "-c", "nginx.conf"]).env("GITHUB_SECRET", SECRET);
        let mut nginx = Process::start("nginx", &mut command, directory)?;
        nginx.wait_for_port(at)?;
        Ok(Started { at, processes: vec![nginx] })
    }
}
