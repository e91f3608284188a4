//! Rows as text, written as they come.
//!
//! **Invariant:** no row is held; where columns are aligned the rows are asked for twice, which
//! gives the same rows.

use crate::error::Result;
use crate::spool::Spool;
use factfs_core::text::{Format, Layout, Writer};
use factfs_core::value::Value;

/// Takes a row.
pub type Each<'a> = &'a mut dyn FnMut(&[Value]) -> Result<()>;

/// Writes the rows that are given, and says how many there are.
pub fn write_rows(
    format: Format,
    layout: Layout,
    out: &mut Spool,
    rows: &mut dyn FnMut(Each<'_>) -> Result<u64>,
) -> Result<u64> {
    let mut writer = Writer::new(format, layout);
    if writer.is_aligned() {
        rows(&mut |row| {
            writer.measure(row);
            out.check()
        })?;
    }
    writer.start(out.text());
    let count = rows(&mut |row| {
        writer.row(row, out.text());
        out.check()
    })?;
    writer.finish(out.text());
    out.check()?;
    Ok(count)
}
