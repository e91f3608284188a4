//! What is written reads back the same; anything else is an error.

use super::{Reader, Writer, facts, frame, texts, words};
use crate::datom::{Facts, FactsBuilder, RowKey};
use crate::id::{AttrId, EntityId, Tx};
use crate::value::{BigDec, BigInt, Value};
use proptest::collection::vec;
use proptest::prelude::*;

/// A value of any type that is stored.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::Long),
        (-100i64..100).prop_map(Value::Long),
        any::<bool>().prop_map(Value::Bool),
        any::<f64>().prop_map(Value::Double),
        (-1000i32..1000).prop_map(|x| Value::Double(f64::from(x) / 100.0)),
        any::<f32>().prop_map(Value::Float),
        (0u64..1 << 53).prop_map(|x| Value::Ref(EntityId(x))),
        any::<char>().prop_map(Value::Char),
        "[a-c]{0,6}".prop_map(|s| Value::str(&s)),
        "\\PC{0,8}".prop_map(|s| Value::str(&s)),
        "[a-b]/[a-b]{1,3}".prop_map(|s| Value::keyword(&s)),
        any::<i64>().prop_map(Value::Inst),
        any::<[u8; 16]>().prop_map(|x| Value::Uuid(uuid::Uuid::from_bytes(x))),
        vec(any::<u8>(), 0..5).prop_map(|x| Value::Bytes(x.into())),
        any::<i128>().prop_map(|x| BigInt::from(x).into()),
        (any::<i64>(), -5i64..5).prop_map(|(x, scale)| BigDec { unscaled: x.into(), scale }.into()),
    ];
    leaf.prop_recursive(1, 4, 3, |inner| vec(inner, 0..4).prop_map(Value::from))
}

type Row = (u64, u64, Value, u64, Option<u64>, bool);

fn row() -> impl Strategy<Value = Row> {
    let end = proptest::option::weighted(0.2, 1u64..90);
    let e = prop_oneof![0u64..9, any::<u64>().prop_map(|x| x >> 11)];
    (e, 0u64..4, value(), 0u64..99, end, any::<bool>())
}

fn build(rows: &[Row], ends: bool, retractions: bool) -> Facts {
    let mut facts = FactsBuilder::default();
    for (e, a, v, tx, end, retracted) in rows {
        let key = RowKey { e: EntityId(*e), a: AttrId(*a), v: v.as_ref(), tx: Tx(*tx) };
        if *retracted && retractions {
            facts.push_retraction(key);
        } else {
            facts.push(key, end.filter(|_| ends).map(Tx));
        }
    }
    facts.finish()
}

fn same(x: &Facts, y: &Facts) {
    assert_eq!(x.len(), y.len());
    for i in 0..x.len() {
        assert_eq!(x.datom(i), y.datom(i));
        assert_eq!(x.values().tag(i), y.values().tag(i));
        if x.values().tag(i).is_inline() {
            assert_eq!(x.values().bits(i), y.values().bits(i), "bit for bit");
        }
        assert_eq!(x.end(i), y.end(i));
    }
}

fn words_survive(column: &[u64]) {
    let mut w = Writer::new();
    words::write(column, &mut w);
    let bytes = w.finish();
    let mut r = Reader::new(&bytes);
    assert_eq!(words::read(&mut r, column.len()).unwrap(), column);
    r.finish().unwrap();
}

#[test]
fn each_mode_of_numbers_reads_back() {
    words_survive(&[]);
    words_survive(&[u64::MAX]);
    words_survive(&[7; 100]);
    words_survive(&[0, u64::MAX, 0, u64::MAX]);
    words_survive(&(1 << 40..(1 << 40) + 300).collect::<Vec<_>>());
    words_survive(&(0..300).map(|x| x * x * 7919 % 65_521).collect::<Vec<_>>());
    words_survive(&(0..300).map(|x| x / 100 * 1_000_003).collect::<Vec<_>>());
    words_survive(&(0..900).map(|x| x * 7919 % 256 * 1_000_003).collect::<Vec<_>>());
}

#[test]
fn few_bytes_cannot_claim_many_rows() {
    for claim in [1u64 << 20, 1 << 40, u64::MAX] {
        let mut w = Writer::new();
        w.u8(0);
        w.varint(claim);
        w.fixed(&[2; 64]);
        assert!(facts::decode(&w.finish()).is_err());
    }
}

