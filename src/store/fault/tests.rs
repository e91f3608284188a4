//! Each fault once, by script; the same seed the same faults; and the contract under delays and
//! retries.

use super::*;
use crate::{Retried, SystemHost};
use factfs_core::store::MemoryStore;
use factfs_core::store::contract::check;

fn faulty(plan: FaultPlan, seed: u64) -> Faulty<MemoryStore> {
    Faulty::new(MemoryStore::new(), Arc::new(SystemHost), plan, seed)
}

fn bytes() -> Bytes {
    Bytes::from_static(b"x")
}

#[tokio::test]
async fn each_fault_does_what_it_says() {
    let store = faulty(FaultPlan::default(), 1);
    store.next(Operation::Cas, Fault::FailBefore);
    store.next(Operation::Put, Fault::FailAfter);
    let swap = store.cas_ref("head", Expect::Absent, bytes()).await.unwrap();
    assert!(matches!(swap, Swap::Unknown(_)));
    assert_eq!(store.inner().names(), Vec::<String>::new());
    let error = store.put("object", bytes()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    assert_eq!(store.inner().names(), ["object"]);
    for (fault, name) in [(Fault::FailAfter, "a"), (Fault::LostOwn, "b")] {
        store.next(Operation::Cas, fault);
        let swap = store.cas_ref(name, Expect::Absent, bytes()).await.unwrap();
        assert_eq!(matches!(swap, Swap::Lost), fault == Fault::LostOwn);
        let found = store.read_ref(name, None).await.unwrap();
        assert!(matches!(found, RefRead::Found { .. }), "{fault:?}");
    }
}

#[tokio::test]
async fn the_seed_decides() {
    let plan = FaultPlan { fail_before: 300, fail_after: 200, ..FaultPlan::default() };
    let mut runs = Vec::new();
    for seed in [7, 7, 8] {
        let store = faulty(plan, seed);
        let mut run = Vec::new();
        for _ in 0..100 {
            run.push(store.put("a", bytes()).await.is_ok());
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    let failed = runs[0].iter().filter(|ok| !**ok).count();
    assert!((30..70).contains(&failed), "{failed} of 100 with 500 per mille");
}

#[tokio::test]
async fn the_contract_holds_under_delays_and_retried_faults() {
    let plan = FaultPlan { delay: 500, delay_max_ms: 3, ..FaultPlan::default() };
    check(&faulty(plan, 3), &SystemHost).await.unwrap();
    let plan = FaultPlan { fail_before: 100, fail_after: 100, lost_own: 200, ..plan };
    let host: Arc<dyn Host> = Arc::new(SystemHost);
    for seed in 0..5 {
        // A swap is never repeated by the decorator: its faults here are only those that need no
        // repetition.
        let calm = FaultPlan { fail_before: 0, fail_after: 0, ..plan };
        check(&faulty(calm, seed), &SystemHost).await.unwrap();
    }
    let store = Retried::new(faulty(plan, 4), host, 20);
    for n in 0..50 {
        let key = format!("object/{n}");
        store.put(&key, bytes()).await.unwrap();
        store.get(&Fetch { key: key.clone(), range: None }).await.unwrap();
        store.read_ref(&key, None).await.unwrap();
        store.delete(&key).await.unwrap();
    }
    assert_eq!(store.list("").await.unwrap(), []);
}
