//! Opens a file of this machine for a mount, which must not wait for itself.
//!
//! **Invariant:** where it is a mount that opens the file, no mount of factfs is asked anything on
//! the way: its own answer may be what the way leads through, and another mount may wait for this
//! one. Opening never waits for a writer, and nothing but a regular file is opened.

use crate::error::{Failure, Kind, Result};
use crate::point;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Statx, StatxFlags, open, openat, readlinkat, statx,
};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows.
const LINKS: usize = 40;

/// Why a file was not opened.
enum Closed {
    Errno(Errno),
    /// It is in a mount of factfs.
    Mounted,
    /// It is something else.
    NoFile(FileType),
}

impl From<Errno> for Closed {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// Opens a regular file; outside of all mounts of factfs, if it has to be.
pub(super) fn open_regular(path: &Path, is_outside: bool) -> Result<File> {
    let mounts = if is_outside { point::mounts() } else { Vec::new() };
    let devices: Vec<String> = mounts.into_iter().map(|mount| mount.device).collect();
    opened(path, &devices).map_err(|closed| {
        let at = path.display();
        let (kind, what) = match closed {
            Closed::Errno(errno) => {
                let (kind, what) = match errno {
                    Errno::NOENT => (Kind::NotFound, "there is no such file".to_owned()),
                    Errno::ACCESS => (Kind::Denied, "this user may not read it".to_owned()),
                    Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG => {
                        (Kind::NotFound, std::io::Error::from(errno).to_string())
                    }
                    _ => (Kind::Unavailable, std::io::Error::from(errno).to_string()),
                };
                return Failure::new(kind, format!("{at}: {what}"));
            }
            Closed::Mounted => {
                let message = format!("{at} is in a mount of factfs, which would wait for itself");
                let hint = "a store or a snapshot is named by its path in the mount; a result is \
                            copied to a file elsewhere";
                return Failure::new(Kind::Invalid, message).hint(hint);
            }
            Closed::NoFile(file_type) => (Kind::Invalid, name_of(file_type)),
        };
        Failure::new(kind, format!("{at} is {what}, and no regular file"))
    })
}

fn name_of(file_type: FileType) -> &'static str {
    match file_type {
        FileType::Directory => "a folder",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::BlockDevice | FileType::CharacterDevice => "a device",
        _ => "something else",
    }
}

fn opened(path: &Path, mounts: &[String]) -> std::result::Result<File, Closed> {
    let (folder, name, found) = walk(path, mounts)?;
    let file_type = FileType::from_raw_mode(found.stx_mode.into());
    if file_type != FileType::RegularFile {
        return Err(Closed::NoFile(file_type));
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(openat(&folder, &name, flags, Mode::empty())?);
    let metadata = file.metadata().map_err(|error| errno(&error))?;
    // Another thing was put in its place meanwhile.
    if metadata.ino() != found.stx_ino || !metadata.is_file() {
        return Err(Closed::Errno(Errno::STALE));
    }
    Ok(file)
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// The folder that a path leads to, the name there, and what it is: every folder and link on the
/// way is looked at before anything in it is asked for.
fn walk(path: &Path, mounts: &[String]) -> std::result::Result<(OwnedFd, OsString, Statx), Closed> {
    let root = || open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let (mut folder, mut links) = (root()?, 0);
    let mut left = names(path);
    while let Some(name) = left.pop() {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // What is to be a folder is mounted, if that is what looking at it does.
        let found = match left.is_empty() {
            true => openat(&folder, &name, flags, Mode::empty()),
            false => openat(&folder, &name, flags | OFlags::DIRECTORY, Mode::empty()),
        };
        let found = match found {
            Err(Errno::NOTDIR) => openat(&folder, &name, flags, Mode::empty()),
            found => found,
        }?;
        let about = look(&found)?;
        let device = format!("{}:{}", about.stx_dev_major, about.stx_dev_minor);
        if mounts.contains(&device) {
            return Err(Closed::Mounted);
        }
        if FileType::from_raw_mode(about.stx_mode.into()) == FileType::Symlink {
            links += 1;
            if links > LINKS {
                return Err(Closed::Errno(Errno::LOOP));
            }
            let target = readlinkat(&found, OsStr::new(""), Vec::new())?.into_bytes();
            let target = PathBuf::from(OsString::from_vec(target));
            if target.is_absolute() {
                folder = root()?;
            }
            left.extend(names(&target));
        } else if left.is_empty() {
            return Ok((folder, name, about));
        } else {
            folder = found;
        }
    }
    let about = look(&folder)?;
    Ok((folder, OsString::from("."), about))
}

/// What is known of an open file without asking its file system.
fn look(found: impl AsFd) -> std::result::Result<Statx, Errno> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
    statx(found, "", flags, StatxFlags::TYPE | StatxFlags::INO)
}

/// The names of a path, the first one last.
fn names(path: &Path) -> Vec<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(name).collect::<Vec<_>>().into_iter().rev().collect()
}
