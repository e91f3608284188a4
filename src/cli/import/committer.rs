//! Commits batches while the next ones are read.
//!
//! **Invariant:** batches are committed in the order they were given, and none after one that was
//! not. At most [`QUEUED`] wait: whoever gives more waits. What comes within [`PATIENCE`], but at
//! most [`TOGETHER`] batches and about [`TOGETHER_BYTES`] of input, is committed together, each
//! batch as a transaction of its own; so a slow input is committed batch by batch, and a fast one
//! pays for fewer swaps and flushes. What was committed is known when it ends.

use crate::cli::report;
use anyhow::Context;
use factfs_core::edn::Form;
use factfs_core::hash::NodeHash;
use factfs_core::import::{self, Entity};
use factfs_core::transact::{RowColumn, Rows as TxRows, Statement};
use factfs_core::value::Value;
use factfs_store::{Database, Error, TransactOptions, Transaction};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// How many batches wait at most.
const QUEUED: usize = 8;
/// How many batches share a swap at most.
const TOGETHER: usize = 48;
/// How much input they are, but for the last of them: what memory holds of it.
const TOGETHER_BYTES: u64 = 12 << 20;
/// For how many rows a batch has room from the start.
const ROOM: usize = 1000;
/// How long a batch waits for others.
const PATIENCE: Duration = Duration::from_millis(500);

/// Rows that are a transaction.
#[derive(Default)]
pub struct Batch {
    /// What they say.
    pub entities: Vec<Entity>,
    /// Where the last of them is.
    pub last_line: u64,
    /// About how much input they are.
    pub bytes: u64,
    /// What the columns of plain rows are.
    pub columns: Arc<Vec<RowColumn>>,
}

impl Batch {
    /// Appends a row.
    pub fn add(&mut self, line: u64, entity: Entity) {
        if self.entities.is_empty() {
            self.entities.reserve(ROOM);
        }
        self.last_line = line;
        self.entities.push(entity);
    }
}

/// What becomes a transaction.
enum Work {
    Batch(Batch),
    /// A transaction as it was written.
    Form(Form),
}

impl Work {
    fn bytes(&self) -> u64 {
        match self {
            Self::Batch(batch) => batch.bytes,
            Self::Form(form) => (form.span.end - form.span.start) as u64,
        }
    }
}

/// What is committed.
#[derive(Debug, Default)]
pub struct Done {
    rows: u64,
    transactions: u64,
    already: u64,
    datoms: u64,
    last_line: u64,
    t: u64,
}

impl Done {
    /// For the report.
    pub fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("rows", report::count(self.rows)),
            ("transactions", report::count(self.transactions)),
            ("already", report::count(self.already)),
            ("datoms", report::count(self.datoms)),
            ("t", report::count(self.t)),
        ]
    }

    /// What to say with an error: where, and how much of the input is in the database.
    pub fn how_far(&self, name: &str) -> String {
        match self.rows {
            0 => format!("{name}\nhint: no row was imported"),
            n => format!("{name}\nhint: {n} rows, up to line {}, are imported", self.last_line),
        }
    }
}

/// Commits one transaction after the other.
pub struct Writer {
    database: Database,
    /// Batches get ids that begin like this.
    tx_id: Option<String>,
    /// What was committed.
    pub done: Done,
    rows: Arc<AtomicU64>,
}

/// A transaction to be, and of which rows.
struct Draft {
    what: Transaction,
    rows: u64,
    last_line: u64,
}

impl Writer {
    /// Into a database.
    pub fn new(database: Database, tx_id: Option<String>) -> Self {
        Self { database, tx_id, done: Done::default(), rows: Arc::default() }
    }

    /// Where it writes.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Commits one transaction.
    pub fn transact(&mut self, form: Form) -> anyhow::Result<()> {
        self.commit(vec![Draft { what: form.into(), rows: 0, last_line: 0 }])
    }

    fn write(&mut self, work: Vec<Work>) -> anyhow::Result<()> {
        let mut drafts = Vec::new();
        for work in work {
            let draft = match work {
                Work::Form(form) => Draft { what: form.into(), rows: 0, last_line: 0 },
                Work::Batch(batch) => {
                    if batch.entities.iter().any(|entity| !entity.retracts.is_empty()) {
                        // Whether they are there depends on what comes before.
                        self.commit(std::mem::take(&mut drafts))?;
                    }
                    let (rows, last_line) = (batch.entities.len() as u64, batch.last_line);
                    Draft { what: self.transaction(batch)?, rows, last_line }
                }
            };
            drafts.push(draft);
        }
        self.commit(drafts)
    }

