//! The command line, one file a command: what is printed where, and the exit code.
//!
//! Texts are compared whole. What differs from run to run is replaced first: the directory of the
//! test, hashes of commits, uuids, and the time of transactions that did not state one.

mod branch;
mod check_store;
mod clone;
mod completions;
mod config;
mod demo;
mod diff;
mod doctor;
mod gc;
mod help;
mod hostile;
mod import;
mod init;
mod limits;
mod log;
mod manual;
mod mount;
mod places;
mod pull;
mod purge;
mod query;
mod readme;
mod secrets;
mod session;
mod status;
mod tag;
mod transact;
mod verify;
mod verify_result;

use regex::Regex;
use std::io::Write;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Whether this machine can mount: whether /dev/fuse is open to us.
pub fn can_mount() -> bool {
    let device = std::fs::OpenOptions::new().read(true).write(true).open("/dev/fuse");
    let can = device.is_ok();
    if !can {
        eprintln!("skipped: /dev/fuse is missing or closed");
    }
    can
}

/// A directory to work in, gone at the end.
pub struct Sandbox {
    directory: TempDir,
}

/// What a command did.
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Sandbox {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// With the databases of the demo, as of a day in November 2026.
    pub fn demo() -> Self {
        let sandbox = Self::new();
        let ran = sandbox.ran(&["demo", ".", "--today", "2026-11-20"], "");
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        sandbox
    }

    /// With one database `db` that knows `:item/sku` (an identity) and `:item/count`.
    pub fn items() -> Self {
        let sandbox = Self::new();
        let schema = "[{:db/ident :item/sku :db/valueType :db.type/string
              :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
             {:db/ident :item/count :db/valueType :db.type/long
              :db/cardinality :db.cardinality/one}
             {:db/ident :item/tag :db/valueType :db.type/keyword
              :db/cardinality :db.cardinality/many}
             {:db/ident :item/part :db/valueType :db.type/ref
              :db/cardinality :db.cardinality/one}]";
        let ran = sandbox.ran(&["init", "db", "--schema", schema], "");
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        sandbox
    }

    /// Writes a file.
    pub fn file(&self, name: &str, text: &str) {
        std::fs::write(self.directory.path().join(name), text).unwrap();
    }

    /// Runs a command with this standard input.
    pub fn ran(&self, args: &[&str], input: &str) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_factfs"))
            .args(args)
            .current_dir(self.directory.path())
            .env_remove("RUST_BACKTRACE")
            .env("COLUMNS", "100")
            .env("FACTFS_CACHE", "off")
            .env("XDG_CACHE_HOME", self.directory.path().join("cache"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that fails early does not read its input.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| self.redacted(&String::from_utf8(bytes).unwrap());
        let code = output.status.code().unwrap_or(-1);
        Ran { stdout: text(output.stdout), stderr: text(output.stderr), code }
    }

    /// What a command prints; it has to succeed, and to say nothing on standard error.
    pub fn ok(&self, args: &[&str]) -> String {
        self.ok_with(args, "")
    }

    /// The same with standard input.
    pub fn ok_with(&self, args: &[&str], input: &str) -> String {
        let ran = self.ran(args, input);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{args:?}\n{}", ran.stdout);
        ran.stdout
    }

    /// How a command fails: what it says, and its exit code.
    pub fn fails(&self, args: &[&str]) -> String {
        let Ran { stdout, stderr, code } = self.ran(args, "");
        assert_ne!(code, 0, "{args:?}\n{stdout}");
        assert_eq!(stdout, "", "{args:?}");
        format!("{stderr}exit code {code}\n")
    }

    fn redacted(&self, text: &str) -> String {
        let path = self.directory.path().to_string_lossy();
        let mut text = text.replace(&*path, "DIR");
        let replacements = [
            (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID"),
            (r"\b(\d+)-[0-9a-f]{12}\b", "$1-HASH"),
            // The demo's databases lie before 2026-11-20 and state their instants.
            (r"\b20(2[7-9]|26-1[12]-2[1-9]|26-12|[3-9]\d)[-0-9]*T[0-9:.]+(Z|-00:00)", "NOW"),
        ];
        for (pattern, replacement) in replacements {
            text = Regex::new(pattern).unwrap().replace_all(&text, replacement).into_owned();
        }
        text
    }
}
