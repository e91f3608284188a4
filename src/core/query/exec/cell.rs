//! Cells: what columns are made of while a query runs; 16 bytes, `Copy`, compared and hashed as
//! bytes.
//!
//! **Invariant:** within one run two cells are the same bytes exactly if they join: integers of all
//! sizes are one type (`1` joins `1N`), no other types mix, entities of different databases never
//! join, `-0.0` is `0.0`, NaN joins itself. Text up to 14 bytes lies in the cell; what does not fit
//! is interned in the run's [`Pool`]. A bigint that would fit in a long is one in all that joins
//! and counts, and still a bigint for functions and for the answer; where it meets the same long,
//! the long is what stays.

use crate::hash::NodeHash;
use crate::id::EntityId;
use crate::value::{Tag, ValRef, Value, key};
use hashbrown::HashTable;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Longest text that lies in the cell.
const INLINE: usize = 14;
/// Length byte of a cell that points into the pool.
const POOLED: u8 = 0xff;
/// The same byte of a long that is written as a bigint; bytes 2-5 are its place in the pool.
const BIG: u8 = 1;

/// A value in a column. Byte 0 is the type; the rest depends on it: bytes 8-15 a number, or byte 1
/// a length and bytes 2-15 text, or bytes 2-3 the number of a database and 8-15 an entity.
#[derive(Clone, Copy, Debug)]
#[repr(align(8))]
pub struct Cell([u8; 16]);

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.plain().0 == other.plain().0
    }
}

impl Eq for Cell {}

impl PartialOrd for Cell {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Cell {
    fn cmp(&self, other: &Self) -> Ordering {
        self.plain().0.cmp(&other.plain().0)
    }
}

impl Cell {
    pub const NIL: Self = Self([0; 16]);

    fn number(tag: Tag, bits: u64) -> Self {
        let mut bytes = [0; 16];
        bytes[0] = tag as u8;
        bytes[8..].copy_from_slice(&bits.to_le_bytes());
        Self(bytes)
    }

    pub fn long(x: i64) -> Self {
        Self::number(Tag::Long, x as u64)
    }

    pub fn bool(x: bool) -> Self {
        Self::number(Tag::Bool, u64::from(x))
    }

    pub fn double(x: f64) -> Self {
        let x = if x.is_nan() { f64::NAN } else { x };
        // Adding zero turns the negative zero into the positive one.
        Self::number(Tag::Double, (x + 0.0).to_bits())
    }

    /// An entity of the database with this number in the run.
    pub fn entity(e: EntityId, database: u16) -> Self {
        let mut cell = Self::number(Tag::Ref, e.0);
        cell.0[2..4].copy_from_slice(&database.to_le_bytes());
        cell
    }

    fn pooled(tag: Tag, index: u32) -> Self {
        let mut cell = Self::number(tag, u64::from(index));
        cell.0[1] = POOLED;
        cell
    }

    /// A bigint that would fit in a long.
    fn big(x: i64, index: u32) -> Self {
        let mut cell = Self::long(x);
        cell.0[1] = BIG;
        cell.0[2..6].copy_from_slice(&index.to_le_bytes());
        cell
    }

    /// Whether it is a bigint that would fit in a long.
    pub fn is_big(self) -> bool {
        self.0[0] == Tag::Long as u8 && self.0[1] == BIG
    }

    /// The cell that all equal cells are.
    pub fn plain(self) -> Self {
        if self.is_big() { Self::number(Tag::Long, self.bits()) } else { self }
    }

    /// The cell of text or bytes that are short enough.
    fn inline(tag: Tag, bytes: &[u8]) -> Option<Self> {
        let mut out = [0; 16];
        out[0] = tag as u8;
        out[1] = bytes.len() as u8;
        out.get_mut(2..2 + bytes.len()).filter(|_| bytes.len() <= INLINE)?.copy_from_slice(bytes);
        Some(Self(out))
    }

    pub fn tag(self) -> Tag {
        Tag::from_byte(self.0[0]).unwrap_or(Tag::Nil)
    }

    pub fn bits(self) -> u64 {
        let mut bits = [0; 8];
        bits.copy_from_slice(&self.0[8..]);
        u64::from_le_bytes(bits)
    }

    pub fn is_nil(self) -> bool {
        self.0[0] == 0
    }

    pub fn as_long(self) -> Option<i64> {
        (self.0[0] == Tag::Long as u8).then(|| self.bits() as i64)
    }

    pub fn as_double(self) -> Option<f64> {
        (self.0[0] == Tag::Double as u8).then(|| f64::from_bits(self.bits()))
    }

    /// The entity and the number of its database.
    pub fn as_entity(self) -> Option<(EntityId, u16)> {
        let database = u16::from_le_bytes([self.0[2], self.0[3]]);
        (self.0[0] == Tag::Ref as u8).then(|| (EntityId(self.bits()), database))
    }

    fn text(&self) -> &[u8] {
        &self.0[2..2 + usize::from(self.0[1]).min(INLINE)]
    }

