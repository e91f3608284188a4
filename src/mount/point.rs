//! Mount points: whether something can be mounted there, what is mounted, and unmounting.
//!
//! **Invariant:** nothing but a mount of factfs is ever unmounted, and none but the one that was
//! meant: what is mounted is told apart by its number in the kernel's list.

use crate::error::{Failure, Kind, Result};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, openat, statx};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount as detach};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// The type that the kernel lists.
pub const FILE_SYSTEM: &str = "fuse.factfs";

/// Where fusermount3 looks for what is mounted.
pub const MTAB: &str = "/etc/mtab";
/// What to do where there is none, as in a bare container.
pub const NO_MTAB: &str = "as root: ln -s /proc/self/mounts /etc/mtab";

/// How long what is mounted at a point may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

const STATX_MNT_ID_UNIQUE: u32 = 0x4000;

/// A line of the kernel's list of mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Its number, which the next mount may have when this one is gone.
    pub id: u64,
    /// A number that no other mount ever has, where the kernel gives one (Linux 6.8).
    pub unique_id: Option<u64>,
    /// The device number, as `major:minor`.
    pub device: String,
    /// Where.
    pub point: PathBuf,
    /// The type of file system.
    pub file_system: String,
    /// The process that serves it, if it is one of factfs.
    pub server: Option<u32>,
}

/// What the kernel lists as the source of a mount: the process can be told without asking it.
pub fn source_of(server: u32) -> String {
    format!("factfs@{server}")
}

/// All mounts of factfs that this process can see, in the order they were made.
pub fn mounts() -> Vec<Mount> {
    listed().into_iter().filter(|mount| mount.file_system == FILE_SYSTEM).collect()
}

/// All mounts that the kernel lists, in its order.
fn listed() -> Vec<Mount> {
    let list = fs::read("/proc/self/mountinfo").unwrap_or_default();
    list.split(|b| *b == b'\n').filter_map(read_line).collect()
}

/// What is mounted exactly there, the topmost last.
pub fn mounted_at(point: &Path) -> Vec<Mount> {
    let mut mounts: Vec<Mount> =
        listed().into_iter().filter(|mount| mount.point == point).collect();
    if let Some(topmost) = mounts.last_mut() {
        topmost.unique_id = unique_id(point);
    }
    mounts
}

/// The number of what is mounted there. Does not ask its file system, which may not answer.
fn unique_id(point: &Path) -> Option<u64> {
    let flags = AtFlags::STATX_DONT_SYNC | AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let found = statx(CWD, point, flags, StatxFlags::from_bits_retain(STATX_MNT_ID_UNIQUE)).ok()?;
    (found.stx_mask & STATX_MNT_ID_UNIQUE != 0).then_some(found.stx_mnt_id)
}

fn read_line(line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
    let text = |i: usize| fields.get(i).and_then(|field| std::str::from_utf8(field).ok());
    let dash = fields.iter().position(|field| *field == b"-")?;
    Some(Mount {
        id: text(0)?.parse().ok()?,
        unique_id: None,
        device: text(2)?.to_owned(),
        point: PathBuf::from(std::ffi::OsString::from_vec(unquote(fields.get(4)?))),
        file_system: text(dash + 1)?.to_owned(),
        server: text(dash + 2).and_then(|source| source.strip_prefix("factfs@")?.parse().ok()),
    })
}

/// The kernel writes space, tab, newline and backslash as `\040` and the like.
fn unquote(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.filter(|_| first == b'\\').and_then(|d| u8::from_str_radix(d, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &tail[3..];
            }
            None => {
                out.push(first);
                rest = tail;
            }
        }
    }
    out
}

/// The absolute path of a mount point, also of one whose file system does not answer.
pub fn absolute(point: &Path) -> Result<PathBuf> {
    let failed = |error: io::Error| {
        let kind =
            if error.kind() == io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Invalid };
        Failure::new(kind, format!("{}: {error}", point.display()))
    };
    match fs::canonicalize(point) {
        Ok(path) => Ok(path),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOTCONN) => {
            let whole = std::path::absolute(point).map_err(failed)?;
            match (whole.parent(), whole.file_name()) {
                (Some(parent), Some(name)) => {
                    Ok(fs::canonicalize(parent).map_err(failed)?.join(name))
                }
                _ => Ok(whole),
            }
        }
        Err(error) => Err(failed(error)),
    }
}

