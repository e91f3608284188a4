//! Trees of several levels, with values so long that what separates nodes holds much of them.

use super::*;

/// A value that differs from its neighbours late: separators are long.
fn name(n: u64) -> String {
    match n % 7 {
        3 => format!("{:0>900}secret {:06}", n % 3, n / 7),
        _ => format!("{:0>900}common {n:06}", n % 3),
    }
}

/// Facts in several flushes, so that old nodes lie in packs that are still in use.
fn large(count: u64) -> (Arc<MemoryStore>, Conn) {
    let options = Options { flush: Flush::Asked, novelty_rows: u64::MAX, ..Options::default() };
    let (store, conn) = fresh(options);
    transact(&conn, SCHEMA).unwrap();
    for start in (0..count).step_by(500) {
        let fact = |n: u64| format!("{{:db/id {} :name \"{}\" :n {n}}}", 1000 + n, name(n));
        let facts: Vec<String> = (start..(start + 500).min(count)).map(fact).collect();
        transact(&conn, &format!("[{}]", facts.join(" "))).unwrap();
        if start % 1500 == 0 {
            block_on(conn.flush()).unwrap();
        }
    }
    // Some secrets are history only.
    let over = (0..count).filter(|n| n % 7 == 3 && n % 2 == 0);
    let over: Vec<String> =
        over.map(|n| format!("[:db/retract {} :name \"{}\"]", 1000 + n, name(n))).collect();
    transact(&conn, &format!("[{}]", over.join(" "))).unwrap();
    block_on(conn.flush()).unwrap();
    (store, conn)
}

#[test]
fn nothing_that_separates_nodes_tells_of_what_was_erased() {
    let (store, conn) = large(3000);
    assert!(conn.opened().head.base.trees.current[2].as_ref().unwrap().height > 0);
    let place = conn.place().clone();
    let before = lines(&place);
    // All secrets, one entity after the other would be long: those of one attribute.
    let attribute = before[0].schema.attr("name").unwrap().id;
    let erase = Erase::Attribute { attribute, entity: None };
    let left = erased(&before, &erase);
    block_on(place.purge(&Purge { erase, grace_ms: 0 }, &mut |_, _| ())).unwrap();
    assert_eq!(lines(&place), left);
    assert_eq!(holders(&store, "secret"), Vec::<String>::new());
    is_whole(&store, "an attribute");
}

/// The numbers of secrets that a separator of AVET tells whole.
fn told(conn: &Conn) -> Vec<u64> {
    let root = conn.opened().head.base.trees.current[2].clone().unwrap();
    let nodes = conn.place().nodes.get(&[root.node]).unwrap();
    let crate::index::Node::Branch(branch) = nodes[0].as_ref() else { panic!("no branch node") };
    let separators = (0..branch.children().len()).map(|i| branch.separator(i));
    let number = |separator: &[u8]| {
        let text = String::from_utf8_lossy(separator).into_owned();
        let digits = text.split("secret ").nth(1)?.get(..6)?.to_owned();
        digits.parse().ok()
    };
    separators.filter_map(number).collect()
}

#[test]
fn one_entity_leaves_the_rest_alone() {
    let (store, conn) = large(3000);
    let place = conn.place().clone();
    let told = told(&conn);
    assert!(!told.is_empty());
    // Of history only, and those whose names separate nodes.
    for n in [10].into_iter().chain(told.into_iter().take(1).map(|n| n * 7 + 3)) {
        let (before, text) = (lines(&place), format!("secret {:06}", n / 7));
        assert!(!holders(&store, &text).is_empty(), "{text}");
        let erase = Erase::Entity(EntityId(1000 + n));
        let left = erased(&before, &erase);
        block_on(place.purge(&Purge { erase, grace_ms: 0 }, &mut |_, _| ())).unwrap();
        assert_eq!(lines(&place), left);
        assert_eq!(holders(&store, &text), Vec::<String>::new(), "{n}");
        is_whole(&store, &text);
    }
}
