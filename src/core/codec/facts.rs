//! Facts as bytes, in columns.
//!
//! Layout (*numbers* and *strings* are columns as [`words`] and [`texts`] write them):
//!
//! | | |
//! |---|---|
//! | flags | 1 byte: 1 some facts have ended, 2 some rows are retractions |
//! | rows | varint |
//! | tags | the type of each value, 1 byte a row |
//! | e, a, tx | numbers |
//! | end | numbers, 0 where the fact has not ended; only with flag 1 |
//! | retractions | numbers, 1 for a retraction; only with flag 2 |
//! | values | by groups of rows of one attribute and one type, in order of their first rows: |
//! | ... long, instant | numbers, with the highest bit flipped |
//! | ... boolean, ref, char, float | numbers; a float as its bits |
//! | ... double | scale (1 byte); 255: 8 bytes little endian each; 0 to 4: numbers, see below |
//! | ... all others | strings: the heap form; of long values in leaves that of a reference |
//!
//! Doubles of a scale are integers (with the highest bit flipped) to be divided by 10^scale; they
//! are written so where that gives each back bit for bit.
//!
//! Grouping by attribute lays like beside like also where rows are sorted by entity. One byte a row
//! is always there, so that no few bytes can claim many rows.
//!
//! **Invariant:** facts read back row for row the same, bit for bit. The order of the rows is not
//! checked here.

use super::{CodecError, MAX_RAW, Reader, Writer, texts, words};
use crate::datom::{Facts, FactsBuilder};
use crate::value::{Column, ColumnBuilder, Tag};
use hashbrown::HashMap;
use std::ops::Range;

const ENDS: u8 = 1;
const RETRACTIONS: u8 = 2;
const SIGN: u64 = 1 << 63;
const RAW_DOUBLES: u8 = 255;
const MAX_SCALE: u8 = 4;

/// The bytes of facts; an error if their strings are more than 64 MiB.
pub fn encode(facts: &Facts) -> Result<Vec<u8>, CodecError> {
    let mut w = Writer::new();
    write(facts, &mut w)?;
    Ok(w.finish())
}

/// Appends the bytes of facts.
pub fn write(facts: &Facts, w: &mut Writer) -> Result<(), CodecError> {
    write_rows(facts, 0..facts.len(), w)
}

/// Appends the bytes of some rows of facts: the same as if they were all.
pub fn write_rows(facts: &Facts, rows: Range<usize>, w: &mut Writer) -> Result<(), CodecError> {
    let values = facts.values();
    if values.heap_bytes(rows.clone()) > MAX_RAW {
        return Err(CodecError { what: "strings of more than 64 MiB", at: 0 });
    }
    let (ends, retractions) = (facts.ends(), facts.retractions());
    let flag = |empty: bool, bit| if empty { 0 } else { bit };
    w.u8(flag(ends.is_empty(), ENDS) | flag(retractions.is_empty(), RETRACTIONS));
    w.varint(rows.len() as u64);
    w.each(rows.clone().map(|row| values.tag(row) as u8));
    let ends = if ends.is_empty() { ends } else { &ends[rows.clone()] };
    let attributes = &facts.attributes()[rows.clone()];
    words::write(&facts.entities()[rows.clone()], w);
    words::write(attributes, w);
    words::write(&facts.transactions()[rows.clone()], w);
    words::write(ends, w);
    let retracted = if retractions.is_empty() { retractions } else { &retractions[rows.clone()] };
    words::write(&retracted.iter().map(|x| u64::from(*x)).collect::<Vec<_>>(), w);
    let groups = Groups::of(attributes, |row| values.tag(rows.start + row));
    groups.iter().for_each(|group| write_group(values, rows.start, group, w));
    Ok(())
}

/// The facts that bytes hold, all of them.
pub fn decode(bytes: &[u8]) -> Result<Facts, CodecError> {
    let mut r = Reader::new(bytes);
    let facts = read(&mut r)?;
    r.finish()?;
    Ok(facts)
}

/// Reads facts that are there whole: no leaf, but what a transaction said.
pub fn read_whole(r: &mut Reader<'_>) -> Result<Facts, CodecError> {
    let facts = read(r)?;
    r.check(!facts.values().has_blobs(0..facts.len()), "a reference where a value must be")?;
    Ok(facts)
}

/// Reads facts.
pub fn read(r: &mut Reader<'_>) -> Result<Facts, CodecError> {
    let flags = r.u8()?;
    r.check(flags <= ENDS | RETRACTIONS, "unknown flags of facts")?;
    let rows = r.count(1)?;
    let tags = r.fixed(rows)?.iter().map(|x| Tag::from_byte(*x)).collect::<Option<Vec<_>>>();
    let tags = tags.ok_or_else(|| r.error("an unknown type of value"))?;
    let (e, a, tx) = (words::read(r, rows)?, words::read(r, rows)?, words::read(r, rows)?);
    let end = words::read(r, if flags & ENDS == 0 { 0 } else { rows })?;
    let retractions = words::read(r, if flags & RETRACTIONS == 0 { 0 } else { rows })?;
    let values = read_values(r, &a, tags)?;
    let facts = FactsBuilder::from_columns(e, a, values, tx, end);
    let facts = facts.ok_or_else(|| r.error("columns of different lengths"))?;
    if retractions.is_empty() {
        return Ok(facts);
    }
    let marked = facts.with_retractions(retractions.iter().map(|x| *x != 0).collect());
    marked.ok_or_else(|| r.error("columns of different lengths"))
}

