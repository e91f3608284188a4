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
use hashbrown::HashMap;

const PLAIN: u8 = 0;
const PREFIXES: u8 = 1;
const TABLE: u8 = 2;

/// Appends a column.
pub fn write(texts: &[&[u8]], w: &mut Writer) {
    if texts.is_empty() {
        return;
    }
    let Some((table, indexes)) = table(texts) else { return write_flat(texts, w) };
    w.u8(TABLE);
    w.varint(table.len() as u64);
    write_flat(&table, w);
    words::write(&indexes, w);
}

/// The different strings, ascending, and which of them each row is; `None` if they are more than
/// half as many as the rows.
fn table<'a>(texts: &[&'a [u8]]) -> Option<(Vec<&'a [u8]>, Vec<u64>)> {
    let most = texts.len() / 2;
    let mut numbers: HashMap<&[u8], u32> = HashMap::new();
    let (mut different, mut indexes): (Vec<&[u8]>, Vec<u64>) =
        (Vec::new(), Vec::with_capacity(texts.len()));
    for text in texts {
        // By value, equal strings follow each other.
        let same = indexes.last().filter(|last| different[**last as usize] == *text).copied();
        let number = same.unwrap_or_else(|| {
            let fresh = different.len() as u32;
            let number = *numbers.entry(text).or_insert(fresh);
            if number == fresh {
                different.push(text);
            }
            u64::from(number)
        });
        if different.len() > most {
            return None;
        }
        indexes.push(number);
    }
    let mut order: Vec<u32> = (0..different.len() as u32).collect();
    order.sort_unstable_by_key(|number| different[*number as usize]);
    let mut places = vec![0; order.len()];
    for (place, number) in order.iter().enumerate() {
        places[*number as usize] = place as u64;
    }
    indexes.iter_mut().for_each(|index| *index = places[*index as usize]);
    Some((order.iter().map(|number| different[*number as usize]).collect(), indexes))
}

fn write_flat(texts: &[&[u8]], w: &mut Writer) {
    let mut before: &[u8] = &[];
    let mut shared = Vec::with_capacity(texts.len());
    for text in texts {
        shared.push(common(text, before) as u64);
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

/// How many bytes two strings begin with in common.
fn common(x: &[u8], y: &[u8]) -> usize {
    let words = x.chunks_exact(8).zip(y.chunks_exact(8));
    let whole = words.take_while(|(x, y)| x == y).count() * 8;
    whole + x[whole..].iter().zip(&y[whole..]).take_while(|(x, y)| x == y).count()
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
