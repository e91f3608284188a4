//! Transactors obey epochs; nobody else does.

use super::*;
use crate::commit::Writer;

const URL: [&str; 2] = ["http://one:4711", "http://two:4711"];

#[test]
fn a_transactor_obeys_a_later_claim() {
    let (store, one) = fresh(Options::default());
    let two = reopen(&store).unwrap();
    let first = block_on(one.claim(1, URL[0])).unwrap();
    assert_eq!(first, Writer { id: 1, url: URL[0].to_owned(), epoch: 1 });
    say(&one, Say::new("one/0")).unwrap();
    assert_eq!(block_on(two.claim(2, URL[1])).unwrap().epoch, 2);
    // What the first one still knows is old: its swap fails, and then it sees the claim.
    let error = say(&one, Say::new("one/1")).unwrap_err();
    let TransactError::Failed(ConnError::Claimed { url, epoch: 2 }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(url, URL[1]);
    say(&two, Say::new("two/0")).unwrap();
    assert_eq!(idents(&two.db()).len(), 2);
    assert_eq!(reopen(&store).unwrap().writer().unwrap().epoch, 2);
}

#[test]
fn embedded_writers_need_no_claim() {
    let (store, transactor) = fresh(Options::default());
    let embedded = reopen(&store).unwrap();
    block_on(transactor.claim(1, URL[0])).unwrap();
    say(&embedded, Say::new("embedded/0")).unwrap();
    say(&transactor, Say::new("transactor/0")).unwrap();
    say(&embedded, Say::new("embedded/1")).unwrap();
    assert!(block_on(transactor.flush()).is_ok());
    assert_eq!(idents(&block_on(embedded.refresh()).unwrap()).len(), 3);
    assert_eq!(embedded.writer().map(|writer| writer.url).as_deref(), Some(URL[0]));
}

#[test]
fn a_claim_given_back_keeps_its_epoch() {
    let (store, one) = fresh(Options::default());
    let two = reopen(&store).unwrap();
    block_on(one.claim(1, URL[0])).unwrap();
    block_on(one.release()).unwrap();
    assert_eq!((one.writer(), reopen(&store).unwrap().writer()), (None, None));
    say(&one, Say::new("one/0")).unwrap();
    assert_eq!(block_on(two.claim(2, URL[1])).unwrap().epoch, 2);
    // What is no longer its own it does not give back.
    block_on(one.claim(1, URL[0])).unwrap();
    block_on(two.release()).unwrap();
    assert_eq!(reopen(&store).unwrap().writer().unwrap().epoch, 3);
    // Claiming again what one has is no new claim.
    assert_eq!(block_on(one.claim(1, URL[0])).unwrap().epoch, 3);
}

#[test]
fn a_deleted_branch_is_not_claimed() {
    let (_, conn) = fresh(Options::default());
    say(&conn, Say::new("a")).unwrap();
    block_on(conn.place().create_branch("exp", &conn.opened(), T(1))).unwrap();
    let exp = block_on(conn.on_branch(Some("exp"))).unwrap();
    block_on(conn.place().delete_branch("exp")).unwrap();
    assert!(matches!(block_on(exp.claim(1, URL[0])), Err(ConnError::Closed)));
}

#[test]
fn a_url_that_is_too_long_is_refused() {
    let (store, conn) = fresh(Options::default());
    let longest = "u".repeat(1_024);
    let error = block_on(conn.claim(1, &format!("{longest}x"))).unwrap_err();
    assert_eq!(error.to_string(), "the url of a transactor is 1025 bytes long, and may have 1024");
    assert!(reopen(&store).unwrap().opened().head.writer.is_none());
    assert_eq!(block_on(conn.claim(1, &longest)).unwrap().url, longest);
}
