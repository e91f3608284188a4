//! What the benches share: where the workload is, CPU clocks, and lines of JSON.
//!
//! **Invariant:** a figure is one JSON object on one line, with the names that the other systems'
//! drivers print.

#![allow(dead_code)]

pub mod sizes;

use factfs_core::conn::{Conn, Flush, Options, Place};
use factfs_core::edn::{self, Form};
use factfs_store::{Database, Locator, Settings, StoreNodes, SystemHost};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The databases of the workload.
pub const DATABASES: [&str; 3] = ["catalog", "inventory", "org"];

/// A workload: its size and the folder it was generated into.
pub struct Workload {
    pub size: String,
    pub folder: PathBuf,
    pub params: Value,
}

impl Workload {
    /// From the arguments `SIZE FOLDER`, which is where `S`, `M`... were generated; what is left of
    /// the arguments.
    pub fn from_args() -> (Self, Vec<String>) {
        let mut args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
        if args.len() < 2 {
            eprintln!(
                "usage: SIZE FOLDER [...]: FOLDER has the workload, as the generator wrote it"
            );
            std::process::exit(0);
        }
        let rest = args.split_off(2);
        let folder = Path::new(&args[1]).join(&args[0]);
        let text = std::fs::read_to_string(folder.join("params.json")).expect("params.json");
        let params = serde_json::from_str(&text).expect("params.json is JSON");
        (Self { size: args.swap_remove(0), folder, params }, rest)
    }

    /// A file of the workload.
    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).expect(name)
    }

    /// Prints a figure.
    pub fn print(&self, fields: Value) {
        let mut line = Map::new();
        line.insert("peer".into(), json!("factfs"));
        line.insert("size".into(), json!(self.size));
        line.extend(fields.as_object().cloned().unwrap_or_default());
        println!("{}", Value::Object(line));
    }

    /// Where a database of the workload is kept.
    pub fn url(&self, database: &str) -> String {
        self.folder.join("factfs").join(database).to_string_lossy().into_owned()
    }

    /// Opens a database that was loaded before.
    pub fn open(&self, database: &str) -> Database {
        let locator: Locator = self.url(database).parse().expect("a locator");
        Database::open(&locator, &Settings::default()).expect("loaded before")
    }
}

/// The CPU time of this process, all threads.
pub fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// What `f` takes: CPU and wall.
pub fn timed<T>(f: impl FnOnce() -> T) -> (T, Duration, Duration) {
    let (wall, begun) = (Instant::now(), cpu());
    let answer = f();
    (answer, cpu() - begun, wall.elapsed())
}

/// The median of times, in seconds.
pub fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64)
}

/// The forms of a file, as one.
pub fn form(text: &str) -> Arc<Form> {
    Arc::new(edn::read_one(text).expect("EDN"))
}

/// Bytes and files below a folder.
pub fn disk(folder: &Path) -> (u64, u64) {
    let (mut bytes, mut files) = (0, 0);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let meta = entry.metadata().expect("metadata");
        let (b, f) = if meta.is_dir() { disk(&entry.path()) } else { (meta.len(), 1) };
        (bytes, files) = (bytes + b, files + f);
    }
    (bytes, files)
}

/// Moves all that is committed into the trees; what is in the tail alone stays there.
pub fn flush(url: &str) {
    let settings = Settings::default();
    let runtime = factfs_store::runtime().expect("a runtime");
    let store = factfs_store::open(url, &settings).expect("a store");
    let nodes = StoreNodes::new(store.clone(), settings.cache_bytes, runtime.handle().clone());
    let place = Place { store, host: Arc::new(SystemHost), nodes: Arc::new(nodes) };
    // So little room for frames that the next transaction spills them.
    let options = Options { flush: Flush::Asked, tail_bytes: 1, ..Options::default() };
    let conn = runtime.block_on(Conn::open(place, None, options)).expect("a database");
    let empty = edn::read_one("[]").expect("EDN");
    let make = move |db: &factfs_core::db::Db, now_ms: i64| {
        let options = factfs_core::transact::TxOptions { now_ms, ..Default::default() };
        factfs_core::transact::prepare(db, &empty, &options)
    };
    runtime.block_on(conn.transact(make)).expect("an empty transaction");
    runtime.block_on(conn.flush()).expect("a flush");
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a new folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        match entry.metadata().expect("metadata").is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

/// The most memory this process ever held, in bytes.
pub fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    number.unwrap_or_default() << 10
}
