//! Packs: places, footers, and what happens to damaged ones.

use super::super::{
    Changes, Footed, Forest, MemoryNodes, Node, Nodes, Outlet, PackFooter, PackId, PackWriter,
    Shape, Stored,
};
use super::{at_once, build, datom, facts, packs};
use crate::datom::{Facts, Order};
use crate::id::{T, Tx};
use crate::store::{BoxFuture, StoreError};
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Mutex;

fn blob(len: usize, seed: u64) -> Stored {
    // Not compressible, so that packs fill up.
    let mut x = seed | 1;
    let mut byte = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as u8
    };
    Node::Blob((0..len).map(|_| byte()).collect()).encode().unwrap()
}

fn filled() -> (PackWriter<'static>, Vec<(super::super::NodeRef, Bytes)>) {
    let mut packs = packs(1);
    let nodes = (0..30).map(|i| {
        let stored = blob(1 << 20, i);
        (packs.push(&stored), stored.bytes)
    });
    let nodes = nodes.collect();
    (packs, nodes)
}

#[test]
fn nodes_are_where_the_footer_says() {
    let (writer, nodes) = filled();
    assert_eq!(writer.nodes(), 30);
    assert!(nodes.iter().all(|(name, bytes)| writer.read(name) == Some(&bytes[..])));
    let packs = writer.finish();
    assert_eq!(packs.len(), 4);
    for (id, pack) in &packs {
        let footer = PackFooter::decode(pack).unwrap();
        assert_eq!(
            PackFooter::decode(&pack[pack.len() - PackFooter::len(pack).unwrap()..]).unwrap(),
            footer
        );
        let mine = nodes.iter().filter(|(name, _)| name.pack == *id);
        for (Footed { hash, offset, len, raw_len }, (name, bytes)) in footer.nodes.iter().zip(mine)
        {
            assert_eq!((*hash, *offset, *len), (name.hash, name.offset, name.len));
            assert_eq!(pack[*offset as usize..][..*len as usize], bytes[..]);
            assert_eq!(*raw_len, 1 << 20);
        }
    }
    let mut memory = MemoryNodes::new();
    memory.add(packs);
    for (name, _) in nodes {
        memory.get(&[name]).unwrap();
    }
}

/// Keeps packs, and how many came at once.
#[derive(Default)]
struct Kept(Mutex<(MemoryNodes, Vec<usize>)>);

impl Outlet for Kept {
    fn put(&self, packs: Vec<(PackId, Bytes)>) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut kept = self.0.lock().unwrap();
        kept.1.push(packs.len());
        kept.0.add(packs);
        Box::pin(async { Ok(()) })
    }
}

#[test]
fn what_is_pushed_last_lies_together() {
    let kept = Kept::default();
    let mut writer = packs(1).into_outlet(&kept, 4 << 20);
    (0..30).for_each(|i| {
        writer.push(&blob(1 << 20, i));
    });
    at_once(writer.relieve()).unwrap();
    assert_eq!(kept.0.lock().unwrap().1, [7]);
    let last: Vec<_> = (0..20).map(|i| writer.push_last(&blob(1 << 20, i))).collect();
    assert!(last.iter().all(|x| x.pack == last[0].pack));
    assert!(last.windows(2).all(|x| x[1].offset == x[0].offset + u64::from(x[0].len)));
    assert_eq!(writer.finish().len(), 1);
}

#[test]
fn a_merge_into_every_leaf_holds_few_packs() {
    let shape = Shape { leaf_bytes: 24 * 64, branch_bytes: 80 * 16 };
    let of = |e: u64, t: u64| datom(e, 1, e as i64, Tx::new(0, T(t)).0);
    let even: Vec<_> = (0..20_000).map(|e| of(e * 2, 1)).collect();
    let odd: Vec<_> = (0..20_000).map(|e| of(e * 2 + 1, 2)).collect();
    let mut nodes = MemoryNodes::new();
    let root = build(&mut nodes, Order::Eavt, shape, &facts(Order::Eavt, &even)).unwrap();
    let (kept, add) = (Kept::default(), facts(Order::Eavt, &odd));
    let mut writer = packs(2).into_outlet(&kept, 4_000);
    let mut forest = Forest { nodes: &nodes, packs: &mut writer, shape };
    let changes = Changes { add: &add, remove: &Facts::default() };
    let tree = at_once(forest.merge(Some(&root), Order::Eavt, changes, &mut |_, _| ())).unwrap();
    let root = tree.place(&mut writer).unwrap();
    assert!(writer.finish().len() <= 3, "packs that are not out");
    let kept = kept.0.into_inner().unwrap();
    assert!(kept.1.len() > 5 && kept.1.iter().all(|packs| *packs == 2), "{:?}", kept.1);
    assert_eq!(root.count, 40_000);
}

#[test]
fn no_nodes_no_packs() {
    assert!(packs(1).finish().is_empty());
}

proptest! {
    #[test]
    fn a_damaged_footer_is_an_error(
        at: prop::sample::Index, bit in 0u8..8, cut: prop::sample::Index,
    ) {
        let mut writer = packs(1);
        for i in 0..5 {
            writer.push(&blob(10, i));
        }
        let pack = writer.finish().remove(0).1.to_vec();
        let start = pack.len() - PackFooter::len(&pack).unwrap();
        let mut damaged = pack[start..].to_vec();
        let at = at.index(damaged.len());
        damaged[at] ^= 1 << bit;
        prop_assert!(PackFooter::decode(&damaged).is_err());
        prop_assert!(PackFooter::decode(&pack[..start + cut.index(pack.len() - start)]).is_err());
    }
}
