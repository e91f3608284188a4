//! Branches have names, blocks and ends.

use super::*;

#[test]
fn branches_are_made_and_go_their_own_way() {
    let (_, conn) = fresh(Options::default());
    let place = conn.place().clone();
    (0..5).for_each(|i| drop(say(&conn, Say::new(&format!("main/{i}"))).unwrap()));
    block_on(place.create_branch("exp", &conn.opened(), T(3))).unwrap();
    let exp = block_on(conn.on_branch(Some("exp"))).unwrap();
    assert_eq!((t(&exp), idents(&exp.db()).len()), (T(3), 3));
    let report = say(&exp, Say::new("exp/0")).unwrap();
    assert_eq!((report.tx.t(), report.tx.entity().block()), (T(4), 1));
    let made = exp.db().datoms(Order::Aevt, None, Some(builtin::IDENT), None).unwrap();
    assert_eq!(made.last().unwrap().e.block(), 1);
    assert_eq!(idents(&block_on(conn.refresh()).unwrap()).len(), 5);
    // A branch of a branch gets a block of its own.
    block_on(place.create_branch("deep", &exp.opened(), T(4))).unwrap();
    let refs = block_on(place.refs()).unwrap();
    let blocks: Vec<u64> = refs.branches.values().map(|b| b.block).collect();
    assert_eq!((refs.next_block, blocks), (3, vec![2, 1, 0]));
    block_on(place.rename_branch("exp", "exp-2")).unwrap();
    assert!(matches!(block_on(conn.on_branch(Some("exp"))), Err(ConnError::NoBranch(_))));
    block_on(place.delete_branch("exp-2")).unwrap();
    let late = say(&exp, Say::new("exp/1"));
    assert!(matches!(late, Err(TransactError::Failed(ConnError::Closed))), "{late:?}");
    for (name, taken) in [("deep", true), ("main", true), ("no/slash", false), ("a.csv", false)] {
        let error = block_on(place.create_branch(name, &conn.opened(), T(5))).unwrap_err();
        assert_eq!(matches!(error, ConnError::NameTaken(_)), taken, "{error}");
    }
    assert!(matches!(block_on(place.delete_branch("main")), Err(ConnError::DefaultBranch(_))));
}

#[test]
fn a_branch_that_moved_is_not_deleted() {
    let (_, conn) = fresh(Options::default());
    let place = conn.place().clone();
    say(&conn, Say::new("main/0")).unwrap();
    block_on(place.create_branch("exp", &conn.opened(), T(1))).unwrap();
    let exp = block_on(conn.on_branch(Some("exp"))).unwrap();
    let before = exp.db().snapshot().commit;
    say(&exp, Say::new("exp/0")).unwrap();
    let keeper = Keeper::Branch(conn.head_name().to_owned());
    assert!(!block_on(place.delete_branch_at("exp", before, &keeper)).unwrap());
    say(&exp, Say::new("exp/1")).unwrap();
    let now = exp.db().snapshot().commit;
    assert!(block_on(place.delete_branch_at("exp", now, &keeper)).unwrap());
    assert!(matches!(block_on(conn.on_branch(Some("exp"))), Err(ConnError::NoBranch(_))));
}

/// Two lines that part after `t` 2 and both go on to 6, with the same schema.
fn parted() -> (Conn, Conn) {
    let (_, main) = fresh(Options::default());
    (0..2).for_each(|i| drop(say(&main, Say::new(&format!("both/{i}"))).unwrap()));
    block_on(main.place().create_branch("exp", &main.opened(), T(2))).unwrap();
    let exp = block_on(main.on_branch(Some("exp"))).unwrap();
    for (conn, name) in [(&main, "main"), (&exp, "exp")] {
        (2..6).for_each(|i| drop(say(conn, Say::new(&format!("{name}/{i}"))).unwrap()));
    }
    (main, exp)
}

