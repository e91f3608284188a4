//! The clients, and who polls them.
//!
//! **Invariant:** one thread; which client is polled next, and which dies, comes from the seed.

use super::Plan;
use super::book::Book;
use super::network::Network;
use crate::conn::testing::Say;
use crate::conn::{Conn, ConnError, CreateOptions, Options, Place, create};
use crate::db::{Db, DbError};
use crate::index::{Node, NodeRef, Nodes, NodesError};
use crate::schema::builtin;
use crate::store::{BoxFuture, Fetch, Host};
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

const WRITERS: usize = 3;
/// Groups of transactions that a writer makes.
const ROUNDS: usize = 8;
/// When nobody begins anything new.
const END_MS: u64 = 4_000;

/// Nodes read past the network, and kept.
#[derive(Debug)]
struct Near(Network, Mutex<BTreeMap<[u8; 32], Arc<Node>>>);

impl Nodes for Near {
    fn get(&self, nodes: &[NodeRef]) -> Result<Vec<Arc<Node>>, NodesError> {
        let mut kept = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        let mut read = |node: &NodeRef| {
            if let Some(known) = kept.get(&node.hash.0) {
                return Ok(known.clone());
            }
            let range = node.offset..node.offset + u64::from(node.len);
            let key = format!("pack/{:032x}", node.pack.0);
            let bytes = self.0.read_now(&Fetch { key, range: Some(range) })?;
            let decoded = Arc::new(Node::decode(node, &bytes)?);
            kept.insert(node.hash.0, decoded.clone());
            Ok(decoded)
        };
        nodes.iter().map(&mut read).collect()
    }

    fn is_resident(&self, _: &NodeRef) -> bool {
        true
    }
}

/// What every client has.
#[derive(Clone)]
struct Client {
    network: Network,
    near: Arc<Near>,
    book: Book,
    plan: Plan,
}

impl Client {
    fn place(&self) -> Place {
        let network = Arc::new(self.network.clone());
        let nodes = self.near.clone();
        Place { store: network.clone(), host: network, nodes }
    }

    fn options(&self) -> Options {
        Options { limit_ms: 400, tail_bytes: 700, novelty_rows: 40, flush: true }
    }

    fn over(&self) -> bool {
        self.network.now() > END_MS
    }

    async fn open(&self, branch: Option<&str>) -> Result<Conn, ConnError> {
        Conn::open_with(self.place(), branch, self.options(), self.plan.rules).await
    }

    async fn open_at_last(&self) -> Conn {
        loop {
            match self.open(None).await {
                Ok(conn) => return conn,
                Err(error) => self.book.check_error("open", &error),
            }
        }
    }

    /// Transactions in groups, on one connection.
    async fn write(self) {
        let conn = self.open_at_last().await;
        for _ in 0..ROUNDS {
            if self.over() {
                return;
            }
            let many = 1 + self.network.dice(3);
            let all = (0..many).map(|_| Box::pin(self.transact(&conn)) as BoxFuture<'_, ()>);
            crate::conn::join::join_all(all.collect()).await;
            if let Some(error) = conn.flush_error() {
                self.book.check_error("flush", &error);
            }
            self.network.sleep(self.network.dice(30)).await;
        }
    }

    async fn transact(&self, conn: &Conn) {
        let attempt = self.book.begin(&self.network);
        let mut words = match &attempt.id {
            Some(id) => Say::new(id).id(id),
            None => Say { new: vec![(builtin::DOC, Value::str("visit"))], ..Say::default() },
        };
        // Some take back what an earlier one said.
        let retract = self.network.dice(4) == 0;
        let honest = self.plan.ids;
        let make = move |db: &Db, now: i64| -> Result<_, DbError> {
            words.facts.clear();
            if retract && let Some(old) = oldest_doc(db)? {
                words.facts.push((old.e, old.a, old.v, false));
            }
            if honest { words.prepare(db, now) } else { words.prepare_anew(db, now) }
        };
        let verdict = conn.transact(make).await;
        attempt.told(&verdict);
    }

    /// Everything acknowledged before a read is in what is read.
    async fn read(self) {
        while !self.over() {
            let expected = self.book.acknowledged();
            match self.open(None).await {
                Ok(conn) => {
                    self.check_read(&conn.db(), &expected);
                    let expected = self.book.acknowledged();
                    self.network.sleep(self.network.dice(100)).await;
                    match conn.refresh().await {
                        Ok(db) => self.check_read(&db, &expected),
                        Err(error) => self.book.check_error("refresh", &error),
                    }
                }
                Err(error) => self.book.check_error("read", &error),
            }
            self.network.sleep(200 + self.network.dice(200)).await;
        }
    }

    fn check_read(&self, db: &Db, expected: &[String]) {
        self.book.pages().reads += 1;
        for id in expected {
            match db.tx_with_id(id) {
                Ok(Some(_)) => {}
                Ok(None) => self.book.wrong(format!("{id} was acknowledged and is not read")),
                Err(error) => self.book.wrong(format!("read: {error}")),
            }
        }
    }

    /// Branches and tags that come and go.
    async fn branch(self) {
        let conn = self.open_at_last().await;
        for n in 0..4 {
            let (name, tag) = (format!("branch-{n}"), format!("tag-{n}"));
            if let Err(error) = self.branch_once(&conn, &name, &tag).await {
                self.book.check_error("branch", &error);
            }
            self.network.sleep(self.network.dice(300)).await;
        }
    }

    async fn branch_once(&self, conn: &Conn, name: &str, tag: &str) -> Result<(), ConnError> {
        conn.refresh().await?;
        let (place, opened) = (self.place(), conn.opened());
        let t = opened.head.tip.t();
        place.create_branch(name, &opened, t).await?;
        place.create_tag(tag, &opened, t, false).await?;
        let branch = self.open(Some(name)).await?;
        if branch.opened().head.tip.commit != opened.head.tip.commit {
            self.book.wrong("a branch that begins elsewhere");
        }
        let words = Say::new(name);
        // Ids of the main branch must stay free for it: this one has none.
        let verdict = branch.transact(move |db, now| words.prepare(db, now)).await;
        if let Ok(report) = verdict {
            let again = self.open(Some(name)).await?;
            if again.opened().head.tip.commit != report.commit {
                self.book.wrong("a commit that is not on its branch");
            }
        }
        let refs = place.refs().await?;
        if let Some(tag) = refs.tags.get(tag) {
            let tagged = place.open_tag(tag).await?;
            if tagged.head.tip.commit != opened.head.tip.commit {
                self.book.wrong("a tag on another commit");
            }
        }
        place.delete_branch(name).await
    }
}

fn oldest_doc(db: &Db) -> Result<Option<crate::datom::Datom>, DbError> {
    let docs = db.datoms(crate::datom::Order::Aevt, None, Some(builtin::DOC), None)?;
    Ok(docs.into_iter().next())
}

/// Which tasks can go on.
#[derive(Default)]
struct Ready(Mutex<BTreeSet<usize>>);

struct TaskWaker(Arc<Ready>, usize);

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).insert(self.1);
    }
}

