//! Every datom of a value, by entity, attribute name and value.

use crate::error::Result;
use crate::spool::Spool;
use factfs_core::datom::{Datom, KeyRange, Order};
use factfs_core::db::Db;
use factfs_core::text::{Format, Layout, Writer};
use factfs_core::value::{Keyword, Value};

/// Writes all datoms, and says how many there are.
pub fn datoms(db: &Db, format: Format, out: &mut Spool) -> Result<u64> {
    let mut writer = Writer::new(format, Layout::relation(["e", "a", "v", "tx"]));
    let mut rows = 0;
    let mut entity: Vec<Datom> = Vec::new();
    writer.start(out.text());
    for slice in db.chunks(Order::Eavt, KeyRange::all()) {
        let slice = slice?;
        for datom in slice.datoms() {
            if entity.last().is_some_and(|last| last.e != datom.e) {
                rows += write(db, &mut entity, &mut writer, out)?;
            }
            entity.push(datom);
        }
        out.check()?;
    }
    rows += write(db, &mut entity, &mut writer, out)?;
    writer.finish(out.text());
    Ok(rows)
}

/// The datoms of one entity, by the names of attributes: the index has them by number.
fn write(db: &Db, entity: &mut Vec<Datom>, writer: &mut Writer, out: &mut Spool) -> Result<u64> {
    let name = |datom: &Datom| {
        let known = db.schema().get(datom.a).map(|a| a.ident.clone());
        known.unwrap_or_else(|| Keyword::new(&datom.a.to_string()))
    };
    let mut named: Vec<(Keyword, Datom)> = entity.drain(..).map(|d| (name(&d), d)).collect();
    named.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.v.cmp(&y.v)));
    for (name, datom) in &named {
        let (e, tx) = (Value::Ref(datom.e), Value::Ref(datom.tx.entity()));
        writer.row(&[e, Value::Keyword(name.clone()), datom.v.clone(), tx], out.text());
    }
    out.check()?;
    Ok(named.len() as u64)
}
