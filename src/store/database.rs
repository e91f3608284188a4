//! A database, for callers that wait: what the command line and the mount hold.
//!
//! **Invariant:** every method blocks the calling thread until its answer is there; none may be
//! called from a thread that runs tasks of the runtime. All branches of one store that a process
//! opens share its connections and its node cache.

use crate::flusher::Flusher;
use crate::newest;
use crate::opening::{Opening, runtime, wait};
use crate::renewing::Renewing;
use crate::{DiskCache, Error, Locator, Settings};
use factfs_core::commit::{Frame, Opened, Refs, Tag};
use factfs_core::conn::{
    Collected, Collection, Conn, ConnError, CreateOptions, Erase, Erased, MergeError, MergeOptions,
    MergePlan, Merged, Moment, Purge, TransactError, create,
};
use factfs_core::datom::Datom;
use factfs_core::db::{Db, Difference, TxReport};
use factfs_core::edn::Form;
use factfs_core::id::{CommitId, T, Tx};
use factfs_core::transact::{self, Rows, TxError, TxOptions};
use factfs_core::value::Uuid;
use std::sync::{Arc, OnceLock};

/// One branch of one database. Dropping the last copy waits for a flush that is under way.
#[derive(Clone, Debug)]
pub struct Database {
    pub(crate) opening: Opening,
    pub(crate) conn: Conn,
    identity: Identity,
    pub(crate) flusher: Arc<Flusher>,
    /// For values whose trees are collected while they are read.
    renewing: Arc<Renewing>,
}

#[derive(Clone, Debug)]
struct Identity {
    uuid: Uuid,
    /// As it was asked for; `None` is the default one.
    branch: Option<String>,
    /// What only `refs` says, which a query needs not: read when first asked for.
    names: Arc<OnceLock<Names>>,
}

#[derive(Debug)]
struct Names {
    store: String,
    default_branch: String,
}

/// What is to be said.
#[derive(Clone, Debug)]
pub enum Transaction {
    /// Forms.
    Form(Arc<Form>),
    /// Rows.
    Rows(Arc<Rows>),
}

impl From<Arc<Form>> for Transaction {
    fn from(form: Arc<Form>) -> Self {
        Self::Form(form)
    }
}

impl From<Form> for Transaction {
    fn from(form: Form) -> Self {
        Self::Form(Arc::new(form))
    }
}

impl From<Rows> for Transaction {
    fn from(rows: Rows) -> Self {
        Self::Rows(Arc::new(rows))
    }
}

impl Transaction {
    /// It as forms.
    pub fn to_form(&self) -> Form {
        match self {
            Self::Form(form) => form.as_ref().clone(),
            Self::Rows(rows) => rows.to_form(),
        }
    }
}

/// What a transaction is committed with.
#[derive(Clone, Debug, Default)]
pub struct TransactOptions {
    /// The client's id: a transaction whose id is there already writes nothing and gives the first
    /// report.
    pub tx_id: Option<String>,
}

/// One transaction of the log.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// The commit.
    pub commit: CommitId,
    /// What it was made on.
    pub parents: Vec<CommitId>,
    /// When, milliseconds since 1970.
    pub instant_ms: i64,
    /// The transaction.
    pub tx: Tx,
    /// What it changed, but for what was erased of that.
    pub datoms: Vec<Datom>,
    /// How many datoms of it were erased.
    pub purged: u64,
}

impl LogEntry {
    fn new(commit: CommitId, frame: &Frame) -> Self {
        let (parents, datoms) = (frame.parents.clone(), frame.datoms().collect());
        let purged = frame.purged.map_or(0, |purged| purged.datoms);
        Self { commit, parents, instant_ms: frame.instant_ms, tx: frame.tx, datoms, purged }
    }
}

/// A branch as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchInfo {
    /// Its name.
    pub name: String,
    /// Where it is; `None` if it is empty.
    pub commit: Option<CommitId>,
    /// Whether it is what a plain url means.
    pub is_default: bool,
}

/// A tag as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagInfo {
    /// Its name.
    pub name: String,
    /// What it names.
    pub commit: Option<CommitId>,
    /// When that was made, milliseconds since 1970.
    pub instant_ms: Option<i64>,
}

/// How often a branch, a tag or a merge is begun anew because a collection or an erasure came
/// between.
const NAMING: u32 = 10;

