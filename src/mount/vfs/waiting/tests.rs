//! Waiting for heads and for answers.

use crate::error::{Failure, Kind};
use crate::inode::ROOT;
use crate::source::Source;
use crate::spool::Cancel;
use crate::vfs::tests::{READ, vfs, write};
use crate::vfs::{Caching, Vfs};
use factfs_core::edn;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);
const MAIN: &str = "/inventory/branches/main";

fn open(vfs: &Vfs, path: &str) -> u64 {
    let ino = vfs.walk(ROOT, path).unwrap().ino;
    let opened = vfs.open(ino, READ, &Cancel::default()).unwrap();
    assert_eq!(opened.caching, Caching::Stream);
    opened.handle
}

type Told = Receiver<Result<Vec<u8>, Failure>>;

fn begin(vfs: &Arc<Vfs>, handle: u64, cancel: &Cancel) -> Told {
    let (send, receive) = mpsc::channel();
    vfs.read_later(handle, 4096, cancel, move |read| drop(send.send(read)));
    receive
}

fn line(told: &Told) -> String {
    String::from_utf8(told.recv_timeout(LONG).unwrap().unwrap()).unwrap()
}

/// Another commit of the same database, made here.
fn say(vfs: &Vfs, count: u64) {
    let form = format!("[{{:item/sku \"c1\" :item/count {count}}}]\n");
    write(vfs, &format!("{MAIN}/transact"), &form).unwrap();
}

#[test]
fn a_read_waits_until_the_head_has_moved() {
    let (vfs, _) = vfs();
    let vfs = Arc::new(vfs);
    let handle = open(&vfs, &format!("{MAIN}/.wait"));
    let told = begin(&vfs, handle, &Cancel::default());
    assert!(told.recv_timeout(Duration::from_millis(300)).is_err());
    say(&vfs, 9);
    let head = line(&told);
    assert!(head.contains("\"branch\":\"main\"") && head.contains("\"t\":3"), "{head}");
    assert!(line(&begin(&vfs, handle, &Cancel::default())).is_empty(), "the end");
    assert_eq!(vfs.waiting(), 0);
}

#[test]
fn what_moved_between_open_and_read_is_not_missed() {
    let (vfs, sources) = vfs();
    let vfs = Arc::new(vfs);
    let handle = open(&vfs, &format!("{MAIN}/.wait"));
    let form = edn::read_one("[{:item/sku \"c1\" :item/count 8}]").unwrap();
    sources[1].transact("main", &form).unwrap();
    assert!(line(&begin(&vfs, handle, &Cancel::default())).contains("\"t\":3"));
}

#[test]
fn heads_are_told_as_they_come() {
    let (vfs, _) = vfs();
    let vfs = Arc::new(vfs);
    let handle = open(&vfs, &format!("{MAIN}/.events"));
    for t in 2..5 {
        let told = begin(&vfs, handle, &Cancel::default());
        assert!(line(&told).contains(&format!("\"t\":{t},")));
        say(&vfs, t);
    }
}

#[test]
fn a_result_is_waited_for_by_its_bytes() {
    let (vfs, _) = vfs();
    let vfs = Arc::new(vfs);
    for path in ["/results/stock.csv", &format!("{MAIN}/tables/item.json")] {
        let handle = open(&vfs, &format!("{path}.wait"));
        let told = begin(&vfs, handle, &Cancel::default());
        // Another head, the same bytes.
        write(&vfs, &format!("{MAIN}/transact"), "[[:db/add \"x\" :db/doc \"x\"]]").unwrap();
        assert!(told.recv_timeout(Duration::from_millis(500)).is_err(), "{path}");
        say(&vfs, 70 + path.len() as u64);
        assert!(line(&told).contains(&format!("\"path\":\"{path}\"")));
    }
}

#[test]
fn who_waits_can_leave_and_is_told_of_the_end() {
    let (vfs, _) = vfs();
    let vfs = Arc::new(vfs);
    let handles: Vec<u64> = (0..200).map(|_| open(&vfs, &format!("{MAIN}/.events"))).collect();
    handles.iter().for_each(|handle| assert!(vfs.read_first(*handle)));
    let cancel = Cancel::default();
    let one = begin(&vfs, handles[0], &cancel);
    let others: Vec<Told> =
        handles[1..].iter().map(|handle| begin(&vfs, *handle, &Cancel::default())).collect();
    assert_eq!(vfs.waiting(), 200);
    cancel.cancel();
    assert_eq!(one.recv_timeout(LONG).unwrap().unwrap_err().kind, Kind::Interrupted);
    vfs.end_waits();
    for told in others {
        assert_eq!(told.recv_timeout(LONG).unwrap().unwrap_err().kind, Kind::Stale);
    }
    handles.iter().for_each(|handle| vfs.release(*handle));
    assert_eq!(vfs.waiting(), 0);
}

impl Vfs {
    fn read_first(self: &Arc<Self>, handle: u64) -> bool {
        !line(&begin(self, handle, &Cancel::default())).is_empty()
    }
}

#[test]
fn a_branch_that_goes_ends_the_wait() {
    let (vfs, sources) = vfs();
    let vfs = Arc::new(vfs);
    sources[1].create_branch("main", "exp", None).unwrap();
    let told = begin(&vfs, open(&vfs, "/inventory/branches/exp/.wait"), &Cancel::default());
    sources[1].retire_branch("exp").unwrap();
    assert_eq!(told.recv_timeout(LONG).unwrap().unwrap_err().kind, Kind::NotFound);
}

#[test]
fn what_never_changes_is_not_waited_for() {
    let (vfs, sources) = vfs();
    let id = sources[1].head("main").unwrap().id();
    for file in ["tables/item.csv.wait", "datoms.edn.wait"] {
        let ino = vfs.walk(ROOT, &format!("/inventory/commits/{id}/{file}")).unwrap().ino;
        let failure = vfs.open(ino, READ, &Cancel::default()).unwrap_err();
        assert_eq!(failure.kind, Kind::Invalid, "{file}");
    }
}