    /// A hash of the bytes: one multiplication.
    pub fn hash(self) -> u64 {
        let mut head = [0; 8];
        head.copy_from_slice(&self.plain().0[..8]);
        let a = u64::from_le_bytes(head) ^ 0x9e37_79b9_7f4a_7c15;
        let b = self.bits() ^ 0xd6e8_feb8_6659_fd93;
        let wide = u128::from(a) * u128::from(b);
        (wide as u64) ^ (wide >> 64) as u64
    }
}

/// A hash of a row of cells.
pub fn hash_row(row: impl IntoIterator<Item = Cell>) -> u64 {
    row.into_iter().fold(0, |hash: u64, cell| {
        (hash.rotate_left(23) ^ cell.hash()).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

/// How much was in a pool at a time.
#[derive(Clone, Copy, Debug)]
pub struct Interned {
    values: u32,
    bytes: usize,
}

/// The values of a run that do not fit in a cell, each once.
#[derive(Debug, Default)]
pub struct Pool {
    values: Vec<Value>,
    table: HashTable<u32>,
    /// The hashes of long values, by their places.
    digests: BTreeMap<u32, NodeHash>,
    bytes: usize,
}

impl Pool {
    /// Memory it holds, about, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.bytes
    }

    /// The cell of a value. Entities are taken as entities of `database`.
    pub fn cell(&mut self, value: ValRef<'_>, database: u16) -> Cell {
        match immediate(value, database) {
            Ok(cell) if value.tag() == Tag::BigInt => {
                Cell::big(cell.bits() as i64, self.index(value))
            }
            Ok(cell) => cell,
            Err(value) => Cell::pooled(value.tag(), self.index(value)),
        }
    }

    fn index(&mut self, value: ValRef<'_>) -> u32 {
        let hash = hash_of(value);
        self.position(value, hash).unwrap_or_else(|| self.insert(value, hash))
    }

    /// The cell of a value if the run has met it: for probing without growing. A reference to a
    /// long value is found by its hash.
    pub fn find(&self, value: ValRef<'_>, database: u16) -> Option<Cell> {
        match immediate(value, database) {
            Ok(cell) => Some(cell),
            Err(value) => {
                let index = self.position(value, hash_of(value))?;
                Some(Cell::pooled(value.tag().whole(), index))
            }
        }
    }

    /// The cell of a value that is of no database: entities become longs, which name entities of
    /// any.
    pub fn free(&mut self, value: &Value) -> Cell {
        match value {
            Value::Ref(e) => Cell::long(e.0 as i64),
            value => self.cell(value.as_ref(), 0),
        }
    }

    fn position(&self, value: ValRef<'_>, hash: u64) -> Option<u32> {
        let same = |i: &u32| {
            let known = self.values[*i as usize].as_ref();
            if let ValRef::Blob(blob) = value {
                let is_it = self.digests.get(i) == Some(&blob.digest());
                return is_it && known.tag() == value.tag().whole();
            }
            known.tag() == value.tag() && known == value
        };
        self.table.find(hash, same).copied()
    }

    fn insert(&mut self, value: ValRef<'_>, hash: u64) -> u32 {
        let index = self.values.len() as u32;
        self.bytes += 64 + weight(value);
        self.values.push(value.to_value());
        self.digests.extend(value.long_bytes().map(|bytes| (index, NodeHash::of(bytes))));
        let (values, digests) = (&self.values, &self.digests);
        self.table.insert_unique(hash, index, |i| {
            let value = values[*i as usize].as_ref();
            digests.get(i).map_or_else(|| hash_of(value), |digest| hash_long(value.tag(), *digest))
        });
        index
    }

    /// What is in it now.
    pub fn interned(&self) -> Interned {
        Interned { values: self.values.len() as u32, bytes: self.bytes }
    }

    /// Forgets the values that came since then: no cell of theirs is used any more.
    pub fn truncate(&mut self, interned: &Interned) {
        for index in interned.values..self.values.len() as u32 {
            let value = self.values[index as usize].as_ref();
            let digest = self.digests.get(&index);
            let hash = digest.map_or_else(|| hash_of(value), |d| hash_long(value.tag(), *d));
            if let Ok(entry) = self.table.find_entry(hash, |i| *i == index) {
                entry.remove();
            }
        }
        self.values.truncate(interned.values as usize);
        self.digests.split_off(&interned.values);
        self.bytes = interned.bytes;
    }

    /// The place of what a cell has in the pool.
    fn place(cell: Cell) -> Option<usize> {
        match cell.0[1] {
            POOLED => Some(cell.bits() as usize),
            _ if cell.is_big() => {
                Some(u32::from_le_bytes([cell.0[2], cell.0[3], cell.0[4], cell.0[5]]) as usize)
            }
            _ => None,
        }
    }

    /// What a cell holds.
    pub fn get<'a>(&'a self, cell: &'a Cell) -> ValRef<'a> {
        if let Some(place) = Self::place(*cell) {
            return self.values.get(place).map_or(ValRef::Nil, Value::as_ref);
        }
        let text = || std::str::from_utf8(cell.text()).unwrap_or_default();
        match cell.tag() {
            Tag::Bool => ValRef::Bool(cell.bits() == 1),
            Tag::Long => ValRef::Long(cell.bits() as i64),
            Tag::Inst => ValRef::Inst(cell.bits() as i64),
            Tag::Float => ValRef::Float(f32::from_bits(cell.bits() as u32)),
            Tag::Double => ValRef::Double(f64::from_bits(cell.bits())),
            Tag::Ref => ValRef::Ref(EntityId(cell.bits())),
            Tag::Char => ValRef::Char(char::from_u32(cell.bits() as u32).unwrap_or_default()),
            Tag::Str => ValRef::Str(text()),
            Tag::Keyword => ValRef::Keyword(text()),
            Tag::Symbol => ValRef::Symbol(text()),
            Tag::Uri => ValRef::Uri(text()),
            Tag::Bytes => ValRef::Bytes(cell.text()),
            _ => ValRef::Nil,
        }
    }

    /// The value of a cell. Cost: an allocation for text in the cell, a count for what is pooled.
    pub fn value(&self, cell: Cell) -> Value {
        if let Some(place) = Self::place(cell) {
            return self.values.get(place).cloned().unwrap_or(Value::Nil);
        }
        self.get(&cell).to_value()
    }
}

/// The cell of a value that needs no pool, or the value in the form that the pool keeps.
fn immediate(value: ValRef<'_>, database: u16) -> Result<Cell, ValRef<'_>> {
    let text = |tag, text: &str| Cell::inline(tag, text.as_bytes()).ok_or(value);
    match value {
        ValRef::Nil => Ok(Cell::NIL),
        ValRef::Bool(x) => Ok(Cell::bool(x)),
        ValRef::Long(x) => Ok(Cell::long(x)),
        ValRef::Inst(x) => Ok(Cell::number(Tag::Inst, x as u64)),
        ValRef::Double(x) => Ok(Cell::double(x)),
        ValRef::Float(x) => Ok(Cell::number(Tag::Float, u64::from((x + 0.0).to_bits()))),
        ValRef::Ref(x) => Ok(Cell::entity(x, database)),
        ValRef::Char(x) => Ok(Cell::number(Tag::Char, u64::from(u32::from(x)))),
        ValRef::Str(x) => text(Tag::Str, x),
        ValRef::Keyword(x) => text(Tag::Keyword, x),
        ValRef::Symbol(x) => text(Tag::Symbol, x),
        ValRef::Uri(x) => text(Tag::Uri, x),
        ValRef::Bytes(x) => Cell::inline(Tag::Bytes, x).ok_or(value),
        ValRef::Encoded(Tag::BigInt, _) | ValRef::Owned(Value::BigInt(_)) => {
            match value.to_value() {
                Value::BigInt(x) => i64::try_from(x.as_ref()).map(Cell::long).map_err(|_| value),
                _ => Err(value),
            }
        }
        other => Err(other),
    }
}

fn weight(value: ValRef<'_>) -> usize {
    match value {
        ValRef::Str(x) | ValRef::Keyword(x) | ValRef::Symbol(x) | ValRef::Uri(x) => x.len(),
        ValRef::Bytes(x) | ValRef::Encoded(_, x) => x.len(),
        ValRef::Owned(value) => {
            let mut bytes = Vec::new();
            crate::value::encode(value, &mut bytes);
            4 * bytes.len()
        }
        _ => 0,
    }
}

fn hash_of(value: ValRef<'_>) -> u64 {
    match value {
        ValRef::Blob(blob) => return hash_long(blob.tag().whole(), blob.digest()),
        value => {
            if let Some(bytes) = value.long_bytes() {
                return hash_long(value.tag(), NodeHash::of(bytes));
            }
        }
    }
    hash_short(value)
}

/// Of a long value by its hash: so a reference to it is found.
fn hash_long(tag: Tag, digest: NodeHash) -> u64 {
    hash_short(ValRef::Bytes(&digest.0)) ^ tag as u64
}

fn hash_short(value: ValRef<'_>) -> u64 {
    let bytes = |tag: Tag, bytes: &[u8]| {
        let words = bytes.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            Cell::number(tag, u64::from_le_bytes(word))
        });
        hash_row(words.chain([Cell::long(bytes.len() as i64)]))
    };
    match value {
        ValRef::Str(x) | ValRef::Keyword(x) | ValRef::Symbol(x) | ValRef::Uri(x) => {
            bytes(value.tag(), x.as_bytes())
        }
        ValRef::Bytes(x) => bytes(Tag::Bytes, x),
        ValRef::Uuid(x) => bytes(Tag::Uuid, x.as_bytes()),
        other => {
            let mut encoded = Vec::new();
            key::encode(other, &mut encoded);
            bytes(other.tag(), &encoded)
        }
    }
}
