//! Every datom of a value, by entity, attribute name and value.

use super::rows::{Each, write_rows};
use crate::error::Result;
use crate::spool::Spool;
use factfs_core::datom::{Datom, KeyRange, Order};
use factfs_core::db::Db;
use factfs_core::text::{Format, Layout};
use factfs_core::value::{Keyword, Value};

/// Writes all datoms, and says how many there are.
pub fn datoms(db: &Db, format: Format, out: &mut Spool) -> Result<u64> {
    let layout = Layout::relation(["e", "a", "v", "tx"]);
    write_rows(format, layout, out, &mut |row| each(db, row))
}

fn each(db: &Db, row: Each<'_>) -> Result<u64> {
    let mut rows = 0;
    let mut entity: Vec<Datom> = Vec::new();
    for slice in db.chunks(Order::Eavt, KeyRange::all()) {
        let slice = slice?;
        for datom in slice.datoms() {
            if entity.last().is_some_and(|last| last.e != datom.e) {
                rows += named(db, &mut entity, row)?;
            }
            entity.push(datom);
        }
    }
    rows += named(db, &mut entity, row)?;
    Ok(rows)
}

/// The datoms of one entity, by the names of attributes: the index has them by number.
fn named(db: &Db, entity: &mut Vec<Datom>, row: Each<'_>) -> Result<u64> {
    let name = |datom: &Datom| {
        let known = db.schema().get(datom.a).map(|a| a.ident.clone());
        known.unwrap_or_else(|| Keyword::new(&datom.a.to_string()))
    };
    let mut named: Vec<(Keyword, Datom)> = entity.drain(..).map(|d| (name(&d), d)).collect();
    named.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.v.cmp(&y.v)));
    for (name, datom) in &named {
        let (e, tx) = (Value::Ref(datom.e), Value::Ref(datom.tx.entity()));
        row(&[e, Value::Keyword(name.clone()), datom.v.clone(), tx])?;
    }
    Ok(named.len() as u64)
}
