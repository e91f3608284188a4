//! Files that are there wholly or not at all, after a crash, too; and what the errors of a file
//! system mean.
//!
//! **Invariant:** [`write()`] returns `Ok` only when bytes, name and every directory above, up to
//! the root of the store, are on the disk, whoever made them: a process that was killed may have
//! made a directory and not synced it. On [`WriteError::NotApplied`] nothing is left behind and
//! what had the name before still has it.

use crate::key;
use bytes::Bytes;
use factfs_core::store::{Listed, StoreError, StoreErrorKind};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const TEMPORARY: &str = ".tmp-";

/// A write that did not go well.
#[derive(Debug)]
pub(super) enum WriteError {
    /// Before the rename: nothing changed.
    NotApplied(io::Error),
    /// After it: the bytes are there, but a power failure may take them back.
    NotDurable(io::Error),
}

impl From<WriteError> for io::Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotApplied(e) | WriteError::NotDurable(e) => e,
        }
    }
}

/// The bytes of a file, or of a range of it; the inner error is its length, where the range does
/// not fit.
pub(super) fn read(path: &Path, range: Option<&Range<u64>>) -> io::Result<Result<Bytes, u64>> {
    let mut tries = 0;
    loop {
        match read_once(path, range) {
            // On NFS the file that had the name a moment ago may be gone: the name has another one
            // now.
            Err(e) if e.kind() == io::ErrorKind::StaleNetworkFileHandle && tries < 3 => tries += 1,
            other => return other,
        }
    }
}

fn read_once(path: &Path, range: Option<&Range<u64>>) -> io::Result<Result<Bytes, u64>> {
    // Without O_NONBLOCK opening a pipe would wait for somebody to write to it.
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let meta = file.metadata()?;
    if meta.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !meta.is_file() || meta.len() > key::MAX_OBJECT_BYTES && range.is_none() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no object of a database"));
    }
    let Some(range) = range else {
        let mut all = Vec::with_capacity(meta.len() as usize);
        file.read_to_end(&mut all)?;
        return Ok(Ok(all.into()));
    };
    if range.end > meta.len() {
        return Ok(Err(meta.len()));
    }
    file.seek(SeekFrom::Start(range.start))?;
    let mut part = Vec::new();
    let wanted = range.end - range.start;
    let got = file.take(wanted).read_to_end(&mut part)? as u64;
    Ok(if got == wanted { Ok(part.into()) } else { Err(range.start + got) })
}

/// Puts `bytes` under the name `path` at once and for good, by way of `temporary` in the same
/// directory.
pub(super) fn write(
    root: &Path,
    directories: &Directories,
    path: &Path,
    temporary: &Path,
    bytes: &[u8],
) -> Result<(), WriteError> {
    let parent = path.parent().unwrap_or(root);
    directories.make(root, parent).map_err(WriteError::NotApplied)?;
    if let Err(error) = fill(temporary, bytes).and_then(|()| fs::rename(temporary, path)) {
        // Best effort: where even this fails, `sweep` finds it.
        let _ = fs::remove_file(temporary);
        return Err(WriteError::NotApplied(error));
    }
    sync_directory(parent).map_err(WriteError::NotDurable)
}

