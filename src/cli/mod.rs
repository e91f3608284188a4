//! The command line: what was typed becomes calls of the crates below, and what they answer becomes
//! text and an exit code.
//!
//! **Invariant:** a command opens what it needs, prints its result on standard output and all else
//! on standard error, and ends with an exit code of the one table. It decides nothing about
//! databases.

use clap::Parser;
use std::ffi::OsString;
use std::process::ExitCode;

// floor 0
mod exit;
mod output;
// floor 1
mod args;
mod entity;
mod forms;
mod progress;
mod report;
// floor 2
mod import;
mod open;
// floor 3
mod changes;
mod located;
mod mounting;
// floor 4
mod doctor;
mod inputs;
// floor 5
mod commands;

/// Runs the command that was typed.
pub fn run() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    if args.first().is_some_and(|name| mounting::mount8::is_called(name)) {
        args.splice(..1, ["factfs", "mount-helper"].map(OsString::from));
    }
    exit::end(commands::run(commands::Cli::parse_from(args)))
}
