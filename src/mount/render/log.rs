//! One commit of the log, and the report of a transaction, as EDN.

use crate::source::LogEntry;
use factfs_core::datom::Datom;
use factfs_core::db::{Db, TxReport};
use factfs_core::edn;
use factfs_core::instant;
use factfs_core::schema::builtin;
use factfs_core::value::Value;

/// `log/T.edn`: who, when, and what was added and retracted. `db` knows the names of attributes.
/// `:tx` is what the transaction says about itself, which is not said again below.
pub fn log_entry(db: &Db, entry: &LogEntry) -> String {
    let parents = entry.parents.iter().map(|parent| format!("\"{parent}\"")).collect::<Vec<_>>();
    let mut out = format!(
        "{{:t {}\n :commit \"{}\"\n :parents [{}]\n :instant #inst \"{}\"",
        entry.commit.t,
        entry.commit,
        parents.join(" "),
        instant::format_clojure(entry.instant_ms),
    );
    let tx = entry.tx.entity();
    out.push_str(&format!("\n :tx {}", edn::to_string(&own(db, entry))));
    for (key, added) in [("added", true), ("retracted", false)] {
        let facts = entry.datoms.iter().filter(|datom| datom.added == added && datom.e != tx);
        let lines: Vec<_> = facts.map(|datom| fact(db, datom)).collect();
        out.push_str(&format!("\n :{key} [{}]", lines.join("\n    ")));
    }
    if entry.purged > 0 {
        out.push_str(&format!("\n :purged {}", entry.purged));
    }
    out.push_str("}\n");
    out
}

/// Its id, and what a transaction says about itself beside its instant: who, why.
fn own(db: &Db, entry: &LogEntry) -> Value {
    let tx = entry.tx.entity();
    let says = |d: &&Datom| d.e == tx && d.added && d.a != builtin::TX_INSTANT;
    let mut own: Vec<(Value, Vec<Value>)> = vec![(Value::keyword("db/id"), vec![Value::Ref(tx)])];
    for datom in entry.datoms.iter().filter(says) {
        let ident = db.schema().get(datom.a).map(|a| Value::Keyword(a.ident.clone()));
        let name = ident.unwrap_or(Value::Long(datom.a.0 as i64));
        match own.last_mut().filter(|(last, _)| *last == name) {
            Some((_, values)) => values.push(datom.v.clone()),
            None => own.push((name, vec![datom.v.clone()])),
        }
    }
    let one = |mut values: Vec<Value>| match values.len() {
        1 => values.remove(0),
        _ => Value::from(values),
    };
    Value::map(own.into_iter().map(|(name, values)| (name, one(values))).collect::<Vec<_>>())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{CATALOG, database};
    use crate::source::Source;

    #[test]
    fn what_a_transaction_says_about_itself_stands_by_itself() {
        let form = r#"[{:product/sku "c1" :product/price 50} {:db/id "datomic.tx" :db/doc "why"}]"#;
        let source = database("catalog", &[&CATALOG[..], &[form]].concat());
        let entry = source.log("main", None, 1).unwrap().remove(0);
        let text = log_entry(&source.head("main").unwrap().db, &entry);
        let tx = entry.tx.entity();
        assert!(text.contains(&format!("\n :tx {{:db/doc \"why\", :db/id {tx}}}\n")), "{text}");
        assert!(text.contains(":product/price 50]]\n :retracted ["), "{text}");
        assert!(text.ends_with(":product/price 45]]}\n"), "{text}");
    }
}
