//! The handlers: each a few lines around a call of [`Vfs`](crate::vfs::Vfs).

use super::answer::{Refuse, errno};
use super::listing::{self, DOTS};
use super::{Adapter, file_attr, file_type, open_flags, open_mode};
use crate::interrupt::{is_killed, process_of};
use crate::vfs::{Attr, Before, BeforeRead, Found, Mode, Named, Opened, Tell, Vfs};
use fuser::{
    BsdFileFlags, Errno, FileHandle, FileType, Filesystem, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, PollEvents, PollFlags, PollNotifier, RenameFlags,
    ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry,
    ReplyOpen, ReplyPoll, ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Names that are made at once for a listing without attributes.
const NAMES: usize = 128;

impl Filesystem for Adapter {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        for wanted in [
            InitFlags::FUSE_ATOMIC_O_TRUNC,
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_CACHE_SYMLINKS,
        ] {
            // An older kernel does without.
            let _ = config.add_capabilities(wanted);
        }
        let _ = config.set_max_background(64);
        Ok(())
    }

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let (owner, name) = (self.owner, name.as_bytes().to_vec());
        if let Some(found) = self.vfs.lookup_at_hand(parent.0, &name) {
            return entry(reply, &found, owner);
        }
        self.later(
            &self.quick,
            request,
            reply,
            move |vfs, _| vfs.lookup(parent.0, &name),
            move |reply, found| entry(reply, &found, owner),
        );
    }

    fn forget(&self, _: &Request, ino: INodeNo, lookups: u64) {
        self.vfs.forget(ino.0, lookups);
    }

    fn getattr(&self, request: &Request, ino: INodeNo, fh: Option<FileHandle>, reply: ReplyAttr) {
        let (owner, handle) = (self.owner, fh.map(|fh| fh.0));
        let give =
            move |reply: ReplyAttr, attr: Attr| reply.attr(&attr.ttl, &file_attr(&attr, owner));
        let at_once = |reply: ReplyAttr, made| match self.vfs.attr_made(ino.0, handle, made) {
            Ok(attr) => give(reply, attr),
            Err(failure) => reply.error(errno(&failure)),
        };
        match self.vfs.before_attr(ino.0) {
            Before::Nothing => at_once(reply, None),
            Before::Made(made) => at_once(reply, Some(Ok(made))),
            Before::Seeks => {
                let work = move |vfs: &Vfs, _: &_| vfs.attr_made(ino.0, handle, None);
                self.later(&self.quick, request, reply, work, give);
            }
            Before::Answer(making) => {
                let work = move |vfs: &Vfs, made| vfs.attr_made(ino.0, handle, Some(made));
                self.when_made(&making, request, reply, work, give);
            }
        }
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        fh: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let (owner, handle) = (self.owner, fh.map(|fh| fh.0));
        if uid.is_some_and(|uid| uid != owner.0) || gid.is_some_and(|gid| gid != owner.1) {
            return reply.error(Errno::EPERM);
        }
        self.later(
            &self.commits,
            request,
            reply,
            move |vfs, _| match size {
                Some(size) => vfs.resize(ino.0, handle, size),
                None => vfs.touch(ino.0, mode),
            },
            move |reply, attr| reply.attr(&attr.ttl, &file_attr(&attr, owner)),
        );
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        match self.vfs.readlink(ino.0) {
            Ok(target) => reply.data(target.as_bytes()),
            Err(failure) => reply.error(errno(&failure)),
        }
    }

    fn mknod(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        reply.refuse(errno(&self.vfs.refuse(parent.0, name.as_bytes())));
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        let (owner, name) = (self.owner, name.as_bytes().to_vec());
        let work = move |vfs: &Vfs, _: &_| vfs.make_folder(parent.0, &name);
        let give = move |reply, found: Found| entry(reply, &found, owner);
        self.later(&self.commits, request, reply, work, give);
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let (owner, name) = (self.owner, name.as_bytes().to_vec());
        let target = target.as_os_str().as_bytes().to_vec();
        let work = move |vfs: &Vfs, _: &_| vfs.make_link(parent.0, &name, &target);
        let give = move |reply, found: Found| entry(reply, &found, owner);
        self.later(&self.commits, request, reply, work, give);
    }

    fn link(&self, _: &Request, _: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        reply.refuse(errno(&self.vfs.refuse(parent.0, name.as_bytes())));
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.as_bytes().to_vec();
        let work = move |vfs: &Vfs, _: &_| vfs.remove_folder(parent.0, &name);
        self.later(&self.commits, request, reply, work, |reply, ()| reply.ok());
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.as_bytes().to_vec();
        let work = move |vfs: &Vfs, _: &_| vfs.unlink(parent.0, &name);
        self.later(&self.commits, request, reply, work, |reply, ()| reply.ok());
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if flags.intersects(RenameFlags::RENAME_EXCHANGE | RenameFlags::RENAME_WHITEOUT) {
            return reply.error(Errno::EINVAL);
        }
        let may_replace = !flags.contains(RenameFlags::RENAME_NOREPLACE);
        let (from, to) = (name.as_bytes().to_vec(), new_name.as_bytes().to_vec());
        let work =
            move |vfs: &Vfs, _: &_| vfs.rename((parent.0, &from), (new_parent.0, &to), may_replace);
        self.later(&self.commits, request, reply, work, |reply, ()| reply.ok());
    }

    fn open(&self, request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let mode = open_mode(flags);
        let give = |reply: ReplyOpen, opened: Opened| {
            reply.opened(FileHandle(opened.handle), open_flags(opened.caching));
        };
        let at_once = |reply: ReplyOpen, made| match self.vfs.open_made(ino.0, mode, made) {
            Ok(opened) => give(reply, opened),
            Err(failure) => reply.error(errno(&failure)),
        };
        match self.vfs.before_open(ino.0, mode) {
            Before::Nothing => at_once(reply, None),
            Before::Made(made) => at_once(reply, Some(Ok(made))),
            Before::Seeks => {
                let caller = request.pid();
                let work = move |vfs: &Vfs, _: &_| {
                    let process = mode.write.then(|| process_of(caller)).flatten();
                    vfs.open_made(ino.0, Mode { process, ..mode }, None)
                };
                self.later(&self.quick, request, reply, work, give);
            }
            Before::Answer(making) => {
                let work = move |vfs: &Vfs, made| vfs.open_made(ino.0, mode, Some(made));
                self.when_made(&making, request, reply, work, give);
            }
        }
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let (owner, name, mode) =
            (self.owner, name.as_bytes().to_vec(), open_mode(OpenFlags(flags)));
        let caller = request.pid();
        self.later(
            &self.commits,
            request,
            reply,
            move |vfs, _| {
                let mode = Mode { process: process_of(caller), ..mode };
                vfs.create(parent.0, &name, mode)
            },
            move |reply, (found, opened)| {
                let attr = file_attr(&found.attr, owner);
                let (handle, flags) = (FileHandle(opened.handle), open_flags(opened.caching));
                reply.created(&Duration::ZERO, &attr, Generation(0), handle, flags);
            },
        );
    }

    fn read(
        &self,
        request: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let size = size as usize;
        match self.vfs.before_read(fh.0) {
            BeforeRead::Change => self.read_waiting(request, fh.0, size, reply),
            BeforeRead::Commit => {
                let work = move |vfs: &Vfs, _: &_| vfs.read(fh.0, offset, size);
                let give = |reply: ReplyData, bytes: Vec<u8>| reply.data(&bytes);
                self.later(&self.commits, request, reply, work, give);
            }
            BeforeRead::Nothing => match self.vfs.read(fh.0, offset, size) {
                Ok(bytes) => reply.data(&bytes),
                Err(failure) => reply.error(errno(&failure)),
            },
        }
    }

    fn poll(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        notifier: PollNotifier,
        _: PollEvents,
        flags: PollFlags,
        reply: ReplyPoll,
    ) {
        let is_told = flags.contains(PollFlags::FUSE_POLL_SCHEDULE_NOTIFY);
        // Nobody is told any more when the kernel has forgotten who asked.
        let tell = is_told.then(|| Box::new(move || drop(notifier.notify())) as Tell);
        let writable = PollEvents::POLLOUT | PollEvents::POLLWRNORM;
        match self.vfs.poll(fh.0, tell) {
            Ok(true) => reply.poll(writable | PollEvents::POLLIN | PollEvents::POLLRDNORM),
            Ok(false) => reply.poll(writable),
            Err(failure) => reply.error(errno(&failure)),
        }
    }

    fn write(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let bytes = data.to_vec();
        let work = move |vfs: &Vfs, _: &_| vfs.write(ino.0, fh.0, offset, &bytes);
        let give = |reply: ReplyWrite, written: usize| reply.written(written as u32);
        self.later(&self.commits, request, reply, work, give);
    }

    fn flush(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        _: LockOwner,
        reply: ReplyEmpty,
    ) {
        let caller = request.pid();
        let work = move |vfs: &Vfs, _: &_| {
            let process = process_of(caller);
            if is_killed(caller) {
                vfs.cut_short(fh.0, process);
            }
            vfs.flush(ino.0, fh.0, process)
        };
        self.later(&self.commits, request, reply, work, |reply, ()| reply.ok());
    }

    fn fsync(&self, request: &Request, ino: INodeNo, fh: FileHandle, _: bool, reply: ReplyEmpty) {
        let caller = request.pid();
        let work = move |vfs: &Vfs, _: &_| vfs.sync(ino.0, fh.0, process_of(caller));
        self.later(&self.commits, request, reply, work, |reply, ()| reply.ok());
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        if self.vfs.is_let_go_at_once(fh.0) {
            self.vfs.release(fh.0);
            return reply.ok();
        }
        // A last save may be left to do; nobody waits for it, and it is not to be interrupted.
        let vfs = self.vfs.clone();
        self.commits.run(move || {
            vfs.release(fh.0);
            reply.ok();
        });
    }

    fn opendir(&self, request: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.later(
            &self.listings,
            request,
            reply,
            move |vfs, cancel| vfs.open_folder(ino.0, cancel),
            |reply, handle| reply.opened(FileHandle(handle), fuser::FopenFlags::empty()),
        );
    }

    fn readdir(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let _ = request;
        for (at, name) in [(0, "."), (1, "..")] {
            if offset <= at && reply.add(ino, at + 1, FileType::Directory, name) {
                return reply.ok();
            }
        }
        let mut from = offset.saturating_sub(DOTS);
        loop {
            let names = match self.vfs.names(fh.0, from, NAMES) {
                Ok(names) => names,
                Err(failure) => return reply.error(errno(&failure)),
            };
            let Some(last) = names.last().map(|named| named.next) else { return reply.ok() };
            let is_full = names.into_iter().any(|named| {
                let kind = file_type(named.shape);
                reply.add(INodeNo(named.ino), named.next + DOTS, kind, &named.name)
            });
            if is_full {
                return reply.ok();
            }
            from = last;
        }
    }

    fn readdirplus(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        reply: ReplyDirectoryPlus,
    ) {
        let (owner, vfs) = (self.owner, self.vfs.clone());
        let work = move |vfs: &Vfs, _: &_| listing::first(vfs, fh.0, offset);
        let give = move |mut reply: ReplyDirectoryPlus, first: Vec<(Named, Found)>| {
            listing::fill(&vfs, &mut reply, (ino, fh.0, offset), first, owner);
            reply.ok();
        };
        self.later(&self.quick, request, reply, work, give);
    }

    fn releasedir(&self, _: &Request, _: INodeNo, fh: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.vfs.release(fh.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(0, 0, 0, 0, 0, 4096, 255, 4096);
    }

    fn getxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, reply: ReplyXattr) {
        // The kernel asks no more after this; otherwise it does twice for each entry.
        reply.error(Errno::ENOSYS);
    }

    fn listxattr(&self, _: &Request, _: INodeNo, _: u32, reply: ReplyXattr) {
        reply.error(Errno::ENOSYS);
    }
}

fn entry(reply: ReplyEntry, found: &Found, owner: (u32, u32)) {
    let attr = file_attr(&found.attr, owner);
    reply.entry_with_ttls(&found.attr.ttl, &found.name_ttl, &attr, Generation(0));
}
