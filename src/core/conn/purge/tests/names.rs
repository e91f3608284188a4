//! An entity that is erased by a name, where the purge dies at each request in turn: as long as
//! anything of it is left, the name means it on the branch where it was said, and the same again
//! does the rest.

use super::stops::{SECRET, prepared, small};
use super::*;
use crate::conn::tests::crash::{stopping, until_stopped};
use crate::edn::read_one;
use crate::transact::purging;

/// What the name means on a branch.
fn meant(conn: &Conn) -> Option<Erase> {
    let form = read_one("[[:db.purge/entity [:key 77]]]").unwrap();
    Some(purging(&block_on(conn.refresh()).unwrap(), &form).ok()?.erase)
}

fn stop_at(stop: i64, applies_last: bool) -> bool {
    let what = format!("stopped after {stop}, {applies_last}");
    let (store, main) = prepared();
    let conn = block_on(main.on_branch(Some("exp"))).unwrap();
    transact(&conn, "[[:db/add 20 :key 77]]").unwrap();
    let near = conn.place().clone();
    let erase = meant(&conn).unwrap();
    assert_eq!(erase, Erase::Entity(EntityId(20)));
    let left = erased(&lines(&near), &erase);
    let purge = Purge { erase, grace_ms: 0 };
    let far = Place { store: stopping(&store, stop, applies_last), ..near.clone() };
    let done = until_stopped(async {
        let conn = Conn::open(far, Some("exp"), small()).await.unwrap();
        conn.purge(&purge, &mut |_, _| ()).await.unwrap()
    });
    let now = lines(&near);
    if now.iter().zip(&left).any(|(now, left)| now.log != left.log) {
        assert_eq!(meant(&conn), Some(purge.erase.clone()), "{what}");
    }
    block_on(conn.purge(&purge, &mut |_, _| ())).unwrap();
    assert_eq!(meant(&conn), None, "{what}");
    assert_eq!(holders(&store, SECRET), Vec::<String>::new(), "{what}");
    is_whole(&store, &what);
    done.is_some()
}

#[test]
fn a_name_means_what_it_meant_as_long_as_anything_is_left() {
    let stops = (0..).take_while(|stop| ![false, true].map(|applied| stop_at(*stop, applied))[0]);
    let stops = stops.count();
    assert!(stops > 30, "{stops}");
}
