//! Every stored object reads back as it was, and any other bytes are an error.

use super::envelope::{Kind, seal};
use super::*;
use crate::datom::{Datom, Facts, FactsBuilder, Order, RowKey};
use crate::db::Trees;
use crate::hash::NodeHash;
use crate::id::{AttrId, CommitId, EntityId, T, Tx};
use crate::index::{NodeRef, PackId, Root};
use crate::schema::{Flexibility, Schema, builtin};
use crate::value::{Uuid, Value};
use bytes::Bytes;

const DATABASE: Uuid = Uuid::from_u128(7);

fn commit(t: u64) -> CommitId {
    CommitId { t: T(t), hash: [t as u8; 32] }
}

fn frame(t: u64) -> Frame {
    let tx = Tx::new(0, T(t));
    let datom = |e, a, v, added| Datom { e: EntityId(e), a, v, tx, added };
    let datoms = [
        datom(tx.0, builtin::TX_INSTANT, Value::Inst(99), true),
        datom(5, builtin::DOC, Value::str("old"), false),
        datom(5, builtin::DOC, Value::str("new"), true),
        datom(4, builtin::IDENT, Value::keyword("a/b"), true),
    ];
    Frame {
        tx,
        parents: vec![commit(t - 1), commit(77)],
        instant_ms: -5,
        next_entity: EntityId(12),
        salt: 3,
        schema: Some(vec![1, 2]),
        datoms: Frame::columns(&datoms),
        purged: None,
    }
}

fn root(n: u8, len: u32) -> Root {
    let node =
        NodeRef { hash: NodeHash([n; 32]), pack: PackId(1), offset: 100 * u64::from(n), len };
    Root { node, height: 2, count: 1_000, span: (T(1), T(9)) }
}

fn head() -> Head {
    let trees = Trees {
        current: [Some(root(1, 3)), Some(root(2, 80)), None],
        superseded: [None, None, Some(root(3, 90))],
    };
    let segment = SegmentRef { name: 5, hash: NodeHash([8; 32]), len: 44, first: T(3), last: T(6) };
    let base = Base {
        commit: Some(commit(6)),
        trees,
        commits: Some(root(4, 10)),
        flushed: T(2),
        novelty: Some(ObjectRef { name: 6, hash: NodeHash([9; 32]), len: 7, rows: 2 }),
        about: None,
        log: vec![segment],
        inlined: vec![(root(1, 3).node, Bytes::from_static(b"abc"))],
    };
    let tip = Tip {
        commit: Some(commit(8)),
        parents: vec![commit(7)],
        tx: Tx::new(3, T(8)),
        instant_ms: Some(-1),
        next_entity: EntityId(9),
    };
    let writer = Writer { id: 1, url: "http://h".to_owned(), epoch: 4 };
    Head {
        database: DATABASE,
        revision: 300,
        nonce: 11,
        gc_generation: 2,
        purge_generation: 1,
        closed: true,
        writer: Some(writer),
        block: 3,
        tip,
        base,
        tail: vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")],
        sparse: vec![crate::index::PackId(77)],
    }
}

fn refs() -> Refs {
    let mut refs = Refs::new(DATABASE, 9, "catalog", "main");
    refs.branches.insert("exp".to_owned(), Branch { head: branch_head(4), block: 1, closed: true });
    let tag = Tag { snapshot: snap_name(5), commit: Some(commit(4)), instant_ms: Some(1 << 50) };
    refs.tags.insert("v1".to_owned(), tag.clone());
    refs.automatic = vec![Tag { commit: None, instant_ms: None, ..tag }];
    refs
}

fn novelty() -> (Bytes, crate::datom::Facts) {
    let mut facts = FactsBuilder::default();
    let v = Value::str("x");
    let key = |tx| RowKey { e: EntityId(1), a: builtin::DOC, v: v.as_ref(), tx };
    facts.push(key(Tx(0)), Some(Tx::new(0, T(3))));
    facts.push(key(Tx::new(0, T(4))), None);
    let mut schema = Schema::default();
    schema.flexibility = Flexibility::Read;
    let about = About { schema, counts: [(AttrId(5), 6), (AttrId(1 << 40), 7)].into() };
    (about.encode().unwrap(), facts.finish())
}