/// Checks the place that `url` names, whether or not a database is there.
pub fn check_place(
    url: &str,
    options: crate::CheckOptions,
    settings: &Settings,
) -> Result<crate::Checked, Error> {
    Ok(wait(crate::check_store(url, options, settings))??)
}

impl Database {
    /// Makes an empty database where there is none, and opens it.
    pub fn create(url: &str, options: &CreateOptions, settings: &Settings) -> Result<Self, Error> {
        let opening = Opening::new(url, settings)?;
        opening.require_writable(None)?;
        wait(create(&opening.place, options))??;
        let database = Self::on(opening, None)?;
        // Probed above, when it had no uuid yet.
        database.opening.require_trust(Some(database.uuid()))?;
        Ok(database)
    }

    /// Opens a branch. A locator with a moment is opened at its branch: ask for [`Database::at`].
    pub fn open(locator: &Locator, settings: &Settings) -> Result<Self, Error> {
        Self::on(Opening::new(&locator.url, settings)?, locator.branch.as_deref())
    }

    fn on(opening: Opening, branch: Option<&str>) -> Result<Self, Error> {
        let (place, options) = (opening.place.clone(), opening.options.clone());
        let conn = wait(Conn::open(place, branch, options))??;
        newest::see(opening.place.store.as_ref(), &conn)?;
        let (uuid, branch) = (conn.db().database(), branch.map(str::to_owned));
        let identity = Identity { uuid, branch, names: Arc::default() };
        let renewing = Arc::new(Renewing::new(conn.clone(), runtime()?.handle().clone()));
        Ok(Self { opening, conn, identity, flusher: Arc::default(), renewing })
    }

    /// Another branch of the same store.
    pub fn on_branch(&self, branch: &str) -> Result<Self, Error> {
        Self::on(self.opening.clone(), Some(branch))
    }

    /// How users name it, without credentials.
    pub fn url(&self) -> &str {
        &self.opening.url
    }

    /// Which database.
    pub fn uuid(&self) -> Uuid {
        self.identity.uuid
    }

    /// The store's own name; empty if it was given none. The first call reads it.
    pub fn name(&self) -> Result<&str, Error> {
        Ok(&self.names()?.store)
    }

    /// Which branch. The first call reads the name of the default one, if it is that.
    pub fn branch(&self) -> Result<&str, Error> {
        match &self.identity.branch {
            Some(branch) => Ok(branch),
            None => Ok(&self.names()?.default_branch),
        }
    }

    fn names(&self) -> Result<&Names, Error> {
        if let Some(names) = self.identity.names.get() {
            return Ok(names);
        }
        let Refs { name: store, default_branch, .. } = self.refs()?;
        Ok(self.identity.names.get_or_init(|| Names { store, default_branch }))
    }

    /// The newest value: one conditional read of the head.
    pub fn db(&self) -> Result<Db, Error> {
        let db = wait(self.conn.refresh())??;
        newest::see(self.opening.place.store.as_ref(), &self.conn)?;
        Ok(self.held(db))
    }

    /// A value as readers get it: it goes on when a collection deletes its trees.
    fn held(&self, db: Db) -> Db {
        db.renewed_by(self.renewing.clone())
    }

    /// The value as last seen here. No request.
    pub fn cached_db(&self) -> Db {
        self.held(self.conn.db())
    }

    /// Branches and tags as stored.
    pub fn refs(&self) -> Result<Refs, Error> {
        let refs = wait(self.opening.place.refs())??;
        self.opening.place.check_database(self.uuid(), refs.database)?;
        Ok(refs)
    }

    /// Commits a transaction. When another writer came first it is prepared again on the newer
    /// value. One of forms that erase is committed when all branches and tags are without what they
    /// mean; it takes as long as [`Database::purge`].
    pub fn transact(&self, tx: &Form, options: &TransactOptions) -> Result<TxReport, Error> {
        if transact::erases(tx) {
            return self.transact_purge(tx, options);
        }
        let tx = (Arc::new(tx.clone()), options.clone());
        self.transact_all([tx])?.pop().unwrap_or(Err(TransactError::<TxError>::Interrupted.into()))
    }

