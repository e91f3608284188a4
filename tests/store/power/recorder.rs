//! A file system that keeps files in memory and writes down every change in the order in which it
//! made it.
//!
//! **Invariant:** the recording is complete: what would change something and cannot be written down
//! is refused with an error. Between the changes lies what the workload notes: a note is written
//! down after every change that was answered before it.

use super::disk::{Change, Disk, Node, ROOT};
use fuser::{BackgroundSession, Config, Errno, FileAttr, FileType, INodeNo, Session};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// One line of a recording.
#[derive(Clone, Debug)]
pub enum Line<N> {
    Changed(Change),
    Noted(N),
}

/// The files, and how they came to be.
pub struct Tape<N> {
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

    pub fn with<T>(&self, work: impl FnOnce(&mut Tape<N>) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }
}

/// What the kernel is answered.
pub type Answer<T> = Result<T, Errno>;

impl<N> Tape<N> {
    fn record(&mut self, change: Change, touched: u64) {
        self.disk.apply(&change);
        self.changed_at.insert(touched, SystemTime::now());
        self.lines.push(Line::Changed(change));
    }

    pub fn attr(&self, number: u64) -> Answer<FileAttr> {
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

    pub fn find(&self, folder: INodeNo, name: &OsStr) -> Answer<u64> {
        self.disk.named(folder.0, &text(name)?).ok_or(Errno::ENOENT)
    }

    pub fn make(&mut self, folder: INodeNo, name: &OsStr, is_folder: bool) -> Answer<FileAttr> {
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

    pub fn resize(&mut self, node: INodeNo, length: Option<u64>) -> Answer<FileAttr> {
        if let Some(length) = length {
            self.record(Change::Resize { node: node.0, length: length as usize }, node.0);
        }
        self.attr(node.0)
    }

    pub fn write(&mut self, node: INodeNo, at: u64, data: &[u8]) {
        let change = Change::Write { node: node.0, at: at as usize, bytes: data.to_vec() };
        self.record(change, node.0);
    }

    pub fn rename(&mut self, folder: INodeNo, from: &OsStr, to: &OsStr) -> Answer<()> {
        let node = self.find(folder, from)?;
        let (from, to) = (text(from)?, text(to)?);
        self.record(Change::Rename { folder: folder.0, from, to }, node);
        Ok(())
    }

    pub fn remove(&mut self, folder: INodeNo, name: &OsStr) -> Answer<()> {
        let node = self.find(folder, name)?;
        self.record(Change::Remove { folder: folder.0, name: text(name)? }, node);
        Ok(())
    }

    pub fn read(&self, node: INodeNo, from: u64, size: u32) -> Answer<Vec<u8>> {
        let Some(Node::File(file)) = self.disk.node(node.0) else { return Err(Errno::EISDIR) };
        let from = file.now.len().min(from as usize);
        let end = file.now.len().min(from + size as usize);
        Ok(file.now[from..end].to_vec())
    }

    /// What is in a directory, by number: whoever reads it in several parts misses nothing that
    /// stays, whatever comes and goes meanwhile.
    pub fn entries(&self, node: INodeNo) -> Answer<Vec<(u64, FileType, String)>> {
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

    pub fn sync(&mut self, node: INodeNo, is_folder: bool) -> Answer<()> {
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
