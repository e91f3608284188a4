//! A file system that keeps files in memory and writes down every change in the order in which it
//! made it.
//!
//! **Invariant:** the recording is complete: what would change something and cannot be written down
//! is refused with an error. Between the changes lies what the workload notes: a note is written
//! down after every change that was answered before it.

use super::disk::{Change, Disk, Node, ROOT};
use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem,
    FopenFlags, Generation, INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate,
    ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyWrite, Request, Session, TimeOrNow,
    WriteFlags,
};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// One line of a recording.
#[derive(Clone, Debug)]
pub enum Line<N> {
    Changed(Change),
    Noted(N),
}

struct Tape<N> {
    disk: Disk,
    lines: Vec<Line<N>>,
    changed_at: BTreeMap<u64, SystemTime>,
    last: u64,
    skips_syncs: bool,
}

/// The file system, shared by the mount and the workload.
pub struct Recorder<N>(Arc<Mutex<Tape<N>>>);

impl<N> Clone for Recorder<N> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<N: Clone + Send + 'static> Recorder<N> {
    /// Mounts one; `None`, and a line that says so, where nothing can be mounted.
    pub fn mount(at: &Path) -> Option<(Self, BackgroundSession)> {
        if !Path::new("/dev/fuse").exists() || !crate::support::is_root() {
            eprintln!("skipped: recording what reaches a disk takes /dev/fuse and root");
            return None;
        }
        let (disk, changed_at) = (Disk::new(), BTreeMap::new());
        let tape = Tape { disk, lines: Vec::new(), changed_at, last: ROOT, skips_syncs: false };
        let recorder = Self(Arc::new(Mutex::new(tape)));
        match Session::new(recorder.clone(), at, &Config::default()).and_then(Session::spawn) {
            Ok(session) => Some((recorder, session)),
            Err(error) => {
                eprintln!("skipped: no FUSE can be mounted here: {error}");
                None
            }
        }
    }

    /// Writes down what the workload knows by now.
    pub fn note(&self, note: N) {
        self.0.lock().unwrap().lines.push(Line::Noted(note));
    }

    /// What `work` does leaves directories unsynced, as if its process were killed before each of
    /// these syncs.
    pub fn without_syncs<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0.lock().unwrap().skips_syncs = true;
        let done = work();
        self.0.lock().unwrap().skips_syncs = false;
        done
    }

    /// All that was written down.
    pub fn lines(&self) -> Vec<Line<N>> {
        self.0.lock().unwrap().lines.clone()
    }

    fn with<T>(&self, work: impl FnOnce(&mut Tape<N>) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }
}

type Answer<T> = Result<T, Errno>;

impl<N> Tape<N> {
    fn record(&mut self, change: Change, touched: u64) {
        self.disk.apply(&change);
        self.changed_at.insert(touched, SystemTime::now());
        self.lines.push(Line::Changed(change));
    }