/// Reads back the same; each cut and each flipped bit is an error; a body of other bytes in a right
/// envelope is a value or an error.
fn check<T: std::fmt::Debug>(
    kind: Kind,
    bytes: &Bytes,
    decode: impl Fn(&[u8]) -> Result<T, FormatError>,
) -> T {
    for cut in 0..bytes.len() {
        assert!(decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let body = &bytes[5..bytes.len() - 32];
    for bit in 0..bytes.len() * 8 {
        let mut wrong = bytes.to_vec();
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&wrong).is_err(), "bit {bit}");
        let mut other = body.to_vec();
        if let Some(byte) = other.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
            let _ = decode(&seal(kind, &other));
        }
    }
    for cut in 0..body.len() {
        assert!(decode(&seal(kind, &body[..cut])).is_err(), "a body cut at {cut}");
    }
    decode(bytes).unwrap()
}

#[test]
fn heads_round_trip() {
    let bytes = head().encode().unwrap();
    assert_eq!(check(Kind::Head, &bytes, Head::decode), head());
    let empty = Head::empty(DATABASE, 5, About::default().encode().unwrap());
    assert_eq!(check(Kind::Head, &empty.encode().unwrap(), Head::decode), empty);
}

#[test]
fn a_head_is_at_most_64_kib() {
    let mut large = head();
    large.tail = vec![Bytes::from(vec![0; HEAD_BYTES])];
    assert!(matches!(large.encode(), Err(FormatError::TooLarge(_))));
    assert!(matches!(Head::decode(&[0; HEAD_BYTES + 1]), Err(FormatError::TooLarge(_))));
    // Everything at its limit fits.
    let mut full = head();
    full.tail = vec![Bytes::from(vec![1; 100]); TAIL_BYTES / 100];
    full.base.about = Some(Bytes::from(vec![1; INLINE_BYTES]));
    let roots: Vec<Root> = (1..5).map(|n| root(n, INLINE_BYTES as u32)).collect();
    full.base.inlined =
        roots.iter().map(|r| (r.node, Bytes::from(vec![1; INLINE_BYTES]))).collect();
    full.base.trees.current = [0, 1, 2].map(|n| Some(roots[n].clone()));
    full.base.commits = Some(roots[3].clone());
    assert!(full.encode().is_ok());
}

#[test]
fn roots_that_lie_together_are_one_request() {
    let fetches = head().prefetch();
    let ranges: Vec<_> = fetches.iter().map(|f| (f.key.as_str(), f.range.clone())).collect();
    let pack = format!("pack/{:032x}", 1);
    assert_eq!(ranges, [(novelty_name(6).as_str(), None), (pack.as_str(), Some(200..410))]);
}

#[test]
fn refs_round_trip() {
    assert_eq!(check(Kind::Refs, &refs().encode(), Refs::decode), refs());
}

#[test]
fn the_format_object_round_trips() {
    let identity =
        Identity { database: DATABASE, created_ms: 1_790_000_000_000, origins: vec![DATABASE] };
    assert_eq!(check(Kind::Format, &identity.encode(), Identity::decode), identity);
}

#[test]
fn novelty_round_trips() {
    let (about, facts) = novelty();
    let bytes = Novelty::encode(Some(&about), &facts).unwrap();
    let again = check(Kind::Novelty, &bytes, Novelty::decode);
    assert_eq!(again.about, Some(about.clone()));
    assert_eq!(About::decode(&about).unwrap().encode().unwrap(), about);
    assert_eq!(again.facts.end(0), Some(Tx::new(0, T(3))));
    assert_eq!(again.facts.sorted(Order::Eavt).transactions(), facts.transactions());
}

#[test]
fn segments_round_trip() {
    let frames: Vec<Bytes> = (2..5).map(|t| frame(t).encode().unwrap().bytes).collect();
    let segment = Segment { database: DATABASE, first: T(2), frames };
    let bytes = segment.encode();
    assert_eq!(check(Kind::Log, &bytes, Segment::decode), segment);
    for (i, place) in segment.places().into_iter().enumerate() {
        let found = &bytes[place.start as usize..place.end as usize];
        assert_eq!(found, &segment.frames[i][..]);
        assert_eq!(segment.frame(T(2 + i as u64)).unwrap(), found);
    }
    assert_eq!((segment.frame(T(1)), segment.frame(T(5))), (None, None));
}

