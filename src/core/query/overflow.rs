//! Rows of an answer that memory is not to hold: sorted runs of bytes, merged while they are read.
//!
//! **Invariant:** the rows are the same, in the same order, as if all had been held: rows that are
//! equal as cells are one, and a long stays where it met the same bigint. Each run has its rows
//! once and in order. Where the bytes lie is the caller's: nothing here knows of files.

use super::ast::SortKey;
use super::error::QueryError;
use super::limits::Watch;
use crate::id::EntityId;
use crate::value::{self, Tag, Value};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

/// How much of a run is read at once.
const READ: usize = 32 << 10;
/// Bytes of the lengths of rows and cells.
const LENGTH: usize = 4;

/// Where bytes go that memory is not to hold.
pub trait Overflow: Send {
    /// How many bytes rows may take before they are put here.
    fn after_bytes(&self) -> usize;

    /// Appends bytes.
    fn append(&mut self, bytes: &[u8]) -> Result<(), OverflowError>;

    /// Reads what was appended there; never asked for more.
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), OverflowError>;
}

/// Why bytes could not be put aside, or not be read again.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct OverflowError(pub String);

/// The rows of an answer, in order.
pub struct Rows(pub(super) Kind);

pub(super) enum Kind {
    Held(Vec<Vec<Value>>),
    Merged(Box<Merged>),
}

impl Rows {
    /// Passes each row on, and says how many there were. May be asked for more than once.
    pub fn each<E: From<QueryError>>(
        &self,
        row: &mut dyn FnMut(&[Value]) -> Result<(), E>,
    ) -> Result<u64, E> {
        match &self.0 {
            Kind::Held(rows) => {
                rows.iter().try_for_each(|values| row(values))?;
                Ok(rows.len() as u64)
            }
            Kind::Merged(merged) => merged.each(row),
        }
    }
}

/// In which order rows come: by these keys, then by their first columns.
#[derive(Clone, Debug)]
pub(super) struct RowOrder {
    pub keys: Vec<SortKey>,
    /// Columns of the answer; the others only tell rows apart.
    pub width: usize,
}

/// Appends a cell to a row; `database` is that of an entity.
pub(super) fn write_cell(value: &Value, database: Option<u16>, out: &mut Vec<u8>) {
    out.push(value.tag() as u8);
    let start = out.len();
    out.extend([0; LENGTH]);
    value::encode(value, out);
    out.extend(database.into_iter().flat_map(u16::to_le_bytes));
    let len = (out.len() - start - LENGTH) as u32;
    out[start..start + LENGTH].copy_from_slice(&len.to_le_bytes());
}

/// A row as it was put aside.
#[derive(Clone)]
struct Row {
    values: Vec<Value>,
    /// The databases of its entities: equal numbers of two databases are not one entity.
    databases: Vec<u16>,
    /// What it took outside: as much as its texts, and more.
    size_bytes: usize,
}

fn broken() -> QueryError {
    OverflowError("rows that were put aside are not what was written".into()).into()
}

impl Row {
    fn read(mut bytes: &[u8]) -> Option<Self> {
        let mut row = Self { values: Vec::new(), databases: Vec::new(), size_bytes: bytes.len() };
        while let Some((tag, rest)) = bytes.split_first() {
            let (len, rest) = rest.split_at_checked(LENGTH)?;
            let len = u32::from_le_bytes(len.try_into().ok()?) as usize;
            let (cell, rest) = rest.split_at_checked(len)?;
            bytes = rest;
            let tag = Tag::from_byte(*tag)?;
            row.values.push(match tag {
                Tag::Ref => {
                    let (e, database) = cell.split_at_checked(8)?;
                    row.databases.push(u16::from_le_bytes(database.try_into().ok()?));
                    Value::Ref(EntityId(u64::from_le_bytes(e.try_into().ok()?)))
                }
                tag => value::decode(tag, cell).ok()?,
            });
        }
        Some(row)
    }

    /// What it takes while it is held, about.
    fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.values.len() * 2 * size_of::<Value>() + self.size_bytes
    }

    /// The long where two equal rows met.
    fn meet(&mut self, other: &Self) {
        for (mine, theirs) in self.values.iter_mut().zip(&other.values) {
            if matches!((&*mine, theirs), (Value::BigInt(_), Value::Long(_))) {
                *mine = theirs.clone();
            }
        }
    }
}

/// The order in which equal cells are equal: a bigint that would fit in a long is that long.
fn by_cells(a: &Value, b: &Value) -> Ordering {
    let long = |value: &Value| match value {
        Value::Long(x) => Some(*x),
        Value::BigInt(x) => i64::try_from(x.as_ref()).ok(),
        _ => None,
    };
    match (long(a), long(b)) {
        (Some(x), Some(y)) => x.cmp(&y),
        _ => a.cmp(b),
    }
}

impl RowOrder {
    /// Compares two rows by what compares their columns; all columns count in the end.
    pub fn compare(&self, width: usize, cell: impl Fn(usize) -> Ordering) -> Ordering {
        let by_key = |key: &SortKey| {
            let ordering = cell(key.column);
            if key.descending { ordering.reverse() } else { ordering }
        };
        let keyed = self.keys.iter().map(by_key).find(|ordering| ordering.is_ne());
        let whole = || (0..width).map(&cell).find(|ordering| ordering.is_ne());
        keyed.or_else(whole).unwrap_or(Ordering::Equal)
    }

