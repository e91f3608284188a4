//! Stored bytes of tree nodes as files: what outlives the process and is shared with others.
//!
//! A file is named by the hash of its bytes and lies in one of 64 directories (*shards*) by the
//! first bits of it. Nothing is read at start: a shard is listed when this process first writes to
//! it, and again when it seems to be full. Then the files that were used longest ago go, leaves
//! before branch nodes; a file's time is when it was last used, to a minute.
//!
//! **Invariant:** bytes are believed after their hash was compared, each time; a file that is
//! damaged is deleted and counts as not there. No failure here fails a read: what cannot be kept is
//! fetched again. A shard holds at most a 64th of the limit, but for what other processes added
//! since it was listed: each lists it again after [`LIST_AGAIN`] files of its own.
//!
//! Heads and `refs` are never here: they change. What was read before facts were erased is not kept
//! after that is known here: see `note.rs`.

mod note;

use bytes::Bytes;
use factfs_core::hash::NodeHash;
use factfs_core::index::Node;
use factfs_core::store::Host;
pub use note::Erasures;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, FileTimes};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SHARDS: usize = 64;
/// A shard is listed again after so many files of this process: others write to it, too.
const LIST_AGAIN: u32 = 64;
/// How old the time of a file may be before it is set anew.
const USED_MS: i64 = 60_000;
/// Temporaries older than this were left by processes that were killed.
const LEFT: Duration = Duration::from_secs(3600);
const TEMPORARY: &str = ".tmp-";

/// A cache on disk.
#[derive(Debug)]
pub struct DiskCache {
    root: PathBuf,
    limit_bytes: u64,
    host: Arc<dyn Host>,
    shards: Vec<Mutex<Shard>>,
    cells: Cells,
}

/// What a cache on disk did in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskStats {
    /// Nodes that were there.
    pub hits: u64,
    /// Nodes that were not.
    pub misses: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Files deleted to make room.
    pub evicted: u64,
    /// Files whose bytes were not those of their name.
    pub damaged: u64,
    /// Writes that failed.
    pub failed: u64,
}

#[derive(Debug, Default)]
struct Cells {
    hits: AtomicU64,
    misses: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    evicted: AtomicU64,
    damaged: AtomicU64,
    failed: AtomicU64,
}

/// What this process believes of a shard; `None` before it was listed.
#[derive(Debug, Default)]
struct Shard {
    bytes: Option<u64>,
    written: u32,
}

/// A file of a shard.
#[derive(Debug)]
struct Entry {
    path: PathBuf,
    len: u64,
    used: SystemTime,
}

