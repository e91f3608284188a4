//! Real mounts of real stores, used by the programs that people use.
//!
//! This binary is three things: the tests; a small command (`mount POINT [--timeout=SECONDS]
//! NAME=PATH…`, `umount POINT`) that they start; and its watchdog. Without `/dev/fuse` they are
//! skipped, and say so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends so")]

mod cases;
mod fixture;

use factfs_mount::fuse::Signals;
use factfs_mount::{PATIENCE, Setup, child, point, serve};
use factfs_store::Settings;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    if child::was_watchdog() {
        return ExitCode::SUCCESS;
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("mount") => mount(&args[1..]),
        Some("umount") => match point::unmount(args[1].as_ref(), PATIENCE) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => fail(&failure),
        },
        _ => tests(&args),
    }
}

fn fail(failure: &factfs_mount::error::Failure) -> ExitCode {
    eprintln!("{failure}");
    ExitCode::from(failure.kind.exit_code())
}

fn mount(args: &[String]) -> ExitCode {
    if !child::is_serving() && !args.contains(&"-f".to_owned()) {
        return match child::start_serving() {
            Ok(child::Started::Ready) => ExitCode::SUCCESS,
            Ok(child::Started::Ended(code)) => ExitCode::from(code),
            Err(failure) => fail(&failure),
        };
    }
    child::begin_serving();
    let Ok(signals) = Signals::take() else { return ExitCode::FAILURE };
    let mut setup = Setup::new(&args[0], Settings::from_env());
    setup.limits.time = Duration::from_secs(20);
    for arg in args[1..].iter().filter(|arg| *arg != "-f") {
        if let Some(seconds) = arg.strip_prefix("--timeout=") {
            setup.limits.time = Duration::from_secs(seconds.parse().expect("seconds"));
            continue;
        }
        let (name, url) = arg.split_once('=').expect("NAME=URL");
        setup.stores.push((name.to_owned(), url.parse().expect("infallible")));
    }
    match serve(&setup, &signals, |_| ()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

fn tests(args: &[String]) -> ExitCode {
    if let Err(failure) = point::check_device() {
        println!("mounted: skipped, nothing can be mounted here: {failure}");
        return ExitCode::SUCCESS;
    }
    let wanted = args.iter().find(|arg| !arg.starts_with('-'));
    let mut failed = Vec::new();
    for (name, case) in cases::ALL {
        if wanted.is_some_and(|wanted| !name.contains(wanted.as_str())) {
            continue;
        }
        let started = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(case));
        println!(
            "{name} ... {} ({:?})",
            if ended.is_ok() { "ok" } else { "FAILED" },
            started.elapsed()
        );
        if ended.is_err() {
            failed.push(name);
        }
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("failed: {failed:?}");
    ExitCode::FAILURE
}
