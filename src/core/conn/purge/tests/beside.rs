//! A purge beside others that write between its requests.

use super::stops::{SECRET, prepared, purge};
use super::*;
use crate::commit::REFS;
use crate::conn::tests::crash::{stopping, until_stopped};
use crate::store::around::{Around, Asked, Gate, Request};
use std::sync::Mutex;

type Act = dyn FnMut(Asked<'_>) + Send;

/// Others do something before each request.
struct Beside(Mutex<Box<Act>>);

impl Gate for Beside {
    fn pass<'a, T: Send + 'a>(
        &'a self,
        asked: Asked<'a>,
        request: Request<'a, T>,
    ) -> Request<'a, T> {
        Box::pin(async move {
            (self.0.lock().unwrap())(asked);
            request.await
        })
    }
}

/// The same place, for somebody beside whom others act.
fn beside(store: &Arc<MemoryStore>, near: &Place, act: Box<Act>) -> Place {
    let store = Arc::new(Around { store: store.clone(), gate: Beside(Mutex::new(act)) });
    Place { store, ..near.clone() }
}

#[test]
fn a_purge_beside_a_busy_writer_ends() {
    let (store, near) = {
        let (store, conn) = prepared();
        (store, conn.place().clone())
    };
    let options = Options { tail_bytes: 4 << 10, flush: Flush::Asked, ..Options::default() };
    let writer = block_on(Conn::open(near.clone(), None, options)).unwrap();
    let (conn, mut written, mut swaps) = (writer.clone(), 0, 0);
    let act = move |asked: Asked<'_>| {
        // Between any two requests, but three of four times between a look at a head and its swap:
        // whoever swaps a head needs that to stand still for so long.
        swaps += u32::from(matches!(asked, Asked::Swap(_)));
        if !matches!(asked, Asked::Swap(_)) || swaps % 4 > 0 {
            written += 1;
            transact(&conn, &format!("[[:db/add 40 :tags {written}]]")).unwrap();
        }
    };
    let far = beside(&store, &near, Box::new(act));
    block_on(far.purge(&purge(0), &mut |_, _| ())).unwrap();
    // What was deleted is what the purge found; what it rewrote for heads that moved is garbage.
    let asked = Collection { grace_ms: 0, keep: Retention::everything() };
    block_on(near.collect(&asked, &mut |_, _| ())).unwrap();
    assert_eq!(holders(&store, SECRET), Vec::<String>::new());
    is_whole(&store, "beside a busy writer");
    let db = block_on(writer.refresh()).unwrap();
    let said = db.datoms(crate::datom::Order::Eavt, Some(EntityId(40)), None, None).unwrap();
    assert!(said.len() > 20 && db.basis_t().0 > said.len() as u64, "{}", said.len());
}

#[test]
fn a_branch_on_which_it_holds_keeps_what_had_ended_elsewhere() {
    let erase = Erase::Before(i64::MAX);
    let (mut made, mut begun_anew) = (0, 0);
    for at in 0.. {
        let (store, conn) = prepared();
        let (near, old) = (conn.place().clone(), conn.opened());
        let (place, is_made, mut requests) = (near.clone(), Arc::new(Mutex::new(false)), 0);
        let noted = is_made.clone();
        let act = move |_: Asked<'_>| {
            if requests == at {
                // There the first name holds.
                let created = block_on(place.create_branch("late", &old, T(2)));
                *noted.lock().unwrap() = created.is_ok();
            }
            requests += 1;
        };
        let far = beside(&store, &near, Box::new(act));
        let purge = Purge { erase: erase.clone(), grace_ms: 0 };
        let erased = block_on(far.purge(&purge, &mut |_, _| ())).unwrap();
        is_whole(&store, &format!("a branch made before request {at}"));
        begun_anew += u32::from(erased.generation > 1);
        if !*is_made.lock().unwrap() {
            // From there on the head is an old one.
            break;
        }
        made += 1;
        let late = block_on(Conn::open(near, Some("late"), Options::default())).unwrap();
        let names = late.db().datoms(crate::datom::Order::Eavt, Some(EntityId(20)), None, None);
        let is_first = |d: &crate::datom::Datom| d.v == Value::str("secret 0");
        assert!(names.unwrap().iter().any(is_first), "made before request {at}");
    }
    assert!(made > 20 && begun_anew > 0, "{made} made, {begun_anew} begun anew");
}

