//! How the places are that a mount needs: the config file, the cache, the stores.

use super::finding::Finding;
use crate::cli::exit;
use crate::cli::mounting::Config;
use factfs_store::{CheckOptions, Database, Kind, Locator, Settings, check_place, shown};
use rustix::fs::statvfs;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that is so far off makes transactions wait or fail.
const SKEW_MS: i64 = 2000;
/// A store that takes longer than this for one head makes a mount slow.
const SLOW: Duration = Duration::from_millis(500);
/// How long the race of writers takes.
const RACE_MS: u64 = 1000;
/// How long a lock is held by a writer that is well.
const HELD: Duration = Duration::from_secs(1);

/// The config file: what was read of it, or why it was not.
pub fn config(read: &anyhow::Result<Option<Config>>) -> Finding {
    match read {
        Ok(None) => Finding::well("config file", "there is none"),
        Ok(Some(config)) => {
            let names: Vec<&str> = config.mounts.keys().map(String::as_str).collect();
            let mounts = if names.is_empty() { "none".to_owned() } else { names.join(" ") };
            Finding::well("config file", format!("{}: mounts: {mounts}", config.path.display()))
        }
        Err(error) => Finding::error("config file", exit::kind(error), &format!("{error:#}")),
    }
}

/// The folder of the cache on disk.
pub fn cache(settings: &Settings) -> Finding {
    const CHECK: &str = "cache";
    let (root, limit_bytes) = match settings.disk_cache() {
        Ok(Some(found)) => found,
        Ok(None) => return Finding::well(CHECK, "switched off"),
        Err(error) => return Finding::error(CHECK, Kind::Invalid, &error.to_string()),
    };
    let shown = root.display();
    // The first that is there of the folders that would be made.
    let there = root.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let probe = there.join(format!(".factfs-doctor-{}", std::process::id()));
    if let Err(error) = File::create_new(&probe) {
        let found = format!("{} cannot be written: {error}", there.display());
        return Finding::warning(CHECK, found, "make it this user's, or name another: --cache DIR");
    }
    // What was made here a moment ago; who sees it left over may delete it.
    let _ = fs::remove_file(&probe);
    let free = statvfs(there).map_or(u64::MAX, |about| about.f_bavail * about.f_frsize);
    let (free_mib, limit_mib) = (free >> 20, limit_bytes >> 20);
    let found = format!("{shown}: at most {limit_mib} MiB, {free_mib} MiB are free there");
    if free < limit_bytes {
        return Finding::warning(CHECK, found, "a smaller --cache-bytes, or another --cache DIR");
    }
    Finding::well(CHECK, found)
}

/// A store: whether it answers and how fast, its clock, its lock, and, if that is asked for, what
/// it can be trusted with.
pub fn store(locator: &Locator, settings: &Settings, is_raced: bool) -> Vec<Finding> {
    let check = format!("store {}", shown(&locator.url));
    let started = Instant::now();
    let opened = Database::open(locator, settings).and_then(|database| {
        let opened = started.elapsed();
        let asked = Instant::now();
        let db = database.db()?;
        Ok((database, db.snapshot().instant_ms, opened, asked.elapsed()))
    });
    let (database, instant_ms, opened, head) = match opened {
        Ok(found) => found,
        Err(error) => {
            let hint = hint(error.kind);
            return vec![Finding::failure(check, error.kind, error.message, hint)];
        }
    };
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let found = format!("opened in {:.1} ms, its head read in {:.1} ms", ms(opened), ms(head));
    let mut all = vec![match head > SLOW {
        true => Finding::warning(&check, found, "a store nearer by, or a replica: factfs clone"),
        false => Finding::well(&check, found),
    }];
    all.extend(instant_ms.and_then(|instant| skew(&check, instant)));
    let warnings = database.warnings();
    let warning = |text: &String| Finding::warning(&check, text, "man factfs-store");
    all.extend(warnings.iter().map(warning));
    all.extend(folder(&locator.url).and_then(|folder| lock(&check, &folder)));
    if is_raced {
        all.push(race(&check, locator, settings));
    }
    all
}

fn hint(kind: Kind) -> &'static str {
    match kind {
        Kind::NotFound => "is the url right? factfs init makes a database where there is none",
        Kind::Denied => "look at the credentials and the rights of this user",
        Kind::Corrupt => "factfs verify says what is damaged",
        _ => "is the network there, and the service? factfs status says the same with one request",
    }
}

/// Commits have the time of who made them: one in the future says that a clock is wrong.
fn skew(check: &str, newest_ms: i64) -> Option<Finding> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ahead = newest_ms - i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    let found = || format!("its newest commit is {:.1} s in the future", ahead as f64 / 1000.0);
    let hint = "this machine's clock, or the one of who committed, is wrong: timedatectl";
    (ahead > SKEW_MS).then(|| Finding::warning(check, found(), hint))
}

/// The folder of a store on this machine.
fn folder(url: &str) -> Option<PathBuf> {
    match url.strip_prefix("file://") {
        Some(path) => Some(path.into()),
        None if url.contains("://") || url.starts_with("memory:") => None,
        None => Some(url.into()),
    }
}

/// Whether its lock is held for longer than a writer needs it.
fn lock(check: &str, folder: &Path) -> Option<Finding> {
    let path = folder.join(".lock");
    let file = File::open(&path).ok()?;
    let until = Instant::now() + HELD;
    loop {
        match file.try_lock_shared() {
            Ok(()) => return None,
            Err(TryLockError::Error(_)) => return None,
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => break,
        }
    }
    let who = holder(&path).map_or_else(String::new, |pid| format!(" by process {pid}"));
    let found = format!("{} is held{who} for more than {HELD:?}", path.display());
    let hint = "writers wait for it: is that process stopped, or the disk very slow?";
    Some(Finding::failure(check, Kind::Busy, found, hint))
}

/// The process that holds a lock, as the kernel lists it.
fn holder(path: &Path) -> Option<u32> {
    let inode = fs::metadata(path).ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().filter(|field| *field != "->").collect();
        let is_it = fields.get(5)?.rsplit(':').next() == Some(&inode);
        is_it.then(|| fields.get(4)?.parse().ok()).flatten()
    })
}

fn race(check: &str, locator: &Locator, settings: &Settings) -> Finding {
    let options = CheckOptions { race_ms: RACE_MS, ..CheckOptions::default() };
    match check_place(&locator.url, options, settings) {
        Ok(checked) if checked.is_safe() => {
            Finding::well(check, "any number of writers are safe there")
        }
        Ok(_) => Finding::failure(
            check,
            Kind::ReadOnly,
            "it cannot be written safely by several",
            "factfs check-store says which promise it breaks",
        ),
        Err(error) => Finding::error(check, error.kind, &error.message),
    }
}
