//! Branches that go while what keeps their commits goes, too.

use super::*;
use crate::store::around::{Around, Asked, Gate, Request};
use std::future::{Future, poll_fn};
use std::task::Poll;

/// Each request waits to be polled once more.
struct Turns;

impl Gate for Turns {
    fn pass<'a, T: Send + 'a>(&'a self, _: Asked<'a>, request: Request<'a, T>) -> Request<'a, T> {
        Box::pin(async move {
            let mut waited = false;
            poll_fn(|_| match std::mem::replace(&mut waited, true) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
            request.await
        })
    }
}

/// Two branches at one commit, that no other has; by name, each with the head that keeps it.
fn twins() -> (Arc<MemoryStore>, Conn, CommitId, [(&'static str, Keeper); 2]) {
    let (store, main) = fresh(Options::default());
    let place = main.place();
    say(&main, Say::new("main/0")).unwrap();
    block_on(place.create_branch("a", &main.opened(), T(1))).unwrap();
    let a = block_on(main.on_branch(Some("a"))).unwrap();
    say(&a, Say::new("a/0")).unwrap();
    block_on(place.create_branch("b", &a.opened(), T(2))).unwrap();
    let b = block_on(main.on_branch(Some("b"))).unwrap();
    let by = |conn: &Conn| Keeper::Branch(conn.head_name().to_owned());
    let both = [("a", by(&b)), ("b", by(&a))];
    (store, main, a.db().snapshot().commit.unwrap(), both)
}

#[test]
fn of_two_branches_that_keep_each_other_one_stays() {
    let (_, main, commit, [a, b]) = twins();
    let place = main.place();
    assert!(block_on(place.delete_branch_at(a.0, Some(commit), &a.1)).unwrap());
    assert!(!block_on(place.delete_branch_at(b.0, Some(commit), &b.1)).unwrap());
    let b = block_on(main.on_branch(Some("b"))).unwrap();
    assert_eq!(b.db().snapshot().commit, Some(commit));
    say(&b, Say::new("b/0")).unwrap();
}

#[test]
fn whoever_comes_between_one_stays() {
    for seed in 0..300 {
        let (store, main, commit, both) = twins();
        let around = Arc::new(Around { store: store.clone(), gate: Turns });
        let place = Place { store: around, ..place(&store) };
        let mut state = seed << 32;
        let mut going: Vec<_> = both
            .iter()
            .map(|(name, keeper)| Box::pin(place.delete_branch_at(name, Some(commit), keeper)))
            .collect();
        let mut gone = [None, None];
        block_on(poll_fn(|cx| {
            while gone.iter().any(Option::is_none) {
                state += 1;
                let one = (mix(state) % 2) as usize;
                if gone[one].is_none()
                    && let Poll::Ready(result) = going[one].as_mut().poll(cx)
                {
                    gone[one] = Some(result.unwrap());
                }
            }
            Poll::Ready(())
        }));
        let left = both.iter().zip(gone).filter(|(_, gone)| *gone != Some(true));
        let left: Vec<&str> = left.map(|((name, _), _)| *name).collect();
        assert!(!left.is_empty(), "seed {seed}");
        for name in left {
            let conn = block_on(main.on_branch(Some(name))).unwrap();
            assert_eq!(conn.db().snapshot().commit, Some(commit), "seed {seed}");
            say(&conn, Say::new(&format!("{name}/1"))).unwrap();
        }
    }
}

#[test]
fn a_tag_keeps_as_long_as_it_is_there() {
    let (_, main, commit, [(name, _), _]) = twins();
    let place = main.place();
    let a = block_on(main.on_branch(Some(name))).unwrap();
    let delete = || block_on(place.delete_branch_at(name, Some(commit), &Keeper::Tag)).unwrap();
    assert!(!delete());
    block_on(place.create_tag("v1", &a.opened(), T(2), false)).unwrap();
    assert!(delete());
    assert!(matches!(block_on(main.on_branch(Some(name))), Err(ConnError::NoBranch(_))));
}
