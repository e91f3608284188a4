//! Credentials that end, renewed before they do.
//!
//! **Invariant:** what is given out is good for a while yet. Many who ask at once make one request.
//! Where renewing fails, what is still good goes on being given, and is tried to be renewed again
//! soon.

use factfs_core::store::{BoxFuture, Host};
use object_store::{CredentialProvider, Result};
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Mutex;

/// How long before their end credentials are renewed, if they live that long.
const BEFORE_MS: i64 = 5 * 60_000;
/// How long nobody is asked again after renewing failed.
const PAUSE_MS: i64 = 10_000;

/// Who gives credentials anew each time, and says when they end.
pub(super) trait Source: Debug + Send + Sync + 'static {
    type Credential: Debug + Send + Sync + 'static;

    /// Credentials, and when they end in milliseconds since 1970, if they do.
    fn fetch(&self) -> BoxFuture<'_, Result<(Self::Credential, Option<i64>)>>;
}

/// What a source gave, as long as it is good.
#[derive(Debug)]
pub(super) struct Renewed<S: Source> {
    source: S,
    host: Arc<dyn Host>,
    kept: Mutex<Option<Kept<S::Credential>>>,
}

#[derive(Debug)]
struct Kept<C> {
    credential: Arc<C>,
    ends_ms: Option<i64>,
    renew_ms: Option<i64>,
}

impl<S: Source> Renewed<S> {
    pub(super) fn new(source: S, host: Arc<dyn Host>) -> Self {
        Self { source, host, kept: Mutex::new(None) }
    }

    async fn get(&self) -> Result<Arc<S::Credential>> {
        let mut kept = self.kept.lock().await;
        let now = self.host.now_ms();
        let is_before = |end: Option<i64>| end.is_none_or(|end| now < end);
        if let Some(kept) = kept.as_ref().filter(|kept| is_before(kept.renew_ms)) {
            return Ok(kept.credential.clone());
        }
        match self.source.fetch().await {
            Ok((credential, ends_ms)) => {
                let credential = Arc::new(credential);
                // Of those that live shortly half the time is used.
                let renew = |end: i64| end - BEFORE_MS.min((end - now).max(0) / 2);
                let renew_ms = ends_ms.map(renew);
                *kept = Some(Kept { credential: credential.clone(), ends_ms, renew_ms });
                Ok(credential)
            }
            Err(error) => match kept.as_mut().filter(|kept| is_before(kept.ends_ms)) {
                Some(kept) => {
                    tracing::warn!(%error, "credentials were not renewed; the old ones still hold");
                    kept.renew_ms = Some(now + PAUSE_MS);
                    Ok(kept.credential.clone())
                }
                None => Err(error),
            },
        }
    }
}

impl<S: Source> CredentialProvider for Renewed<S> {
    type Credential = S::Credential;

    fn get_credential<'s, 'f>(
        &'s self,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<S::Credential>>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(self.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

    #[derive(Debug, Default)]
    struct Clock(AtomicI64);

    impl Host for Clock {
        fn now_ms(&self) -> i64 {
            self.0.load(Relaxed)
        }

        fn random(&self) -> u128 {
            0
        }

        fn sleep(&self, _: u64) -> BoxFuture<'_, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    /// Gives the number of the request, good for an hour.
    #[derive(Debug)]
    struct Counting(Arc<Clock>, AtomicI64, Arc<AtomicBool>);

    impl Source for Counting {
        type Credential = i64;

        fn fetch(&self) -> BoxFuture<'_, Result<(i64, Option<i64>)>> {
            Box::pin(async move {
                if self.2.load(Relaxed) {
                    return Err(object_store::Error::NotImplemented {
                        operation: "x".into(),
                        implementer: "y".into(),
                    });
                }
                let number = self.1.fetch_add(1, Relaxed);
                Ok((number, Some(self.0.now_ms() + 60 * 60_000)))
            })
        }
    }

    #[tokio::test]
    async fn renewed_before_the_end_and_kept_while_nobody_answers() {
        let (clock, away) = (Arc::new(Clock::default()), Arc::new(AtomicBool::default()));
        let source = Counting(clock.clone(), AtomicI64::new(1), away.clone());
        let renewed = Renewed::new(source, clock.clone());
        let at = async |minute: i64| {
            clock.0.store(minute * 60_000, Relaxed);
            renewed.get().await.map(|number| *number).ok()
        };
        assert_eq!(at(0).await, Some(1));
        assert_eq!(at(54).await, Some(1), "still good");
        assert_eq!(at(55).await, Some(2), "five minutes before the end");
        away.store(true, Relaxed);
        assert_eq!(at(112).await, Some(2), "nobody answers, and it is good yet");
        assert_eq!(at(116).await, None, "it has ended");
        away.store(false, Relaxed);
        assert_eq!(at(117).await, Some(3));
    }
}
