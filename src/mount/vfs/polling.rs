//! Whether a read of an open file would wait, and telling when it would not any more.
//!
//! **Invariant:** asking waits for nothing and reads nothing. Who is to be told is told once, at
//! the first moment at which a read would not wait, if only for having failed; of a file that is
//! closed nobody is told anything, and nothing is watched for it.

use super::{Vfs, edit};
use crate::error::Result;
use crate::handle::Handle;
use crate::spool::Cancel;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Tells whoever polls.
pub type Tell = Box<dyn FnOnce() + Send>;

/// Who polls, by handle.
#[derive(Default)]
pub(super) struct Polls(Mutex<HashMap<u64, Poll>>);

struct Poll {
    /// None when the watch has ended by a failure, which a read will find.
    tell: Option<Tell>,
    /// Ends the watch.
    cancel: Cancel,
}

impl Polls {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Poll>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody is to be told; whether nobody was. Whoever is told for one handle is told for all
    /// who poll it.
    fn begin(&self, handle: u64, tell: Tell, cancel: &Cancel) -> bool {
        let mut polls = self.lock();
        let poll = Poll { tell: Some(tell), cancel: cancel.clone() };
        match polls.get_mut(&handle) {
            Some(known) => {
                known.tell = poll.tell;
                false
            }
            None => polls.insert(handle, poll).is_none(),
        }
    }

    /// A read would not wait now.
    pub(super) fn tell(&self, handle: u64) {
        let poll = self.lock().remove(&handle);
        poll.and_then(|poll| poll.tell).into_iter().for_each(|tell| tell());
    }

    fn failed(&self, handle: u64) {
        let tell = self.lock().get_mut(&handle).and_then(|poll| poll.tell.take());
        tell.into_iter().for_each(|tell| tell());
    }

    fn has_failed(&self, handle: u64) -> bool {
        self.lock().get(&handle).is_some_and(|poll| poll.tell.is_none())
    }

    /// Whoever reads now finds himself what a watch failed by.
    pub(super) fn forget_failure(&self, handle: u64) {
        let mut polls = self.lock();
        if polls.get(&handle).is_some_and(|poll| poll.tell.is_none()) {
            polls.remove(&handle);
        }
    }

    /// The file is closed.
    pub(super) fn close(&self, handle: u64) {
        let poll = self.lock().remove(&handle);
        poll.into_iter().for_each(|poll| poll.cancel.cancel());
    }
}

