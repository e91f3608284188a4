//! Values that are stored as nodes of their own: whatever is done to them, what is read is what
//! was said, and each is stored once.

use super::time::{Said, Watched, check};
use super::*;
use crate::conn::{AsOf, Collection, MergeOptions, Retention};
use crate::index::{Node, NodeRef, Nodes, NodesError, PackFooter};
use crate::query::{CancelToken, Input, Limits, Query, run};
use crate::store::Fetch;
use crate::verify::verify;
use std::collections::BTreeSet;

const SCHEMA: &str = "[
    {:db/ident :key :db/valueType :db.type/string :db/unique :db.unique/identity}
    {:db/ident :text :db/valueType :db.type/string}
    {:db/ident :notes :db/valueType :db.type/string :db/cardinality :db.cardinality/many}
    {:db/ident :link :db/valueType :db.type/uri :db/index true}
    {:db/ident :raw :db/valueType :db.type/bytes :db/cardinality :db.cardinality/many
     :db/index true}]";

/// Lengths around the limits.
const LENS: [usize; 9] = [3, 256, 300, 4095, 4096, 4097, 4097, 5000, 65_536];

/// A text of some length; many of them begin alike, for longer than an index looks.
fn text(dice: &mut Dice) -> String {
    let len = match dice.below(40) {
        0 => 1 << 20,
        n => LENS[n as usize % LENS.len()],
    };
    let mut text = "a".repeat(len);
    match dice.below(4) {
        0 => text.replace_range(len / 2..len / 2 + 1, "b"),
        1 => text.replace_range(len - 1..len, "z"),
        2 => text.replace_range(0..1, "é"),
        _ => {}
    }
    text
}

fn quoted(dice: &mut Dice, a: &str) -> String {
    let text = text(dice);
    match a {
        "link" => format!("#uri \"x:{text}\""),
        "raw" => format!("#bytes \"{}\"", "QUJD".repeat(text.len() / 3)),
        _ => format!("{text:?}"),
    }
}

fn random_tx(dice: &mut Dice) -> String {
    let mut forms = Vec::new();
    for _ in 0..1 + dice.below(4) {
        let e = 20 + dice.below(5);
        let a = ["key", "text", "notes", "link", "raw"][dice.below(5) as usize];
        let (v, key) = (quoted(dice, a), quoted(dice, "key"));
        forms.push(match dice.below(12) {
            0..=7 => format!("[:db/add {e} :{a} {v}]"),
            8 => format!("[:db/retract {e} :{a} {v}]"),
            9 => format!("[:db/retract {e} :{a}]"),
            10 => format!("{{:key {key} :notes {}}}", quoted(dice, "notes")),
            _ => format!("[:db/retractEntity {e}]"),
        });
    }
    if dice.below(9) == 0 {
        let way = ["add", "retract"][dice.below(2) as usize];
        forms.push(format!("[:db/{way} :notes :db/index true]"));
    }
    format!("[{}]", forms.join(" "))
}

fn options(dice: &mut Dice) -> Options {
    Options { tail_bytes: 300 + 200 * dice.below(6) as usize, ..unflushed() }
}

/// Nothing stays in the tail, so that a flush takes all.
fn spilling() -> Options {
    Options { tail_bytes: 1, ..unflushed() }
}

fn collect(conn: &Conn) {
    let asked = Collection { grace_ms: 0, keep: Retention::nothing() };
    block_on(conn.place().collect(&asked, &mut |_, _| ())).unwrap();
    // What was found is deleted by the next.
    block_on(conn.place().collect(&asked, &mut |_, _| ())).unwrap();
    block_on(conn.refresh()).unwrap();
}

fn is_whole(conn: &Conn, what: &str) {
    let report = block_on(verify(conn.place(), &mut |_| ())).unwrap();
    assert!(report.is_whole(), "{what}: {:?}", report.problems);
}

