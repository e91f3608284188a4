//! The session of README.md, run as it is written there.
//!
//! Needs a mount; where there can be none, only that the session is there is tested.

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
    let sandbox = Sandbox::demo();
    if !super::can_mount() {
        return;
    }
    let mount = sandbox.directory.path().join("mnt");
    let _mounted = Mounted(&mount);
    session::run(&steps, &sandbox);
}
