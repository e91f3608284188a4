//! Swaps of one ref no faster than its store takes them.

use super::*;
use crate::store::around::Around;

#[test]
fn a_store_sets_the_pace() {
    let store = Arc::new(Around { store: Arc::new(MemoryStore::new()), gate: Paced });
    let host = Arc::new(TestHost::seeded(1));
    let nodes = Arc::new(StoreNodes(store.clone()));
    let place = crate::conn::Place { store, host: host.clone(), nodes };
    block_on(create(&place, &CreateOptions::default())).unwrap();
    let conn = block_on(Conn::open(place, None, Options::default())).unwrap();
    let mut last: Option<i64> = None;
    for i in 0..5 {
        say(&conn, Say::new(&format!("e/{i}"))).unwrap();
        let now = crate::store::Host::now_ms(host.as_ref());
        assert!(last.is_none_or(|last| now - last >= 900), "{last:?}, {now}");
        last = Some(now);
    }
}