/// The clients.
pub(super) struct Tasks {
    client: Client,
    tasks: Vec<Option<BoxFuture<'static, ()>>>,
    ready: Arc<Ready>,
}

impl Tasks {
    pub(super) fn new(network: Network, book: Book, plan: Plan) -> Self {
        let near = Arc::new(Near(network.clone(), Mutex::default()));
        let client = Client { network, near, book, plan };
        Self { client, tasks: Vec::new(), ready: Arc::default() }
    }

    fn spawn(&mut self, task: BoxFuture<'static, ()>) {
        self.ready.0.lock().unwrap_or_else(PoisonError::into_inner).insert(self.tasks.len());
        self.tasks.push(Some(task));
    }

    /// The whole simulation.
    pub(super) fn run(&mut self) {
        let client = self.client.clone();
        self.spawn(Box::pin(async move {
            if let Err(error) = create(&client.place(), &CreateOptions::default()).await {
                client.book.wrong(format!("create: {error}"));
            }
        }));
        self.poll_all(0);
        // From a network that is nearly good to one that is hardly there.
        let loss = [20, 80, 80, 250][self.client.network.dice(4) as usize];
        self.client.network.set_loss(loss);
        for _ in 0..WRITERS {
            self.spawn(Box::pin(self.client.clone().write()));
        }
        self.spawn(Box::pin(self.client.clone().read()));
        self.spawn(Box::pin(self.client.clone().branch()));
        self.poll_all(4);
        self.client.network.set_loss(0);
        let client = self.client.clone();
        self.spawn(Box::pin(async move {
            let conn = client.open_at_last().await;
            client.book.check_history(&conn).await;
        }));
        self.poll_all(0);
    }

    /// Polls until all have ended. Of 1000 polls, `deaths` are followed by the death of the client.
    fn poll_all(&mut self, deaths: u64) {
        loop {
            while let Some(task) = self.next_ready() {
                self.poll(task, deaths);
                for change in self.client.network.take_changes() {
                    self.client.book.check_change(&self.client.network, &change);
                }
            }
            if self.tasks.iter().all(Option::is_none) && deaths == 0 {
                self.tasks.clear();
                return;
            }
            if !self.client.network.step() {
                let stuck = self.tasks.iter().flatten().count();
                if stuck > 0 {
                    self.client.book.wrong(format!("{stuck} clients wait for nothing"));
                }
                self.tasks.clear();
                return;
            }
        }
    }

    fn next_ready(&self) -> Option<usize> {
        let mut ready = self.ready.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.client.network.dice(ready.len().max(1) as u64) as usize;
        let task = ready.iter().nth(at).copied()?;
        ready.remove(&task);
        Some(task)
    }

    fn poll(&mut self, task: usize, deaths: u64) {
        let waker = Waker::from(Arc::new(TaskWaker(self.ready.clone(), task)));
        let Some(future) = self.tasks.get_mut(task).and_then(Option::as_mut) else { return };
        let mut cx = Context::from_waker(&waker);
        if future.as_mut().poll(&mut cx).is_ready() {
            self.tasks[task] = None;
        } else if self.client.network.dice(1000) < deaths {
            self.tasks[task] = None;
            self.client.book.pages().crashes += 1;
            if !self.client.over() {
                // Another one in its place.
                self.spawn(Box::pin(self.client.clone().write()));
            }
        }
    }
}
