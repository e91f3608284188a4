//! Sorted byte strings of a node, and the shortest bytes that separate two of them.
//!
//! **Invariant:** all ranges lie in the heap; what was read from storage is strictly ascending
//! where it is a list of keys.

use crate::codec::{CodecError, Reader, Writer, texts};

/// Byte strings, addressed by position.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    heap: Vec<u8>,
    places: Vec<u64>,
}

impl Keys {
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn get(&self, i: usize) -> &[u8] {
        let place = self.places[i];
        let (start, len) = ((place >> 32) as usize, (place & 0xffff_ffff) as usize);
        &self.heap[start..start + len]
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|i| self.get(i))
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.places.push((self.heap.len() as u64) << 32 | bytes.len() as u64);
        self.heap.extend_from_slice(bytes);
    }

    /// How many of the first keys satisfy `before`, which holds for a prefix of them.
    pub fn partition_point(&self, mut before: impl FnMut(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if before(self.get(middle)) { low = middle + 1 } else { high = middle }
        }
        low
    }

    pub fn is_ascending(&self) -> bool {
        (1..self.len()).all(|i| self.get(i - 1) < self.get(i))
    }

    pub fn size_bytes(&self) -> usize {
        self.heap.capacity() + self.places.capacity() * 8
    }

    pub fn write(&self, w: &mut Writer) {
        texts::write(&self.iter().collect::<Vec<_>>(), w);
    }

    pub fn read(r: &mut Reader<'_>, rows: usize) -> Result<Self, CodecError> {
        let mut heap = Vec::new();
        let places = texts::read(r, rows, &mut heap)?;
        heap.shrink_to_fit();
        Ok(Self { heap, places })
    }
}

/// The shortest key that is after `left` and not after `right`.
pub(super) fn separator(left: &[u8], right: &[u8]) -> Vec<u8> {
    let common = left.iter().zip(right).take_while(|(x, y)| x == y).count();
    right[..right.len().min(common + 1)].to_vec()
}
