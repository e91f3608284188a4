//! The session of README.md, run as it is written there; and the one that a mount makes of itself.
//!
//! Needs a mount; where there can be none, only that the session is there is tested.

use super::session::Step;
use super::{Sandbox, session};
use std::path::Path;
use std::process::{Command, Stdio};

/// Takes the mount away, however the test ends.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let mut umount = Command::new(env!("CARGO_BIN_EXE_factfs"));
        umount.arg("umount").arg(self.0).stderr(Stdio::null());
        let _ = umount.status();
    }
}

#[test]
fn the_session_is_true() {
    let steps = session::of_markdown(include_str!("../../README.md"));
    assert!(steps.len() > 8, "{} steps", steps.len());
    run_mounted(&steps);
}

/// Runs steps that mount at `mnt`.
pub fn run_mounted(steps: &[Step]) {
    let sandbox = Sandbox::demo();
    if !super::can_mount() {
        return;
    }
    let mount = sandbox.directory.path().join("mnt");
    let _mounted = Mounted(&mount);
    session::run(steps, &sandbox);
}

/// The commands of a mount's `README.md`: what is set in, below what is said of each database.
fn commands(readme: &str) -> Vec<String> {
    let (examples, _) = readme.split_once("## Where things are").unwrap();
    let set_in = examples.lines().filter_map(|line| line.strip_prefix("    "));
    let mut commands: Vec<String> = Vec::new();
    for line in set_in {
        match commands.last_mut().filter(|last| last.ends_with('\\')) {
            Some(last) => last.extend(["\n", line]),
            None => commands.push(line.to_owned()),
        }
    }
    commands
}

#[test]
fn what_a_mount_says_of_itself_works_when_it_is_pasted() {
    let sandbox = Sandbox::demo();
    if !super::can_mount() {
        return;
    }
    let mount = sandbox.directory.path().join("mnt");
    let _mounted = Mounted(&mount);
    sandbox.ok(&["mount", "mnt", "catalog=catalog", "inventory=inventory", "--queries", "queries"]);
    let commands = commands(&std::fs::read_to_string(mount.join("README.md")).unwrap());
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands {
        let ran = Command::new("sh").args(["-c", &command]).current_dir(&mount).output().unwrap();
        assert!(ran.status.success(), "{command}: {ran:?}");
        let prints = command.starts_with("cat ");
        assert_eq!(prints, !ran.stdout.is_empty(), "{command}: {ran:?}");
    }
}
