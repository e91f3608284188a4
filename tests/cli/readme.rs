//! The session of README.md, run as it is written there.
//!
//! Needs a mount; where there can be none, only that the session is there is tested.

use super::Sandbox;
use std::path::Path;
use std::process::{Command, Stdio};

/// A command and what it prints.
fn session() -> Vec<(String, String)> {
    let text = include_str!("../../README.md");
    let mut steps: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            steps.push((command.to_owned(), String::new()));
        } else if let Some((_, output)) = steps.last_mut().filter(|_| inside) {
            output.push_str(line);
            output.push('\n');
        }
    }
    steps
}

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
    let steps = session();
    assert!(steps.len() > 8, "{steps:?}");
    let sandbox = Sandbox::demo();
    if !super::can_mount() {
        return;
    }
    let directory = sandbox.directory.path();
    let mount = directory.join("mnt");
    let _mounted = Mounted(&mount);
    let program = Path::new(env!("CARGO_BIN_EXE_factfs"));
    let path =
        format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    // The sandbox has the databases of the demo already, as of a day in the quarter of the README.
    for (command, expected) in steps.iter().filter(|(command, _)| command != "factfs demo .") {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(directory).env("PATH", &path);
        let output = shell.stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {stderr}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), *expected, "{command}");
    }
}
