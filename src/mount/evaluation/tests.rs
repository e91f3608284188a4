//! Evaluations without any database: who waits, for how long, beside whom.

use super::*;
use crate::spool::Content;
use std::sync::atomic::{AtomicUsize, Ordering};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(100);

fn rendered(text: &str) -> Rendered {
    let content = Content::of(text.as_bytes());
    Rendered { content, rows: None, warnings: Vec::new(), took: Duration::ZERO, fetched: 0 }
}

fn patient(limit: Duration) -> Patience {
    Patience { begin: limit, end: Some(limit) }
}

fn job(key: u128, make: impl FnOnce(&Cancel) -> Result<Rendered> + Send + 'static) -> Job {
    Job { key: Key(key), lane: Lane::Queries, is_early: false, make: Box::new(make) }
}

fn quick(key: u128) -> Job {
    job(key, |_| Ok(rendered("x")))
}

/// Work that looks at nothing until it is let go, or at the end of the test.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn stuck(&self, key: u128) -> Job {
        let gate = self.clone();
        job(key, move |_| {
            let (is_open, opened) = &*gate.0;
            let waited = opened.wait_timeout_while(lock(is_open), LONG, |is_open| !*is_open);
            drop(waited);
            Ok(rendered("late"))
        })
    }

    fn open(&self) {
        *lock(&self.0.0) = true;
        self.0.1.notify_all();
    }
}

/// What somebody is told, later.
fn asked(
    evaluations: &Evaluations,
    job: Job,
    limit: Duration,
    cancel: &Cancel,
) -> mpsc::Receiver<Result<Rendered>> {
    let (send, receive) = mpsc::channel();
    evaluations.ask(job, patient(limit), cancel, move |made| send.send(made).unwrap());
    receive
}

fn kind(told: &mpsc::Receiver<Result<Rendered>>) -> Kind {
    told.recv_timeout(LONG).unwrap().unwrap_err().kind
}

#[test]
fn equal_work_is_done_once() {
    let evaluations = Evaluations::new(1 << 20, 4);
    let (gate, made) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    let none = Cancel::default();
    let counted = || {
        let (made, inner) = (made.clone(), gate.stuck(1).make);
        job(1, move |cancel| {
            made.fetch_add(1, Ordering::SeqCst);
            inner(cancel)
        })
    };
    let told: Vec<_> = (0..8).map(|_| asked(&evaluations, counted(), LONG, &none)).collect();
    gate.open();
    for told in told {
        assert_eq!(told.recv_timeout(LONG).unwrap().unwrap().content.size_bytes(), 4);
    }
    assert_eq!(evaluations.get(counted(), patient(LONG), &none).unwrap().content.size_bytes(), 4);
    assert_eq!(made.load(Ordering::SeqCst), 1);
}

#[test]
fn work_is_given_up_when_the_last_waiter_left() {
    let evaluations = Evaluations::new(1 << 20, 4);
    let (first, second) = (Cancel::default(), Cancel::default());
    let (send, given_up) = mpsc::channel();
    let busy = job(1, move |shared| {
        let seen = shared.clone();
        shared.on_cancel(move || send.send(()).unwrap());
        while !seen.is_cancelled() {
            thread::sleep(Duration::from_millis(1));
        }
        Err(Failure::new(Kind::Interrupted, "given up"))
    });
    let one = asked(&evaluations, busy, LONG, &first);
    let other = asked(&evaluations, quick(1), LONG, &second);
    first.cancel();
    assert_eq!(kind(&one), Kind::Interrupted);
    assert!(given_up.try_recv().is_err() && other.try_recv().is_err());
    second.cancel();
    assert_eq!(kind(&other), Kind::Interrupted);
    given_up.recv_timeout(LONG).unwrap();
}

#[test]
fn the_time_limit_holds_for_work_that_never_looks_at_a_clock() {
    let evaluations = Evaluations::new(1 << 20, 4);
    let gate = Gate::default();
    let told = asked(&evaluations, gate.stuck(1), SHORT, &Cancel::default());
    assert_eq!(kind(&told), Kind::Timeout);
    // Who asks again is not given the one that was given up.
    assert!(evaluations.get(quick(1), patient(LONG), &Cancel::default()).is_ok());
    gate.open();
}

#[test]
fn what_was_given_up_makes_room_and_never_takes_all_of_it() {
    let evaluations = Evaluations::new(1 << 20, 2);
    let (gate, none) = (Gate::default(), Cancel::default());
    let stuck = |keys: std::ops::Range<u128>, limit| -> Vec<_> {
        keys.map(|key| asked(&evaluations, gate.stuck(key), limit, &none)).collect()
    };
    // Two are stuck and waited for: a third has to wait, and is told in time.
    let cancel = Cancel::default();
    let waited_for: Vec<_> =
        (0..2).map(|key| asked(&evaluations, gate.stuck(key), LONG, &cancel)).collect();
    assert_eq!(kind(&asked(&evaluations, quick(10), SHORT, &none)), Kind::Busy);
    // Given up, they count no more.
    cancel.cancel();
    assert!(waited_for.iter().all(|told| kind(told) == Kind::Interrupted));
    assert!(evaluations.get(quick(11), patient(LONG), &none).is_ok());
    // Two more, and there are as many threads as may ever be.
    assert!(stuck(2..4, SHORT).iter().all(|told| kind(told) == Kind::Timeout));
    assert_eq!(kind(&asked(&evaluations, quick(12), SHORT, &none)), Kind::Busy);
    // The other lane knows nothing of it.
    let facts = Job { lane: Lane::Facts, ..quick(13) };
    assert!(evaluations.get(facts, patient(LONG), &none).is_ok());
    gate.open();
    assert!(evaluations.get(quick(14), patient(LONG), &none).is_ok());
}

#[test]
fn an_early_one_does_not_wait_and_is_not_shared() {
    let evaluations = Evaluations::new(1 << 20, 1);
    let (gate, none) = (Gate::default(), Cancel::default());
    let early = |job: Job| Job { is_early: true, ..job };
    let at_once = Patience { begin: Duration::ZERO, end: Some(SHORT) };
    let failed = early(job(1, |_| Err(Failure::new(Kind::TooLarge, "not early"))));
    assert!(evaluations.get(failed, at_once, &none).is_err());
    let told = asked(&evaluations, gate.stuck(1), LONG, &none);
    let busy = evaluations.get(early(quick(2)), at_once, &none);
    assert_eq!(busy.unwrap_err().kind, Kind::Busy);
    gate.open();
    assert!(told.recv_timeout(LONG).unwrap().is_ok());
}

#[test]
fn a_panic_is_a_failure_of_one_evaluation() {
    let evaluations = Evaluations::new(1 << 20, 1);
    let none = Cancel::default();
    let broken = evaluations.get(job(1, |_| panic!("on purpose")), patient(LONG), &none);
    assert_eq!(broken.unwrap_err().kind, Kind::Unavailable);
    assert!(evaluations.get(quick(1), patient(LONG), &none).is_ok());
}

#[test]
fn what_is_kept_is_bounded() {
    let evaluations = Evaluations::new(3 * (kept::OVERHEAD + 10), 1);
    for i in 0..10 {
        let ten = job(i, |_| Ok(rendered("0123456789")));
        evaluations.get(ten, patient(LONG), &Cancel::default()).unwrap();
    }
    assert_eq!((0..10).filter(|i| evaluations.kept(Key(*i)).is_some()).count(), 3);
    assert!(evaluations.kept(Key(9)).is_some());
}