    /// The transaction of a batch.
    fn transaction(&self, batch: Batch) -> anyhow::Result<Transaction> {
        let Batch { entities, columns, .. } = batch;
        let rows = match entities.iter().any(|entity| !entity.retracts.is_empty()) {
            true => import::transaction(&self.database.db()?, &columns, entities),
            false => {
                let statements = entities.into_iter().filter_map(|entity| entity.said).collect();
                Ok(TxRows { columns: columns.as_ref().clone(), statements })
            }
        };
        let rows = rows.map_err(Error::from)?;
        let is_typed = rows.statements.iter().any(|said| matches!(said, Statement::Row(_)));
        Ok(if is_typed { rows.into() } else { rows.into_form().into() })
    }

    fn commit(&mut self, drafts: Vec<Draft>) -> anyhow::Result<()> {
        if drafts.is_empty() {
            return Ok(());
        }
        let numbered = (self.done.transactions + 1..).zip(&drafts);
        let txs: Vec<_> = numbered
            .map(|(number, draft)| {
                // The id holds what is said, so that a changed input is not taken for the one
                // before.
                let tx_id = self.tx_id.as_ref().map(|prefix| {
                    let hash =
                        NodeHash::of(draft.what.to_form().to_string().as_bytes()).to_string();
                    format!("{prefix}/{number}/{}", &hash[..16])
                });
                (draft.what.clone(), TransactOptions { tx_id })
            })
            .collect();
        for (draft, report) in drafts.iter().zip(self.database.transact_all(txs)?) {
            let (report, done) = (report?, &mut self.done);
            done.transactions += 1;
            if report.already {
                done.already += 1;
            } else {
                done.datoms += report.datoms.len() as u64;
            }
            done.t = report.tx.t().0;
            if draft.rows > 0 {
                (done.rows, done.last_line) = (done.rows + draft.rows, draft.last_line);
            }
            self.rows.store(done.rows, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// A [`Writer`] on a thread of its own.
pub struct Committer {
    work: SyncSender<Work>,
    rows: Arc<AtomicU64>,
    thread: JoinHandle<(Writer, anyhow::Result<()>)>,
}

impl Committer {
    /// Begins.
    pub fn begin(mut writer: Writer) -> anyhow::Result<Self> {
        let (work, queue) = sync_channel(QUEUED);
        let rows = writer.rows.clone();
        let run = move || {
            let written = write_all(&mut writer, &queue);
            (writer, written)
        };
        let thread = Builder::new().name("commit".to_owned()).spawn(run);
        Ok(Self { work, rows, thread: thread.context("no thread to commit on")? })
    }

    /// Gives a batch; `false` if the writer failed: [`Committer::end`] says why.
    pub fn batch(&self, batch: Batch) -> bool {
        batch.entities.is_empty() || self.work.send(Work::Batch(batch)).is_ok()
    }

    /// Gives a transaction of its own.
    pub fn form(&self, form: Form) -> bool {
        self.work.send(Work::Form(form)).is_ok()
    }

    /// How many rows are committed by now.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Waits for all that was given. What was committed, and why no more was, if so.
    pub fn end(self) -> (Done, anyhow::Result<()>) {
        drop(self.work);
        match self.thread.join() {
            Ok((writer, written)) => (writer.done, written),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn write_all(writer: &mut Writer, queue: &Receiver<Work>) -> anyhow::Result<()> {
    while let Ok(first) = queue.recv() {
        writer.write(gather(first, queue))?;
    }
    Ok(())
}

/// What comes soon after.
fn gather(first: Work, queue: &Receiver<Work>) -> Vec<Work> {
    let until = Instant::now() + PATIENCE;
    let (mut bytes, mut all) = (first.bytes(), vec![first]);
    while all.len() < TOGETHER && bytes < TOGETHER_BYTES {
        let left = until.saturating_duration_since(Instant::now());
        let Ok(work) = queue.recv_timeout(left) else { break };
        bytes += work.bytes();
        all.push(work);
    }
    all
}
