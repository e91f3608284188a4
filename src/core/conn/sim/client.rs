//! The clients: what they do, and what they find wrong.
//!
//! **Invariant:** a client believes what it is told and writes it into the book; it excuses nothing
//! but a network that does not answer.

use super::book::{Attempt, Book};
use super::near::Near;
use super::network::Network;
use crate::conn::testing::Say;
use crate::conn::{
    Collection, Conn, ConnError, Flush, MergeError, MergeOptions, Merged, Options, Place,
    Retention, TransactError,
};
use crate::datom::{Datom, Order};
use crate::db::{Db, DbError};
use crate::index::NodesError;
use crate::schema::builtin;
use crate::store::{BoxFuture, Host, StoreErrorKind};
use crate::value::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Groups of transactions that a writer makes.
const ROUNDS: usize = 14;
/// When nobody begins anything new.
const END_MS: u64 = 4_000;
/// How long garbage is left alone.
pub(super) const GRACE_MS: u64 = 300;

/// What every client has.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) network: Network,
    pub(super) near: Arc<Near>,
    pub(super) book: Book,
    /// Whether transactions look whether their id is there.
    pub(super) ids: bool,
    /// Whether facts are erased.
    pub(super) purges: bool,
    /// Whether some values are long.
    pub(super) long: bool,
}

impl Client {
    pub(super) fn place(&self) -> Place {
        let network = Arc::new(self.network.clone());
        let nodes = self.near.clone();
        Place { store: network.clone(), host: network, nodes }
    }

    fn options(&self) -> Options {
        // Some leave flushing to others.
        let flush = match self.network.dice(3) {
            0 => Flush::Asked,
            _ => Flush::Inline,
        };
        Options { limit_ms: 400, tail_bytes: 400, novelty_rows: 12, flush }
    }

    pub(super) fn over(&self) -> bool {
        self.network.now() > END_MS
    }

    async fn open(&self, branch: Option<&str>) -> Result<Conn, ConnError> {
        Conn::open(self.place(), branch, self.options()).await
    }

    pub(super) async fn open_at_last(&self) -> Conn {
        loop {
            match self.open(None).await {
                Ok(conn) => return conn,
                Err(error) => self.book.check_error("open", &error),
            }
        }
    }