/// Makes a mount point ready, or says why nothing can be mounted there. `stores` are local folders
/// that hold data: a mount over one, or within, would wait for itself.
pub fn prepare(point: &Path, stores: &[PathBuf]) -> Result<PathBuf> {
    if point.as_os_str().is_empty() {
        let failure = Failure::new(Kind::Invalid, "the mount point is empty");
        return Err(failure.hint("factfs mount DIR NAME=DB"));
    }
    if !is_there(point) {
        let failed = |error: io::Error| {
            let message = format!("{} cannot be made: {error}", point.display());
            Failure::new(Kind::NotFound, message).hint("a mount point is a folder: mkdir -p")
        };
        fs::create_dir(point).map_err(failed)?;
    }
    let path = absolute(point)?;
    clear_dead(&path)?;
    let shown = path.display();
    if let Some(mount) = mounted_at(&path).last() {
        let (what, hint) = match mount.file_system == FILE_SYSTEM {
            true => ("factfs", format!("factfs umount {shown}, or take another folder")),
            false => (mount.file_system.as_str(), "take another folder".to_owned()),
        };
        let message = format!("{shown} is in use: {what} is mounted there");
        return Err(Failure::new(Kind::Busy, message).hint(hint));
    }
    if !path.is_dir() {
        let message = format!("{shown} is no folder");
        return Err(Failure::new(Kind::NotDirectory, message).hint("a mount point is a folder"));
    }
    let mut entries = fs::read_dir(&path)
        .map_err(|error| Failure::new(Kind::Denied, format!("{shown}: {error}")))?;
    if entries.next().is_some() {
        let message = format!("{shown} is not empty");
        let hint = "what is in it could not be seen while mounted: take an empty folder";
        return Err(Failure::new(Kind::Exists, message).hint(hint));
    }
    for store in stores {
        let whole = fs::canonicalize(store).or_else(|_| std::path::absolute(store));
        let Ok(store) = whole else { continue };
        if store.starts_with(&path) || path.starts_with(&store) {
            let message = format!("{shown} overlaps the store or cache {}", store.display());
            let hint = "the mount would wait for itself: take a folder elsewhere";
            return Err(Failure::new(Kind::Invalid, message).hint(hint));
        }
    }
    Ok(path)
}

/// Whether there is something of that name. Asks nothing of what is mounted there.
pub(crate) fn is_there(point: &Path) -> bool {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, point, flags, Mode::empty()).err() != Some(Errno::NOENT)
}

/// Unmounts a mount of factfs whose process is gone. One that is there and does not answer, as it
/// is stopped, is left alone.
fn clear_dead(path: &Path) -> Result<()> {
    while let Some(mount) = mounted_at(path).pop() {
        let read = {
            let path = path.to_owned();
            // Attributes may come from the kernel's memory long after the process died.
            move || fs::read_dir(path).err().and_then(|error| Errno::from_io_error(&error))
        };
        let is_ours = mount.file_system == FILE_SYSTEM;
        match within(PATIENCE, read) {
            Some(Some(Errno::NOTCONN)) if is_ours => {}
            Some(Some(Errno::NOTCONN)) | None => {
                let shown = path.display();
                let message = format!("{shown}: what is mounted there does not answer");
                let hint = match is_ours {
                    true => format!("factfs umount {shown} takes it away"),
                    false => format!("unmount it first: fusermount3 -uz {shown}"),
                };
                return Err(Failure::new(Kind::Busy, message).hint(hint));
            }
            Some(_) => return Ok(()),
        }
        tracing::info!("{}: clearing a mount whose process is gone", path.display());
        lazily(path)?;
    }
    Ok(())
}

/// What a call answers that may wait for somebody who never comes; then its thread waits on.
fn within<T: Send + 'static>(
    patience: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (send, receive) = mpsc::channel();
    // Who asked may have gone.
    thread::Builder::new().spawn(move || drop(send.send(call()))).ok()?;
    receive.recv_timeout(patience).ok()
}

/// Unmounts what factfs mounted there, and waits for its process for a while. Asks nothing of the
/// mount, which may not answer.
pub fn unmount(point: &Path, patience: Duration) -> Result<()> {
    let path = unasked(point)?;
    let topmost = mounted_at(&path).pop().filter(|mount| mount.file_system == FILE_SYSTEM);
    let Some(mount) = topmost else {
        let message = format!("nothing of factfs is mounted at {}", path.display());
        return Err(Failure::not_found(message).hint("mount -t fuse.factfs lists what is"));
    };
    lazily(&path)?;
    let deadline = Instant::now() + patience;
    while mount.server.is_some_and(is_running) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// The absolute path of a mount point, from the folder that it is in.
fn unasked(point: &Path) -> Result<PathBuf> {
    let whole = std::path::absolute(point).ok();
    let inside = whole.as_ref().and_then(|whole| Some((whole.parent()?, whole.file_name()?)));
    let path = inside.and_then(|(parent, name)| Some(fs::canonicalize(parent).ok()?.join(name)));
    match path.filter(|path| !mounted_at(path).is_empty()) {
        Some(path) => Ok(path),
        // `..` at the end, or a link to a mount point.
        None => absolute(point),
    }
}

/// Unmounts one mount and no later one at the same place: for who mounted it.
pub(crate) fn unmount_this(mount: &Mount) -> Result<()> {
    match mounted_at(&mount.point).last() {
        Some(now) if now.is(mount) => lazily(&mount.point),
        _ => Ok(()),
    }
}

impl Mount {
    /// Whether this is that mount, and not a later one that got its numbers.
    fn is(&self, other: &Mount) -> bool {
        let same = self.id == other.id && self.device == other.device;
        let unique = self.unique_id.zip(other.unique_id);
        same && unique.is_none_or(|(mine, its)| mine == its)
    }
}

/// Whether there is such a process, and not this one.
pub fn is_running(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = status.rsplit(')').next().and_then(|rest| rest.trim().chars().next());
    pid != std::process::id() && state.is_some_and(|state| state != 'Z')
}

/// Takes the mount out of sight at once; what is open goes on until it is closed.
fn lazily(path: &Path) -> Result<()> {
    match detach(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) => Ok(()),
        Err(Errno::PERM) => by_fusermount(path),
        Err(error) => Err(Failure::new(Kind::Busy, format!("{}: {error}", path.display()))),
    }
}

