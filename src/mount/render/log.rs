//! One commit of the log, and the report of a transaction, as EDN.

use crate::source::LogEntry;
use factfs_core::datom::Datom;
use factfs_core::db::{Db, TxReport};
use factfs_core::edn;
use factfs_core::instant;
use factfs_core::value::Value;

/// `log/T.edn`: who, when, and what was added and retracted. `db` knows the names of attributes.
pub fn log_entry(db: &Db, entry: &LogEntry) -> String {
    let parents = entry.parents.iter().map(|parent| format!("\"{parent}\"")).collect::<Vec<_>>();
    let mut out = format!(
        "{{:t {}\n :commit \"{}\"\n :parents [{}]\n :instant #inst \"{}\"",
        entry.commit.t,
        entry.commit,
        parents.join(" "),
        instant::format_clojure(entry.instant_ms),
    );
    for (key, added) in [("added", true), ("retracted", false)] {
        let facts = entry.datoms.iter().filter(|datom| datom.added == added);
        let lines: Vec<_> = facts.map(|datom| fact(db, datom)).collect();
        out.push_str(&format!("\n :{key} [{}]", lines.join("\n    ")));
    }
    out.push_str("}\n");
    out
}

fn fact(db: &Db, datom: &Datom) -> String {
    let ident = db.schema().get(datom.a).map(|attribute| attribute.ident.to_string());
    let attribute = ident.unwrap_or_else(|| datom.a.to_string());
    format!("[{} {attribute} {}]", datom.e, edn::to_string(&datom.v))
}

/// What a document came to: its commit, names that it gave to entities, how many datoms.
pub fn result(report: &TxReport) -> String {
    let tempids = report.tempids.iter().map(|(name, e)| (name.clone(), Value::Ref(*e)));
    let commit = report.commit.map_or("nil".to_owned(), |commit| format!("\"{commit}\""));
    format!(
        "{{:t {}\n :commit {commit}\n :instant #inst \"{}\"\n :tempids {}\n :datoms {}{}}}\n",
        report.tx.t(),
        instant::format_clojure(report.instant_ms),
        edn::to_string(&Value::map(tempids.collect())),
        report.datoms.len(),
        if report.already { "\n :already true" } else { "" },
    )
}

/// What a transaction did, on one line.
pub fn report(report: &TxReport) -> String {
    edn::to_string(&report.to_value()) + "\n"
}