/// Rows in groups of one attribute and one tag, in the order of their first rows.
struct Groups {
    /// All rows, group after group.
    rows: Vec<u32>,
    /// Where in `rows` each group ends.
    ends: Vec<usize>,
}

impl Groups {
    fn of(attributes: &[u64], tag: impl Fn(usize) -> Tag) -> Self {
        let mut numbers: HashMap<(u64, Tag), u32> = HashMap::new();
        let mut counts: Vec<usize> = Vec::new();
        // By entity, groups follow each other as they did before: for each its key and what
        // followed.
        let mut known: Vec<((u64, Tag), u32)> = Vec::new();
        let (mut group_of, mut last) = (Vec::with_capacity(attributes.len()), 0);
        for (row, a) in attributes.iter().enumerate() {
            let key = (*a, tag(row));
            let next = known.get(last as usize).map_or(0, |(_, next)| *next);
            let group = match known.get(next as usize) {
                Some((same, _)) if *same == key => next,
                _ => *numbers.entry(key).or_insert(counts.len() as u32),
            };
            if group as usize == counts.len() {
                counts.push(0);
                known.push((key, group));
            }
            known[last as usize].1 = group;
            last = group;
            counts[group as usize] += 1;
            group_of.push(group);
        }
        let mut next = 0;
        let mut places: Vec<usize> = counts.iter().map(|n| (next, next += n).0).collect();
        let mut rows = vec![0; group_of.len()];
        for (row, group) in group_of.into_iter().enumerate() {
            let place = &mut places[group as usize];
            rows[*place] = row as u32;
            *place += 1;
        }
        Self { rows, ends: places }
    }

    fn iter(&self) -> impl Iterator<Item = &[u32]> {
        let mut start = 0;
        self.ends.iter().map(move |end| &self.rows[(start, start = *end).0..*end])
    }
}

/// Rows of one group, counted from one of the column.
fn write_group(values: &Column, from: usize, rows: &[u32], w: &mut Writer) {
    let Some(&first) = rows.first() else { return };
    let bits = || rows.iter().map(|row| values.bits(from + *row as usize));
    match values.tag(from + first as usize) {
        Tag::Nil => {}
        Tag::Long | Tag::Inst => words::write(&bits().map(|x| x ^ SIGN).collect::<Vec<_>>(), w),
        Tag::Double => write_doubles(&bits().collect::<Vec<_>>(), w),
        tag if tag.is_inline() => words::write(&bits().collect::<Vec<_>>(), w),
        _ => {
            let slices = rows.iter().map(|row| values.slice(from + *row as usize));
            texts::write(&slices.collect::<Vec<_>>(), w);
        }
    }
}

fn write_doubles(bits: &[u64], w: &mut Writer) {
    let scaled = (0..=MAX_SCALE).find_map(|scale| {
        let numbers = bits.iter().map(|x| scaled(f64::from_bits(*x), scale));
        numbers.collect::<Option<Vec<_>>>().map(|numbers| (scale, numbers))
    });
    match scaled {
        Some((scale, numbers)) => {
            w.u8(scale);
            words::write(&numbers, w);
        }
        None => {
            w.u8(RAW_DOUBLES);
            bits.iter().for_each(|x| w.u64(*x));
        }
    }
}

/// The integer which, divided by the power of ten, gives the double back bit for bit.
fn scaled(x: f64, scale: u8) -> Option<u64> {
    let n = (x * power(scale)).round();
    let exact = n.abs() < 9e15 && unscaled(n as i64, scale).to_bits() == x.to_bits();
    exact.then_some(n as i64 as u64 ^ SIGN)
}

fn unscaled(n: i64, scale: u8) -> f64 {
    n as f64 / power(scale)
}

fn power(scale: u8) -> f64 {
    [1.0, 10.0, 100.0, 1e3, 1e4][usize::from(scale.min(MAX_SCALE))]
}

fn read_values(
    r: &mut Reader<'_>,
    attributes: &[u64],
    tags: Vec<Tag>,
) -> Result<ColumnBuilder, CodecError> {
    let groups = Groups::of(attributes, |row| tags[row]);
    let (mut bits, mut text, mut heap) = (vec![0; tags.len()], Vec::new(), Vec::new());
    for rows in groups.iter() {
        let Some(&first) = rows.first() else { continue };
        let group = match tags[first as usize] {
            Tag::Nil => continue,
            Tag::Long | Tag::Inst => {
                let mut words = words::read(r, rows.len())?;
                words.iter_mut().for_each(|x| *x ^= SIGN);
                words
            }
            Tag::Double => read_doubles(r, rows.len())?,
            tag if tag.is_inline() => words::read(r, rows.len())?,
            tag if tag.is_text() => texts::read(r, rows.len(), &mut text)?,
            _ => texts::read(r, rows.len(), &mut heap)?,
        };
        for (row, word) in rows.iter().zip(group) {
            bits[*row as usize] = word;
        }
    }
    ColumnBuilder::from_parts(tags, bits, text, heap)
        .map_err(|_| r.error("bytes that are no value"))
}

fn read_doubles(r: &mut Reader<'_>, rows: usize) -> Result<Vec<u64>, CodecError> {
    let scale = r.u8()?;
    if scale == RAW_DOUBLES {
        return (0..rows).map(|_| r.u64()).collect();
    }
    r.check(scale <= MAX_SCALE, "an unknown scale of doubles")?;
    let mut words = words::read(r, rows)?;
    words.iter_mut().for_each(|x| *x = unscaled((*x ^ SIGN) as i64, scale).to_bits());
    Ok(words)
}