    fn rows(&self, a: &Row, b: &Row) -> Ordering {
        let cell = |column: usize| by_cells(&a.values[column], &b.values[column]);
        self.compare(a.values.len(), cell).then_with(|| a.databases.cmp(&b.databases))
    }

    fn printed(&self, a: &Row, b: &Row) -> Ordering {
        self.compare(self.width, |column| a.values[column].cmp(&b.values[column]))
    }
}

/// Sorted runs as one.
pub(super) struct Merged {
    pub overflow: Box<dyn Overflow>,
    pub runs: Vec<Range<u64>>,
    pub order: RowOrder,
    /// Whether a bigint is among them that would fit in a long: those are printed in another order
    /// than they are told apart in.
    pub has_big: bool,
    pub offset: u64,
    pub count: u64,
    pub watch: Watch,
}

/// The next row of a run.
struct Head<'a> {
    row: Row,
    run: usize,
    order: &'a RowOrder,
}

impl Ord for Head<'_> {
    /// The heap gives the greatest: that is the first row, of the oldest run.
    fn cmp(&self, other: &Self) -> Ordering {
        self.order.rows(&other.row, &self.row).then(other.run.cmp(&self.run))
    }
}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head<'_> {}

impl Merged {
    fn each<E: From<QueryError>>(
        &self,
        row: &mut dyn FnMut(&[Value]) -> Result<(), E>,
    ) -> Result<u64, E> {
        let (mut passed, mut given) = (0, 0);
        let mut give = |found: &Row| -> Result<bool, E> {
            passed += 1;
            if passed <= self.offset {
                return Ok(true);
            }
            if given == self.count {
                return Ok(false);
            }
            given += 1;
            if given > self.watch.limits.rows {
                let (what, limit) = ("row", self.watch.limits.rows);
                return Err(QueryError::Limit { what, limit, operator: ":find".into() }.into());
            }
            row(&found.values[..self.order.width])?;
            Ok(true)
        };
        if !self.has_big {
            self.distinct(&mut give)?;
            return Ok(given);
        }
        let mut all = Vec::new();
        let mut held = 0;
        self.distinct(&mut |found: &Row| -> Result<bool, E> {
            held += found.held_bytes();
            self.watch.memory(held, &":find")?;
            all.push(found.clone());
            Ok(true)
        })?;
        all.sort_by(|a, b| self.order.printed(a, b));
        for found in &all {
            if !give(found)? {
                break;
            }
        }
        Ok(given)
    }

    /// All rows, each once, until the receiver has enough.
    fn distinct<E: From<QueryError>>(
        &self,
        give: &mut dyn FnMut(&Row) -> Result<bool, E>,
    ) -> Result<(), E> {
        let mut watch = self.watch.clone();
        let mut readers: Vec<Reader<'_>> =
            self.runs.iter().map(|run| Reader::new(self.overflow.as_ref(), run)).collect();
        let mut heads = BinaryHeap::new();
        for (run, reader) in readers.iter_mut().enumerate() {
            let row = reader.next()?;
            heads.extend(row.map(|row| Head { row, run, order: &self.order }));
        }
        let mut last: Option<Row> = None;
        while let Some(Head { row, run, order }) = heads.pop() {
            watch.tick(16, &":find")?;
            let next = readers[run].next()?;
            heads.extend(next.map(|row| Head { row, run, order }));
            match &mut last {
                Some(last) if order.rows(last, &row).is_eq() => last.meet(&row),
                last => {
                    if let Some(before) = last.replace(row)
                        && !give(&before)?
                    {
                        return Ok(());
                    }
                }
            }
        }
        if let Some(last) = last {
            give(&last)?;
        }
        Ok(())
    }
}

/// Reads one run from its beginning.
struct Reader<'a> {
    overflow: &'a dyn Overflow,
    rest: Range<u64>,
    buffer: Vec<u8>,
    start: usize,
}

impl<'a> Reader<'a> {
    fn new(overflow: &'a dyn Overflow, run: &Range<u64>) -> Self {
        Self { overflow, rest: run.clone(), buffer: Vec::new(), start: 0 }
    }

    /// Has so many bytes at hand, if there are any.
    fn fill(&mut self, wanted: usize) -> Result<bool, QueryError> {
        let at_hand = self.buffer.len() - self.start;
        if at_hand >= wanted {
            return Ok(true);
        }
        let left = self.rest.end - self.rest.start;
        if at_hand == 0 && left == 0 {
            return Ok(false);
        }
        let more = left.min((wanted - at_hand).max(READ) as u64) as usize;
        if at_hand + more < wanted {
            return Err(broken());
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.resize(at_hand + more, 0);
        self.overflow.read(self.rest.start, &mut self.buffer[at_hand..])?;
        self.rest.start += more as u64;
        Ok(true)
    }

    fn next(&mut self) -> Result<Option<Row>, QueryError> {
        if !self.fill(LENGTH)? {
            return Ok(None);
        }
        let length = self.buffer.get(self.start..self.start + LENGTH);
        let length = length.and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
        let end = LENGTH + length.ok_or_else(broken)? as usize;
        self.fill(end)?;
        let bytes = &self.buffer[self.start + LENGTH..self.start + end];
        let row = Row::read(bytes).ok_or_else(broken)?;
        self.start += end;
        Ok(Some(row))
    }
}
