//! Cases with the answers of other engines: every file of a directory is read, its databases are
//! made, its cases are run, and the answers are compared.
//!
//! `FACTFS_CASES` is the directory, by default `../shared/conformance` beside the project. What is
//! in no list of [`expected`] passes, or is skipped for a reason that [`skip`] knows; a case that
//! fails without being expected to, or passes although it is expected to fail, fails the test.
//! `FACTFS_CASES_SHOW=TEXT` prints the failing cases whose id or query contains the text.
//!
//! The format is described beside the cases, in `format.edn`; nothing here knows a single case.

mod compare;
mod corpus;
mod databases;
mod expected;
mod find;
mod format;
mod index;
mod load;
mod parts;
mod report;
mod run;
mod schema;
mod skip;
mod steps;
mod transaction;

use report::Report;
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
    let mut report = Report::new();
    for path in format::files(&directory) {
        match format::read(&directory, &path) {
            format::Content::Cases(file) => run::file(&file, &mut report),
            format::Content::Corpus(texts) => corpus::run(&texts, &mut report),
            format::Content::Other => {}
        }
    }
    report.print();
    let surprises = report.surprises();
    assert!(surprises.is_empty(), "{} surprises:\n{}", surprises.len(), surprises.join("\n"));
}
