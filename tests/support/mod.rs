//! What the tests of the whole program share: a place to work in, the program itself, and an audit
//! of a store.
//!
//! A place lies in memory where there is a file system for that: what is shown here does not depend
//! on the disk, and syncs would take most of the time. Each is gone at the end of its test.

pub mod audit;
#[path = "../../src/store/tests/servers/mod.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
pub mod servers;
pub mod writer;

pub use servers::{moto, proxy};
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The attributes that the tests write.
pub const SCHEMA: &str = "[
    {:db/ident :w/key :db/valueType :db.type/string :db/cardinality :db.cardinality/one
     :db/unique :db.unique/identity}
    {:db/ident :w/n :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]";

/// A directory to work in, and what is set in the environment of the programs that run there.
pub struct Place {
    directory: TempDir,
    env: Vec<(String, String)>,
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Place {
    /// In memory if that can be had.
    pub fn new() -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self { directory: directory.unwrap(), env: Vec::new() }
    }

    /// With a database `db` that knows [`SCHEMA`].
    pub fn with_database() -> Self {
        let place = Self::new();
        place.ok(&["init", "db", "--schema", SCHEMA], "");
        place
    }

    /// Sets a variable for all programs that are started here.
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.env.push((name.to_owned(), value.to_string()));
        self
    }

    /// Where S3 is the server on this port.
    pub fn with_s3(self, port: u16) -> Self {
        self.set("AWS_ACCESS_KEY_ID", "testing")
            .set("AWS_SECRET_ACCESS_KEY", "testing")
            .set("AWS_REGION", "us-east-1")
            .set("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
    }

    /// What was set.
    pub fn env(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.env.iter().cloned()
    }

    /// The path of something in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The program, to be run here.
    pub fn factfs(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_factfs"));
        command.args(args).current_dir(self.directory.path()).env_remove("RUST_BACKTRACE");
        // Or what one test read, another would not ask for.
        command.env("FACTFS_CACHE", "off");
        // What it notes for the next time is not for programs of other places.
        command.env("XDG_CACHE_HOME", self.path("cache")).envs(self.env());
        command
    }

    /// Runs it to its end with this standard input.
    pub fn ran(&self, args: &[&str], input: &str) -> Ran {
        run(self.factfs(args), input)
    }

    /// What it prints; it has to succeed.
    pub fn ok(&self, args: &[&str], input: &str) -> String {
        let ran = self.ran(args, input);
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
        ran.stdout
    }

    /// What it says when it fails, which it has to do with this exit code, and without a panic.
    pub fn fails(&self, code: u8, args: &[&str], input: &str) -> String {
        let ran = self.ran(args, input);
        assert_eq!(ran.code, i32::from(code), "{args:?}: {ran:?}");
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        assert!(ran.stderr.starts_with("factfs: "), "{}", ran.stderr);
        ran.stderr
    }
}

/// Runs a command to its end with this standard input.
pub fn run(mut command: Command, input: &str) -> Ran {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // A program that fails early does not read its input.
    let feeder = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    // -1 is a signal: no test expects that of a program that it did not kill.
    Ran { stdout, stderr, code: output.status.code().unwrap_or(-1) }
}

/// A number that tests are run with, from the environment: more for longer runs.
pub fn number(variable: &str, usual: usize) -> usize {
    let text = std::env::var(variable).ok();
    text.map_or(usual, |text| text.parse().expect("a number"))
}

/// Small pseudo-random numbers: the same for the same seed.
pub struct Random(pub u64);

impl Random {
    /// The seed of the environment, or a new one, which is printed: a test that fails shows it.
    pub fn seeded() -> Self {
        let fresh = || uuid_bits();
        let given = std::env::var("FACTFS_SEED").ok().map(|text| text.parse().expect("a number"));
        let seed = given.unwrap_or_else(fresh);
        eprintln!("FACTFS_SEED={seed}");
        Self(seed)
    }

    /// One of `0..end`.
    pub fn below(&mut self, end: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }
}

fn uuid_bits() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// Whether this is root.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

/// A file system that was mounted for a test, and is unmounted at its end.
pub struct FileSystem(PathBuf);

impl FileSystem {
    /// So much memory.
    pub fn tmpfs(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir(at).unwrap();
        Self::mount(at, &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
    }

    /// The same directory at another path, where it cannot be written.
    pub fn read_only(directory: &Path, at: &Path) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let bound = Self::mount(at, &["--bind", directory.to_str().unwrap()])?;
        let again = Command::new("mount").args(["-o", "remount,ro,bind"]).arg(at).status();
        again.is_ok_and(|status| status.success()).then_some(bound)
    }

    fn mount(at: &Path, args: &[&str]) -> Option<Self> {
        if !is_root() {
            eprintln!("skipped: only root can mount file systems");
            return None;
        }
        let output = Command::new("mount").args(args).arg(at).output();
        match output {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            other => {
                eprintln!("skipped: {other:?}");
                None
            }
        }
    }
}

impl Drop for FileSystem {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