    fn attr(&self, number: u64) -> Answer<FileAttr> {
        let (kind, perm, size) = match self.disk.node(number).ok_or(Errno::ENOENT)? {
            Node::File(file) => (FileType::RegularFile, 0o644, file.now.len() as u64),
            Node::Folder(_) => (FileType::Directory, 0o755, 0),
        };
        let time = self.changed_at.get(&number).copied().unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(FileAttr {
            ino: INodeNo(number),
            size,
            blocks: size.div_ceil(512),
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind,
            perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    fn find(&self, folder: INodeNo, name: &OsStr) -> Answer<u64> {
        self.disk.named(folder.0, &text(name)?).ok_or(Errno::ENOENT)
    }

    fn make(&mut self, folder: INodeNo, name: &OsStr, is_folder: bool) -> Answer<FileAttr> {
        let name = text(name)?;
        if self.disk.named(folder.0, &name).is_some() {
            return Err(Errno::EEXIST);
        }
        self.last += 1;
        let (folder, node) = (folder.0, self.last);
        let change = match is_folder {
            true => Change::MakeFolder { folder, name, node },
            false => Change::Create { folder, name, node },
        };
        self.record(change, node);
        self.attr(node)
    }

    fn rename(&mut self, folder: INodeNo, from: &OsStr, to: &OsStr) -> Answer<()> {
        let node = self.find(folder, from)?;
        let (from, to) = (text(from)?, text(to)?);
        self.record(Change::Rename { folder: folder.0, from, to }, node);
        Ok(())
    }

    fn remove(&mut self, folder: INodeNo, name: &OsStr) -> Answer<()> {
        let node = self.find(folder, name)?;
        self.record(Change::Remove { folder: folder.0, name: text(name)? }, node);
        Ok(())
    }

    fn read(&self, node: INodeNo, from: u64, size: u32) -> Answer<Vec<u8>> {
        let Some(Node::File(file)) = self.disk.node(node.0) else { return Err(Errno::EISDIR) };
        let from = file.now.len().min(from as usize);
        let end = file.now.len().min(from + size as usize);
        Ok(file.now[from..end].to_vec())
    }

    /// What is in a directory, by number: whoever reads it in several parts misses nothing that
    /// stays, whatever comes and goes meanwhile.
    fn entries(&self, node: INodeNo) -> Answer<Vec<(u64, FileType, String)>> {
        let Some(Node::Folder(folder)) = self.disk.node(node.0) else { return Err(Errno::ENOTDIR) };
        let others = folder.now.iter().map(|(name, node)| {
            let is_file = matches!(self.disk.node(*node), Some(Node::File(_)));
            let kind = if is_file { FileType::RegularFile } else { FileType::Directory };
            (*node, kind, name.clone())
        });
        let mut entries: Vec<_> = others.collect();
        entries.sort_unstable_by_key(|entry| entry.0);
        Ok(entries)
    }

    fn sync(&mut self, node: INodeNo, is_folder: bool) -> Answer<()> {
        if is_folder && self.skips_syncs {
            return Ok(());
        }
        self.lines.push(Line::Changed(Change::Sync { node: node.0 }));
        self.disk.apply(&Change::Sync { node: node.0 });
        Ok(())
    }
}

fn text(name: &OsStr) -> Answer<String> {
    name.to_str().map(str::to_owned).ok_or(Errno::EINVAL)
}

/// Nothing is to be remembered by the kernel.
const NO_TIME: Duration = Duration::ZERO;

fn entry(reply: ReplyEntry, found: Answer<FileAttr>) {
    match found {
        Ok(attr) => reply.entry(&NO_TIME, &attr, Generation(0)),
        Err(errno) => reply.error(errno),
    }
}

fn attr(reply: ReplyAttr, found: Answer<FileAttr>) {
    match found {
        Ok(attr) => reply.attr(&NO_TIME, &attr),
        Err(errno) => reply.error(errno),
    }
}

fn done(reply: ReplyEmpty, done: Answer<()>) {
    match done {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(errno),
    }
}

impl<N: Clone + Send + 'static> Filesystem for Recorder<N> {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        entry(reply, self.with(|tape| tape.find(parent, name).and_then(|found| tape.attr(found))));
    }

    fn getattr(&self, _: &Request, node: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        attr(reply, self.with(|tape| tape.attr(node.0)));
    }

    fn setattr(
        &self,
        _: &Request,
        node: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        attr(
            reply,
            self.with(|tape| {
                if let Some(length) = size {
                    let change = Change::Resize { node: node.0, length: length as usize };
                    tape.record(change, node.0);
                }
                tape.attr(node.0)
            }),
        );
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        entry(reply, self.with(|tape| tape.make(parent, name, true)));
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        match self.with(|tape| tape.make(parent, name, false)) {
            Ok(attr) => {
                let (first, flags) = (Generation(0), FopenFlags::FOPEN_DIRECT_IO);
                reply.created(&NO_TIME, &attr, first, FileHandle(0), flags);
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: fuser::ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(reply, self.with(|tape| tape.remove(parent, name)));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if parent != new_parent || !flags.is_empty() {
            return reply.error(Errno::EXDEV);
        }
        done(reply, self.with(|tape| tape.rename(parent, name, new_name)));
    }

    fn read(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.with(|tape| tape.read(node, offset, size)) {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(errno),
        }
    }

    fn write(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let change = Change::Write { node: node.0, at: offset as usize, bytes: data.to_vec() };
        self.with(|tape| tape.record(change, node.0));
        reply.written(data.len() as u32);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, node: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        done(reply, self.with(|tape| tape.sync(node, false)));
    }

    fn fsyncdir(&self, _: &Request, node: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        done(reply, self.with(|tape| tape.sync(node, true)));
    }

    fn readdir(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        match self.with(|tape| tape.entries(node)) {
            Ok(entries) => {
                for (node, kind, name) in entries.iter().filter(|entry| entry.0 > offset) {
                    if reply.add(INodeNo(*node), *node, *kind, name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(errno) => reply.error(errno),
        }
    }
}