impl DiskCache {
    /// In a directory, which the first write makes. Touches nothing.
    pub fn new(root: impl Into<PathBuf>, limit_bytes: u64, host: Arc<dyn Host>) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { root: root.into(), limit_bytes, host, shards, cells: Cells::default() }
    }

    /// The one of this process for a directory: the first limit that is given counts.
    pub fn shared(root: &Path, limit_bytes: u64, host: &Arc<dyn Host>) -> Arc<Self> {
        static SHARED: Mutex<BTreeMap<PathBuf, Arc<DiskCache>>> = Mutex::new(BTreeMap::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Self::new(root, limit_bytes, host.clone()));
        shared.entry(root.to_owned()).or_insert_with(new).clone()
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What its files stay within.
    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// What it did so far.
    pub fn stats(&self) -> DiskStats {
        let (cells, read) = (&self.cells, |cell: &AtomicU64| cell.load(Relaxed));
        DiskStats {
            hits: read(&cells.hits),
            misses: read(&cells.misses),
            bytes_read: read(&cells.bytes_read),
            bytes_written: read(&cells.bytes_written),
            evicted: read(&cells.evicted),
            damaged: read(&cells.damaged),
            failed: read(&cells.failed),
        }
    }

    /// The bytes with this hash, if they are here.
    pub fn get(&self, hash: &NodeHash) -> Option<Bytes> {
        let path = self.path(hash);
        let Some((bytes, used)) = read(&path) else {
            self.cells.misses.fetch_add(1, Relaxed);
            return None;
        };
        if NodeHash::of(&bytes) != *hash {
            let _ = fs::remove_file(&path);
            self.cells.damaged.fetch_add(1, Relaxed);
            self.cells.misses.fetch_add(1, Relaxed);
            return None;
        }
        self.cells.hits.fetch_add(1, Relaxed);
        self.cells.bytes_read.fetch_add(bytes.len() as u64, Relaxed);
        let now = self.now();
        if now.duration_since(used).is_ok_and(|age| age.as_millis() >= USED_MS as u128) {
            // Where this is not allowed, the file only goes earlier.
            let times = FileTimes::new().set_modified(now);
            let _ = File::open(&path).and_then(|file| file.set_times(times));
        }
        Some(bytes.into())
    }

    /// Keeps bytes that were verified to have this hash, for who knew of so many erasures before
    /// they were read.
    pub fn put(&self, hash: &NodeHash, bytes: &[u8], known: Erasures) {
        let (share, len) = (self.limit_bytes / SHARDS as u64, bytes.len() as u64);
        if len > share {
            return;
        }
        let shard = &self.shards[shard_of(hash)];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = shard.bytes.is_some() && shard.written < LIST_AGAIN;
        let there = shard.bytes.filter(|_| is_known);
        let there = match there {
            Some(there) if there + len <= share => there,
            _ => self.make_room(&self.folder(hash), share, len),
        };
        let path = self.path(hash);
        match self.write_known(&path, bytes, known) {
            // Read before an erasure that is noted here.
            Ok(false) => *shard = Shard { bytes: Some(there), written: shard.written },
            Ok(true) => {
                self.cells.bytes_written.fetch_add(len, Relaxed);
                let written = if is_known { shard.written + 1 } else { 1 };
                *shard = Shard { bytes: Some(there + len), written };
            }
            Err(error) => {
                self.cells.failed.fetch_add(1, Relaxed);
                // A disk that is full is left to others: half of what is here goes.
                if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
                {
                    let left = self.make_room(&self.folder(hash), there / 2, 0);
                    *shard = Shard { bytes: Some(left), written: 0 };
                }
            }
        }
    }

    /// Facts of a database were erased so many times: unless that was noted here before, or
    /// `anyway`, all files go, since none says of which database it is. It is noted after that.
    pub fn purged(&self, known: Erasures, anyway: bool) {
        let is_noted = || !anyway && known.noted(&self.root) >= known.generation;
        if !self.root.exists() || is_noted() {
            return;
        }
        let held = note::to_note(&self.root);
        if is_noted() {
            return;
        }
        let mut is_clear = held.is_ok();
        for (number, shard) in self.shards.iter().enumerate() {
            let folder = self.root.join(format!("{number:02x}"));
            for file in fs::read_dir(&folder).into_iter().flatten().flatten() {
                is_clear &= fs::remove_file(file.path()).is_ok() || !file.path().exists();
            }
            // Who keeps a file holds this before the lock: it is not waited for.
            if let Ok(mut shard) = shard.try_lock() {
                *shard = Shard::default();
            }
        }
        // Where a file could not be deleted, or others not be stopped, the next process tries
        // again.
        if is_clear {
            known.note(&self.root);
        }
    }

    fn folder(&self, hash: &NodeHash) -> PathBuf {
        self.root.join(format!("{:02x}", shard_of(hash)))
    }

    fn path(&self, hash: &NodeHash) -> PathBuf {
        self.folder(hash).join(hash.to_string())
    }

    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.host.now_ms().max(0) as u64)
    }

    /// Lists a shard, and deletes so much that there is room; the bytes that are left.
    fn make_room(&self, folder: &Path, share: u64, len: u64) -> u64 {
        let mut entries = self.list(folder);
        let mut bytes: u64 = entries.iter().map(|entry| entry.len).sum();
        if bytes + len <= share {
            return bytes;
        }
        // An eighth more than needed: the next time is not the next write.
        let target = share - share / 8;
        entries.sort_by(|x, y| (x.used, &x.path).cmp(&(y.used, &y.path)));
        let (mut kept, mut first) = (Vec::new(), true);
        loop {
            for entry in std::mem::take(&mut entries) {
                if bytes + len <= target {
                    return bytes;
                }
                if first && is_branch(&entry.path) {
                    kept.push(entry);
                } else if fs::remove_file(&entry.path).is_ok() {
                    bytes -= entry.len;
                    self.cells.evicted.fetch_add(1, Relaxed);
                }
            }
            if !first {
                return bytes;
            }
            (entries, first) = (std::mem::take(&mut kept), false);
        }
    }

    fn list(&self, folder: &Path) -> Vec<Entry> {
        let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
        let mut entries = Vec::new();
        for file in files.flatten() {
            let Ok(meta) = file.metadata() else { continue };
            let used = meta.modified().unwrap_or(UNIX_EPOCH);
            if file.file_name().to_string_lossy().starts_with(TEMPORARY) {
                if self.now().duration_since(used).is_ok_and(|age| age > LEFT) {
                    let _ = fs::remove_file(file.path());
                }
            } else if meta.is_file() {
                entries.push(Entry { path: file.path(), len: meta.len(), used });
            }
        }
        entries
    }

    /// Writes a file; `false` if more erasures are noted than were known when it was read.
    fn write_known(&self, path: &Path, bytes: &[u8], known: Erasures) -> io::Result<bool> {
        let held = note::to_keep(&self.root).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                // What is kept here may be nobody else's to read.
                DirBuilder::new().recursive(true).mode(0o700).create(&self.root)?;
                note::to_keep(&self.root)
            }
            _ => Err(error),
        });
        let _held = held?;
        let is_old = known.noted(&self.root) > known.generation;
        if is_old { Ok(false) } else { self.write(path, bytes).map(|()| true) }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let folder = path.parent().unwrap_or(&self.root);
        let name = format!("{TEMPORARY}{:032x}", self.host.random());
        let temporary = folder.join(name);
        let written = fill(&temporary, bytes).or_else(|error| match error.kind() {
            // What is kept here may be nobody else's to read.
            io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
                fill(&temporary, bytes)
            }
            _ => Err(error),
        });
        written.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })
    }
}

fn fill(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // No sync: what a power failure tears is noticed when it is read.
    File::create_new(path)?.write_all(bytes)
}

fn shard_of(hash: &NodeHash) -> usize {
    usize::from(hash.0[0]) % SHARDS
}

fn read(path: &Path) -> Option<(Vec<u8>, SystemTime)> {
    let mut file = File::open(path).ok()?;
    let used = file.metadata().ok()?.modified().unwrap_or(UNIX_EPOCH);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    Some((bytes, used))
}

/// Whether a file holds a branch node: its first byte says so.
fn is_branch(path: &Path) -> bool {
    let mut first = [0; 1];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && Node::is_stored_branch(&first)
}

#[cfg(test)]
mod tests;
