//! Making a database where there is none.
//!
//! **Invariant:** the objects are made in the order `format`, `head`, `refs`, each only where it
//! does not exist; `refs` last: a place with `refs` is a database. So a creation that was
//! interrupted is finished by the next one, and of several at once one makes it.

use super::{ConnError, Place};
use crate::commit::{About, FORMAT, HEAD, Head, Identity, REFS, Refs};
use crate::schema::{Flexibility, Schema};
use crate::store::{Expect, Host, RefRead, Store, StoreError, Swap};
use crate::value::Uuid;
use bytes::Bytes;

/// What a new database is.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// The store's own name, which queries can use.
    pub name: String,
    /// The name of the default branch.
    pub branch: String,
    /// Whether attributes must be declared before they are used.
    pub flexibility: Flexibility,
}

impl Default for CreateOptions {
    fn default() -> Self {
        let (name, branch) = (String::new(), "main".to_owned());
        Self { name, branch, flexibility: Flexibility::Write }
    }
}

/// Makes an empty database; an error if there is one. Returns its id.
pub async fn create(place: &Place, options: &CreateOptions) -> Result<Uuid, ConnError> {
    let (store, host) = (place.store.as_ref(), place.host.as_ref());
    let exists = || ConnError::Exists { url: store.url() };
    super::branch::check_name(&options.branch)?;
    if store.read_ref(REFS, None).await? != RefRead::Absent {
        return Err(exists());
    }
    let random = uuid::Builder::from_random_bytes(host.random().to_le_bytes()).into_uuid();
    let identity = Identity { database: random, created_ms: host.now_ms(), origins: Vec::new() };
    let found = create_ref(store, host, FORMAT, identity.encode()).await?;
    let database = match found {
        Some(bytes) => Identity::decode(&bytes).map_err(|e| place.damaged(FORMAT, e))?.database,
        None => random,
    };
    let mut schema = Schema::default();
    schema.flexibility = options.flexibility;
    let about = About { schema, ..About::default() };
    let about = about.encode().map_err(|e| place.damaged(HEAD, e))?;
    let head = Head::empty(database, host.random(), about);
    let head = head.encode().map_err(|e| place.damaged(HEAD, e))?;
    if let Some(bytes) = create_ref(store, host, HEAD, head).await? {
        let head = Head::decode(&bytes).map_err(|e| place.damaged(HEAD, e))?;
        if head.database != database {
            return Err(exists());
        }
    }
    let refs = Refs::new(database, host.random(), &options.name, &options.branch);
    match create_ref(store, host, REFS, refs.encode()).await? {
        None => Ok(database),
        Some(_) => Err(exists()),
    }
}

/// How often an unclear answer is looked into.
const LOOKS: u32 = 20;

/// Makes a ref that is not there; gives the bytes of the one that is there instead. `bytes` hold a
/// nonce: reading them back means that they were written by this call.
pub(super) async fn create_ref(
    store: &dyn Store,
    host: &dyn Host,
    name: &str,
    bytes: Bytes,
) -> Result<Option<Bytes>, StoreError> {
    let mut looks = 0;
    loop {
        let swap = store.cas_ref(name, Expect::Absent, bytes.clone()).await?;
        let failed = match swap {
            Swap::Swapped(_) => return Ok(None),
            Swap::Lost => None,
            Swap::Unknown(error) => Some(error),
        };
        match store.read_ref(name, None).await {
            Ok(RefRead::Found { bytes: found, .. }) => return Ok((found != bytes).then_some(found)),
            // Not there yet: creating it again is as good as the first attempt.
            Ok(_) if looks < LOOKS => {}
            Err(_) if looks < LOOKS => {}
            Ok(_) => {
                let url = store.url();
                let kind = crate::store::StoreErrorKind::Unavailable;
                let unclear =
                    || StoreError::new(kind, url, name, "it can be neither made nor read");
                return Err(failed.unwrap_or_else(unclear));
            }
            Err(error) => return Err(error),
        }
        looks += 1;
        host.sleep(super::settle::pause_ms(host, looks)).await;
    }
}