impl Vfs {
    /// Whether a read of what is open would not wait; if it would, and somebody is to be told when
    /// that has changed, he will be.
    pub fn poll(self: &Arc<Self>, handle: u64, tell: Option<Tell>) -> Result<bool> {
        let open = self.handles.get(handle)?;
        let is_ready = match &*open {
            Handle::Waiting(waiting) => waiting.read(0).is_some() || self.polls.has_failed(handle),
            open => !edit::is_busy(open),
        };
        let Some(tell) = tell.filter(|_| !is_ready) else { return Ok(is_ready) };
        let cancel = Cancel::default();
        let is_first = self.polls.begin(handle, tell, &cancel);
        if let Handle::Waiting(_) = &*open {
            if is_first {
                let vfs = self.clone();
                self.read_later(handle, 0, &cancel, move |read| match read {
                    Ok(_) => vfs.polls.tell(handle),
                    Err(_) => vfs.polls.failed(handle),
                });
            }
        } else if !edit::is_busy(&open) {
            // It ended before anybody was there to be told.
            self.polls.tell(handle);
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inode::ROOT;
    use crate::vfs::Mode;
    use crate::vfs::tests::{READ, vfs, write};
    use std::sync::mpsc::{self, Receiver};
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(20);
    const MAIN: &str = "/inventory/branches/main";

    fn open(vfs: &Vfs, path: &str, mode: Mode) -> u64 {
        let ino = vfs.walk(ROOT, path).unwrap().ino;
        vfs.open(ino, mode, &Cancel::default()).unwrap().handle
    }

    fn poll(vfs: &Arc<Vfs>, handle: u64) -> (bool, Receiver<()>) {
        let (send, receive) = mpsc::channel();
        let tell = Box::new(move || send.send(()).unwrap_or_default());
        (vfs.poll(handle, Some(tell)).unwrap(), receive)
    }

    fn read(vfs: &Arc<Vfs>, handle: u64) -> Result<Vec<u8>> {
        let (send, receive) = mpsc::channel();
        let then = move |read| drop(send.send(read));
        vfs.read_later(handle, 4096, &Cancel::default(), then);
        receive.recv_timeout(LONG).unwrap()
    }

    fn say(vfs: &Vfs, count: u64) {
        let form = format!("[{{:item/sku \"c1\" :item/count {count}}}]\n");
        write(vfs, &format!("{MAIN}/transact"), &form).unwrap();
    }

    #[test]
    fn who_polls_is_told_when_a_read_would_not_wait() {
        let vfs = Arc::new(vfs().0);
        let mut last = 0;
        for (count, name) in (20..).zip([".events", "tables/item.csv.wait", ".wait"]) {
            let handle = open(&vfs, &format!("{MAIN}/{name}"), READ);
            if name == ".events" {
                assert!(vfs.poll(handle, None).unwrap(), "the head as it is");
                assert!(!read(&vfs, handle).unwrap().is_empty());
            }
            assert!(!vfs.poll(handle, None).unwrap());
            // Of several who ask the last one is enough.
            let ((_, _first), (is_ready, told)) = (poll(&vfs, handle), poll(&vfs, handle));
            assert!(!is_ready && told.try_recv().is_err() && vfs.waiting() == 1);
            say(&vfs, count);
            told.recv_timeout(LONG).unwrap();
            let ready = poll(&vfs, handle);
            assert!(ready.0 && ready.1.recv_timeout(LONG).is_err(), "told only if it waits");
            assert!(!read(&vfs, handle).unwrap().is_empty());
            last = handle;
        }
        assert!(vfs.poll(last, None).unwrap(), "the end");
        assert_eq!(vfs.waiting(), 0);
    }

    #[test]
    fn a_watch_ends_with_its_file_and_with_the_mount() {
        let vfs = Arc::new(vfs().0);
        let handles = [0; 2].map(|_| open(&vfs, &format!("{MAIN}/.wait"), READ));
        let [(_, one), (_, other)] = handles.map(|handle| poll(&vfs, handle));
        assert_eq!(vfs.waiting(), 2);
        vfs.release(handles[0]);
        assert!(one.recv_timeout(LONG).is_err(), "nobody is told");
        assert_eq!(vfs.waiting(), 1);
        vfs.end_waits();
        other.recv_timeout(LONG).unwrap();
        assert!(poll(&vfs, handles[1]).0 && poll(&vfs, handles[1]).0, "a read fails at once");
        assert!(read(&vfs, handles[1]).is_err());
        vfs.release(handles[1]);
        assert!(vfs.polls.lock().is_empty());
    }

    #[test]
    fn a_stream_can_be_read_unless_it_commits() {
        let (vfs, sources) = vfs();
        let vfs = Arc::new(vfs);
        let mode = Mode { read: true, write: true, truncate: false, process: None };
        let path = format!("{MAIN}/transact");
        let (ino, handle) = (vfs.walk(ROOT, &path).unwrap().ino, open(&vfs, &path, mode));
        assert!(vfs.poll(handle, None).unwrap());
        let (known, (send, polled)) = (vfs.clone(), mpsc::channel());
        sources[1].meanwhile(move || send.send(poll(&known, handle)).unwrap());
        vfs.write(ino, handle, 0, b"[{:item/sku \"c1\" :item/count 7}]").unwrap();
        let (is_ready, told) = polled.recv().unwrap();
        assert!(!is_ready);
        told.recv_timeout(LONG).unwrap();
        assert!(vfs.poll(handle, None).unwrap());
        let table = open(&vfs, &format!("{MAIN}/tables/item.csv"), READ);
        assert!(vfs.poll(table, None).unwrap(), "ordinary files are always ready");
        [handle, table].iter().for_each(|handle| vfs.release(*handle));
    }
}
