//! Sorting rows of one attribute by value.
//!
//! **Invariant:** the order is that of indexes; rows of one value stay in the order they came in.

use crate::datom::Facts;
use crate::value::{Column, LONG_BYTES, Tag};
use std::cmp::Ordering;

/// Rows that are sorted faster by comparing them than by their words.
const FEW: usize = 16;

/// Sorts rows, which come in ascending order.
pub(super) fn sort_by_value(facts: &Facts, rows: &mut [u32]) {
    let values = facts.values();
    let Some(tag) = rows.first().map(|row| values.tag(*row as usize)) else { return };
    let is_one = rows.iter().all(|row| values.tag(*row as usize) == tag);
    let bits = |row: u32| values.bits(row as usize);
    match tag {
        Tag::Long | Tag::Inst if is_one => {
            by_word(rows, |row| bits(row) ^ (1 << 63));
        }
        Tag::Ref if is_one => {
            by_word(rows, bits);
        }
        tag if tag.is_text() && is_one && longest(values, rows) <= LONG_BYTES => {
            by_text(values, rows, 0);
        }
        _ => rows.sort_by(|x, y| facts.v(*x as usize).cmp_in_index(facts.v(*y as usize))),
    }
}

/// Sorts by a number; gives each row's with it.
fn by_word(rows: &mut [u32], word: impl Fn(u32) -> u64) -> Vec<(u64, u32)> {
    let mut keyed: Vec<(u64, u32)> = rows.iter().map(|row| (word(*row), *row)).collect();
    keyed.sort_unstable();
    rows.iter_mut().zip(&keyed).for_each(|(row, (_, sorted))| *row = *sorted);
    keyed
}

/// Sorts texts that begin with the same bytes: by the next ones that are not the same, a word of
/// them; and what is equal by those goes on so.
fn by_text(values: &Column, rows: &mut [u32], same: usize) {
    let text = |row: u32| values.slice(row as usize);
    if rows.len() <= FEW {
        let rest = |row: u32| text(row).get(same..).unwrap_or_default();
        return rows.sort_by(|x, y| rest(*x).cmp(rest(*y)).then_with(|| cmp_len(values, *x, *y)));
    }
    let same = shared(rows.iter().map(|row| text(*row)), same);
    let keyed = by_word(rows, |row| {
        let (mut first, rest) = ([0; 8], text(row).get(same..).unwrap_or_default());
        let len = rest.len().min(8);
        first[..len].copy_from_slice(&rest[..len]);
        u64::from_be_bytes(first)
    });
    let mut rest = rows;
    for group in keyed.chunk_by(|x, y| x.0 == y.0) {
        let rows;
        (rows, rest) = rest.split_at_mut(group.len());
        if group.len() == 1 {
            continue;
        }
        if longest(values, rows) > same + 8 {
            by_text(values, rows, same + 8);
        } else {
            // All of them is in the word, but for zeros at the end.
            rows.sort_by(|x, y| cmp_len(values, *x, *y));
        }
    }
}

fn cmp_len(values: &Column, x: u32, y: u32) -> Ordering {
    values.slice(x as usize).len().cmp(&values.slice(y as usize).len())
}

fn longest(values: &Column, rows: &[u32]) -> usize {
    rows.iter().map(|row| values.slice(*row as usize).len()).max().unwrap_or_default()
}

/// How many bytes all of some texts begin with in common; at least so many are known to be.
fn shared<'a>(mut texts: impl Iterator<Item = &'a [u8]>, known: usize) -> usize {
    let Some(first) = texts.next() else { return known };
    let mut shared = first.len().max(known);
    for text in texts {
        if shared == known {
            break;
        }
        let both = first[known..shared].iter().zip(text.get(known..).unwrap_or_default());
        shared = known + both.take_while(|(x, y)| x == y).count();
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datom::{FactsBuilder, RowKey};
    use crate::id::{AttrId, EntityId, Tx};
    use crate::value::Value;
    use proptest::prelude::*;

    fn texts() -> impl Strategy<Value = Vec<Value>> {
        let text = (0..4usize, "[ab\0]{0,12}", prop::sample::select(vec![0, 9, 255, 4090]));
        let text = text.prop_map(|(start, end, fill)| {
            let start = ["", "SKU-0000", "SKU-000\u{e9}", "a"][start];
            Value::from(format!("{start}{}{end}", "x".repeat(fill)))
        });
        prop::collection::vec(text, 0..80)
    }

    fn others() -> impl Strategy<Value = Vec<Value>> {
        let number = prop::sample::select(vec![i64::MIN, -2, -1, 0, 1, 2, i64::MAX]);
        let value = (0..6u8, number).prop_map(|(kind, x)| match kind {
            0 => Value::Ref(EntityId(x as u64)),
            1 => Value::Double(x as f64),
            2 => Value::Inst(x),
            3 => Value::keyword(&format!("k{x}")),
            4 => Value::Bool(x > 0),
            _ => Value::Long(x),
        });
        (prop::collection::vec(value, 0..60), any::<bool>()).prop_map(|(mut values, one)| {
            let tag = values.first().map(Value::tag);
            values.retain(|value| !one || Some(value.tag()) == tag);
            values
        })
    }

    proptest! {
        #[test]
        fn rows_are_in_the_order_of_the_index(
            values in prop_oneof![texts(), others()],
            left_out in any::<u64>(),
        ) {
            let mut facts = FactsBuilder::default();
            for (e, value) in values.iter().enumerate() {
                let (e, a, v) = (EntityId(e as u64), AttrId(1), value.as_ref());
                facts.push(RowKey { e, a, v, tx: Tx(1) }, None);
            }
            let facts = facts.finish();
            let rows = (0..values.len() as u32).filter(|row| left_out >> (row % 64) & 1 == 0);
            let mut rows: Vec<u32> = rows.collect();
            let mut expected = rows.clone();
            expected.sort_by(|x, y| {
                facts.v(*x as usize).cmp_in_index(facts.v(*y as usize))
            });
            sort_by_value(&facts, &mut rows);
            prop_assert_eq!(rows, expected);
        }
    }
}
