//! A server of PostgreSQL for the time of one test.
//!
//! **Invariant:** its files are in a directory of its own: each server begins empty. It does not
//! run as root, which it refuses: then it runs as nobody.

use super::moto::free_port;
use super::{Process, Scratch};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A running server with a database `facts` and a role `ann` that may do everything.
pub struct Postgres {
    process: Process,
    programs: PathBuf,
    _scratch: Scratch,
}

/// Who runs it in the place of root.
const NOBODY: &str = "65534";

/// A program of it, as somebody it runs for.
fn command(program: &Path) -> Command {
    if std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() != 0) {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]).arg(program);
    command.env("HOME", "/nonexistent").env("USER", "nobody");
    command
}

/// The directory of its programs: where `FACTFS_TEST_POSTGRES` says, or where Debian has them.
fn programs() -> Option<PathBuf> {
    let named = std::env::var_os("FACTFS_TEST_POSTGRES").map(PathBuf::from);
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = named.into_iter().chain(debian).chain(std::env::split_paths(&path));
    all.into_iter().find(|folder| folder.join("initdb").exists())
}

impl Postgres {
    /// Starts one, if its programs are there.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("skipped: initdb of PostgreSQL not found");
            return None;
        };
        let (port, scratch) = (free_port(), Scratch::new("postgres"));
        if std::fs::metadata(scratch.path()).unwrap().uid() == 0 {
            let owner = format!("{NOBODY}:{NOBODY}");
            assert!(
                Command::new("chown").arg(owner).arg(scratch.path()).status().unwrap().success()
            );
        }
        let files = scratch.path().join("files");
        let mut init = command(&programs.join("initdb"));
        init.args(["-A", "trust", "-U", "ann", "--no-sync", "-E", "UTF8", "-D"]).arg(&files);
        let output = init.current_dir(scratch.path()).stdin(Stdio::null()).output().unwrap();
        if !output.status.success() {
            eprintln!("skipped: initdb failed: {}", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        let mut server = command(&programs.join("postgres"));
        server.arg("-D").arg(&files).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        server.args(["-c", "unix_socket_directories="]).current_dir(scratch.path());
        let process = Process::start("postgres", server, port)?;
        let postgres = Self { process, programs, _scratch: scratch };
        postgres.sql("postgres", "CREATE DATABASE facts");
        Some(postgres)
    }

    /// Runs a statement.
    pub fn sql(&self, database: &str, sql: &str) {
        // It listens before it answers.
        for _ in 0..600 {
            let mut psql = Command::new(self.programs.join("psql"));
            psql.args(["-h", "127.0.0.1", "-p", &self.process.port.to_string(), "-U", "ann"]);
            psql.args(["-d", database, "-q", "-v", "ON_ERROR_STOP=1", "-c", sql]);
            let output = psql.stdin(Stdio::null()).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            if !said.contains("the database system is starting up") {
                assert!(output.status.success(), "{sql}: {said}");
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("PostgreSQL did not start");
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.process.port
    }

    /// The url of a place in its database `facts`.
    pub fn url(&self, place: &str) -> String {
        format!("postgres://ann@127.0.0.1:{}/facts/{place}", self.process.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once, and with all the processes it started: killed itself, it would leave them.
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-QUIT", &id]).status();
        for _ in 0..100 {
            if std::net::TcpStream::connect(("127.0.0.1", self.process.port)).is_err() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