fn by_fusermount(path: &Path) -> Result<()> {
    let mut command = Command::new("fusermount3");
    command.args(["-u", "-z", "--"]).arg(path).stdin(Stdio::null());
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(refused(&String::from_utf8_lossy(&output.stderr))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(no_fusermount()),
        Err(error) => Err(Failure::new(Kind::Unavailable, format!("fusermount3: {error}"))),
    }
}

/// What fusermount3 said when it did not unmount.
fn refused(said: &str) -> Failure {
    let said = said.trim();
    let said = said.strip_prefix("fusermount3: ").unwrap_or(said);
    let failure = Failure::new(Kind::Denied, format!("fusermount3: {said}"));
    match said.contains(MTAB) {
        true => failure.hint(NO_MTAB),
        false => failure,
    }
}

fn no_fusermount() -> Failure {
    let hint = "install the package fuse3 (Debian, Ubuntu, Fedora, Arch: fuse3)";
    Failure::new(Kind::NotFound, "the program fusermount3 is not installed").hint(hint)
}

/// Whether this process can mount at all, or what to install or change.
pub fn check_device() -> Result<()> {
    open_device()?;
    let is_root = rustix::process::geteuid().is_root();
    if !is_root && fusermount().is_none() {
        return Err(no_fusermount());
    }
    Ok(())
}

/// Whether the device of FUSE is there and open to this user, or what to do about it.
pub fn open_device() -> Result<()> {
    let device = "/dev/fuse";
    match fs::OpenOptions::new().read(true).write(true).open(device) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let message = format!("{device} is closed to this user");
            let hint = "as root: chmod 666 /dev/fuse (the package fuse3 does so), or mount as root";
            Err(Failure::new(Kind::Denied, message).hint(hint))
        }
        Err(error) => {
            let message = format!("{device}: {error}");
            let hint = "load the module (modprobe fuse); in a container: --device /dev/fuse \
                        --cap-add SYS_ADMIN";
            Err(Failure::new(Kind::Unavailable, message).hint(hint))
        }
    }
}

/// The program that mounts and unmounts for users other than root, where it is installed.
pub fn fusermount() -> Option<PathBuf> {
    // mount(8) runs its helpers without a path when an ordinary user calls it.
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    std::env::split_paths(&path).map(|folder| folder.join("fusermount3")).find(|it| it.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_list_are_read() {
        let line =
            b"36 35 0:57 / /mnt/a\\040b rw,nosuid shared:1 - fuse.factfs factfs rw,user_id=0";
        let mount = read_line(line).unwrap();
        assert_eq!((mount.id, mount.device.as_str()), (36, "0:57"));
        assert_eq!(mount.point, Path::new("/mnt/a b"));
        assert_eq!((mount.file_system.as_str(), mount.server), (FILE_SYSTEM, None));
        let line = b"36 35 0:57 / /mnt/a rw - fuse.factfs factfs@77 rw,user_id=0";
        assert_eq!(read_line(line).unwrap().server, Some(77));
        assert!(mounted_at(Path::new("/proc")).iter().any(|m| m.file_system == "proc"));
    }

    #[test]
    fn where_nothing_can_be_mounted() {
        let folder = tempfile::tempdir().unwrap();
        let kind = |path: &Path, stores: &[PathBuf]| prepare(path, stores).unwrap_err().kind;
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        assert_eq!(kind(&file, &[]), Kind::NotDirectory);
        assert_eq!(kind(folder.path(), &[]), Kind::Exists);
        assert_eq!(kind(&folder.path().join("a/b"), &[]), Kind::NotFound);
        assert_eq!(kind(Path::new("/proc"), &[]), Kind::Busy);
        let store = folder.path().join("store");
        fs::create_dir_all(store.join("in")).unwrap();
        assert_eq!(kind(&store.join("in"), &[store]), Kind::Invalid);
        assert!(prepare(&folder.path().join("new"), &[]).is_ok());
    }

    #[test]
    fn without_a_list_of_mounts_one_is_told_to_make_it() {
        let said = "fusermount3: failed to open /etc/mtab: No such file or directory\n";
        let failure = refused(said);
        assert_eq!(failure.message, said.trim());
        assert_eq!(failure.hint.as_deref(), Some(NO_MTAB));
        assert_eq!(refused("fusermount3: entry for /m not found\n").hint, None);
    }

    #[test]
    fn only_mounts_of_factfs_are_unmounted() {
        let failure = unmount(Path::new("/proc"), Duration::ZERO).unwrap_err();
        assert_eq!(failure.kind, Kind::NotFound);
    }
}
