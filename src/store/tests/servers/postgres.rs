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
    scratch: Scratch,
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

/// Makes an authority, and a certificate of it for a name.
fn folder_of_certificates(folder: &Path, name: &str) -> bool {
    let names = if name.parse::<std::net::IpAddr>().is_ok() { "IP" } else { "DNS" };
    std::fs::write(folder.join("names"), format!("subjectAltName = {names}:{name}\n")).unwrap();
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let commands: [Vec<&str>; 3] = [
        [&["req", "-x509", "-days", "2", "-subj", "/CN=authority"], &key[..]].concat(),
        [&["req", "-subj", "/CN=server"], &key[..]].concat(),
        vec!["x509", "-req", "-days", "2", "-CA", "ca.crt", "-CAkey", "ca.key"],
    ];
    let more: [&[&str]; 3] = [
        &["-keyout", "ca.key", "-out", "ca.crt"],
        &["-keyout", "server.key", "-out", "server.csr"],
        &["-CAcreateserial", "-in", "server.csr", "-extfile", "names", "-out", "server.crt"],
    ];
    commands.iter().zip(more).all(|(command, more)| {
        let mut openssl = Command::new("openssl");
        openssl.args(command).args(more).current_dir(folder).stdin(Stdio::null());
        openssl.output().is_ok_and(|output| output.status.success())
    })
}

impl Postgres {
    /// Starts one, if its programs are there.
    pub fn start() -> Option<Self> {
        Self::start_with(|_| Some(Vec::new()))
    }

    /// Starts one that speaks TLS, with a certificate for `name` that an authority of its own
    /// signed, if `openssl` is there.
    pub fn start_secured(name: &str) -> Option<Self> {
        Self::start_with(|folder| {
            let made = folder_of_certificates(folder, name);
            if !made {
                eprintln!("skipped: openssl not found");
                return None;
            }
            let file = |file: &str| folder.join(file).display().to_string();
            let set = |name: &str, value: String| ["-c".to_owned(), format!("{name}={value}")];
            let settings = [
                set("ssl", "on".into()),
                set("ssl_cert_file", file("server.crt")),
                set("ssl_key_file", file("server.key")),
            ];
            Some(settings.concat())
        })
    }

    /// The certificate of the authority that signed the server's.
    pub fn authority(&self) -> PathBuf {
        self.scratch.path().join("ca.crt")
    }

    /// Starts one with what else it is told, for files that are made in its folder.
    fn start_with(more: impl Fn(&Path) -> Option<Vec<String>>) -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("skipped: initdb of PostgreSQL not found");
            return None;
        };
        let (port, scratch) = (free_port(), Scratch::new("postgres"));
        let more = more(scratch.path())?;
        if std::fs::metadata(scratch.path()).unwrap().uid() == 0 {
            let owner = format!("{NOBODY}:{NOBODY}");
            assert!(
                Command::new("chown")
                    .arg("-R")
                    .arg(owner)
                    .arg(scratch.path())
                    .status()
                    .unwrap()
                    .success()
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
        server.args(["-c", "unix_socket_directories="]).args(more).current_dir(scratch.path());
        let process = Process::start("postgres", server, port)?;
        let postgres = Self { process, programs, scratch };
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
