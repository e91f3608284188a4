//! Columns of 64-bit numbers.
//!
//! Layout: `mode` (1 byte), then as the mode says; nothing at all for no rows. The number of rows
//! is known to the reader.
//!
//! | mode | | |
//! |---|---|---|
//! | 0 | constant | varint |
//! | 1 | deltas | first: varint; each next: zigzag of the wrapping difference to the one before |
//! | 2 | planes | smallest: varint; width (1 byte: 1 to 8); byte 0 of each `x - smallest`, byte 1 |
//! | 3 | runs | how many: varint; each: zigzag of the difference to the run before, length |
//! | 4 | table | values less 1 (1 byte); they, as differences: varints; 1 byte a row: which |
//!
//! **Invariant:** the writer takes the mode with the fewest bytes, the lowest of equals: equal
//! columns, equal bytes.

use super::bytes::zigzag;
use super::{CodecError, Reader, Writer};

const CONSTANT: u8 = 0;
const DELTAS: u8 = 1;
const PLANES: u8 = 2;
const RUNS: u8 = 3;
const TABLE: u8 = 4;

/// Appends a column.
pub fn write(words: &[u64], w: &mut Writer) {
    let Some(&first) = words.first() else { return };
    if words.iter().all(|x| *x == first) {
        w.u8(CONSTANT);
        return w.varint(first);
    }
    let shape = Shape::of(words);
    let sizes = [(shape.deltas, DELTAS), (shape.planes(words.len()), PLANES), (shape.runs, RUNS)];
    let (size, mut mode) = sizes.into_iter().min().unwrap_or_default();
    let table = table(words, size);
    if table.is_some() {
        mode = TABLE;
    }
    w.u8(mode);
    match mode {
        DELTAS => {
            w.varint(first);
            words.windows(2).for_each(|p| w.zigzag(p[1].wrapping_sub(p[0]) as i64));
        }
        PLANES => write_planes(words, &shape, w),
        RUNS => write_runs(words, shape.run_count, w),
        _ => write_table(words, &table.unwrap_or_default(), w),
    }
}

/// What the choice of a mode needs to know of a column.
struct Shape {
    min: u64,
    max: u64,
    deltas: usize,
    runs: usize,
    run_count: usize,
}

impl Shape {
    fn of(words: &[u64]) -> Self {
        let mut shape = Self { min: u64::MAX, max: 0, deltas: 0, runs: 0, run_count: 0 };
        let mut before = 0;
        for (i, &x) in words.iter().enumerate() {
            shape.min = shape.min.min(x);
            shape.max = shape.max.max(x);
            let delta = varint_len(zigzag(x.wrapping_sub(before) as i64));
            shape.deltas += delta;
            if i == 0 || x != before {
                shape.run_count += 1;
                shape.runs += delta + 1;
            }
            before = x;
        }
        shape
    }

    fn width(&self) -> usize {
        (8 - (self.max - self.min).leading_zeros() as usize / 8).max(1)
    }

    fn planes(&self, rows: usize) -> usize {
        self.width() * rows + 2
    }
}

/// Distinct values, sorted, if they are at most 256 and a table of them takes fewer bytes than
/// this.
fn table(words: &[u64], size: usize) -> Option<Vec<u64>> {
    let most = size.saturating_sub(words.len() + 1) / 2;
    let (mut table, mut before) = (Vec::new(), None);
    for x in words {
        if before.replace(*x) == Some(*x) {
            continue;
        }
        if let Err(at) = table.binary_search(x) {
            if table.len() == most.min(256) {
                return None;
            }
            table.insert(at, *x);
        }
    }
    Some(table)
}

fn varint_len(x: u64) -> usize {
    (64 - (x | 1).leading_zeros() as usize).div_ceil(7)
}

fn write_planes(words: &[u64], shape: &Shape, w: &mut Writer) {
    w.varint(shape.min);
    w.u8(shape.width() as u8);
    for plane in 0..shape.width() {
        w.each(words.iter().map(|x| ((x - shape.min) >> (8 * plane)) as u8));
    }
}

fn write_runs(words: &[u64], count: usize, w: &mut Writer) {
    w.varint(count as u64);
    let mut before = 0u64;
    for run in words.chunk_by(|x, y| x == y) {
        w.zigzag(run[0].wrapping_sub(before) as i64);
        w.varint(run.len() as u64);
        before = run[0];
    }
}