    /// Commits transactions in this order, as many at once as fit: faster than one by one. After
    /// one that is not committed none that follows is. A verdict for each, in order.
    pub fn transact_all<X: Into<Transaction>>(
        &self,
        txs: impl IntoIterator<Item = (X, TransactOptions)>,
    ) -> Result<Vec<Result<TxReport, Error>>, Error> {
        self.opening.require_writable(Some(self.uuid()))?;
        let make = |(tx, TransactOptions { tx_id }): (X, TransactOptions)| {
            let tx = tx.into();
            move |db: &Db, now_ms: i64| {
                let options = TxOptions { now_ms, tx_id: tx_id.clone(), ..TxOptions::default() };
                match &tx {
                    Transaction::Form(form) => transact::prepare(db, form, &options),
                    Transaction::Rows(rows) => transact::prepare_rows(db, rows, &options),
                }
            }
        };
        let makes: Vec<_> = txs.into_iter().map(make).collect();
        let verdicts = wait(self.conn.transact_all(makes))?;
        self.flusher.begin(&self.conn);
        Ok(verdicts.into_iter().map(|verdict| verdict.map_err(Error::from)).collect())
    }

    /// One transaction of this branch.
    pub fn log_entry(&self, t: T) -> Result<LogEntry, Error> {
        let opened = self.conn.opened();
        let (commit, frame) = wait(self.opening.place.frame(&opened, t))??;
        Ok(LogEntry::new(commit, &frame))
    }