#[test]
fn each_line_has_its_own_past() {
    let (main, exp) = parted();
    // Both are asked of one connection, which keeps what it opened.
    let there = exp.db().snapshot().commit.unwrap();
    let id = block_on(main.place().entry(&exp.opened(), T(4))).unwrap().id;
    for _ in 0..2 {
        let here = block_on(main.at("4")).unwrap();
        assert_eq!(idents(&here.db), idents(&main.db().as_of(T(4))));
        let other = block_on(main.at(&id.to_string())).unwrap();
        assert_eq!(idents(&other.db), idents(&exp.db().as_of(T(4))));
        assert_eq!((here.fixed, other.fixed, other.commit), (true, true, Some(id)));
        let tip = block_on(main.at(&there.to_string())).unwrap();
        assert_eq!((idents(&tip.db), tip.commit), (idents(&exp.db()), Some(there)));
    }
}

#[test]
fn what_begins_at_another_line_begins_there() {
    let (main, exp) = parted();
    let place = main.place();
    block_on(place.create_tag("mark", &exp.opened(), T(5), false)).unwrap();
    let id = block_on(place.entry(&exp.opened(), T(4))).unwrap().id;
    let of = |t: usize| exp.db().as_of(T(t as u64));
    for (i, (when, t)) in [("exp", 6), ("mark", 5), (&id.to_string(), 4)].into_iter().enumerate() {
        let found = block_on(main.find(when)).unwrap();
        let name = format!("from-{i}");
        block_on(place.create_branch(&name, &found.opened, found.t)).unwrap();
        let made = block_on(main.on_branch(Some(&name))).unwrap();
        assert_eq!(idents(&made.db()), idents(&of(t)), "{when}");
        assert_eq!(block_on(main.source(when)).unwrap().head.tip.t(), T(t as u64), "{when}");
    }
}

#[test]
fn a_tag_from_before_a_collection_is_living() {
    let (main, exp) = parted();
    let place = main.place();
    block_on(place.create_tag("mark", &exp.opened(), T(5), false)).unwrap();
    let now = Collection { grace_ms: 0, ..Collection::default() };
    block_on(place.collect(&now, &mut |_, _| ())).unwrap();
    let found = block_on(main.find("mark")).unwrap();
    block_on(place.create_branch("again", &found.opened, found.t)).unwrap();
    let made = block_on(main.on_branch(Some("again"))).unwrap();
    assert_eq!(idents(&made.db()), idents(&exp.db().as_of(T(5))));
}

#[test]
fn a_closed_branch_is_no_moment() {
    let (main, exp) = parted();
    let there = exp.db().snapshot().commit.unwrap().to_string();
    block_on(main.place().delete_branch("exp")).unwrap();
    for when in ["exp", &there, "7"] {
        let found = block_on(main.find(when));
        assert!(matches!(found, Err(ConnError::NoCommit(_))), "{when}: {found:?}");
    }
}

/// Two commits that begin so, each known by a tag alone; and a tag whose snapshot is lost.
#[test]
fn a_commit_under_several_tags_is_told_apart() {
    let (store, main) = fresh(Options::default());
    let place = main.place();
    say(&main, Say::new("main/0")).unwrap();
    let mut ids = Vec::new();
    for n in 0..20 {
        let name = format!("b{n}");
        block_on(place.create_branch(&name, &main.opened(), T(1))).unwrap();
        let conn = block_on(main.on_branch(Some(&name))).unwrap();
        say(&conn, Say::new(&format!("b/{n}"))).unwrap();
        block_on(place.create_tag(&format!("t{n}"), &conn.opened(), T(2), false)).unwrap();
        block_on(place.create_tag(&format!("u{n}"), &conn.opened(), T(2), false)).unwrap();
        block_on(place.delete_branch(&name)).unwrap();
        ids.push(conn.db().snapshot().commit.unwrap());
    }
    let shown: Vec<String> = ids.iter().map(CommitId::to_string).collect();
    let begins = |n: usize| shown[n][..3].to_owned();
    let is_shared = |n: &usize| (0..20).filter(|k| begins(*k) == begins(*n)).count() > 1;
    let shared = begins((0..20).find(is_shared).unwrap());
    let found = block_on(main.find(&shared));
    assert!(matches!(found, Err(ConnError::Ambiguous(_))), "{shared}: {found:?}");
    // Each is under two tags.
    let lost = block_on(place.refs()).unwrap().tags["t0"].snapshot.clone();
    block_on(store.delete(&lost)).unwrap();
    for (id, shown) in ids.iter().zip(&shown) {
        assert_eq!(block_on(main.at(shown)).unwrap().commit, Some(*id));
    }
}