fn fill(temporary: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The directories of a store that are known to be on the disk.
#[derive(Debug, Default)]
pub(super) struct Directories(Mutex<BTreeSet<PathBuf>>);

impl Directories {
    /// Makes a directory in `root` and those above it, each on the disk before the next. A `root`
    /// that is there is taken for synced: whoever made the store saw to that.
    fn make(&self, root: &Path, path: &Path) -> io::Result<()> {
        match path == root && path.is_dir() {
            true => Ok(()),
            false => self.make_below(root, path, true),
        }
    }

    /// Makes the directory of a new store, and sees to it that all above it are on the disk.
    pub(super) fn make_root(&self, root: &Path) -> io::Result<()> {
        self.make_below(root, root, false)
    }

    fn make_below(&self, root: &Path, path: &Path, is_root_synced: bool) -> io::Result<()> {
        let was_there = path.is_dir();
        let is_known = was_there && (is_root_synced && path == root || self.known().contains(path));
        if path.as_os_str().is_empty() || is_known {
            return Ok(());
        }
        let Some(parent) = path.parent() else { return Ok(()) };
        self.make_below(root, parent, is_root_synced)?;
        if !was_there {
            match fs::create_dir(path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
                other => other?,
            }
        }
        match sync_directory(parent) {
            // Above the store not every directory is ours to open.
            Err(_) if was_there && !parent.starts_with(root) => {}
            other => other?,
        }
        self.known().insert(path.to_owned());
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes sure that a name is on the disk.
pub(super) fn sync_parent(root: &Path, path: &Path) -> io::Result<()> {
    sync_directory(path.parent().unwrap_or(root))
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

/// Removes a file for good; one that is not there is no error.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    }
    path.parent().map_or(Ok(()), sync_directory)
}

/// A temporary beside `path` that only the holder of the lock uses.
pub(super) fn temporary(path: &Path, mark: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{TEMPORARY}{mark}-{name}"))
}

/// A temporary beside `path` that nobody else uses.
pub(super) fn fresh_temporary(path: &Path) -> PathBuf {
    temporary(path, &format!("{:016x}", crate::host::random_bits() as u64))
}

/// All objects below `root` whose names start with `prefix`.
pub(super) fn list(root: &Path, prefix: &str) -> io::Result<Vec<Listed>> {
    let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    if folder.is_empty() || key::valid(folder) {
        walk(root, folder, &mut |key, _, meta| {
            if key.starts_with(prefix) && key::valid(key) {
                let size_bytes = meta.len();
                found.push(Listed {
                    key: key.to_owned(),
                    size_bytes,
                    modified_ms: modified_ms(meta),
                });
            }
            Ok(())
        })?;
    }
    found.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    Ok(found)
}

/// Removes temporaries not touched for `age`.
pub(super) fn sweep(root: &Path, age: Duration) -> io::Result<usize> {
    let mut swept = 0;
    walk(root, "", &mut |key, path, meta| {
        let name = key.rsplit('/').next().unwrap_or(key);
        let idle = meta.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        if name.starts_with(TEMPORARY) && idle.is_some_and(|idle| idle >= age) {
            remove(path)?;
            swept += 1;
        }
        Ok(())
    })?;
    Ok(swept)
}

type Visit<'a> = dyn FnMut(&str, &Path, &fs::Metadata) -> io::Result<()> + 'a;

/// Visits every file below `folder` of `root`. What vanishes meanwhile was not there; a directory
/// that is not ours (`lost+found`) is not entered.
fn walk(root: &Path, folder: &str, visit: &mut Visit<'_>) -> io::Result<()> {
    let entries = match fs::read_dir(root.join(folder)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let key = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        let meta = match entry.metadata() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        if meta.is_file() {
            visit(&key, &entry.path(), &meta)?;
        } else if meta.is_dir() && key::valid(&key) {
            walk(root, &key, visit)?;
        }
    }
    Ok(())
}

fn modified_ms(meta: &fs::Metadata) -> i64 {
    let since = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0)
}

/// What an error of the file system means to the caller of a store.
pub(super) fn failed(url: &str, object: &str, error: &io::Error) -> StoreError {
    use StoreErrorKind::{Corrupt, Denied, Full, Invalid, NotFound, ReadOnly, Unavailable};
    let (kind, reason): (_, String) = match error.kind() {
        io::ErrorKind::NotFound if !Path::new(url).exists() => {
            (NotFound, "there is no such directory".into())
        }
        io::ErrorKind::NotFound => (NotFound, "there is no such object".into()),
        io::ErrorKind::PermissionDenied => (Denied, "permission denied by the file system".into()),
        io::ErrorKind::ReadOnlyFilesystem => {
            (ReadOnly, "the file system is read-only: it can be read, not written".into())
        }
        io::ErrorKind::StorageFull => (Full, "no space left on the file system".into()),
        io::ErrorKind::QuotaExceeded => (Full, "the quota of the file system is used up".into()),
        io::ErrorKind::FileTooLarge => (Full, "the file system takes no file this large".into()),
        io::ErrorKind::NotADirectory => (Invalid, "part of the path is not a directory".into()),
        io::ErrorKind::IsADirectory => (Invalid, "there is a directory of that name".into()),
        io::ErrorKind::InvalidData => (Corrupt, error.to_string()),
        io::ErrorKind::InvalidFilename => (Invalid, "the name is too long here".into()),
        _ => (Unavailable, error.to_string()),
    };
    StoreError::new(kind, url, object, reason)
}
