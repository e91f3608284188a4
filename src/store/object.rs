//! Whatever object_store reaches, as a store: S3 and its likes, Google Cloud Storage, Azure; and
//! https:// to read.
//!
//! **Invariant:** a ref is written only by a conditional PUT that carries the entity tag *and* the
//! version that were read with it; an answer that does not tell what happened is `Unknown`, never
//! `Lost` and never an error. Requests end in bounded time (`Settings`), and are tried again by the
//! client below only.
//!
//! It must be polled inside a tokio runtime with time and I/O. It does not judge whether the
//! service keeps its word: that is the probe (`factfs_core::store::contract::probe`).

#[cfg(feature = "aws")]
mod aws;
mod basic;
mod build;
mod credentials;
mod errors;
mod patience;
mod profile;
mod reach;
#[cfg(any(feature = "aws", test))]
mod renewed;

use crate::settings::Settings;
use crate::{coalesce, key};
use bytes::Bytes;
use errors::Asked;
use factfs_core::hash::NodeHash;
use factfs_core::store::{
    BoxFuture, Expect, Fetch, Listed, RefRead, Store, StoreError, StoreErrorKind, Swap, Version,
};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error, GetOptions, GetRange, ObjectStoreExt, PutMode, PutOptions,
    PutResult, UpdateVersion,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use build::{Scheme, open};

/// A bucket, a container, a web server: one prefix of it.
#[derive(Debug)]
pub struct ObjectStore {
    inner: Arc<dyn object_store::ObjectStore>,
    prefix: Path,
    url: String,
    scheme: Scheme,
    /// Something was read: when a write is refused, the place can be called read-only.
    has_read: AtomicBool,
    parallel_gets: usize,
    gap_bytes: u64,
    limit_bytes: u64,
}

impl ObjectStore {
    fn new(
        inner: Arc<dyn object_store::ObjectStore>,
        scheme: Scheme,
        url: String,
        prefix: Path,
        settings: &Settings,
    ) -> Self {
        Self {
            inner,
            prefix,
            url,
            scheme,
            has_read: AtomicBool::new(false),
            parallel_gets: settings.parallel_gets.max(1),
            gap_bytes: settings.coalesce_gap_bytes,
            limit_bytes: settings.coalesce_limit_bytes,
        }
    }

    fn path(&self, key: &str) -> Result<Path, StoreError> {
        key::check(&self.url, key)?;
        Ok(self.prefix.parts().chain(Path::from(key).parts()).collect())
    }

    fn writable(&self, object: &str) -> Result<(), StoreError> {
        if self.scheme != Scheme::Http {
            return Ok(());
        }
        let reason = "an http address can be read, not written";
        Err(StoreError::new(StoreErrorKind::ReadOnly, &self.url, object, reason))
    }

    fn failed(&self, object: &str, asked: Asked, error: Error) -> StoreError {
        errors::failed(&self.url, object, asked, self.has_read.load(Ordering::Relaxed), error)
    }

    async fn get_one(&self, what: &Fetch) -> Result<Bytes, StoreError> {
        key::check_fetch(&self.url, what)?;
        let range = what.range.clone();
        if range.as_ref().is_some_and(std::ops::Range::is_empty) {
            // HTTP has no way to ask for nothing.
            return Ok(Bytes::new());
        }
        let wanted = range.as_ref().map(|range| range.end - range.start);
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let path = self.path(&what.key)?;
        let answer = match self.inner.get_opts(&path, options).await {
            Ok(answer) => {
                let size_bytes = answer.range.end.saturating_sub(answer.range.start);
                key::check_size(&self.url, &what.key, size_bytes, key::MAX_OBJECT_BYTES)?;
                answer.bytes().await
            }
            Err(error) => Err(error),
        };
        match answer {
            Ok(bytes) if wanted.is_none_or(|wanted| bytes.len() as u64 == wanted) => {
                self.has_read.store(true, Ordering::Relaxed);
                Ok(bytes)
            }
            Ok(_) => Err(key::past_the_end(&self.url, what, None)),
            Err(error) if errors::out_of_range(&error) => {
                Err(key::past_the_end(&self.url, what, None).because(error))
            }
            Err(error) => Err(self.failed(&what.key, Asked::Read, error)),
        }
    }

    async fn get_pieces(&self, what: &[Fetch]) -> Result<Vec<Bytes>, StoreError> {
        what.iter().try_for_each(|one| key::check_fetch(&self.url, one))?;
        let pieces = coalesce::plan(what, self.gap_bytes, self.limit_bytes);
        let reads = pieces.into_iter().map(|piece| async move {
            let bytes = self.get_one(&piece.fetch).await?;
            Ok::<_, StoreError>((piece, bytes))
        });
        let brought = futures::stream::iter(reads).buffer_unordered(self.parallel_gets);
        Ok(coalesce::deliver(what, brought.try_collect().await?))
    }

