//! Leaves of rows: sorted keys with values, both plain bytes; what small tables such as COMMITS are
//! made of.
//!
//! Layout of the body: number of rows (varint), keys (strings of the codec), values (strings).
//!
//! **Invariant:** keys ascend strictly.

use super::keys::Keys;
use crate::codec::{CodecError, Reader, Writer};

/// Sorted rows.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    keys: Keys,
    values: Keys,
}

impl Rows {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The key of a row.
    pub fn key(&self, row: usize) -> &[u8] {
        self.keys.get(row)
    }

    /// The value of a row.
    pub fn value(&self, row: usize) -> &[u8] {
        self.values.get(row)
    }

    /// The value under a key.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let row = self.keys.partition_point(|x| x < key);
        (row < self.len() && self.key(row) == key).then(|| self.value(row))
    }

    /// The first row whose key is not before this one.
    pub fn position(&self, key: &[u8]) -> usize {
        self.keys.partition_point(|x| x < key)
    }

    /// Memory it holds, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.keys.size_bytes() + self.values.size_bytes()
    }

    /// The same keys, some with other values; `None` if no value changes.
    pub fn with_values<E>(
        &self,
        mut value: impl FnMut(&[u8], &[u8]) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Option<Self>, E> {
        let (mut rows, mut changed) = (Self::default(), false);
        for row in 0..self.len() {
            let new = value(self.key(row), self.value(row))?;
            changed |= new.is_some();
            rows.push(self.key(row), new.as_deref().unwrap_or(self.value(row)));
        }
        Ok(changed.then_some(rows))
    }

    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) {
        self.keys.push(key);
        self.values.push(value);
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.varint(self.len() as u64);
        self.keys.write(w);
        self.values.write(w);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        // Keys that differ take at least one byte each.
        let rows = r.count(1)?;
        let (keys, values) = (Keys::read(r, rows)?, Keys::read(r, rows)?);
        r.check(keys.is_ascending(), "keys out of order")?;
        Ok(Self { keys, values })
    }
}
