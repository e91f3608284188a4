//! Real mounts: processes that serve folders, and other processes that use them.
//!
//! Without `/dev/fuse` or a way to mount, each test says that it is skipped, and passes.

mod again;
mod branches;
mod dead;
mod diff;
mod documents;
mod erased;
mod errors;
mod figures;
mod files;
mod hostile;
mod mounting;
mod pins;
mod polling;
mod posix;
mod read_only;
mod soak;
mod tools;
mod two;

use crate::support::{Place, Ran, is_root, run};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A mount, with the process that serves it.
struct Mount {
    point: PathBuf,
    process: Child,
}

/// Whether something can be mounted here at all.
fn can_mount() -> bool {
    let fusermount = Command::new("fusermount3").arg("--version").output().is_ok();
    let can = Path::new("/dev/fuse").exists() && (is_root() || fusermount);
    if !can {
        eprintln!("skipped: /dev/fuse or fusermount3 is missing");
    }
    can
}

impl Mount {
    /// Mounts these at `point` of a place, and waits until the mount answers.
    fn new(place: &Place, point: &str, databases: &[&str]) -> Self {
        let queries = place.path("queries");
        let args = ["mount", "--foreground", "--queries", queries.to_str().unwrap(), point];
        let mut command = place.factfs(&[&args, databases].concat());
        let process = command.stdin(Stdio::null()).spawn().unwrap();
        let mut mount = Self { point: place.path(point), process };
        let started = Instant::now();
        while !mount.path("README.md").exists() {
            let ended = mount.process.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?}");
            assert!(started.elapsed() < Duration::from_secs(60), "the mount does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        mount
    }

    fn path(&self, name: &str) -> PathBuf {
        self.point.join(name)
    }

    fn read(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(self.path(name))
    }

    /// What one write of this text to a file answers.
    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(self.path(name))?;
        file.write_all(text.as_bytes())
    }

    /// A shell command, with the mount as its directory. Bash, since it says which errno it got.
    fn shell(&self, command: &str) -> Ran {
        let mut shell = Command::new("bash");
        shell.args(["-c", command]).current_dir(&self.point);
        run(shell, "")
    }

    /// The error of the operating system that an operation has to end with.
    #[track_caller]
    fn errno<T>(result: io::Result<T>) -> rustix::io::Errno {
        let error = result.err().expect("it should have failed");
        rustix::io::Errno::from_io_error(&error).unwrap()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let mut unmount = Command::new(env!("CARGO_BIN_EXE_factfs"));
        let _ = unmount.arg("umount").arg(&self.point).stderr(Stdio::null()).status();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A query for the number of `:w/key`s, saved as `count`.
const COUNT: &str = "[:find (count ?e) . :where [?e :w/key]]";

/// A place with a database `db` that knows `:w/key`, and the saved queries `count` and `keys`.
fn place() -> Place {
    let place = Place::with_database();
    queries(&place);
    place
}

fn queries(place: &Place) {
    fs::create_dir(place.path("queries")).unwrap();
    let stock =
        |query: &str| query.replace(":where", ":in $stock :where").replace("[?e", "[$stock ?e");
    fs::write(place.path("queries/count.edn"), stock(COUNT)).unwrap();
    let keys = "[:find [?k ...] :where [?e :w/key ?k]]";
    fs::write(place.path("queries/keys.edn"), stock(keys)).unwrap();
}
