//! Credentials that come soon or not at all.
//!
//! **Invariant:** who has to ask somebody for credentials (the metadata service of a machine, a
//! token service) is given them or an error within a limit of the product's own, whatever the
//! client below would wait and repeat.

use object_store::{CredentialProvider, Error, Result};
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

type Provider<C> = Arc<dyn CredentialProvider<Credential = C>>;

/// A provider that is not waited for beyond `limit`.
#[derive(Debug)]
struct Soon<C> {
    inner: Provider<C>,
    limit: Duration,
}

/// `inner`, for so long.
pub(super) fn soon<C: Debug + Send + Sync + 'static>(
    inner: &Provider<C>,
    limit: Duration,
) -> Provider<C> {
    Arc::new(Soon { inner: inner.clone(), limit })
}

#[derive(Debug, thiserror::Error)]
#[error(
    "no credentials came within {} s: who gives them (the metadata service of this machine, or the \
     token service of a profile) did not answer; keys in the environment need nobody", .0.as_secs()
)]
struct TooLate(Duration);

impl<C: Debug + Send + Sync + 'static> CredentialProvider for Soon<C> {
    type Credential = C;

    fn get_credential<'s, 'f>(&'s self) -> Pin<Box<dyn Future<Output = Result<Arc<C>>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let late = |_| Error::Unauthenticated {
                path: "credentials".into(),
                source: Box::new(TooLate(self.limit)),
            };
            tokio::time::timeout(self.limit, self.inner.get_credential()).await.map_err(late)?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Never;

    impl CredentialProvider for Never {
        type Credential = ();

        fn get_credential<'s, 'f>(
            &'s self,
        ) -> Pin<Box<dyn Future<Output = Result<Arc<()>>> + Send + 'f>>
        where
            's: 'f,
            Self: 'f,
        {
            Box::pin(std::future::pending())
        }
    }

    /// Time is the runtime's own here: it jumps to the next timer.
    #[tokio::test(start_paused = true)]
    async fn what_never_comes_is_given_up() {
        let before = tokio::time::Instant::now();
        let inner: Provider<()> = Arc::new(Never);
        let error = soon(&inner, Duration::from_secs(2)).get_credential().await.unwrap_err();
        assert_eq!(before.elapsed().as_secs(), 2);
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.starts_with("no credentials came within 2 s"), "{source}");
    }
}