    async fn read_name(&self, name: &str, from: Option<&Version>) -> Result<RefRead, StoreError> {
        let if_none_match = from.and_then(|version| version.e_tag.clone());
        let options = GetOptions { if_none_match, ..GetOptions::default() };
        let path = self.path(name)?;
        let read = match self.inner.get_opts(&path, options).await {
            Ok(answer) => {
                let meta = answer.meta.clone();
                key::check_size(&self.url, name, meta.size, key::MAX_REF_BYTES)?;
                answer.bytes().await.map(|bytes| (bytes, meta))
            }
            Err(error) => Err(error),
        };
        if matches!(read, Ok(_) | Err(Error::NotModified { .. })) {
            self.has_read.store(true, Ordering::Relaxed);
        }
        let (bytes, meta) = match read {
            Ok(found) => found,
            Err(error @ Error::NotFound { .. }) if !errors::no_bucket(&error) => {
                return Ok(RefRead::Absent);
            }
            Err(Error::NotModified { .. }) => return Ok(RefRead::Unchanged),
            Err(error) => return Err(self.failed(name, Asked::Read, error)),
        };
        let mut version = Version { e_tag: meta.e_tag, version: meta.version };
        if version.e_tag.is_none() && self.scheme == Scheme::Http {
            // A plain web server: its bytes at least tell whether something changed.
            version.version = Some(NodeHash::of(&bytes).to_string());
        }
        let same = from == Some(&version);
        Ok(if same { RefRead::Unchanged } else { RefRead::Found { bytes, version } })
    }

    async fn swap(&self, name: &str, expect: Expect, bytes: Bytes) -> Result<Swap, StoreError> {
        self.writable(name)?;
        let path = self.path(name)?;
        let mode = match expect {
            Expect::Absent => PutMode::Create,
            Expect::Version(Version { e_tag: None, version: None }) => {
                let reason = "the service gave no entity tag: nothing can be swapped against it";
                let kind = StoreErrorKind::Invalid;
                return Err(StoreError::new(kind, &self.url, name, reason));
            }
            Expect::Version(Version { e_tag, version }) => {
                PutMode::Update(UpdateVersion { e_tag, version })
            }
        };
        // Caches between us and the readers must ask each time.
        let attributes = Attributes::from_iter([(Attribute::CacheControl, "no-cache")]);
        let options = PutOptions { mode, attributes, ..PutOptions::default() };
        match self.inner.put_opts(&path, bytes.into(), options).await {
            Ok(PutResult { e_tag, version, .. }) => Ok(Swap::Swapped(Version { e_tag, version })),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Swap::Lost),
            Err(error) => {
                let refused = errors::refused(&error);
                let error = self.failed(name, Asked::Write, error);
                if refused { Err(error) } else { Ok(Swap::Unknown(error)) }
            }
        }
    }

    async fn list_prefix(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        if self.scheme == Scheme::Http {
            let reason = "an http address cannot be listed";
            return Err(StoreError::new(StoreErrorKind::Invalid, &self.url, "list", reason));
        }
        let folder = prefix.rsplit_once('/').map(|(folder, _)| folder);
        let place = match folder {
            Some(folder) => self.path(folder)?,
            None => self.prefix.clone(),
        };
        // The service lists whole folders; a name that only begins alike is sorted out here.
        let place = (!place.as_ref().is_empty()).then_some(place);
        let mut found = Vec::new();
        let mut listing = self.inner.list(place.as_ref());
        while let Some(meta) = listing.next().await {
            let meta = meta.map_err(|error| self.failed(prefix, Asked::Read, error))?;
            let Some(parts) = meta.location.prefix_match(&self.prefix) else { continue };
            let name = parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
            if name.starts_with(prefix) && key::valid(&name) {
                let modified_ms = meta.last_modified.timestamp_millis();
                found.push(Listed { key: name, size_bytes: meta.size, modified_ms });
            }
        }
        found.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        self.has_read.store(true, Ordering::Relaxed);
        Ok(found)
    }
}

impl Store for ObjectStore {
    fn url(&self) -> String {
        self.url.clone()
    }

    fn pace_ms(&self) -> u64 {
        // Google Cloud Storage takes about one write a second to one name.
        if self.scheme == Scheme::Google { 1_000 } else { 0 }
    }

    fn get<'a>(&'a self, what: &'a Fetch) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        Box::pin(self.get_one(what))
    }

    fn get_many<'a>(&'a self, what: &'a [Fetch]) -> BoxFuture<'a, Result<Vec<Bytes>, StoreError>> {
        Box::pin(self.get_pieces(what))
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.writable(key)?;
            let put = self.inner.put(&self.path(key)?, bytes.into()).await;
            put.map(|_| ()).map_err(|error| self.failed(key, Asked::Write, error))
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.writable(key)?;
            match self.inner.delete(&self.path(key)?).await {
                Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(self.failed(key, Asked::Write, error)),
            }
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        Box::pin(self.list_prefix(prefix))
    }

    fn read_ref<'a>(
        &'a self,
        name: &'a str,
        if_changed_from: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<RefRead, StoreError>> {
        Box::pin(self.read_name(name, if_changed_from))
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
