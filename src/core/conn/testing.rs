//! What the tests of connections share: a machine that is counted, not measured, and transactions
//! made by hand.

use super::{Conn, ConnError, CreateOptions, Options, Place, TransactError, create};
use crate::datom::{Datom, Order};
use crate::db::{Db, DbError, Prepared, TxReport};
use crate::edn::read_one;
use crate::id::{AttrId, EntityId, T};
use crate::index::{Node, NodeRef, Nodes, NodesError};
use crate::schema::builtin;
use crate::store::around::Gate;
use crate::store::{BoxFuture, Fetch, Host, MemoryStore, Store};
use crate::transact::{TxOptions, prepare};
use crate::value::Value;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

/// A machine whose time passes by sleeping alone.
#[derive(Debug, Default)]
pub(crate) struct TestHost {
    now_ms: AtomicI64,
    state: AtomicU64,
}

impl TestHost {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { now_ms: AtomicI64::new(1_000_000), state: AtomicU64::new(seed) }
    }
}

/// The next of a sequence of well-mixed numbers (splitmix64).
pub(crate) fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Host for TestHost {
    fn now_ms(&self) -> i64 {
        self.now_ms.fetch_add(1, Ordering::Relaxed)
    }

    fn random(&self) -> u128 {
        let n = self.state.fetch_add(2, Ordering::Relaxed);
        u128::from(mix(n)) << 64 | u128::from(mix(n + 1))
    }

    fn sleep(&self, ms: u64) -> BoxFuture<'_, ()> {
        self.now_ms.fetch_add(ms as i64, Ordering::Relaxed);
        Box::pin(async {})
    }
}

/// Polls to the end; panics where nothing would ever wake it.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..1_000_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
    }
    panic!("a future that does not end")
}

/// Nodes read from the store one by one, never kept.
#[derive(Debug)]
pub(crate) struct StoreNodes(pub(crate) Arc<dyn Store>);

impl Nodes for StoreNodes {
    fn get(&self, nodes: &[NodeRef]) -> Result<Vec<Arc<Node>>, NodesError> {
        let read = |node: &NodeRef| {
            let range = node.offset..node.offset + u64::from(node.len);
            let key = format!("pack/{:032x}", node.pack.0);
            let fetch = Fetch { key, range: Some(range) };
            Ok(Arc::new(Node::decode(node, &block_on(self.0.get(&fetch))?)?))
        };
        nodes.iter().map(read).collect()
    }

    fn is_resident(&self, _: &NodeRef) -> bool {
        false
    }
}

pub(crate) fn place(store: &Arc<MemoryStore>) -> Place {
    let nodes = Arc::new(StoreNodes(store.clone()));
    let host = Arc::new(TestHost::seeded(Arc::as_ptr(store) as u64));
    Place { store: store.clone(), host, nodes }
}

/// A new database in memory, opened.
pub(crate) fn fresh(options: Options) -> (Arc<MemoryStore>, Conn) {
    let store = Arc::new(MemoryStore::new());
    let place = place(&store);
    block_on(create(&place, &CreateOptions::default())).unwrap();
    let conn = block_on(Conn::open(place, None, options)).unwrap();
    (store, conn)
}

pub(crate) fn reopen(store: &Arc<MemoryStore>) -> Result<Conn, ConnError> {
    block_on(Conn::open(place(store), None, Options::default()))
}

/// What a transaction made by hand says: of new entities, of old ones, and its id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Say {
    pub(crate) new: Vec<(AttrId, Value)>,
    pub(crate) facts: Vec<(EntityId, AttrId, Value, bool)>,
    pub(crate) id: Option<String>,
}

impl Say {
    pub(crate) fn new(ident: &str) -> Self {
        Self { new: vec![(builtin::IDENT, Value::keyword(ident))], ..Self::default() }
    }

    pub(crate) fn id(self, id: &str) -> Self {
        Self { id: Some(id.to_owned()), ..self }
    }

    /// Prepares it, honouring the id.
    pub(crate) fn prepare(&self, db: &Db, now_ms: i64) -> Result<Prepared, DbError> {
        if let Some(id) = &self.id
            && let Some(tx) = db.tx_with_id(id)?
        {
            return Ok(Prepared::already(db, tx));
        }
        self.prepare_anew(db, now_ms)
    }

    pub(crate) fn prepare_anew(&self, db: &Db, now_ms: i64) -> Result<Prepared, DbError> {
        let snapshot = db.snapshot();
        let tx = snapshot.next_tx();
        let instant_ms = now_ms.max(snapshot.instant_ms.map_or(now_ms, |last| last + 1));
        let mut said = vec![(tx.entity(), builtin::TX_INSTANT, Value::Inst(instant_ms), true)];
        said.extend(self.id.iter().map(|id| (tx.entity(), builtin::TX_ID, Value::str(id), true)));
        let mut next_entity = snapshot.next_entity;
        for (a, v) in &self.new {
            said.push((next_entity, *a, v.clone(), true));
            next_entity.0 += 1;
        }
        said.extend(self.facts.iter().cloned());
        let datom = |(e, a, v, added)| Datom { e, a, v, tx, added };
        Ok(Prepared {
            tx,
            instant_ms,
            datoms: said.into_iter().map(datom).collect(),
            schema: snapshot.schema.clone(),
            next_entity,
            tempids: Default::default(),
            backfill: Vec::new(),
            merged: Vec::new(),
            already: None,
        })
    }
}

pub(crate) fn say(conn: &Conn, say: Say) -> Result<TxReport, TransactError<DbError>> {
    block_on(conn.transact(move |db, now| say.prepare(db, now)))
}

/// The idents of all entities, in order.
pub(crate) fn idents(db: &Db) -> Vec<String> {
    let datoms = db.datoms(Order::Aevt, None, Some(builtin::IDENT), None).unwrap();
    datoms.iter().map(|d| d.v.as_ref().to_value()).map(|v| format!("{v:?}")).collect()
}

pub(crate) fn t(conn: &Conn) -> T {
    conn.db().basis_t()
}

/// How many random cases a test runs: `FACTFS_TIMES` times as many as by default.
pub(super) fn cases(default: u64) -> u64 {
    let times = std::env::var("FACTFS_TIMES").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    default * times
}

/// Random numbers from a seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0) % n
    }
}

pub(crate) fn transact(conn: &Conn, text: &str) -> Result<TxReport, String> {
    let form = read_one(text).unwrap();
    let make = move |db: &Db, now_ms| {
        prepare(db, &form, &TxOptions { now_ms, allow_backfill: true, ..TxOptions::default() })
            .map_err(|e| e.to_string())
    };
    block_on(conn.transact(make)).map_err(|e| e.to_string())
}

/// Takes one swap of a ref a second.
#[derive(Debug)]
pub(super) struct Paced;

impl Gate for Paced {
    fn pace_ms(&self) -> u64 {
        1_000
    }
}