#[test]
fn every_moment_equals_a_replay() {
    for seed in 0..cases(12) {
        let mut dice = Dice(seed << 24 | 77);
        let (store, conn) = fresh(options(&mut dice));
        let mut said = Said::default();
        let mut keep = |report: crate::db::TxReport| said.0.push((report.tx, report.datoms));
        keep(transact(&conn, SCHEMA).unwrap());
        for _ in 0..8 + dice.below(12) {
            match transact(&conn, &random_tx(&mut dice)) {
                Ok(report) => keep(report),
                Err(error) => assert!(is_refusal(&error), "{}", &error[..error.len().min(300)]),
            }
            match dice.below(12) {
                0..=3 => drop(block_on(conn.flush()).unwrap()),
                4 => collect(&conn),
                _ => {}
            }
        }
        let what = format!("seed {seed}");
        is_whole(&conn, &what);
        let again = reopen(&store).unwrap();
        check(&again.db(), &said.as_of(&conn.db(), T(u64::MAX)), &what);
        check(&again.db().history(), &said.history(&conn.db(), T(u64::MAX)), &what);
        for t in (0..=conn.db().basis_t().0).step_by(3).map(T) {
            for way in [AsOf::Filtered, AsOf::Retained] {
                let db = block_on(again.as_of(t, way)).unwrap();
                let what = format!("{what}, as of {t}, {way:?}");
                check(&db, &said.as_of(&db, t), &what);
                check(&db.history(), &said.history(&db, t), &what);
            }
        }
    }
}

fn is_refusal(error: &str) -> bool {
    ["unique", "several", "conflict", "different types", "should be"]
        .iter()
        .any(|known| error.contains(known))
}

/// All nodes of all packs, by the kind that they are.
fn stored(store: &MemoryStore) -> Vec<(NodeRef, Node)> {
    let mut all = Vec::new();
    for name in store.names().iter().filter(|name| name.starts_with("pack/")) {
        let bytes = block_on(store.get(&Fetch { key: name.clone(), range: None })).unwrap();
        let pack = crate::index::PackId(u128::from_str_radix(&name[5..], 16).unwrap());
        for (footed, stored) in PackFooter::nodes_of(&bytes).unwrap() {
            let (hash, offset, len) = (footed.hash, footed.offset, footed.len);
            let node = Node::decode_unverified(stored).unwrap();
            all.push((NodeRef { hash, pack, offset, len }, node));
        }
    }
    all
}

fn blobs(store: &MemoryStore) -> Vec<NodeRef> {
    let is_blob = |(name, node): (NodeRef, Node)| matches!(node, Node::Blob(_)).then_some(name);
    stored(store).into_iter().filter_map(is_blob).collect()
}

/// Text that does not compress to much less than half.
fn noise(len: usize, seed: u64) -> String {
    let mut dice = Dice(seed);
    (0..len).map(|_| char::from_digit(dice.below(16) as u32, 16).unwrap()).collect()
}

#[test]
fn a_value_of_many_facts_is_stored_once() {
    let (store, conn) = fresh(spilling());
    transact(&conn, SCHEMA).unwrap();
    transact(&conn, "[[:db/add :notes :db/index true]]").unwrap();
    let long = noise(1 << 20, 5);
    let (value, notes) = (Value::str(&long), conn.db().schema().attr("notes").unwrap().id);
    // More than one transaction may say, or novelty may hold.
    for first in (50..150).step_by(20) {
        let entities = (first..first + 20).map(EntityId);
        let facts = entities.map(|e| (e, notes, value.clone(), true)).collect();
        say(&conn, Say { facts, ..Say::default() }).unwrap();
        assert!(block_on(conn.flush()).unwrap());
    }
    let packs: usize = store
        .names()
        .iter()
        .filter(|name| name.starts_with("pack/"))
        .map(|name| Fetch { key: name.clone(), range: None })
        .map(|fetch| block_on(store.get(&fetch)).unwrap().len())
        .sum();
    // Three orders, a hundred facts; half a byte for each digit, and little else.
    assert!((512 << 10..700 << 10).contains(&packs), "{packs} bytes of packs");
    assert_eq!(blobs(&store).len(), 1);
    // What ends keeps its place: the trees change, the value is not written again.
    transact(&conn, "[[:db/add 200 :text \"an id above those that are used\"]]").unwrap();
    transact(&conn, "[[:db/retractEntity 60] [:db/add 61 :notes \"short\"]]").unwrap();
    assert!(block_on(conn.flush()).unwrap());
    assert_eq!(blobs(&store).len(), 1);
    let before = conn.db().as_of(T(7));
    assert_eq!(before.value(EntityId(60), notes).unwrap(), Some(Value::str(&long)));
    assert_eq!(conn.db().value(EntityId(60), notes).unwrap(), None);
    is_whole(&conn, "once");
}

