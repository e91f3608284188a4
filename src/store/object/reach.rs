//! Patience for a service that was reached before, and little for one that never was.
//!
//! **Invariant:** once any answer came, a connection that cannot be made is tried again for as long
//! as the settings say. Before that it is given up within moments: most likely it is the address
//! that is wrong, and whoever wrote it should hear of it soon. Nothing was sent then, so nothing is
//! unclear.

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How often a service that never answered may refuse a connection before it is given up.
const TRIES: usize = 3;

/// Makes clients that know together whether somebody is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Reaching(Arc<State>);

#[derive(Debug, Default)]
struct State {
    reached: AtomicBool,
    refused: AtomicUsize,
}

/// Nobody is there; the client above does not try again.
#[derive(Debug, thiserror::Error)]
#[error("nobody is there")]
pub(super) struct Unreachable(#[source] HttpError);

impl HttpConnector for Reaching {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Service { inner, state: self.0.clone() }))
    }
}

#[derive(Debug)]
struct Service {
    inner: HttpClient,
    state: Arc<State>,
}

impl Service {
    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let state = &self.state;
        match self.inner.execute(request).await {
            Ok(answer) => {
                state.reached.store(true, Ordering::Relaxed);
                Ok(answer)
            }
            Err(error) if state.reached.load(Ordering::Relaxed) || !is_connecting(&error) => {
                Err(error)
            }
            Err(error) => {
                let before = state.refused.fetch_add(1, Ordering::Relaxed);
                // One that is not refused but runs out of time has taken long enough.
                if before + 1 < TRIES && error.kind() == HttpErrorKind::Connect {
                    return Err(error);
                }
                Err(HttpError::new(HttpErrorKind::Unknown, Unreachable(error)))
            }
        }
    }
}

impl HttpService for Service {
    fn call<'s, 'f>(
        &'s self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(self.answer(request))
    }
}

/// Whether no connection was made, so that nothing was sent.
fn is_connecting(error: &HttpError) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<reqwest::Error>());
    source.is_some_and(reqwest::Error::is_connect)
}
