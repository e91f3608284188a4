//! A column of values: tags, 64 bits each, and heaps for what does not fit.
//!
//! **Invariant:** every entry that is not inline points at valid bytes of its type in a heap; so
//! reading a column never fails. Whoever makes one from stored bytes goes through
//! [`ColumnBuilder`], which checks. Texts have a heap of their own, a string, so that reading one
//! does not check its UTF-8 again.

use super::{Blob, DecodeError, LONG_BYTES, Tag, ValRef, Value, decode, encode};
use crate::id::EntityId;
use uuid::Uuid;

/// Values, addressed by row. Memory: 9 bytes a row and the heap.
#[derive(Clone, Debug, Default)]
pub struct Column {
    tags: Vec<Tag>,
    bits: Vec<u64>,
    text: String,
    heap: Vec<u8>,
}

impl Column {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.tags.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// The type of a row.
    pub fn tag(&self, row: usize) -> Tag {
        self.tags[row]
    }

    /// The 64 bits of a row: an inline value as it is, else offset and length in the heap. For fast
    /// paths that looked at the tag.
    pub fn bits(&self, row: usize) -> u64 {
        self.bits[row]
    }

    /// Memory it holds, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.tags.capacity()
            + self.bits.capacity() * 8
            + self.text.capacity()
            + self.heap.capacity()
    }

    /// The heap form of a row that is not inline.
    pub fn slice(&self, row: usize) -> &[u8] {
        let (start, end) = range(self.bits[row]);
        if self.tags[row].is_text() {
            &self.text.as_bytes()[start..end]
        } else {
            &self.heap[start..end]
        }
    }

    /// How many bytes of a heap some rows take, each counted for itself.
    pub fn heap_bytes(&self, rows: std::ops::Range<usize>) -> usize {
        let each = self.tags[rows.clone()].iter().zip(&self.bits[rows]);
        each.map(|(tag, bits)| heap_len(*tag, *bits)).sum()
    }

    fn text(&self, row: usize) -> &str {
        let (start, end) = range(self.bits[row]);
        &self.text[start..end]
    }

    /// Whether some of these rows are references to long values.
    pub fn has_blobs(&self, rows: std::ops::Range<usize>) -> bool {
        self.tags[rows].iter().any(|tag| tag.is_blob())
    }

    /// Whether some row is a long value that is there whole.
    pub fn has_long(&self) -> bool {
        let long = |(tag, bits): (&Tag, &u64)| {
            (*bits & 0xffff_ffff) as usize > LONG_BYTES && tag.blob().is_some()
        };
        self.tags.iter().zip(&self.bits).any(long)
    }

    /// The value of a row.
    pub fn get(&self, row: usize) -> ValRef<'_> {
        let bits = self.bits[row];
        match self.tags[row] {
            Tag::Nil => ValRef::Nil,
            Tag::Bool => ValRef::Bool(bits == 1),
            Tag::Long => ValRef::Long(bits as i64),
            Tag::Inst => ValRef::Inst(bits as i64),
            Tag::Float => ValRef::Float(f32::from_bits(bits as u32)),
            Tag::Double => ValRef::Double(f64::from_bits(bits)),
            Tag::Ref => ValRef::Ref(EntityId(bits)),
            Tag::Char => ValRef::Char(char::from_u32(bits as u32).unwrap_or_default()),
            Tag::Str => ValRef::Str(self.text(row)),
            Tag::Keyword => ValRef::Keyword(self.text(row)),
            Tag::Symbol => ValRef::Symbol(self.text(row)),
            Tag::Uri => ValRef::Uri(self.text(row)),
            Tag::Bytes => ValRef::Bytes(self.slice(row)),
            Tag::Uuid => ValRef::Uuid(Uuid::from_slice(self.slice(row)).unwrap_or_default()),
            tag => {
                let bytes = self.slice(row);
                Blob::of_form(tag, bytes).map_or(ValRef::Encoded(tag, bytes), ValRef::Blob)
            }
        }
    }
}

