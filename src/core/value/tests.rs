//! The proof of the order, the keys, the heap form and the columns, as properties over
//! [`super::arbitrary`].

use super::arbitrary::{longs, numbers, values};
use super::*;
use proptest::prelude::*;
use std::cmp::Ordering;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

fn key_of(value: &Value) -> Vec<u8> {
    let mut key = Vec::new();
    key::encode(value.as_ref(), &mut key);
    key
}

fn hash_of(value: &Value) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}

fn heap_of(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(value, &mut bytes);
    bytes
}

/// The same bits, where equality lets them differ: NaNs, zeros.
fn same_bits(a: &Value, b: &Value) -> bool {
    a.tag() == b.tag() && heap_of(a) == heap_of(b)
}

fn agree(a: &Value, b: &Value) {
    let order = a.cmp(b);
    assert_eq!(b.cmp(a), order.reverse(), "antisymmetry: {a:?} {b:?}");
    let (key_a, key_b) = (key_of(a), key_of(b));
    assert_eq!(key_a.cmp(&key_b), order, "keys: {a:?} {key_a:02x?} {b:?} {key_b:02x?}");
    assert_eq!(a == b, order.is_eq());
    if order.is_eq() {
        assert_eq!(a.tag(), b.tag());
        assert_eq!(hash_of(a), hash_of(b), "hashes: {a:?} {b:?}");
        assert!(a.equals(b) || has_nan(a), "equals: {a:?} {b:?}");
    } else {
        assert!(!key_b.starts_with(&key_a), "prefix: {a:?} {key_a:02x?} {b:?} {key_b:02x?}");
    }
    assert_eq!(a.equals(b), b.equals(a));
    if a.equals(b) && a.is_number() {
        assert!(cmp_exact(a, b).is_eq());
    }
}

fn has_nan(value: &Value) -> bool {
    to_heap_values(value).iter().any(|v| match v {
        Value::Double(x) => x.is_nan(),
        Value::Float(x) => x.is_nan(),
        _ => false,
    })
}

/// The value and all parts of it.
fn to_heap_values(value: &Value) -> Vec<Value> {
    let mut all = vec![value.clone()];
    match value {
        Value::Vector(x) | Value::List(x) | Value::Set(x) => {
            all.extend(x.iter().flat_map(to_heap_values));
        }
        Value::Map(x) => {
            all.extend(x.iter().flat_map(|(k, v)| [to_heap_values(k), to_heap_values(v)].concat()));
        }
        Value::Tagged(x) => all.extend(to_heap_values(&x.1)),
        _ => {}
    }
    all
}

