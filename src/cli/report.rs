//! Facts about commits as named fields: what `transact`, `import` and `log` print.

use factfs_core::datom::Datom;
use factfs_core::db::TxReport;
use factfs_core::id::CommitId;
use factfs_core::schema::Schema;
use factfs_core::value::Value;

/// A number of things.
pub fn count(n: impl TryInto<i64>) -> Value {
    Value::Long(n.try_into().unwrap_or(i64::MAX))
}

/// A commit, or nil.
pub fn commit(commit: Option<CommitId>) -> Value {
    commit.map_or(Value::Nil, |commit| Value::str(&commit.to_string()))
}

/// What a transaction came to.
pub fn fields(report: &TxReport) -> Vec<(&'static str, Value)> {
    let tempids = report.tempids.iter().map(|(name, e)| (name.clone(), Value::Ref(*e)));
    let tempids: Vec<(Value, Value)> = tempids.collect();
    vec![
        ("t", count(report.tx.t().0)),
        ("tx", Value::Ref(report.tx.entity())),
        ("commit", commit(report.commit)),
        ("instant", Value::Inst(report.instant_ms)),
        ("datoms", count(report.datoms.len())),
        ("tempids", if tempids.is_empty() { Value::Nil } else { Value::map(tempids) }),
        ("already", if report.already { Value::Bool(true) } else { Value::Nil }),
    ]
}

/// A datom as `[e a v tx added]`, with the attribute's name.
pub fn datom(schema: &Schema, datom: &Datom) -> [Value; 5] {
    let ident = schema.get(datom.a).map(|a| Value::Keyword(a.ident.clone()));
    let a = ident.unwrap_or_else(|| count(datom.a.0));
    let tx = Value::Ref(datom.tx.entity());
    [Value::Ref(datom.e), a, datom.v.clone(), tx, Value::Bool(datom.added)]
}