fn valid_bits(tag: Tag, bits: u64) -> bool {
    match tag {
        Tag::Nil => bits == 0,
        Tag::Bool => bits < 2,
        Tag::Char => u32::try_from(bits).ok().and_then(char::from_u32).is_some(),
        Tag::Float => u32::try_from(bits).is_ok(),
        tag => tag.is_inline(),
    }
}

/// Whether the bytes are a value that lives in the heap of bytes.
fn valid_heap(tag: Tag, bytes: &[u8]) -> bool {
    match tag {
        Tag::Bytes => true,
        Tag::Uuid => bytes.len() == 16,
        tag if tag.is_inline() => false,
        tag if tag.is_blob() => Blob::of_form(tag, bytes).is_some(),
        tag => decode(tag, bytes).is_ok(),
    }
}

fn heap_len(tag: Tag, bits: u64) -> usize {
    if tag.is_inline() { 0 } else { (bits & 0xffff_ffff) as usize }
}

/// Start and end in a heap.
fn range(bits: u64) -> (usize, usize) {
    let (start, length) = ((bits >> 32) as usize, (bits & 0xffff_ffff) as usize);
    // Bits of an inline value are no place: their sum may be more than an address holds.
    (start, start.saturating_add(length))
}

/// Appends rows to a column.
#[derive(Debug, Default)]
pub struct ColumnBuilder(Column);

impl ColumnBuilder {
    /// An empty one with room for `rows`.
    pub fn with_capacity(rows: usize) -> Self {
        let (tags, bits) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        Self(Column { tags, bits, ..Column::default() })
    }

    /// How many rows so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// From the parts of a column that a decoder made, after checking every row: inline bits are a
    /// value of their tag, the others are offset (high 32 bits) and length of a heap form that
    /// decodes. Rows may share heap bytes.
    pub fn from_parts(
        tags: Vec<Tag>,
        bits: Vec<u64>,
        text: Vec<u8>,
        heap: Vec<u8>,
    ) -> Result<Self, DecodeError> {
        let text = String::from_utf8(text).map_err(|_| DecodeError(Tag::Str))?;
        let too_big = u32::try_from(heap.len().max(text.len())).is_err();
        if tags.len() != bits.len() || too_big {
            return Err(DecodeError(Tag::Nil));
        }
        for (tag, bits) in tags.iter().zip(&bits) {
            let (start, end) = range(*bits);
            let valid = match tag {
                tag if tag.is_inline() => valid_bits(*tag, *bits),
                tag if tag.is_text() => text.get(start..end).is_some(),
                tag => heap.get(start..end).is_some_and(|bytes| valid_heap(*tag, bytes)),
            };
            if !valid {
                return Err(DecodeError(*tag));
            }
        }
        Ok(Self(Column { tags, bits, text, heap }))
    }

    /// Appends a value. The heaps of one column are below 4 GiB: columns belong to nodes and to
    /// bounded overlays.
    pub fn push(&mut self, value: ValRef<'_>) {
        let tag = value.tag();
        let bits = match value {
            ValRef::Nil => 0,
            ValRef::Bool(x) => u64::from(x),
            ValRef::Long(x) | ValRef::Inst(x) => x as u64,
            ValRef::Float(x) => u64::from(x.to_bits()),
            ValRef::Double(x) => x.to_bits(),
            ValRef::Ref(x) => x.0,
            ValRef::Char(x) => u64::from(u32::from(x)),
            ValRef::Str(x) | ValRef::Keyword(x) | ValRef::Symbol(x) | ValRef::Uri(x) => {
                self.text(x)
            }
            ValRef::Bytes(x) | ValRef::Encoded(_, x) => self.heap(x),
            ValRef::Blob(x) => self.heap(x.form()),
            ValRef::Uuid(x) => self.heap(x.as_bytes()),
            ValRef::Owned(x) => {
                let start = self.0.heap.len();
                encode(x, &mut self.0.heap);
                (start as u64) << 32 | (self.0.heap.len() - start) as u64
            }
        };
        self.0.tags.push(tag);
        self.0.bits.push(bits);
    }