fn write_table(words: &[u64], table: &[u64], w: &mut Writer) {
    w.u8((table.len() - 1) as u8);
    let mut before = 0;
    for &x in table {
        w.varint(x - before);
        before = x;
    }
    let (mut last, mut index) = (table[0], 0);
    w.each(words.iter().map(|x| {
        if *x != last {
            (last, index) = (*x, table.partition_point(|y| y < x) as u8);
        }
        index
    }));
}

/// Reads a column of so many rows. The caller answers for `rows`: it is what is allocated.
pub fn read(r: &mut Reader<'_>, rows: usize) -> Result<Vec<u64>, CodecError> {
    if rows == 0 {
        return Ok(Vec::new());
    }
    let mut out = Vec::with_capacity(rows);
    match r.u8()? {
        CONSTANT => out.resize(rows, r.varint()?),
        DELTAS => {
            let mut x = r.varint()?;
            out.push(x);
            for _ in 1..rows {
                x = x.wrapping_add(r.zigzag()? as u64);
                out.push(x);
            }
        }
        PLANES => read_planes(r, rows, &mut out)?,
        RUNS => read_runs(r, rows, &mut out)?,
        TABLE => read_table(r, rows, &mut out)?,
        _ => return Err(r.error("an unknown mode of a column of numbers")),
    }
    Ok(out)
}

fn read_planes(r: &mut Reader<'_>, rows: usize, out: &mut Vec<u64>) -> Result<(), CodecError> {
    let (min, width) = (r.varint()?, r.u8()?);
    r.check((1..=8).contains(&width), "a width of no bytes, or of more than 8")?;
    out.extend(r.fixed(rows)?.iter().map(|x| u64::from(*x)));
    for plane in 1..u32::from(width) {
        let bytes = r.fixed(rows)?;
        out.iter_mut().zip(bytes).for_each(|(x, byte)| *x |= u64::from(*byte) << (8 * plane));
    }
    out.iter_mut().for_each(|x| *x = x.wrapping_add(min));
    Ok(())
}

fn read_runs(r: &mut Reader<'_>, rows: usize, out: &mut Vec<u64>) -> Result<(), CodecError> {
    let mut x = 0u64;
    for _ in 0..r.count(2)? {
        x = x.wrapping_add(r.zigzag()? as u64);
        let len = r.varint()?;
        r.check(len <= (rows - out.len()) as u64, "runs of more rows than there are")?;
        out.resize(out.len() + len as usize, x);
    }
    r.check(out.len() == rows, "runs of fewer rows than there are")
}

fn read_table(r: &mut Reader<'_>, rows: usize, out: &mut Vec<u64>) -> Result<(), CodecError> {
    let mut table = [0; 256];
    let last = r.u8()?;
    let mut x = 0u64;
    for slot in &mut table[..=usize::from(last)] {
        x = x.wrapping_add(r.varint()?);
        *slot = x;
    }
    let bytes = r.fixed(rows)?;
    r.check(bytes.iter().all(|i| *i <= last), "an index past the table")?;
    out.extend(bytes.iter().map(|i| table[usize::from(*i)]));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn the_mode_with_the_fewest_bytes_is_taken(
            (bits, repeats) in (0..40u32, 1..9usize),
            words in prop::collection::vec(any::<u64>(), 1..700),
        ) {
            let words = words.iter().map(|x| x & ((1 << bits) - 1) | 1 << 41);
            let words: Vec<u64> =
                words.flat_map(|x| std::iter::repeat_n(x, 1 + x as usize % repeats)).collect();
            let distinct = words.iter().collect::<BTreeSet<_>>().len();
            let shape = Shape::of(&words);
            let mut sizes = vec![
                (shape.deltas, DELTAS),
                (shape.planes(words.len()), PLANES),
                (shape.runs, RUNS),
            ];
            if distinct <= 256 {
                sizes.push((distinct * 2 + words.len(), TABLE));
            }
            let fewest = sizes.into_iter().min().map(|(_, mode)| mode);
            let mut w = Writer::new();
            write(&words, &mut w);
            let mode = w.finish().first().copied();
            prop_assert_eq!(mode, if distinct == 1 { Some(CONSTANT) } else { fewest });
        }
    }
}
