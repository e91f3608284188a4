//! Answering later: from a pool, or at once when the caller is interrupted.

use super::Adapter;
use crate::error::{Failure, Result};
use crate::metrics;
use crate::pool::Pool;
use crate::spool::Cancel;
use crate::tree::Rendered;
use crate::vfs::{Attr, Found, Making, Named, Opened, Vfs};
use fuser::{Errno, Request};
use std::sync::{Arc, Mutex, PoisonError};

/// A reply that can be a refusal.
pub(super) trait Refuse: Send + 'static {
    fn refuse(self, errno: Errno);
}

macro_rules! refuse {
    ($($reply:ident),*) => {$(
        impl Refuse for fuser::$reply {
            fn refuse(self, errno: Errno) {
                self.error(errno);
            }
        }
    )*};
}
refuse!(ReplyEntry, ReplyAttr, ReplyOpen, ReplyCreate, ReplyData, ReplyWrite, ReplyEmpty);
refuse!(ReplyDirectory, ReplyDirectoryPlus);

/// What to undo when nobody is there any more to be given it.
pub(super) trait Unclaimed: Sized {
    fn give_back(self, _: &Vfs) {}
}

impl Unclaimed for () {}
impl Unclaimed for usize {}
impl Unclaimed for Attr {}
impl Unclaimed for Vec<u8> {}
impl Unclaimed for Vec<Named> {}

impl Unclaimed for Found {
    fn give_back(self, vfs: &Vfs) {
        vfs.forget(self.attr.ino, 1);
    }
}

impl Unclaimed for Opened {
    fn give_back(self, vfs: &Vfs) {
        vfs.release(self.handle);
    }
}

impl Unclaimed for u64 {
    fn give_back(self, vfs: &Vfs) {
        vfs.release(self);
    }
}

impl<A: Unclaimed, B: Unclaimed> Unclaimed for (A, B) {
    fn give_back(self, vfs: &Vfs) {
        self.0.give_back(vfs);
        self.1.give_back(vfs);
    }
}

impl Unclaimed for Named {}

impl<A: Unclaimed, B: Unclaimed> Unclaimed for Vec<(A, B)> {
    fn give_back(self, vfs: &Vfs) {
        self.into_iter().for_each(|pair| pair.give_back(vfs));
    }
}

pub(super) fn errno(failure: &Failure) -> Errno {
    metrics::refused(failure.kind);
    Errno::from_i32(failure.errno().raw_os_error())
}

/// A reply that whoever comes first gives.
struct Once<R>(Arc<Mutex<Option<R>>>);

impl<R> Once<R> {
    fn take(&self) -> Option<R> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Adapter {
    /// Does the work on a pool and answers with what `give` makes of it; with EINTR as soon as the
    /// caller is to be ended.
    pub(super) fn later<R: Refuse, T: Unclaimed + 'static>(
        &self,
        pool: &Pool,
        request: &Request,
        reply: R,
        work: impl FnOnce(&Vfs, &Cancel) -> Result<T> + Send + 'static,
        give: impl FnOnce(R, T) + Send + 'static,
    ) {
        let (cancel, answer) = self.pending(request, reply, give);
        let vfs = self.vfs.clone();
        pool.run(move || answer(work(&vfs, &cancel)));
    }

    /// Has an answer made, does the rest of the work when that has ended, and replies as
    /// [`later`](Self::later) does. No thread waits meanwhile.
    pub(super) fn when_made<R: Refuse, T: Unclaimed + 'static>(
        &self,
        making: &Making,
        request: &Request,
        reply: R,
        work: impl FnOnce(&Vfs, Result<Rendered>) -> Result<T> + Send + 'static,
        give: impl FnOnce(R, T) + Send + 'static,
    ) {
        let (cancel, answer) = self.pending(request, reply, give);
        self.vfs.make(making, &cancel, move |vfs, made| answer(work(vfs, made)));
    }

    /// Reads what waits for a change, however long that takes. No thread waits meanwhile.
    pub(super) fn read_waiting(
        &self,
        request: &Request,
        handle: u64,
        size: usize,
        reply: fuser::ReplyData,
    ) {
        let give = |reply: fuser::ReplyData, bytes: Vec<u8>| reply.data(&bytes);
        let (cancel, answer) = self.pending(request, reply, give);
        self.vfs.read_later(handle, size, &cancel, answer);
    }

    /// A reply to be given: the flag that is set when the caller is to be ended, and what gives it.
    fn pending<R: Refuse, T: Unclaimed + 'static>(
        &self,
        request: &Request,
        reply: R,
        give: impl FnOnce(R, T) + Send + 'static,
    ) -> (Cancel, impl FnOnce(Result<T>) + Send + 'static) {
        let reply = Once(Arc::new(Mutex::new(Some(reply))));
        let cancel = Cancel::default();
        let (waiting, cancelled) = (Once(reply.0.clone()), cancel.clone());
        let watched = self.watch.caller(request.pid(), move || {
            waiting.take().into_iter().for_each(|reply| reply.refuse(Errno::EINTR));
            cancelled.cancel();
        });
        let vfs = self.vfs.clone();
        let answer = move |done: Result<T>| {
            drop(watched);
            match (reply.take(), done) {
                (Some(reply), Ok(done)) => give(reply, done),
                (Some(reply), Err(failure)) => reply.refuse(errno(&failure)),
                (None, Ok(done)) => done.give_back(&vfs),
                (None, Err(_)) => {}
            }
        };
        (cancel, answer)
    }
}
