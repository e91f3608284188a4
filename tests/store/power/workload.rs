//! What is recorded: commits of two writers, spills, flushes, branches, tags and collections, and
//! what processes that were killed leave behind.
//!
//! **Invariant:** what is noted as done was acknowledged before the note; what is noted as begun
//! may be there or not until it is noted as done.

use super::recorder::Recorder;
use crate::support::{Random, SCHEMA};
use factfs_core::conn::{Collection, CreateOptions, Retention};
use factfs_core::edn;
use factfs_store::{Database, Locator, Settings, TransactOptions};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What is known at a moment.
#[derive(Clone, Debug)]
pub enum Note {
    /// The database was made.
    Created,
    /// A transaction of a branch was acknowledged.
    Committed { branch: String, t: u64, commit: String },
    /// A branch or a tag is being made or deleted.
    Begun { name: String, is_branch: bool },
    /// It was made, or deleted.
    Done { name: String, is_branch: bool, exists: bool },
}

/// The database that is recorded, below a mount.
pub fn database_at(root: &Path) -> PathBuf {
    root.join("db")
}

/// Small flushes, and many of them.
pub fn settings() -> Settings {
    let env = BTreeMap::from([("FACTFS_FLUSH_ROWS".to_owned(), "300".to_owned())]);
    Settings { env, ..Settings::default() }
}

/// A branch of a database; without a name the default one.
pub fn open(at: &Path, branch: Option<&str>) -> Result<Database, factfs_store::Error> {
    let url = at.to_string_lossy().into_owned();
    Database::open(&Locator { url, branch: branch.map(str::to_owned), at: None }, &settings())
}

/// One that knows where it writes to and whom it tells.
#[derive(Clone)]
struct Client {
    at: PathBuf,
    recorder: Recorder<Note>,
}

/// Does everything once.
pub fn run(root: &Path, recorder: &Recorder<Note>, seed: u64) {
    let client = Client { at: database_at(root), recorder: recorder.clone() };
    client.left_directories();
    let url = client.at.to_string_lossy().into_owned();
    let database = Database::create(&url, &CreateOptions::default(), &settings()).unwrap();
    recorder.note(Note::Created);
    client.commit(&database, SCHEMA, None);
    client.left_commit();
    std::thread::scope(|scope| {
        for writer in ["a", "b"] {
            let (client, mut random) = (client.clone(), Random(seed ^ u64::from(writer == "a")));
            scope.spawn(move || client.write(writer, 60, &mut random));
        }
        scope.spawn(|| client.name_and_collect());
    });
}

impl Client {
    /// Directories that a process made, and was killed before it synced the ones above.
    fn left_directories(&self) {
        for name in ["", "branch", "log", "pack", "novelty", "snap", "gc"] {
            fs::create_dir_all(self.at.join(name)).unwrap();
        }
    }

    /// A commit whose writer was killed after the rename, and another writer's retry, which finds
    /// it there.
    fn left_commit(&self) {
        let text = "[{:w/key \"left\"}]";
        let form = edn::read_one(text).unwrap();
        let options = TransactOptions { tx_id: Some("left".to_owned()) };
        let killed = || open(&self.at, None).unwrap().transact(&form, &options).unwrap();
        self.recorder.without_syncs(killed);
        self.commit(&open(&self.at, None).unwrap(), text, Some("left"));
    }

    fn commit(&self, database: &Database, text: &str, tx_id: Option<&str>) {
        let form = edn::read_one(text).unwrap();
        let options = TransactOptions { tx_id: tx_id.map(str::to_owned) };
        let commit = database.transact(&form, &options).unwrap().commit.unwrap();
        let branch = database.branch().unwrap().to_owned();
        let (t, commit) = (commit.t.0, commit.to_string());
        self.recorder.note(Note::Committed { branch, t, commit });
    }

    /// Transactions of very different sizes.
    fn write(&self, writer: &str, count: usize, random: &mut Random) {
        let database = open(&self.at, None).unwrap();
        for n in 0..count {
            let facts = [0, 0, 1, 30, 100, 300][random.below(6)];
            let mut more = || format!(" {{:w/n {}}}", random.below(usize::MAX >> 2));
            let more: String = (0..facts).map(|_| more()).collect();
            self.commit(&database, &format!("[{{:w/key \"{writer}-{n}\"}}{more}]"), None);
        }
    }

    /// Branches and tags come and go, and collections delete what they leave.
    fn name_and_collect(&self) {
        let main = open(&self.at, None).unwrap();
        for n in 0..6 {
            let (branch, tag) = (format!("try{n}"), format!("v{n}"));
            self.naming(&branch, true, true, || main.create_branch(&branch, None));
            self.naming(&tag, false, true, || main.create_tag(&tag, None));
            let other = main.on_branch(&branch).unwrap();
            for key in 0..3 {
                self.commit(&other, &format!("[{{:w/key \"{branch}-{key}\"}}]"), None);
            }
            if n % 2 == 1 {
                self.naming(&branch, true, false, || main.delete_branch(&branch));
                self.naming(&tag, false, false, || main.delete_tag(&tag));
            }
            // Two, since one writes down what the next deletes.
            for _ in 0..2 {
                let asked = Collection { grace_ms: 0, keep: Retention::nothing() };
                main.collect(&asked, &mut |_, _| ()).unwrap();
            }
        }
    }

    fn naming(
        &self,
        name: &str,
        is_branch: bool,
        exists: bool,
        work: impl FnOnce() -> Result<(), factfs_store::Error>,
    ) {
        self.recorder.note(Note::Begun { name: name.to_owned(), is_branch });
        work().unwrap();
        self.recorder.note(Note::Done { name: name.to_owned(), is_branch, exists });
    }
}
