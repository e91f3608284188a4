//! Files of this machine that queries read as rows.
//!
//! **Invariant:** a [`LocalFile`] is one content, known by its blake3; its rows are read from
//! exactly those bytes or not at all. A file whose times and size are as they were is not read
//! again to know its hash, unless it may have been written since within the grain of its times.
//! Who may name files is decided by who asks.

mod open;

use crate::error::{Failure, Kind, Result};
use factfs_core::hash::{Hasher, NodeHash};
use factfs_core::import::{READ, relation};
use factfs_core::text::Format;
use factfs_core::value::{Tag, Value};
use lru::LruCache;
use std::fs::Metadata;
use std::io::Read;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What stands before the path of a file.
const SCHEME: &str = "file:";
/// How long after a file was written it may be written again at the same time, as its file system
/// tells times.
const GRAIN_MS: i64 = 2000;
/// How many files are remembered.
const KNOWN: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// A file with what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
    /// Where it is.
    pub path: PathBuf,
    /// By its extension.
    pub format: Format,
    /// How long it is.
    pub bytes: u64,
    /// The blake3 of its bytes.
    pub blake3: String,
    /// When it was written, milliseconds since 1970.
    pub mtime_ms: i64,
    /// Whether it has to be outside of mounts of factfs.
    pub is_outside: bool,
}

/// The path that `file:PATH` names.
pub fn path_in(text: &str) -> Option<&str> {
    text.strip_prefix(SCHEME)
}

/// The format of rows that a file's extension says.
pub fn format_of(path: &Path) -> Option<Format> {
    let format = Format::from_extension(path.extension()?.to_str()?)?;
    READ.contains(&format).then_some(format)
}

/// Where a file is that a query calls so: a path that does not begin at the root begins in `base`.
pub fn absolute(path: &str, base: Option<&Path>) -> Result<PathBuf> {
    let invalid = |message: String| Failure::new(Kind::Invalid, message);
    if path.starts_with("//") && !path.starts_with("///") {
        let message = format!("`{SCHEME}{path}` names another machine");
        return Err(invalid(message).hint("a file of this one is file:PATH"));
    }
    if path.is_empty() {
        return Err(invalid(format!("`{SCHEME}` names no file")).hint("file:prices.csv"));
    }
    let path = Path::new(path);
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    let Some(base) = base else {
        let message = format!("`{}` is in no folder", path.display());
        let hint = "the queries of this mount are in memory: write the whole path, file:/…";
        return Err(invalid(message).hint(hint));
    };
    let base = std::path::absolute(base)
        .map_err(|error| Failure::new(Kind::Unavailable, format!("{}: {error}", base.display())))?;
    Ok(base.join(path))
}

/// Which file it is, and how it is as far as its times tell.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Stamp {
    device: u64,
    ino: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether another content would have another time of change, which nobody can set.
    fn is_settled(&self, now_ms: i64) -> bool {
        let (seconds, nanos) = self.changed;
        seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000) < now_ms - GRAIN_MS
    }
}

/// The contents of files that were looked at.
pub struct Contents {
    known: Mutex<LruCache<Stamp, (u64, String)>>,
    is_outside: bool,
}

impl Default for Contents {
    fn default() -> Self {
        Self { known: Mutex::new(LruCache::new(KNOWN)), is_outside: false }
    }
}

impl Contents {
    /// For a mount, which must not wait for itself: files in mounts of factfs are refused.
    pub fn outside() -> Self {
        Self { is_outside: true, ..Self::default() }
    }

    fn get(&self, stamp: &Stamp) -> Option<(u64, String)> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(stamp).cloned()
    }

    fn put(&self, stamp: Stamp, content: (u64, String)) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).put(stamp, content);
    }

    /// A file as it is now, of at most so many bytes.
    pub fn look(&self, path: &Path, limit: u64, now_ms: i64) -> Result<LocalFile> {
        let at = path.display();
        let Some(format) = format_of(path) else {
            let formats: Vec<&str> = READ.iter().map(|format| format.extension()).collect();
            let message = format!("{at}: its name does not say which format it has");
            let hint = format!("a file of rows ends in one of .{}", formats.join(" ."));
            return Err(Failure::new(Kind::Invalid, message).hint(hint));
        };
        let mut file = open::open_regular(path, self.is_outside)?;
        let metadata = file.metadata().map_err(|error| unread(path, &error))?;
        let stamp = Stamp::of(&metadata);
        let (bytes, blake3) = match self.get(&stamp) {
            Some(known) => known,
            None => {
                if stamp.size > limit {
                    return Err(too_large(path, limit));
                }
                let content = hash(&mut file, path, limit)?;
                if stamp.is_settled(now_ms) {
                    self.put(stamp, content.clone());
                }
                content
            }
        };
        if bytes > limit {
            return Err(too_large(path, limit));
        }
        let (seconds, nanos) = stamp.modified;
        let mtime_ms = seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000);
        let (path, is_outside) = (path.to_owned(), self.is_outside);
        Ok(LocalFile { path, format, bytes, blake3, mtime_ms, is_outside })
    }
}

fn too_large(path: &Path, limit: u64) -> Failure {
    let message = format!("{} has more than {limit} bytes", path.display());
    Failure::new(Kind::TooLarge, message).hint("import it into a store, and read it there")
}

fn unread(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Kind::Unavailable, format!("{}: {error}", path.display()))
}

fn hash(file: &mut impl Read, path: &Path, limit: u64) -> Result<(u64, String)> {
    let (mut hasher, mut count) = (Hasher::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = file.read(&mut buffer).map_err(|error| unread(path, &error))?;
        if length == 0 {
            return Ok((count, NodeHash(hasher.finish()).to_string()));
        }
        count += length as u64;
        if count > limit {
            return Err(too_large(path, limit));
        }
        hasher.update(&buffer[..length]);
    }
}

impl LocalFile {
    /// Passes on the rows; each has a value for each column. `types` are those of the first
    /// columns, as far as they are known.
    pub fn rows(
        &self,
        types: &[Option<Tag>],
        row: &mut dyn FnMut(Vec<Value>) -> Result<()>,
    ) -> Result<()> {
        let bytes = self.read()?;
        let read = relation(&bytes, self.format, types, row);
        read.map(drop).map_err(|failure| match failure.kind {
            Kind::Invalid => {
                let message = format!("{}: {}", self.path.display(), failure.message);
                Failure { message, ..failure }
            }
            _ => failure,
        })
    }

    fn read(&self) -> Result<Vec<u8>> {
        let file = open::open_regular(&self.path, self.is_outside)?;
        let mut bytes = Vec::new();
        let read = file.take(self.bytes.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| unread(&self.path, &error))?;
        // The kernel looks the answer up anew, and finds another one.
        if bytes.len() as u64 != self.bytes || NodeHash::of(&bytes).to_string() != self.blake3 {
            let message = format!("{} was written while it was read", self.path.display());
            return Err(Failure::new(Kind::Stale, message).hint("open the answer again"));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