    /// Up to `limit` transactions from `from` on (by default from the end of that direction).
    pub fn log(
        &self,
        from: Option<T>,
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<LogEntry>, Error> {
        self.db()?;
        let range = match (from, newest_first) {
            (Some(from), true) => T(1)..=from,
            (from, false) => from.unwrap_or(T(1))..=T(u64::MAX),
            (None, true) => T(1)..=T(u64::MAX),
        };
        let mut reader = self.opening.place.log(&self.conn.opened(), range, newest_first);
        let mut entries = Vec::new();
        while entries.len() < limit
            && let Some((commit, frame)) = wait(reader.next())??
        {
            entries.push(LogEntry::new(commit, &frame));
        }
        Ok(entries)
    }

    /// The value at a moment, as users write it: a `t`, an age, a time, a tag, a branch, a commit.
    pub fn at(&self, when: &str) -> Result<Moment, Error> {
        self.db()?;
        let moment = wait(self.conn.at(when))??;
        Ok(Moment { db: self.held(moment.db.clone()), ..moment })
    }

    /// What changed from one value of this database to another, by whatever is cheapest.
    pub fn difference(&self, from: &Db, to: &Db) -> Result<Difference, Error> {
        Ok(wait(self.conn.difference(from, to))??)
    }

    /// All branches, by name.
    pub fn branches(&self) -> Result<Vec<BranchInfo>, Error> {
        self.branches_in(&self.refs()?)
    }

    /// Makes a branch at a moment of this one; by default at its head.
    pub fn create_branch(&self, name: &str, at: Option<&str>) -> Result<(), Error> {
        self.begin(at, |opened, t| wait(self.opening.place.create_branch(name, opened, t)))
    }

    /// Deletes a branch that is not the default one.
    pub fn delete_branch(&self, name: &str) -> Result<(), Error> {
        self.opening.require_writable(Some(self.uuid()))?;
        Ok(wait(self.opening.place.delete_branch(name))??)
    }

    /// Gives a branch another name.
    pub fn rename_branch(&self, from: &str, to: &str) -> Result<(), Error> {
        self.opening.require_writable(Some(self.uuid()))?;
        Ok(wait(self.opening.place.rename_branch(from, to))??)
    }

    /// All tags, by name.
    pub fn tags(&self) -> Result<Vec<TagInfo>, Error> {
        let tags = self.refs()?.tags.into_iter();
        let info = |(name, tag): (String, Tag)| TagInfo {
            name,
            commit: tag.commit,
            instant_ms: tag.instant_ms,
        };
        Ok(tags.map(info).collect())
    }

    /// Names a moment of this branch; by default its head.
    pub fn create_tag(&self, name: &str, at: Option<&str>) -> Result<(), Error> {
        self.begin(at, |opened, t| wait(self.opening.place.create_tag(name, opened, t, false)))
    }

    /// Forgets a tag.
    pub fn delete_tag(&self, name: &str) -> Result<(), Error> {
        self.opening.require_writable(Some(self.uuid()))?;
        Ok(wait(self.opening.place.delete_tag(name))??)
    }

    /// Names a point of this branch; on the newest head, if a collection came between.
    fn begin(
        &self,
        at: Option<&str>,
        begin: impl Fn(&Opened, T) -> Result<Result<(), ConnError>, Error>,
    ) -> Result<(), Error> {
        for _ in 0..NAMING {
            let (opened, t) = self.point(at)?;
            match begin(&opened, t)? {
                Err(ConnError::Collected) => {}
                done => return Ok(done?),
            }
        }
        Err(ConnError::Collected.into())
    }

    fn point(&self, at: Option<&str>) -> Result<(Opened, T), Error> {
        self.opening.require_writable(Some(self.uuid()))?;
        self.db()?;
        let Some(when) = at else {
            let opened = self.conn.opened();
            let t = opened.head.tip.t();
            return Ok((opened, t));
        };
        let found = wait(self.conn.find(when))??;
        Ok((found.opened, found.t))
    }

    /// What is wrong here though every transaction is committed: a flush that does not succeed.
    pub fn warnings(&self) -> Vec<String> {
        let failed = |e| format!("committed facts could not be merged into the trees: {e}");
        let mut warnings: Vec<String> = self.conn.flush_error().map(failed).into_iter().collect();
        if warnings.is_empty() && self.conn.is_flush_late() {
            let late = "many committed facts are in no tree yet: reading and committing get slower";
            warnings.push(late.to_owned());
        }
        warnings
    }

    /// What merging a branch, a tag or a moment into this branch would do. Nothing is written.
    pub fn merge_plan(&self, source: &str) -> Result<MergePlan, Error> {
        self.db()?;
        let source = wait(self.conn.source(source))??;
        Ok(wait(self.conn.merge_plan(&source))??)
    }

    /// Merges a branch, a tag or a moment into this branch: one transaction with both as parents.
    pub fn merge(&self, source: &str, options: &MergeOptions) -> Result<Merged, Error> {
        self.opening.require_writable(Some(self.uuid()))?;
        for _ in 0..NAMING {
            self.db()?;
            let source = wait(self.conn.source(source))??;
            match wait(self.conn.merge(&source, options))? {
                // What was opened may have what was erased since.
                Err(TransactError::Refused(MergeError::Conn(ConnError::Collected))) => {}
                verdict => return Ok(verdict?),
            }
        }
        Err(ConnError::Collected.into())
    }

    /// Deletes what nothing refers to any more; in a local directory also what killed processes
    /// left: how many files that were. `progress` is told of objects looked at or deleted.
    pub fn collect(
        &self,
        asked: &Collection,
        progress: &mut (dyn FnMut(u64, &'static str) + Send),
    ) -> Result<(Collected, usize), Error> {
        self.opening.require_writable(Some(self.uuid()))?;
        let collected = wait(self.opening.place.collect(asked, progress))??;
        Ok((collected, crate::url::sweep(&self.opening.url, asked.grace_ms)?))
    }

    /// What a collection would do; writes nothing.
    pub fn collect_dry(&self, asked: &Collection) -> Result<Collected, Error> {
        Ok(wait(self.opening.place.collect_dry(asked))??)
    }

    /// Erases facts from every branch and tag, and then from every object; temporary files are
    /// swept as in a collection. `progress` is told as there.
    pub fn purge(
        &self,
        asked: &Purge,
        progress: &mut (dyn FnMut(u64, &'static str) + Send),
    ) -> Result<Erased, Error> {
        self.opening.require_writable(Some(self.uuid()))?;
        let erased = wait(self.conn.purge(asked, progress))??;
        crate::url::sweep(&self.opening.url, asked.grace_ms)?;
        self.db()?;
        Ok(erased)
    }

    /// What a purge would erase; writes nothing.
    pub fn purge_dry(
        &self,
        erase: &Erase,
        progress: &mut (dyn FnMut(u64, &'static str) + Send),
    ) -> Result<Erased, Error> {
        Ok(wait(self.opening.place.purge_dry(erase, progress))??)
    }

    /// The same value for a reader whose objects a collection deleted: seen from the newest head.
    pub fn again(&self, db: &Db) -> Result<Db, Error> {
        Ok(wait(self.conn.again(db))??)
    }

    /// What went over the wire so far, for all branches of the store that share it.
    pub fn counts(&self) -> crate::Counts {
        self.opening.counted.counts()
    }

    /// How many looks at heads found nothing new.
    pub fn heads_unchanged(&self) -> u64 {
        self.opening.counted.unchanged()
    }

    /// The cache on disk, if there is one: of remote stores, unless it was switched off.
    pub fn disk_cache(&self) -> Option<&Arc<DiskCache>> {
        self.opening.nodes.disk()
    }

    /// What the node cache did so far.
    pub fn cache_stats(&self) -> crate::CacheStats {
        self.opening.nodes.stats()
    }
}
