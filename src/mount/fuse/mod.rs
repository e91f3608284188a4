//! FUSE: the kernel's requests to the calls of [`Vfs`], and mounting. The only place that knows the
//! library.
//!
//! **Invariant:** an event loop never waits for storage, a query or a commit: what may take long is
//! done by a pool, and answered from there. No pool runs queries: what has to be evaluated is asked
//! of [`Vfs::make`], and no thread of a pool waits for it. Every request is answered once: by the
//! work, or by the caller's interruption.

mod answer;
mod filesystem;
mod listing;
mod session;

pub use session::{Options, Session, Signals};

use crate::interrupt::Watch;
use crate::pool::Pool;
use crate::tree::Shape;
use crate::vfs::{Attr, Caching, Mode, Vfs};
use fuser::{FileAttr, FileType, FopenFlags, INodeNo, OpenAccMode, OpenFlags};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the library calls.
pub(crate) struct Adapter {
    vfs: Arc<Vfs>,
    /// Lookups, attributes, opening what costs a few seeks.
    quick: Pool,
    /// Listings, which may be long.
    listings: Pool,
    /// Commits.
    commits: Pool,
    watch: Watch,
    owner: (u32, u32),
}

impl Adapter {
    pub(crate) fn new(vfs: Arc<Vfs>) -> Self {
        Self {
            vfs,
            quick: Pool::new("lookups", 16),
            listings: Pool::new("listings", 8),
            commits: Pool::new("commits", 8),
            watch: Watch::default(),
            owner: (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw()),
        }
    }
}

fn file_type(shape: Shape) -> FileType {
    match shape {
        Shape::Folder => FileType::Directory,
        Shape::File => FileType::RegularFile,
        Shape::Link => FileType::Symlink,
    }
}

fn time(ms: i64) -> SystemTime {
    let distance = Duration::from_millis(ms.unsigned_abs());
    let shifted =
        if ms < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    shifted.unwrap_or(UNIX_EPOCH)
}

fn file_attr(attr: &Attr, (uid, gid): (u32, u32)) -> FileAttr {
    let mtime = time(attr.mtime_ms);
    FileAttr {
        ino: INodeNo(attr.ino),
        size: attr.size_bytes,
        blocks: attr.size_bytes.div_ceil(512),
        atime: mtime,
        mtime,
        ctime: mtime,
        crtime: mtime,
        kind: file_type(attr.shape),
        perm: attr.mode,
        nlink: if attr.shape == Shape::Folder { 2 } else { 1 },
        uid,
        gid,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

fn open_mode(flags: OpenFlags) -> Mode {
    let (read, write) = match flags.acc_mode() {
        OpenAccMode::O_RDONLY => (true, false),
        OpenAccMode::O_WRONLY => (false, true),
        OpenAccMode::O_RDWR => (true, true),
    };
    let truncate = flags.0 & rustix::fs::OFlags::TRUNC.bits() as i32 != 0;
    Mode { read, write, truncate, process: None }
}

fn open_flags(caching: Caching) -> FopenFlags {
    match caching {
        Caching::Keep => FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_NOFLUSH,
        Caching::Fresh => FopenFlags::FOPEN_NOFLUSH,
        Caching::Edited => FopenFlags::empty(),
        Caching::Direct => FopenFlags::FOPEN_DIRECT_IO,
        Caching::Stream => FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_STREAM,
    }
}