fn ask(db: &Db, text: &str) -> String {
    let query = Query::parse(text).unwrap();
    let answer =
        run(&query, &[Input::Db(db.clone())], &Limits::default(), &CancelToken::default()).unwrap();
    crate::edn::to_string(&answer.to_value())
}

#[test]
fn who_does_not_look_at_a_value_does_not_read_it() {
    let (store, conn) = fresh(spilling());
    transact(&conn, SCHEMA).unwrap();
    let (long, other) = (noise(9000, 1), noise(9000, 2));
    let tx = format!(
        "[{{:db/id 20 :key {long:?} :text {long:?} :notes [{long:?} {other:?} \"c\"]}}
          {{:db/id 21 :key \"k\" :text {other:?} :link #uri \"x:{long}\"}}]"
    );
    transact(&conn, &tx).unwrap();
    block_on(conn.flush()).unwrap();
    let nodes = Arc::new(Watched(StoreNodes(store.clone()), Default::default()));
    let place = crate::conn::Place { nodes: nodes.clone(), ..place(&store) };
    let conn = block_on(Conn::open(place, None, spilling())).unwrap();
    let db = conn.db();
    let all: BTreeSet<_> = blobs(&store).into_iter().map(|node| node.hash).collect();
    assert_eq!(all.len(), 3, "two texts and a link");
    let reads = |f: &dyn Fn()| {
        nodes.1.lock().unwrap().clear();
        f();
        nodes.1.lock().unwrap().iter().filter(|hash| all.contains(*hash)).count()
    };
    let asks = |text: &str, answer: &str| reads(&|| assert_eq!(ask(&db, text), answer, "{text}"));
    let q = |find: &str, rest: &str| format!("[:find {find} :where {rest}]");
    assert_eq!(asks(&q("?e", "[?e :text]"), "#{[20] [21]}"), 0);
    assert_eq!(asks(&q("(count ?e) .", "[?e :notes _ ?tx]"), "1"), 0);
    assert_eq!(asks(&q("?e", "[?e :key \"k\"] [?e :text _]"), "#{[21]}"), 0);
    assert_eq!(asks(&q("?e", "[?e :key] [(missing? $ ?e :link)]"), "#{[20]}"), 0);
    // Equal to what is known is told by the hash, with and without an index by value.
    assert_eq!(asks(&q("?e", &format!("[?e :key {long:?}]")), "#{[20]}"), 0);
    assert_eq!(asks(&q("?e", &format!("[?e :notes {other:?}]")), "#{[20]}"), 0);
    assert_eq!(asks(&q("?e", &format!("[[:key {long:?}] :text] [?e :link]")), "#{[21]}"), 0);
    assert_eq!(asks(&q("?e", "[20 :text ?v] [?e :key ?v]"), "#{[20]}"), 1);
    // What is read is read whole, each once.
    assert_eq!(asks(&q("(count ?v) .", "[_ :text ?v]"), "2"), 2);
    let found = format!("#{{[{other:?}]}}");
    assert_eq!(asks(&q("?v", "[21 :text ?v]"), &found), 1);
    let link = format!("[[:db/add [:key {long:?}] :link #uri \"x:y\"]]");
    assert_eq!(reads(&|| drop(transact(&conn, &link).unwrap())), 0, "the index knows whose it is");
}

/// Nodes that count the rounds in which long values were read.
#[derive(Debug)]
struct Rounds(StoreNodes, std::sync::Mutex<Vec<usize>>);

impl Nodes for Rounds {
    fn get(&self, nodes: &[NodeRef]) -> Result<Vec<Arc<Node>>, NodesError> {
        let read = self.0.get(nodes)?;
        let long = read.iter().filter(|node| matches!(node.as_ref(), Node::Blob(_))).count();
        if long > 0 {
            self.1.lock().unwrap().push(long);
        }
        Ok(read)
    }

    fn is_resident(&self, node: &NodeRef) -> bool {
        self.0.is_resident(node)
    }
}

#[test]
fn values_of_many_facts_are_read_in_one_round() {
    let (store, conn) = fresh(spilling());
    transact(&conn, SCHEMA).unwrap();
    let long = |n: u64| noise(5000, n);
    let facts: String =
        (0..90).map(|n| format!("[:db/add {} :text {:?}]", 20 + n, long(n))).collect();
    transact(&conn, &format!("[{facts}]")).unwrap();
    block_on(conn.flush()).unwrap();
    // Others between them, that are in no tree.
    let facts: String = (0..30).map(|n| format!("[:db/add {} :text \"x\"]", 21 + n * 3)).collect();
    transact(&conn, &format!("[{facts}]")).unwrap();
    let nodes = Arc::new(Rounds(StoreNodes(store.clone()), Default::default()));
    let place = crate::conn::Place { nodes: nodes.clone(), ..place(&store) };
    let db = block_on(Conn::open(place, None, spilling())).unwrap().db();
    let ids: String = (0..90).map(|n| format!("[{}]", 20 + n)).collect();
    for (query, expected) in [
        ("[:find (count ?v) . :where [_ :text ?v]]".to_owned(), vec![60]),
        (format!("[:find (count ?v) . :where [(ground [{ids}]) [[?e]]] [?e :text ?v]]"), vec![60]),
        (
            format!(
                "[:find (count ?v) . :where [(ground [{ids}]) [[?e]]] [(get-else $ ?e :text 0) ?v]]"
            ),
            vec![60],
        ),
        ("[:find [(pull ?e [:text]) ...] :where [?e :text]]".to_owned(), vec![60]),
    ] {
        nodes.1.lock().unwrap().clear();
        ask(&db, &query);
        assert_eq!(*nodes.1.lock().unwrap(), expected, "{query}");
    }
}

#[test]
fn ranges_and_orders_are_those_of_whole_values() {
    let (_, conn) = fresh(spilling());
    transact(&conn, SCHEMA).unwrap();
    transact(&conn, "[[:db/add :notes :db/index true]]").unwrap();
    let mut all: Vec<String> = Vec::new();
    for len in [1, 255, 256, 257, 4096, 4097, 5000] {
        for (at, with) in [(0, "a"), (0, "b"), (len - 1, "b"), (len / 2, "Z"), (len - 1, "é")] {
            let mut text = "a".repeat(len);
            text.replace_range(at..at + 1, with);
            all.push(text);
        }
    }
    all.push("\u{10fffd}".repeat(2000));
    all.sort();
    all.dedup();
    let facts: String = all.iter().map(|text| format!("[:db/add 20 :notes \"{text}\"]")).collect();
    transact(&conn, &format!("[{facts}]")).unwrap();
    for _ in 0..2 {
        let db = conn.db();
        for bound in &all {
            for (name, holds) in [
                ("<", all.iter().filter(|x| *x < bound).collect::<Vec<_>>()),
                ("<=", all.iter().filter(|x| *x <= bound).collect()),
                (">", all.iter().filter(|x| *x > bound).collect()),
                (">=", all.iter().filter(|x| *x >= bound).collect()),
                ("=", all.iter().filter(|x| *x == bound).collect()),
            ] {
                let found = ask(
                    &db,
                    &format!("[:find [?v ...] :where [_ :notes ?v] [({name} ?v \"{bound}\")]]"),
                );
                let expected = crate::edn::to_string(&Value::from(
                    holds.into_iter().map(|x| Value::str(x)).collect::<Vec<_>>(),
                ));
                assert!(found == expected, "{name} {} {}", bound.len(), &bound[..1]);
            }
        }
        block_on(conn.flush()).unwrap();
    }
}

#[test]
fn identities_and_merges_take_whole_values() {
    let (_, conn) = fresh(spilling());
    transact(&conn, SCHEMA).unwrap();
    let (one, two) = (noise(7000, 1), noise(7000, 1).replace('0', "g"));
    transact(&conn, &format!("[{{:key {one:?} :text {two:?} :notes [{one:?}]}}]")).unwrap();
    block_on(conn.flush()).unwrap();
    let opened = conn.opened();
    block_on(conn.place().create_branch("b", &opened, opened.head.tip.t())).unwrap();
    let other = block_on(conn.on_branch(Some("b"))).unwrap();
    // Lookup refs and upserts by a long identity, on each side.
    transact(&other, &format!("[[:db/add [:key {one:?}] :notes {two:?}]]")).unwrap();
    transact(&other, &format!("[{{:key {two:?} :text {one:?}}}]")).unwrap();
    block_on(other.flush()).unwrap();
    transact(&conn, &format!("[{{:key {one:?} :text {one:?}}}]")).unwrap();
    transact(&conn, &format!("[{{:key {two:?} :notes \"here\"}}]")).unwrap();
    block_on(conn.flush()).unwrap();
    let refused =
        transact(&conn, &format!("[{{:db/id 77 :notes \"x\"}} [:db/add 77 :key {one:?}]]"));
    assert!(refused.unwrap_err().contains("unique"));
    block_on(conn.merge(&other.opened(), &MergeOptions::default())).unwrap();
    for _ in 0..2 {
        let mut entities: Vec<BTreeSet<String>> = Vec::new();
        for key in [&one, &two] {
            let found =
                ask(&conn.db(), &format!("[:find [?v ...] :where [?e :key {key:?}] [?e _ ?v]]"));
            let values = read_one(&found).unwrap().to_value();
            let Value::Vector(values) = values else { panic!("{found}") };
            entities.push(values.iter().map(crate::edn::to_string).collect());
        }
        let set = |texts: &[&str]| texts.iter().map(|x| format!("{x:?}")).collect::<BTreeSet<_>>();
        assert!(entities[0] == set(&[&one, &two]), "the first");
        assert!(entities[1] == set(&[&two, &one, "here"]), "the second");
        block_on(conn.flush()).unwrap();
    }
    is_whole(&conn, "merged");
}

#[test]
fn a_damaged_value_is_named() {
    let (store, conn) = fresh(spilling());
    transact(&conn, SCHEMA).unwrap();
    let (long, other) = (noise(9000, 1), noise(9000, 2));
    transact(&conn, &format!("[[:db/add 20 :text {long:?}] [:db/add 21 :text {other:?}]]"))
        .unwrap();
    block_on(conn.flush()).unwrap();
    let text = conn.db().schema().attr("text").unwrap().id;
    let nodes = blobs(&store);
    let object = |node: &NodeRef| format!("pack/{:032x}", node.pack.0);
    let get = |name: &str| {
        block_on(store.get(&Fetch { key: name.to_owned(), range: None })).unwrap().to_vec()
    };
    let fails = |name: &str, bytes: Vec<u8>| {
        let whole = get(name);
        store.overwrite(name, bytes.into());
        let db = reopen(&store).unwrap().db();
        let read = [20, 21].map(|e| db.value(EntityId(e), text));
        let error = read.into_iter().find_map(Result::err).expect("an error").to_string();
        assert!(error.contains(name), "{error}");
        let report = block_on(verify(&place(&store), &mut |_| ())).unwrap();
        assert!(report.problems.iter().any(|problem| problem.object == name), "{report:?}");
        store.overwrite(name, whole.into());
    };
    for (node, other) in nodes.iter().zip(nodes.iter().rev()) {
        let (name, start) = (object(node), node.offset as usize);
        for at in [0, 1, 2, 3, 9, node.len as usize / 2, node.len as usize - 1] {
            let mut wrong = get(&name);
            wrong[start + at] ^= 4;
            fails(&name, wrong);
        }
        // The other one in its place.
        let (mut wrong, from) = (get(&name), get(&object(other)));
        let len = node.len.min(other.len) as usize;
        let bytes = &from[other.offset as usize..][..len];
        wrong[start..start + len].copy_from_slice(bytes);
        fails(&name, wrong);
    }
    is_whole(&conn, "put back");
}

/// Says of packs what a collection says of those that are mostly garbage.
fn call_sparse(conn: &Conn, packs: Vec<crate::index::PackId>) {
    let mut head = conn.opened().head.next(1);
    head.sparse = packs;
    let version = block_on(conn.place().read_head("head")).unwrap().1;
    let expect = crate::store::Expect::Version(version);
    block_on(conn.place().store.cas_ref("head", expect, head.encode().unwrap())).unwrap();
    block_on(conn.refresh()).unwrap();
}

#[test]
fn what_is_in_use_survives_collections_and_moves_out_of_sparse_packs() {
    let (store, conn) = fresh(spilling());
    transact(&conn, SCHEMA).unwrap();
    // One value stays in use, in current and in ended facts, and others do not.
    let texts: Vec<String> = (0..12).map(|n| noise(60_000, n)).collect();
    let add = |e: usize, text: &str| format!("[:db/add {} :text {text:?}]", 100 + e);
    let facts: String = texts.iter().enumerate().map(|(e, text)| add(e, text)).collect();
    transact(&conn, "[[:db/add :text :db/noHistory true]]").unwrap();
    transact(&conn, &format!("[{facts} [:db/add 300 :notes {:?}]]", texts[0])).unwrap();
    block_on(conn.flush()).unwrap();
    assert_eq!(blobs(&store).len(), 12);
    let changes: String = (1..12).map(|e| add(e, "short")).collect();
    transact(&conn, &format!("[{changes} [:db/retract 300 :notes {:?}]]", texts[0])).unwrap();
    block_on(conn.flush()).unwrap();
    collect(&conn);
    is_whole(&conn, "collected");
    let text = conn.db().schema().attr("text").unwrap().id;
    let kept = |node: &Node| matches!(node, Node::Blob(bytes) if bytes == texts[0].as_bytes());
    let old: Vec<NodeRef> =
        stored(&store).into_iter().filter(|(_, node)| kept(node)).map(|(name, _)| name).collect();
    let [old] = old[..] else { panic!("{old:?}") };
    call_sparse(&conn, vec![old.pack]);
    transact(&conn, "[[:db/add 400 :notes \"more\"]]").unwrap();
    block_on(conn.flush()).unwrap();
    collect(&conn);
    assert!(!store.names().contains(&format!("pack/{:032x}", old.pack.0)));
    assert_eq!(blobs(&store).len(), 1, "moved once, for all trees");
    is_whole(&conn, "moved");
    let (db, notes) = (conn.db(), conn.db().schema().attr("notes").unwrap().id);
    assert_eq!(db.value(EntityId(100), text).unwrap(), Some(Value::str(&texts[0])));
    let ended = db.as_of(T(3)).value(EntityId(300), notes).unwrap();
    assert_eq!(ended, Some(Value::str(&texts[0])));
}
