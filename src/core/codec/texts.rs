//! Columns of byte strings.
//!
//! Layout: `mode` (1 byte), then as the mode says; nothing at all for no rows. *Numbers* are a
//! column of [`words`].
//!
//! | mode | | |
//! |---|---|---|
//! | 0 | plain | lengths: numbers; the strings one after the other |
//! | 1 | prefixes | bytes as in the string before: numbers; lengths of rests: numbers; rests |
//! | 2 | table | different strings: varint, and they, ascending, in mode 0 or 1; indexes: numbers |
//!
//! **Invariant:** reading gives ranges of one heap that lie within it; the heap stays below
//! [`MAX_RAW`]. Whether the bytes are text is for the caller to check.

use super::{CodecError, MAX_RAW, Reader, Writer, words};

const PLAIN: u8 = 0;
const PREFIXES: u8 = 1;
const TABLE: u8 = 2;

/// Appends a column.
pub fn write(texts: &[&[u8]], w: &mut Writer) {
    if texts.is_empty() {
        return;
    }
    let mut table = texts.to_vec();
    table.sort_unstable();
    table.dedup();
    if table.len() * 2 > texts.len() {
        return write_flat(texts, w);
    }
    w.u8(TABLE);
    w.varint(table.len() as u64);
    write_flat(&table, w);
    let index = |text: &&[u8]| table.partition_point(|x| x < text) as u64;
    words::write(&texts.iter().map(index).collect::<Vec<_>>(), w);
}

fn write_flat(texts: &[&[u8]], w: &mut Writer) {
    let mut before: &[u8] = &[];
    let mut shared = Vec::with_capacity(texts.len());
    for text in texts {
        shared.push(text.iter().zip(before).take_while(|(x, y)| x == y).count() as u64);
        before = text;
    }
    let total: usize = texts.iter().map(|x| x.len()).sum();
    // Short common starts cost more as numbers than the compressor needs for them.
    if shared.iter().sum::<u64>() * 2 < total as u64 {
        w.u8(PLAIN);
        shared.fill(0);
    } else {
        w.u8(PREFIXES);
        words::write(&shared, w);
    }
    let rest = || texts.iter().zip(&shared).map(|(text, shared)| &text[*shared as usize..]);
    words::write(&rest().map(|x| x.len() as u64).collect::<Vec<_>>(), w);
    rest().for_each(|x| w.fixed(x));
}

/// Reads a column of so many rows, appending to a heap: where in it each row is, as offset (high 32
/// bits) and length.
pub fn read(r: &mut Reader<'_>, rows: usize, heap: &mut Vec<u8>) -> Result<Vec<u64>, CodecError> {
    if rows == 0 {
        return Ok(Vec::new());
    }
    let mode = r.u8()?;
    if mode != TABLE {
        return read_flat(mode, r, rows, heap);
    }
    let count = r.varint()?;
    r.check((1..=rows as u64).contains(&count), "a table of no strings, or of more than rows")?;
    let mode = r.u8()?;
    let table = read_flat(mode, r, count as usize, heap)?;
    let mut index = words::read(r, rows)?;
    for x in &mut index {
        let at = usize::try_from(*x).ok();
        *x = *at.and_then(|i| table.get(i)).ok_or_else(|| r.error("an index past the table"))?;
    }
    Ok(index)
}

fn read_flat(
    mode: u8,
    r: &mut Reader<'_>,
    rows: usize,
    heap: &mut Vec<u8>,
) -> Result<Vec<u64>, CodecError> {
    let shared = match mode {
        PLAIN => Vec::new(),
        PREFIXES => words::read(r, rows)?,
        _ => return Err(r.error("an unknown mode of a column of strings")),
    };
    let mut lens = words::read(r, rows)?;
    let sum = |lens: &[u64]| lens.iter().try_fold(0u64, |sum, x| sum.checked_add(*x));
    let (rest, again) = (sum(&lens), sum(&shared));
    let total = rest.zip(again).and_then(|(x, y)| x.checked_add(y));
    let fits = total.is_some_and(|x| x <= (MAX_RAW - heap.len().min(MAX_RAW)) as u64);
    r.check(fits, "strings of more than 64 MiB")?;
    let mut bytes = r.fixed(rest.unwrap_or_default() as usize)?;
    if shared.is_empty() {
        let mut at = heap.len() as u64;
        heap.extend_from_slice(bytes);
        for len in &mut lens {
            let start = at;
            at += *len;
            *len |= start << 32;
        }
        return Ok(lens);
    }
    heap.reserve(total.unwrap_or_default() as usize);
    let mut before = heap.len()..heap.len();
    for (len, shared) in lens.iter_mut().zip(shared) {
        let (start, shared) = (heap.len(), shared as usize);
        r.check(shared <= before.len(), "a string that shares more than there was")?;
        heap.extend_from_within(before.start..before.start + shared);
        let (rest, after) = bytes.split_at(*len as usize);
        heap.extend_from_slice(rest);
        bytes = after;
        before = start..heap.len();
        *len = (start as u64) << 32 | before.len() as u64;
    }
    Ok(lens)
}
