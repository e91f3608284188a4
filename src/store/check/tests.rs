//! Stores that keep their word, and those that do not.

use super::*;
use factfs_core::store::{BoxFuture, Fetch, Listed, MemoryStore, Version};

/// How a store goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    /// Reads, compares, waits, and then writes whatever came meanwhile.
    CheckThenWrite,
    /// The same, but only when nobody else seems to write.
    RarelyCheckThenWrite,
    /// Writes without looking.
    IgnoreConditions,
    /// Loses the answers of every third swap that it applied.
    LoseAnswers,
}

#[derive(Debug)]
struct Odd {
    inner: MemoryStore,
    manner: Manner,
    swaps: std::sync::atomic::AtomicUsize,
}

impl Odd {
    fn stores(manner: Manner) -> Vec<Arc<dyn Store>> {
        let inner = MemoryStore::with_clock("odd", Arc::new(SystemHost));
        let store: Arc<dyn Store> = Arc::new(Self { inner, manner, swaps: Default::default() });
        vec![store; 4]
    }

    async fn swap(&self, name: &str, expect: Expect, bytes: Bytes) -> Result<Swap, StoreError> {
        let n = self.swaps.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let rarely = self.manner == Manner::RarelyCheckThenWrite && !n.is_multiple_of(5);
        match self.manner {
            Manner::LoseAnswers => {
                let swap = self.inner.cas_ref(name, expect, bytes).await?;
                let kind = StoreErrorKind::Unavailable;
                let lost = StoreError::new(kind, self.url(), name, "the answer was lost");
                Ok(if n.is_multiple_of(3) { Swap::Unknown(lost) } else { swap })
            }
            Manner::IgnoreConditions => {
                self.inner.overwrite(name, bytes);
                self.now(name).await
            }
            _ if rarely || !name.ends_with("/race") && self.manner != Manner::CheckThenWrite => {
                self.inner.cas_ref(name, expect, bytes).await
            }
            _ => {
                let as_expected = match (self.inner.read_ref(name, None).await?, &expect) {
                    (RefRead::Absent, Expect::Absent) => true,
                    (RefRead::Found { version, .. }, Expect::Version(old)) => version == *old,
                    _ => false,
                };
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                if !as_expected {
                    return Ok(Swap::Lost);
                }
                self.inner.overwrite(name, bytes);
                self.now(name).await
            }
        }
    }

    async fn now(&self, name: &str) -> Result<Swap, StoreError> {
        match self.inner.read_ref(name, None).await? {
            RefRead::Found { version, .. } => Ok(Swap::Swapped(version)),
            _ => Ok(Swap::Lost),
        }
    }
}

impl Store for Odd {
    fn url(&self) -> String {
        self.inner.url()
    }
    fn get<'a>(&'a self, what: &'a Fetch) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        self.inner.get(what)
    }
    fn get_many<'a>(&'a self, what: &'a [Fetch]) -> BoxFuture<'a, Result<Vec<Bytes>, StoreError>> {
        self.inner.get_many(what)
    }
    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.put(key, bytes)
    }
    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.delete(key)
    }
    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        self.inner.list(prefix)
    }
    fn read_ref<'a>(
        &'a self,
        name: &'a str,
        if_changed_from: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<RefRead, StoreError>> {
        self.inner.read_ref(name, if_changed_from)
    }
    fn cas_ref<'a>(
        &'a self,
        name: &'a str,
        expect: Expect,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<Swap, StoreError>> {
        Box::pin(self.swap(name, expect, bytes))
    }
}

/// As many swaps whatever the time.
const OPTIONS: CheckOptions = CheckOptions { writers: 4, race_ms: 60_000, swaps: 300 };

async fn checked(manner: Manner) -> Checked {
    check_stores(&Odd::stores(manner), OPTIONS).await.unwrap()
}

fn broken(checked: &Checked) -> Vec<&str> {
    checked.findings.iter().filter(|one| !one.held).map(|one| one.about).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_keeps_its_word() {
    let directory = tempfile::tempdir().unwrap();
    let url = directory.path().join("db").display().to_string();
    let checked = check_store(&url, OPTIONS, &Settings::default()).await.unwrap();
    assert!(checked.is_safe(), "{checked:?}");
    assert_eq!(checked.findings.len(), 6);
    let race = &checked.findings[4].found;
    assert!(race.starts_with("4 writers, ") && race.contains(" 0 lost"), "{race}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_checks_and_then_writes_is_exposed() {
    let broken_by = checked(Manner::CheckThenWrite).await;
    let expected = ["a stale or contested swap has one winner", "a race loses no write"];
    assert_eq!(broken(&broken_by), expected, "{broken_by:?}");
}

/// The few requests of the probe find nothing here: the race does.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_does_so_rarely_is_exposed_by_the_race() {
    let broken_by = checked(Manner::RarelyCheckThenWrite).await;
    assert_eq!(broken(&broken_by), ["a race loses no write"], "{broken_by:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_ignores_conditions_is_exposed() {
    let broken_by = checked(Manner::IgnoreConditions).await;
    assert!(!broken_by.is_safe());
    let found = &broken_by.findings[2].found;
    assert!(found.contains("creating what exists is refused: it was accepted"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_that_are_lost_are_not_held_against_it() {
    let (stores, name) = (Odd::stores(Manner::LoseAnswers), "probe/x/race");
    let raced = race(&stores, name, OPTIONS).await.unwrap();
    assert!(raced.held, "{raced:?}");
    assert!(!raced.found.contains(" 0 without a clear answer"), "{raced:?}");
}