#[test]
fn strings_that_would_unfold_without_end_are_refused() {
    // Each shares all 60 kB with the one before: 2000 rows would be 120 MB.
    let mut w = Writer::new();
    w.u8(1);
    words::write(&[&[0][..], &[60_000; 1999]].concat(), &mut w);
    words::write(&[&[60_000][..], &[0; 1999]].concat(), &mut w);
    w.fixed(&[b'x'; 60_000]);
    let bytes = w.finish();
    assert!(texts::read(&mut Reader::new(&bytes), 2000, &mut Vec::new()).is_err());
}

#[test]
fn frames_say_what_is_wrong() {
    let frame = frame::compress(&[b'a'; 1000]).unwrap();
    assert!(frame.len() < 40);
    assert_eq!(frame::decompress(&frame).unwrap(), [b'a'; 1000]);
    assert_eq!(frame::raw_len(&frame).unwrap(), 1000);
    let error = frame::decompress(&frame[..frame.len() - 1]).unwrap_err();
    assert_eq!(error.what, "bytes that are no zstd frame");
    let mut shorter = frame.clone();
    shorter[1] -= 1;
    assert!(frame::decompress(&shorter).is_err());
    let error = frame::decompress(&[0, 0xff, 0xff, 0xff, 0xff, 0x7f]).unwrap_err();
    assert_eq!(error.what, "a frame of more than 64 MiB");
    assert!(frame::compress(&vec![0; super::MAX_RAW + 1]).is_err());
}

#[test]
fn special_doubles_keep_their_bits() {
    let doubles = [-0.0, 0.0, f64::NAN, f64::INFINITY, 1e300, 0.1, 1.15, -2.675, 5e-324];
    for chunk in [&doubles[..], &doubles[5..8], &doubles[..1], &[1.0, 2.0, 3.5]] {
        let rows: Vec<Row> =
            chunk.iter().map(|x| (1, 1, Value::Double(*x), 1, None, false)).collect();
        let built = build(&rows, false, false);
        same(&facts::decode(&facts::encode(&built).unwrap()).unwrap(), &built);
    }
}

proptest! {
    #[test]
    fn facts_read_back(
        rows in vec(row(), 0..60), ends: bool, retractions: bool, cut: prop::sample::Index,
    ) {
        let built = build(&rows, ends, retractions);
        let bytes = facts::encode(&built).unwrap();
        same(&facts::decode(&bytes).unwrap(), &built);
        prop_assert!(facts::decode(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn changed_bytes_give_facts_or_an_error(
        rows in vec(row(), 1..30), at: prop::sample::Index, bit in 0u8..8,
    ) {
        let mut bytes = facts::encode(&build(&rows, true, true)).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(facts) = facts::decode(&bytes) {
            // Whatever came out can be read.
            (0..facts.len()).for_each(|i| drop(facts.datom(i)));
        }
    }

    #[test]
    fn any_bytes_give_facts_or_an_error(bytes in vec(any::<u8>(), 0..200)) {
        let _ = facts::decode(&bytes);
        let _ = frame::decompress(&bytes);
    }

    #[test]
    fn numbers_read_back(
        column in vec(prop_oneof![any::<u64>(), 0u64..5, Just(7), 1000u64..2000], 0..400),
    ) {
        words_survive(&column);
    }

    #[test]
    fn strings_read_back(column in vec("[ab]{0,5}|[a-z]{3}", 0..80)) {
        let column: Vec<&[u8]> = column.iter().map(|x| x.as_bytes()).collect();
        let mut w = Writer::new();
        texts::write(&column, &mut w);
        let bytes = w.finish();
        let (mut r, mut heap) = (Reader::new(&bytes), b"before".to_vec());
        let places = texts::read(&mut r, column.len(), &mut heap).unwrap();
        r.finish().unwrap();
        let get = |x: u64| &heap[(x >> 32) as usize..][..(x & 0xffff_ffff) as usize];
        prop_assert_eq!(places.into_iter().map(get).collect::<Vec<_>>(), column);
    }

    #[test]
    fn varints_read_back(x: u64, y: i64) {
        let mut w = Writer::new();
        w.varint(x);
        w.zigzag(y);
        w.sized(b"abc");
        let bytes = w.finish();
        let mut r = Reader::new(&bytes);
        let read = (r.varint().unwrap(), r.zigzag().unwrap(), r.sized().unwrap());
        prop_assert_eq!(read, (x, y, &b"abc"[..]));
        r.finish().unwrap();
    }
}