#[test]
fn frames_round_trip() {
    let frame = frame(9);
    let Encoded { id, bytes } = frame.encode().unwrap();
    let (again, read) = Frame::decode(&bytes).unwrap();
    assert_eq!(again, id);
    assert_eq!(read.datoms().collect::<Vec<_>>(), frame.datoms().collect::<Vec<_>>());
    assert_eq!((read.parents, read.schema), (frame.parents.clone(), frame.schema.clone()));
    assert_eq!((read.tx, read.next_entity, read.salt), (frame.tx, frame.next_entity, frame.salt));
    for cut in 0..bytes.len() {
        assert!(Frame::decode(&bytes[..cut]).is_err());
    }
    for bit in 0..bytes.len() * 8 {
        let mut wrong = bytes.to_vec();
        wrong[bit / 8] ^= 1 << (bit % 8);
        // Compression has bits without a meaning; whatever else still decodes is another commit.
        if let Ok((other, read)) = Frame::decode(&wrong) {
            assert!(other != id || read.encode().unwrap().bytes == bytes, "bit {bit}");
        }
    }
    assert!(frame.follows(id, Some(commit(8))).is_ok());
    for parent in [None, Some(commit(7)), Some(CommitId { hash: [0; 32], ..commit(8) })] {
        assert!(matches!(frame.follows(id, parent), Err(FormatError::Chain { .. })));
    }
}

#[test]
fn a_salt_makes_another_commit() {
    let (one, two) = (frame(9), Frame { salt: 4, ..frame(9) });
    assert_ne!(one.encode().unwrap().id, two.encode().unwrap().id);
}

#[test]
fn other_versions_and_kinds_are_told() {
    let mut bytes = refs().encode().to_vec();
    bytes[4] = 9;
    assert_eq!(Refs::decode(&bytes), Err(FormatError::Version(9)));
    assert!(matches!(Head::decode(&refs().encode()), Err(FormatError::Kind("head"))));
    assert!(matches!(Refs::decode(b"<html>"), Err(FormatError::Kind(_))));
}

#[test]
fn a_frame_of_which_facts_were_erased_is_the_same_commit() {
    let whole = frame(9).encode().unwrap();
    let (once, left) = Frame::without(&whole.bytes, &[false, true]).unwrap();
    assert_eq!((once.id, left.datoms.len(), left.salt), (whole.id, 3, 0));
    let (twice, left) = Frame::without(&once.bytes, &[false, true, true]).unwrap();
    assert_eq!((twice.id, left.datoms.len()), (whole.id, 1));
    assert_eq!(left.purged.unwrap().datoms, 3);
    assert!(left.follows(twice.id, Some(commit(8))).is_ok());
    let again = left.encode().unwrap();
    assert_eq!((again.id, again.bytes), (twice.id, twice.bytes));
    assert_ne!(left.content(), Frame::decode(&once.bytes).unwrap().1.content());
}

#[test]
fn what_a_purged_frame_says_beside_its_datoms_is_held_by_its_id() {
    let whole = frame(9).encode().unwrap();
    let (_, left) = Frame::without(&whole.bytes, &[true]).unwrap();
    for altered in [
        Frame { instant_ms: 7, ..left.clone() },
        Frame { next_entity: EntityId(13), ..left.clone() },
        Frame { parents: vec![commit(8)], ..left.clone() },
        Frame { schema: None, ..left.clone() },
        Frame { tx: Tx::new(0, T(10)), datoms: Facts::default(), ..left.clone() },
    ] {
        assert_ne!(altered.encode().unwrap().id, whole.id);
    }
    let kept = Frame { datoms: Facts::default(), ..left.clone() }.encode().unwrap();
    assert_eq!(kept.id, whole.id);
    assert_ne!(Frame::decode(&kept.bytes).unwrap().1.content(), left.content());
}
