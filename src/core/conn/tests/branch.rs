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