#[test]
fn a_tag_made_while_a_stopped_purge_is_said_again_has_nothing_of_it() {
    let asked = purge(0);
    let stopped = |stop| {
        let (store, conn) = prepared();
        let (near, old) = (conn.place().clone(), conn.opened());
        let far = Place { store: stopping(&store, stop, true), ..near.clone() };
        let done = until_stopped(far.purge(&asked, &mut |_, _| ())).transpose().unwrap();
        assert!(done.is_none(), "it ended within {stop} requests");
        (store, near, old)
    };
    // All is erased, and the first purge had not ended: what is looked at is clean, and yet a head
    // of before may be named.
    let is_clean = |stop: &i64| {
        let near = stopped(*stop).1;
        let refs = block_on(near.refs()).unwrap();
        let left = block_on(near.purge_dry(&asked.erase, &mut |_, _| ())).unwrap();
        left.datoms + left.packs == 0 && refs.gc_marked < refs.gc_generation
    };
    let stop = (0..).find(is_clean).unwrap();
    let mut made = 0;
    for at in 0.. {
        let (store, near, old) = stopped(stop);
        let (place, is_made, mut requests) = (near.clone(), Arc::new(Mutex::new(None)), 0);
        let noted = is_made.clone();
        let act = move |_: Asked<'_>| {
            if requests == at {
                let created = block_on(place.create_tag("late", &old, T(2), false));
                *noted.lock().unwrap() = Some(created.is_ok());
            }
            requests += 1;
        };
        let far = beside(&store, &near, Box::new(act));
        block_on(far.purge(&asked, &mut |_, _| ())).unwrap();
        let context = format!("a tag before request {at}");
        assert_eq!(holders(&store, SECRET), Vec::<String>::new(), "{context}");
        is_whole(&store, &context);
        match *is_made.lock().unwrap() {
            Some(is_made) => made += u32::from(is_made),
            None => break,
        }
    }
    assert!(made > 0, "no tag was made");
}

#[test]
fn a_purge_that_begins_anew_says_all_that_it_erased() {
    let (store, conn) = prepared();
    let (near, place) = (conn.place().clone(), conn.place().clone());
    let expected = block_on(near.purge_dry(&purge(0).erase, &mut |_, _| ())).unwrap();
    let mut swaps = 0;
    let act = move |asked: Asked<'_>| {
        swaps += u32::from(asked == Asked::Swap(REFS));
        // The first one announces the purge, the next one ends it.
        if asked == Asked::Swap(REFS) && swaps == 2 {
            let asked = Collection { grace_ms: 0, keep: Retention::everything() };
            block_on(place.collect(&asked, &mut |_, _| ())).unwrap();
        }
    };
    let (far, mut begun) = (beside(&store, &near, Box::new(act)), 0);
    let mut progress = |_, what| begun += u32::from(what == "looking for what is meant");
    let erased = block_on(far.purge(&purge(0), &mut progress)).unwrap();
    assert_eq!(begun, 2);
    assert_eq!((erased.datoms, erased.heads), (expected.datoms, expected.heads));
    assert_eq!(holders(&store, SECRET), Vec::<String>::new());
}

#[test]
fn a_purge_beside_names_that_change_all_the_time_gives_up() {
    let (store, conn) = prepared();
    let (near, place) = (conn.place().clone(), conn.place().clone());
    let mut swaps = 0;
    let act = move |asked: Asked<'_>| {
        if asked == Asked::Swap(REFS) {
            swaps += 1;
            // The first one announces the purge.
            if swaps > 1 {
                let opened = block_on(place.open_newest("head", None)).unwrap().opened;
                let t = opened.head.tip.t();
                block_on(place.create_tag("busy", &opened, t, true)).unwrap();
            }
        }
    };
    let far = beside(&store, &near, Box::new(act));
    let error = block_on(far.purge(&purge(0), &mut |_, _| ())).unwrap_err().to_string();
    assert!(error.contains("each of 100 times that they were looked at"), "{error}");
    is_whole(&store, "a purge that gave up");
    block_on(near.purge(&purge(0), &mut |_, _| ())).unwrap();
    assert_eq!(holders(&store, SECRET), Vec::<String>::new());
}
