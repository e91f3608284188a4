//! Batches and tables of rows.
//!
//! **Invariant:** all columns of a batch have its number of rows; a table holds each row once and
//! keeps the order in which rows came, so nothing depends on the order of a hash map.

use super::cell::{Cell, hash_row};
use hashbrown::HashTable;

/// Rows in columns. The number of rows stands by itself: a batch may have no columns.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub rows: usize,
    pub cols: Vec<Vec<Cell>>,
}

impl Batch {
    /// One row without columns: where a plan that depends on nothing begins.
    pub fn unit() -> Self {
        Self { rows: 1, cols: Vec::new() }
    }

    pub fn row(&self, row: usize) -> impl Iterator<Item = Cell> + '_ {
        self.cols.iter().map(move |col| col[row])
    }

    /// Some rows of some columns.
    pub fn gather(&self, keep: &[usize], rows: &[u32]) -> Vec<Vec<Cell>> {
        let column = |c: &usize| rows.iter().map(|r| self.cols[*c][*r as usize]).collect();
        keep.iter().map(column).collect()
    }

    /// Some columns of all rows, moved where each is used once.
    pub fn into_select(mut self, keep: &[usize]) -> Batch {
        let mut cols = Vec::with_capacity(keep.len());
        for (i, c) in keep.iter().enumerate() {
            let again = keep[i + 1..].contains(c);
            cols.push(if again {
                self.cols[*c].clone()
            } else {
                std::mem::take(&mut self.cols[*c])
            });
        }
        Batch { rows: self.rows, cols }
    }

    /// Appends rows of a batch with the same columns.
    pub fn append(&mut self, other: Batch) {
        self.rows += other.rows;
        if self.cols.is_empty() {
            self.cols = other.cols;
        } else {
            self.cols.iter_mut().zip(other.cols).for_each(|(mine, more)| mine.extend(more));
        }
    }

    pub fn push(&mut self, row: impl IntoIterator<Item = Cell>) {
        self.rows += 1;
        self.cols.iter_mut().zip(row).for_each(|(col, cell)| col.push(cell));
    }

    pub fn with_width(width: usize) -> Self {
        Self { rows: 0, cols: vec![Vec::new(); width] }
    }

    pub fn size_bytes(&self) -> usize {
        self.cols.iter().map(|col| col.capacity() * size_of::<Cell>()).sum()
    }
}

/// Distinct rows, numbered in the order they came.
#[derive(Debug, Default)]
pub struct RowTable {
    pub rows: Batch,
    table: HashTable<u32>,
}

impl RowTable {
    pub fn new(width: usize) -> Self {
        Self { rows: Batch::with_width(width), table: HashTable::new() }
    }

    pub fn len(&self) -> usize {
        self.rows.rows
    }

    /// The number of a row, and whether it is new.
    pub fn insert(&mut self, row: &[Cell]) -> (usize, bool) {
        let hash = hash_row(row.iter().copied());
        if let Some(found) = self.position(hash, row) {
            // A long stays where it meets the same bigint, in whatever order they come.
            for (col, cell) in self.rows.cols.iter_mut().zip(row) {
                if col[found].is_big() && !cell.is_big() {
                    col[found] = *cell;
                }
            }
            return (found, false);
        }
        let index = self.rows.rows;
        self.rows.push(row.iter().copied());
        let rows = &self.rows;
        self.table.insert_unique(hash, index as u32, |i| hash_row(rows.row(*i as usize)));
        (index, true)
    }

    pub fn find(&self, row: &[Cell]) -> Option<usize> {
        self.position(hash_row(row.iter().copied()), row)
    }

    fn position(&self, hash: u64, row: &[Cell]) -> Option<usize> {
        let same = |i: &u32| self.rows.row(*i as usize).eq(row.iter().copied());
        self.table.find(hash, same).map(|i| *i as usize)
    }

    pub fn size_bytes(&self) -> usize {
        self.rows.size_bytes() + self.table.capacity() * 5
    }
}

/// A table with, for each distinct key, the numbers of rows that have it, in the order they came.
#[derive(Debug, Default)]
pub struct MultiTable {
    pub keys: RowTable,
    heads: Vec<u32>,
    tails: Vec<u32>,
    next: Vec<u32>,
    rows: Vec<u32>,
}

const END: u32 = u32::MAX;

impl MultiTable {
    pub fn new(width: usize) -> Self {
        Self { keys: RowTable::new(width), ..Self::default() }
    }

    /// Says that `row` has `key`; gives the number of the key.
    pub fn insert(&mut self, key: &[Cell], row: usize) -> usize {
        let (number, is_new) = self.keys.insert(key);
        let entry = self.rows.len() as u32;
        self.rows.push(row as u32);
        self.next.push(END);
        if is_new {
            self.heads.push(entry);
            self.tails.push(entry);
        } else {
            let tail = std::mem::replace(&mut self.tails[number], entry);
            self.next[tail as usize] = entry;
        }
        number
    }

    /// The rows of the key with this number.
    pub fn rows_of(&self, key: usize) -> impl Iterator<Item = usize> + '_ {
        let first = self.heads.get(key).copied();
        let step = move |entry: &u32| Some(self.next[*entry as usize]).filter(|e| *e != END);
        std::iter::successors(first, step).map(|entry| self.rows[entry as usize] as usize)
    }

    /// The rows of a key.
    pub fn rows_with(&self, key: &[Cell]) -> impl Iterator<Item = usize> + '_ {
        self.rows_of(self.keys.find(key).unwrap_or(usize::MAX))
    }

    pub fn size_bytes(&self) -> usize {
        self.keys.size_bytes() + self.rows.capacity() * 8 + self.heads.capacity() * 8
    }
}