    /// Appends rows of another column as they are. What lies side by side there is copied at once.
    pub fn push_rows(&mut self, from: &Column, rows: std::ops::Range<usize>) {
        self.0.tags.extend_from_slice(&from.tags[rows.clone()]);
        self.0.bits.reserve(rows.len());
        // What is still to be copied.
        let (mut text, mut heap) = (0..0, 0..0);
        for row in rows {
            let (tag, bits) = (from.tags[row], from.bits[row]);
            let (start, end) = range(bits);
            let (run, used) = match tag {
                tag if tag.is_inline() => {
                    self.0.bits.push(bits);
                    continue;
                }
                tag if tag.is_text() => {
                    if start != text.end {
                        self.0.text.push_str(&from.text[text]);
                        text = start..start;
                    }
                    (&mut text, self.0.text.len())
                }
                _ => {
                    if start != heap.end {
                        self.0.heap.extend_from_slice(&from.heap[heap]);
                        heap = start..start;
                    }
                    (&mut heap, self.0.heap.len())
                }
            };
            run.end = end;
            self.0.bits.push(((used + start - run.start) as u64) << 32 | (end - start) as u64);
        }
        self.0.text.push_str(&from.text[text]);
        self.0.heap.extend_from_slice(&from.heap[heap]);
    }

    /// Appends rows of another column as they are, in this order.
    pub fn push_each(&mut self, from: &Column, rows: &[u32]) {
        self.0.tags.extend(rows.iter().map(|row| from.tags[*row as usize]));
        self.0.bits.reserve(rows.len());
        for row in rows {
            let (tag, bits) = (from.tags[*row as usize], from.bits[*row as usize]);
            let (start, end) = range(bits);
            let bits = match tag {
                tag if tag.is_inline() => bits,
                tag if tag.is_text() => self.text(&from.text[start..end]),
                _ => self.heap(&from.heap[start..end]),
            };
            self.0.bits.push(bits);
        }
    }

    /// Appends an inline value by its bits, after checking them.
    pub fn push_bits(&mut self, tag: Tag, bits: u64) -> Result<(), DecodeError> {
        let valid = valid_bits(tag, bits);
        if !valid {
            return Err(DecodeError(tag));
        }
        self.0.tags.push(tag);
        self.0.bits.push(bits);
        Ok(())
    }

    /// Appends a value that is not inline by its heap form, after checking that it decodes.
    pub fn push_encoded(&mut self, tag: Tag, bytes: &[u8]) -> Result<(), DecodeError> {
        let error = DecodeError(tag);
        let used = if tag.is_text() { self.0.text.len() } else { self.0.heap.len() };
        u32::try_from(used + bytes.len()).map_err(|_| error)?;
        let bits = match tag {
            tag if tag.is_text() => self.text(std::str::from_utf8(bytes).map_err(|_| error)?),
            tag if valid_heap(tag, bytes) => self.heap(bytes),
            _ => return Err(error),
        };
        self.0.tags.push(tag);
        self.0.bits.push(bits);
        Ok(())
    }

    /// The column.
    pub fn finish(mut self) -> Column {
        self.0.heap.shrink_to_fit();
        self.0.text.shrink_to_fit();
        self.0
    }

    fn text(&mut self, text: &str) -> u64 {
        let start = self.0.text.len() as u64;
        self.0.text.push_str(text);
        start << 32 | text.len() as u64
    }

    fn heap(&mut self, bytes: &[u8]) -> u64 {
        let start = self.0.heap.len() as u64;
        self.0.heap.extend_from_slice(bytes);
        start << 32 | bytes.len() as u64
    }
}

impl FromIterator<Value> for Column {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        let mut builder = ColumnBuilder::default();
        values.into_iter().for_each(|v| builder.push(v.as_ref()));
        builder.finish()
    }
}
