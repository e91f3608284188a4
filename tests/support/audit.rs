//! Reads a whole store and holds its parts against each other: first as the program itself verifies
//! a store, then by what readers get.
//!
//! **Invariant:** of what a store tells nothing is believed that the log does not say: the log is
//! read from its first commit, each one made on the one before, and every index has to hold what
//! comes out of the log, no more and no less.

use super::Place;
use factfs_core::datom::{Datom, Order};
use factfs_core::id::{AttrId, EntityId};
use factfs_core::value::Value;
use factfs_store::{Database, Error, Kind, Locator, LogEntry, Settings};
use std::collections::{BTreeMap, BTreeSet};

/// What is in a store that was found to be whole.
#[derive(Debug)]
pub struct Audit {
    /// The transactions, the first one first.
    pub log: Vec<LogEntry>,
    /// How often each value of `:w/key` was asserted.
    pub keys: BTreeMap<String, usize>,
    /// How many facts there are now.
    pub facts: usize,
}

type Fact = (EntityId, AttrId, Value);

/// Verifies a store as the program does, and reads everything that is in it; an error is one of the
/// store, a panic a contradiction.
pub fn audit(place: &Place, url: &str) -> Result<Audit, Error> {
    let (locator, settings) = (locator(place, url), settings(place));
    let report = factfs_store::verify(&locator.url, &settings, &mut |_| ())?;
    if let Some(problem) = report.problems.first() {
        return Err(Error::new(Kind::Corrupt, problem.to_string()));
    }
    read_all(place, url)
}

fn settings(place: &Place) -> Settings {
    Settings { env: place.env().collect(), ..Settings::default() }
}

fn locator(place: &Place, url: &str) -> Locator {
    let is_remote = url.contains("://");
    let url = if is_remote { url.into() } else { place.path(url).to_string_lossy().into_owned() };
    Locator { url, branch: None, at: None }
}

/// Reads everything that is in a store, as readers do.
pub fn read_all(place: &Place, url: &str) -> Result<Audit, Error> {
    let database = Database::open(&locator(place, url), &settings(place))?;
    // Without `from` and oldest first: from the beginning.
    let log = database.log(None, false, usize::MAX)?;
    check_chain(&log, database.cached_db().basis_t().0);
    let db = database.cached_db();
    let (facts, history) = replay(&log);
    let read = |order| -> Result<Vec<Datom>, Error> { Ok(db.datoms(order, None, None, None)?) };
    for order in Order::ALL {
        let is_in =
            |a: AttrId| order != Order::Avet || db.schema().get(a).is_some_and(|a| a.in_avet());
        let expected: BTreeSet<&Fact> = facts.iter().filter(|fact| is_in(fact.1)).collect();
        let found = read(order)?;
        assert!(found.iter().all(|datom| datom.added), "{order:?}: a retraction among the facts");
        let set: BTreeSet<Fact> = found.iter().map(fact).collect();
        assert_eq!(set.len(), found.len(), "{order:?}: a fact twice");
        assert_eq!(
            set.iter().collect::<BTreeSet<_>>(),
            expected,
            "{order:?} is not what the log says"
        );
    }
    let ever = db.history().datoms(Order::Eavt, None, None, None)?;
    let ever_set: BTreeSet<_> = ever.iter().map(|d| (fact(d), d.tx, d.added)).collect();
    assert_eq!(ever_set.len(), ever.len(), "history: a datom twice");
    assert_eq!(ever_set, history, "history is not what the log says");
    Ok(Audit { keys: keys(&db, &log), facts: facts.len(), log })
}

fn fact(datom: &Datom) -> Fact {
    (datom.e, datom.a, datom.v.clone())
}

fn check_chain(log: &[LogEntry], basis: u64) {
    assert_eq!(log.len() as u64, basis, "the log has not as many entries as the basis says");
    for (number, entry) in log.iter().enumerate() {
        assert_eq!(entry.commit.t.0, number as u64 + 1, "t of an entry of the log");
        let parent = number.checked_sub(1).map(|before| log[before].commit);
        assert_eq!(entry.parents.first().copied(), parent, "parent of {}", entry.commit);
        let before = number.checked_sub(1).map(|before| log[before].instant_ms);
        assert!(before.is_none_or(|b| b < entry.instant_ms), "instant of {}", entry.commit);
    }
}

type Said = (Fact, factfs_core::id::Tx, bool);

fn replay(log: &[LogEntry]) -> (BTreeSet<Fact>, BTreeSet<Said>) {
    let (mut facts, mut history) = (BTreeSet::new(), BTreeSet::new());
    for datom in log.iter().flat_map(|entry| &entry.datoms) {
        let changed =
            if datom.added { facts.insert(fact(datom)) } else { facts.remove(&fact(datom)) };
        assert!(changed, "the log says again what is so: {datom:?}");
        history.insert((fact(datom), datom.tx, datom.added));
    }
    (facts, history)
}

fn keys(db: &factfs_core::db::Db, log: &[LogEntry]) -> BTreeMap<String, usize> {
    let mut keys = BTreeMap::new();
    let Some(attribute) = db.schema().attr("w/key").map(|a| a.id) else { return keys };
    for datom in log.iter().flat_map(|entry| &entry.datoms) {
        if datom.a == attribute && datom.added {
            let Value::Str(text) = &datom.v else { panic!("no string: {datom:?}") };
            *keys.entry(text.to_string()).or_default() += 1;
        }
    }
    keys
}
