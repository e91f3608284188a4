//! Cases with the answers of other engines: every file of a directory is read, its databases are
//! made, its cases are run, and the answers are compared.
//!
//! `FACTFS_CASES` is the directory, by default `../shared/conformance` beside the project. A case
//! passes, or fails, or carries a mark of the reasons in [`skip`]. One that fails fails the test,
//! unless its call is in one of the two lists of [`listed`]: `decided.edn` has what is answered
//! otherwise on purpose, which counts as skipped, `expected.edn` what still fails. In the directory
//! that the lists were written for, an entry that did not fail fails the test as well.
//! `FACTFS_CASES_SHOW=TEXT` prints the failing cases whose id or query contains the text.
//!
//! The format is described beside the cases, in `format.edn`; outside the two lists nothing here
//! knows a single case.

mod ask;
mod call;
mod compare;
mod corpus;
mod databases;
mod find;
mod format;
mod index;
mod key;
mod listed;
mod load;
mod parts;
mod report;
mod run;
mod schema;
mod skip;
mod steps;
mod transaction;

use report::{Outcome, Report};
use std::path::{Path, PathBuf};

/// The directory with the cases, if there is one.
fn directory() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if let Some(named) = std::env::var_os("FACTFS_CASES") {
        let directory = root.join(named);
        assert!(directory.is_dir(), "{}: no such directory (FACTFS_CASES)", directory.display());
        return Some(directory);
    }
    let directory = root.join("../shared/conformance");
    directory.is_dir().then_some(directory)
}

#[test]
fn conformance() {
    let Some(directory) = directory() else {
        println!("conformance: skipped, there is no directory of cases (FACTFS_CASES)");
        return;
    };
    // As much room for deep forms as the command gives to queries.
    let run =
        std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || run_all(&directory));
    if let Err(panic) = run.unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}

const STACK_BYTES: usize = 256 << 20;

fn run_all(directory: &Path) {
    let files = format::files(directory);
    let mut report = Report::new(format::fingerprint(directory, &files));
    for content in files.iter().flat_map(|path| format::read(directory, path)) {
        match content {
            format::Content::Cases(file) => run::file(&file, &mut report),
            format::Content::Corpus(texts) => corpus::run(&texts, &mut report),
            format::Content::Other(file) => report.other(file),
            format::Content::Unreadable { suite, name, why } => {
                report.add(&suite, &name, String::new(), "the file", Outcome::Broken(why));
            }
        }
    }
    report.print();
    let surprises = report.surprises();
    assert!(surprises.is_empty(), "{} surprises:\n{}", surprises.len(), surprises.join("\n"));
}