fn round_trip(value: &Value) {
    let bytes = heap_of(value);
    let back = decode(value.tag(), &bytes).unwrap();
    assert!(same_bits(&back, value), "{value:?} {back:?}");
    let column: Column = [Value::Nil, value.clone(), Value::Long(1)].into_iter().collect();
    assert!(same_bits(&column.get(1).to_value(), value), "{value:?}");
    assert_eq!(column.tag(1), value.tag());
    assert_eq!(column.get(1).cmp(&value.as_ref()), Ordering::Equal);
    let mut builder = ColumnBuilder::default();
    if value.tag().is_inline() {
        builder.push_bits(value.tag(), column.bits(1)).unwrap();
    } else {
        builder.push_encoded(value.tag(), column.slice(1)).unwrap();
    }
    assert!(same_bits(&builder.finish().get(0).to_value(), value), "{value:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn order_keys_and_hashes_agree(a in values(), b in values()) {
        agree(&a, &b);
        agree(&a, &a);
    }

    #[test]
    fn they_agree_on_numbers(a in numbers(), b in numbers()) {
        agree(&a, &b);
        agree(&a, &a);
    }

    #[test]
    fn they_agree_on_one_number_of_several_types(x in longs()) {
        let exact = BigInt::from(x);
        let same = [
            Value::Long(x),
            Value::from(exact.clone()),
            Value::Ratio(Arc::new(exact.clone().into())),
            BigDec { unscaled: exact.clone(), scale: 0 }.into(),
            BigDec { unscaled: exact * 100, scale: 2 }.into(),
            Value::Float(x as f32),
            Value::Double(x as f64),
        ];
        for (i, a) in same.iter().enumerate() {
            for (j, b) in same.iter().enumerate() {
                agree(a, b);
                prop_assert_eq!(i == j, a == b);
            }
        }
    }

    #[test]
    fn the_order_is_transitive(a in numbers(), b in numbers(), c in numbers(), d in values()) {
        let mut sorted = [a, b, c, d];
        sorted.sort();
        prop_assert!(sorted[0] <= sorted[2] && sorted[0] <= sorted[3] && sorted[1] <= sorted[3]);
    }

    #[test]
    fn keys_can_be_concatenated(a in values(), b in values(), c in values(), d in values()) {
        let (left, right) = ([key_of(&a), key_of(&b)].concat(), [key_of(&c), key_of(&d)].concat());
        prop_assert_eq!((&a, &b).cmp(&(&c, &d)), left.cmp(&right));
    }

    #[test]
    fn the_heap_form_is_the_value(value in values(), number in numbers()) {
        round_trip(&value);
        round_trip(&number);
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(
        tag in 0u8..24,
        bytes: Vec<u8>,
        at: usize,
        change: u8,
        value in values(),
    ) {
        let mut changed = heap_of(&value);
        if !changed.is_empty() {
            let at = at % changed.len();
            changed[at] = change;
        }
        for (tag, bytes) in [(Tag::from_byte(tag), &bytes), (Some(value.tag()), &changed)] {
            let Some(tag) = tag else { continue };
            let decoded = decode(tag, bytes);
            let mut builder = ColumnBuilder::default();
            if tag.is_inline() {
                prop_assert!(builder.push_encoded(tag, bytes).is_err());
                continue;
            }
            prop_assert_eq!(builder.push_encoded(tag, bytes).is_ok(), decoded.is_ok());
            if let Ok(value) = decoded {
                prop_assert_eq!(builder.finish().get(0).to_value(), value.clone());
                agree(&value, &value);
            }
        }
    }

    #[test]
    fn any_parts_are_a_column_or_an_error(
        rows in prop::collection::vec((0u8..22, 0u64..20, 0u64..20), 0..6),
        text in "[aé\u{1f600}]{0,8}",
        heap in prop::collection::vec(0u8..20, 0..24),
    ) {
        let tags: Vec<_> = rows.iter().map(|row| Tag::from_byte(row.0).unwrap()).collect();
        let bits: Vec<_> = rows.iter().map(|(_, start, length)| start << 32 | length).collect();
        if let Ok(builder) = ColumnBuilder::from_parts(tags.clone(), bits, text.into(), heap) {
            let column = builder.finish();
            for (row, tag) in tags.into_iter().enumerate() {
                prop_assert_eq!(column.get(row).tag(), tag);
                prop_assert_eq!(column.get(row).to_value().tag(), tag);
                round_trip(&column.get(row).to_value());
            }
        }
    }

    #[test]
    fn any_bits_are_a_value_or_an_error(tag in 0u8..22, bits: u64, small in 0u64..5) {
        let tag = Tag::from_byte(tag).unwrap();
        for bits in [bits, small, bits >> 32, bits >> 43] {
            let mut builder = ColumnBuilder::default();
            if builder.push_bits(tag, bits).is_ok() {
                let column = builder.finish();
                prop_assert_eq!(column.get(0).tag(), tag);
                round_trip(&column.get(0).to_value());
            }
        }
    }

    #[test]
    fn sets_and_maps_are_sorted_and_hold_nothing_twice(
        items in prop::collection::vec(values(), 0..8),
    ) {
        let Value::Set(set) = Value::set(items.clone()) else { panic!("no set") };
        prop_assert!(set.windows(2).all(|w| w[0] < w[1]));
        let entries: Vec<_> = items.iter().cloned().zip((0..).map(Value::Long)).collect();
        let map = Value::map(entries);
        for item in &items {
            prop_assert!(set.contains(item));
            let last = items.iter().rposition(|x| x == item).map(|i| Value::Long(i as i64));
            prop_assert_eq!(map.get(item), last.as_ref());
        }
    }
}

#[test]
fn the_ranks_are_in_order() {
    let one_each = [
        Value::Nil,
        Value::Bool(true),
        Value::Double(f64::NAN),
        Value::Double(f64::NEG_INFINITY),
        Value::Long(7),
        Value::Double(f64::INFINITY),
        Value::Char('a'),
        Value::str("a"),
        Value::keyword("a"),
        Value::Symbol(Symbol::new("a")),
        Value::Inst(0),
        Value::Uuid(Uuid::nil()),
        Value::Uri("a".into()),
        Value::Bytes([1].as_slice().into()),
        Value::from(vec![]),
        Value::List([].into()),
        Value::set(vec![]),
        Value::map(vec![]),
        Value::Tagged(Arc::new((Symbol::new("a"), Value::Nil))),
    ];
    for pair in one_each.windows(2) {
        assert!(pair[0] < pair[1], "{pair:?}");
        agree(&pair[0], &pair[1]);
    }
}

#[test]
fn numbers_compare_by_exact_value_then_type() {
    let ascending = [
        Value::Double(-1.5),
        Value::Double(-0.0),
        Value::Double(5e-324),
        Value::Float(1e-45),
        Value::from(BigDec { unscaled: 1.into(), scale: 1 }),
        Value::Double(0.1),
        Value::Float(0.1),
        Value::Long(1),
        Value::from(BigInt::from(1)),
        Value::from(BigDec { unscaled: 1.into(), scale: 0 }),
        Value::from(BigDec { unscaled: 10.into(), scale: 1 }),
        Value::Float(1.0),
        Value::Double(1.0),
        Value::Ref(EntityId(1)),
        Value::Double(9_007_199_254_740_992.0),
        Value::Long(9_007_199_254_740_993),
        Value::Double(9_007_199_254_740_994.0),
        Value::Long(i64::MAX),
        Value::Double(9_223_372_036_854_775_808.0),
        Value::from(BigInt::from(1) << 2_000),
        Value::from(BigDec { unscaled: 1.into(), scale: -MAX_SCALE }),
        Value::Double(f64::INFINITY),
    ];
    for (i, a) in ascending.iter().enumerate() {
        for (j, b) in ascending.iter().enumerate() {
            assert_eq!(a.cmp(b), i.cmp(&j), "{a:?} {b:?}");
            agree(a, b);
        }
    }
}

#[test]
fn values_nest_as_deep_as_they_may_and_no_deeper() {
    let nest = |depth: usize| {
        (0..depth).fold(Value::Nil, |inner, i| match i % 4 {
            0 => Value::from(vec![inner]),
            1 => Value::set(vec![inner]),
            2 => Value::map(vec![(inner, Value::Nil)]),
            _ => Value::Tagged(Arc::new((Symbol::new("t"), inner))),
        })
    };
    let deepest = nest(MAX_DEPTH);
    round_trip(&deepest);
    agree(&deepest, &nest(MAX_DEPTH));
    let deeper = nest(MAX_DEPTH + 1);
    assert!(decode(deeper.tag(), &heap_of(&deeper)).is_err());
}

#[test]
fn a_wrapped_value_costs_memory_in_proportion() {
    // A ratio whose reduction would be work, a decimal whose scale would be memory.
    assert!(decode(Tag::BigDec, &[0xff, 0xff, 0xff, 0x7f, 1]).is_err());
    assert!(decode(Tag::Ratio, &[1, 0, 0, 0, 1]).is_err());
    assert!(decode(Tag::Vector, &[10, 0xff, 0xff, 0xff, 0xff, b'a']).is_err());
    assert!(decode(Tag::Map, &[0, 0, 0, 0, 0]).is_err());
}
