//! The newest head of each branch that this process has seen, through whichever connection.
//!
//! **Invariant:** a connection that begins with an older head than one seen before is refused:
//! something between here and the store serves old answers. (Within one connection the core sees to
//! that.)

use factfs_core::conn::{Conn, ConnError};
use factfs_core::store::Store;
use factfs_core::value::Uuid;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// By place, database and head object: the revision.
type Seen = BTreeMap<(String, Uuid, String), u64>;

/// Remembers the head of a connection, or refuses it.
pub(crate) fn see(store: &dyn Store, conn: &Conn) -> Result<(), ConnError> {
    static SEEN: Mutex<Seen> = Mutex::new(Seen::new());
    let opened = conn.opened();
    let (url, found) = (store.url(), opened.head.revision);
    let mut all = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let name = (url.clone(), opened.head.database, conn.head_name().to_owned());
    let seen = all.entry(name).or_insert(found);
    if found < *seen {
        return Err(ConnError::Stale { url, found, seen: *seen });
    }
    *seen = found;
    Ok(())
}