    /// Transactions in groups, on one connection.
    pub(super) async fn write(self) {
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
            self.network.sleep(self.network.dice(150)).await;
        }
    }

    async fn transact(&self, conn: &Conn) {
        let attempt: Attempt = self.book.begin(&self.network);
        let mut words = match &attempt.id {
            Some(id) => Say::new(id).id(id),
            None => Say { new: vec![(builtin::DOC, self.visit())], ..Say::default() },
        };
        // Some take back what an earlier one said.
        let retract = self.network.dice(4) == 0;
        let honest = self.ids;
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

    /// What a visitor says.
    fn visit(&self) -> Value {
        match self.long && self.network.dice(3) == 0 {
            // Some say the same.
            true => Value::str(&format!(
                "visit {}",
                "x".repeat(5_000 + 1_000 * self.network.dice(3) as usize)
            )),
            false => Value::str("visit"),
        }
    }

    /// Flushes in the background.
    pub(super) async fn flush(self) {
        let conn = self.open_at_last().await;
        while !self.over() {
            match conn.refresh().await {
                Ok(_) if conn.needs_flush() => match conn.flush().await {
                    Ok(done) => self.book.pages().figures.flushes += usize::from(done),
                    Err(error) => self.book.check_error("flush", &error),
                },
                Ok(_) => {}
                Err(error) => self.book.check_error("refresh", &error),
            }
            self.network.sleep(20 + self.network.dice(120)).await;
        }
    }

    /// Collects all the time.
    pub(super) async fn collect(self, pace_ms: u64) {
        while !self.over() {
            match self.collect_once(GRACE_MS).await {
                Ok(()) => {}
                Err(ConnError::Superseded(_)) => self.book.pages().figures.superseded += 1,
                Err(error) => self.book.check_error("collect", &error),
            }
            self.network.sleep(self.network.dice(pace_ms)).await;
        }
    }

    pub(super) async fn collect_once(&self, grace_ms: u64) -> Result<(), ConnError> {
        let asked = Collection { grace_ms, keep: Retention::nothing() };
        let collected = self.place().collect(&asked, &mut |_, _| ()).await?;
        let figures = &mut self.book.pages().figures;
        figures.collections += 1;
        figures.deleted += collected.deleted.len();
        Ok(())
    }

    /// Everything acknowledged before a read is in what is read.
    pub(super) async fn read(self) {
        while !self.over() {
            let (expected, since) = (self.book.acknowledged(), self.network.now());
            match self.open(None).await {
                Ok(conn) => {
                    self.check_read(&conn.db(), &expected, since);
                    let expected = self.book.acknowledged();
                    self.network.sleep(self.network.dice(100)).await;
                    let since = self.network.now();
                    match conn.refresh().await {
                        Ok(db) => self.check_read(&db, &expected, since),
                        Err(error) => self.book.check_error("refresh", &error),
                    }
                }
                Err(error) => self.book.check_error("read", &error),
            }
            self.network.sleep(200 + self.network.dice(200)).await;
        }
    }

    fn check_read(&self, db: &Db, expected: &[String], since: u64) {
        self.book.pages().figures.reads += 1;
        for id in expected {
            match db.tx_with_id(id) {
                Ok(Some(_)) => {}
                Ok(None) => self.book.wrong(format!("{id} was acknowledged and is not read")),
                Err(error) if self.may_be_gone(&error, since) => return,
                Err(error) => self.book.wrong(format!("read: {error}")),
            }
        }
    }

    /// Whether a head that was asked for at `since` was held longer than readers may.
    fn may_be_gone(&self, error: &DbError, since: u64) -> bool {
        let gone = matches!(error, DbError::Nodes(NodesError::Store(e))
            if e.kind == StoreErrorKind::NotFound);
        gone && self.network.now() - since >= GRACE_MS
    }

    /// Reads one head for a while, and goes on when its trees are gone.
    pub(super) async fn hold(self) {
        while !self.over() {
            let since = self.network.now();
            match self.open(None).await {
                Ok(conn) => self.hold_on(&conn, since).await,
                Err(error) => self.book.check_error("hold", &error),
            }
            self.network.sleep(self.network.dice(100)).await;
        }
    }

    async fn hold_on(&self, conn: &Conn, mut since: u64) {
        let mut db = conn.db();
        let expected = match self.facts(&db) {
            Ok(facts) => facts,
            Err(error) if self.may_be_gone(&error, since) => return,
            Err(error) => return self.book.wrong(format!("hold: {error}")),
        };
        for _ in 0..7 {
            self.network.sleep(self.network.dice(GRACE_MS)).await;
            self.book.pages().figures.holds += 1;
            match self.facts(&db) {
                Ok(facts) if facts == expected => {}
                Ok(_) => self.book.wrong("a value that changes"),
                Err(error) if self.may_be_gone(&error, since) => {
                    since = self.network.now();
                    match conn.again(&db).await {
                        Ok(again) => db = again,
                        Err(error) => return self.book.check_error("again", &error),
                    }
                    self.book.pages().figures.again += 1;
                }
                Err(error) => self.book.wrong(format!("a head that was held: {error}")),
            }
        }
    }

    /// Branches and tags that come and go.
    pub(super) async fn branch(self) {
        let conn = self.open_at_last().await;
        for n in 0..5 {
            let (name, tag) = (format!("branch-{n}"), format!("tag-{n}"));
            match self.branch_once(&conn, &name, &tag).await {
                Ok(()) => self.book.pages().figures.branches += 1,
                // The next time it reads the head again.
                Err(ConnError::Collected) => {}
                Err(error) => self.book.check_error("branch", &error),
            }
            self.network.sleep(self.network.dice(300)).await;
        }
    }

    async fn branch_once(&self, conn: &Conn, name: &str, tag: &str) -> Result<(), ConnError> {
        conn.refresh().await?;
        let (place, opened) = (self.place(), conn.opened());
        // Some think for a long time about a head that they have seen.
        self.network.sleep(self.network.dice(3) * self.network.dice(GRACE_MS)).await;
        let t = opened.head.tip.t();
        place.create_tag(tag, &opened, t, false).await?;
        place.create_branch(name, &opened, t).await?;
        let branch = self.open(Some(name)).await?;
        if branch.opened().head.tip.commit != opened.head.tip.commit {
            self.book.wrong("a branch that begins elsewhere");
        }
        let refs = place.refs().await?;
        if let Some(tag) = refs.tags.get(tag) {
            let tagged = place.open_tag(tag).await?;
            if tagged.head.tip.commit != opened.head.tip.commit {
                self.book.wrong("a tag on another commit");
            }
        }
        let writing = Box::pin(self.write_branch(&branch, name)) as BoxFuture<'_, _>;
        let ending = Box::pin(self.end_branch(name, tag)) as BoxFuture<'_, _>;
        let merging = Box::pin(self.merge_branch(conn, &branch, name)) as BoxFuture<'_, _>;
        let results = crate::conn::join::join_all(vec![writing, ending, merging]).await;
        results.into_iter().collect()
    }

    /// Commits on a branch are on it, and none is acknowledged after its deletion was.
    async fn write_branch(&self, branch: &Conn, name: &str) -> Result<(), ConnError> {
        for n in 0..4 {
            let gone = self.book.pages().deleted.contains(name);
            let said = format!("{name}-{n}");
            let words = Say::new(&said);
            match branch.transact(move |db, now| words.prepare(db, now)).await {
                Ok(_) if gone => self.book.wrong(format!("a commit on {name}, which is deleted")),
                Ok(report) => {
                    self.book.said_on(name, said);
                    let entry = branch.place().entry(&branch.opened(), report.tx.t()).await;
                    if entry.is_ok_and(|entry| Some(entry.id) != report.commit) {
                        self.book.wrong("a commit that is not on its branch");
                    }
                }
                Err(_) => {}
            }
            self.network.sleep(self.network.dice(120)).await;
        }
        Ok(())
    }

    /// What was acknowledged on a branch is in what it is merged into, also when the branch is
    /// deleted meanwhile.
    async fn merge_branch(&self, into: &Conn, branch: &Conn, name: &str) -> Result<(), ConnError> {
        self.network.sleep(self.network.dice(250)).await;
        let expected = self.book.pages().on_branches.get(name).cloned().unwrap_or_default();
        let since = self.network.now();
        match branch.refresh().await {
            Ok(_) => {}
            // Deleted, and collected.
            Err(ConnError::Closed) => return Ok(()),
            Err(error) => return Err(error),
        }
        let attempt = self.book.begin_new();
        let options = MergeOptions { tx_id: attempt.id.clone() };
        let verdict = match into.merge(&branch.opened(), &options).await {
            Ok(Merged { report: Some(report), .. }) => Ok(report),
            // It has nothing new.
            Ok(Merged { report: None, .. }) => return Ok(()),
            Err(error) => Err(error),
        };
        match &verdict {
            Ok(report) => {
                self.book.pages().figures.merges += 1;
                self.check_merged(&report.datoms, &expected);
            }
            // There is nothing to merge into, or what was read was erased meanwhile.
            Err(TransactError::Refused(
                MergeError::Empty | MergeError::Conn(ConnError::Collected),
            )) => {}
            Err(TransactError::Refused(MergeError::Conn(error))) => {
                let gone = error.is_missing() && self.network.now() - since >= GRACE_MS;
                if !gone {
                    self.book.check_error("merge", error);
                }
            }
            Err(TransactError::Refused(error)) => self.book.wrong(format!("merge: {error}")),
            Err(_) => {}
        }
        attempt.told(&verdict);
        Ok(())
    }

    fn check_merged(&self, datoms: &[Datom], expected: &BTreeSet<String>) {
        let is_there = |said: &&String| {
            let value = Value::keyword(said);
            datoms.iter().any(|datom| datom.added && datom.v == value)
        };
        if let Some(lost) = expected.iter().find(|said| !is_there(said)) {
            self.book.wrong(format!("{lost} was acknowledged on a branch and is not merged"));
        }
    }

    async fn end_branch(&self, name: &str, tag: &str) -> Result<(), ConnError> {
        self.network.sleep(self.network.dice(200)).await;
        let place = self.place();
        if self.network.dice(3) == 0 {
            place.delete_tag(tag).await?;
        }
        if self.network.dice(2) == 0 {
            place.delete_branch(name).await?;
            self.book.pages().deleted.insert(name.to_owned());
        }
        Ok(())
    }

    /// At the end, over a good network: all that is listed can be read wholly, and after a last
    /// collection there is nothing else.
    pub(super) async fn check_all(self) {
        let conn = self.open_at_last().await;
        self.book.check_history(&conn).await;
        if let Err(error) = self.finish_purges().await {
            self.book.wrong(format!("the last erasures: {error}"));
        }
        if let Err(error) = self.check_names().await {
            self.book.wrong(format!("at the end: {error}"));
        }
        if let Err(error) = self.check_garbage().await {
            self.book.wrong(format!("the last collection: {error}"));
        }
        if let Err(error) = self.check_names().await {
            self.book.wrong(format!("after the last collection: {error}"));
        }
    }

    async fn check_names(&self) -> Result<(), ConnError> {
        let place = self.place();
        let refs = place.refs().await?;
        for branch in refs.branches.keys() {
            let conn = self.open(Some(branch)).await?;
            self.book.check_log(&place, &conn.opened()).await;
        }
        for tag in refs.snapshots() {
            self.book.check_log(&place, &place.open_tag(tag).await?).await;
        }
        Ok(())
    }

    async fn check_garbage(&self) -> Result<(), ConnError> {
        self.collect_once(0).await?;
        let asked = Collection { grace_ms: 0, keep: Retention::nothing() };
        let left = self.place().collect_dry(&asked).await?;
        // What was created while the collection went on is found by the next one; here is nobody.
        if let Some((name, _)) = left.deleted.first() {
            self.book.wrong(format!("{name} is garbage after a collection"));
        }
        Ok(())
    }
}

impl Client {
    /// What holds, as (entity, attribute, value); without what may be erased meanwhile.
    fn facts(&self, db: &Db) -> Result<Vec<(u64, u64, Value)>, DbError> {
        let mut datoms = db.datoms(Order::Eavt, None, None, None)?;
        datoms.retain(|datom| !self.purges || datom.a != builtin::DOC);
        Ok(datoms.into_iter().map(|d| (d.e.0, d.a.0, d.v)).collect())
    }
}

pub(super) fn oldest_doc(db: &Db) -> Result<Option<Datom>, DbError> {
    let docs = db.datoms(Order::Aevt, None, Some(builtin::DOC), None)?;
    Ok(docs.into_iter().next())
}
