//! The immutable objects: which are missing, and each read, verified and written.
//!
//! **Invariant:** no byte is written that was not verified: a pack by the hash of its footer and of
//! each node, the rest by the hash they carry, and what a head refers to by the hash that the head
//! gives.

use super::{AT_ONCE, CloneError, Cloning, Copied, Progress, damaged};
use crate::commit::{FormatError, Head, Novelty, Segment, log_name, novelty_name};
use crate::hash::NodeHash;
use crate::index::PackFooter;
use crate::store::{BoxFuture, Fetch, Listed, StoreError, join_all};
use bytes::Bytes;
use std::collections::BTreeMap;

/// The kinds of objects, those that others refer to first.
const KINDS: [&str; 4] = ["pack/", "log/", "novelty/", "snap/"];

/// What heads say of objects.
#[derive(Debug)]
pub(super) struct Expected(BTreeMap<String, NodeHash>);

impl Expected {
    pub(super) fn of<'a>(heads: impl Iterator<Item = &'a Head>) -> Self {
        let mut expected = BTreeMap::new();
        for head in heads {
            let segments = head.base.log.iter().map(|x| (log_name(x.name), x.hash));
            let novelty = head.base.novelty.iter().map(|x| (novelty_name(x.name), x.hash));
            expected.extend(segments.chain(novelty));
        }
        Self(expected)
    }

    /// Whether bytes are those of an object.
    fn check(&self, key: &str, bytes: &Bytes) -> Result<(), FormatError> {
        if self.0.get(key).is_some_and(|hash| *hash != NodeHash::of(bytes)) {
            return Err(FormatError::Hash);
        }
        match key.split('/').next() {
            Some("pack") => {
                let nodes = PackFooter::nodes_of(bytes)?;
                let right = |(footed, stored): &(crate::index::Footed, &[u8])| {
                    NodeHash::of(stored) == footed.hash
                };
                if nodes.iter().all(right) { Ok(()) } else { Err(FormatError::Hash) }
            }
            Some("log") => Segment::decode(bytes).map(|_| ()),
            Some("novelty") => Novelty::decode(bytes).map(|_| ()),
            _ => Head::decode(bytes).map(|_| ()),
        }
    }
}

impl Cloning {
    /// Copies the objects that are not there.
    pub(super) async fn copy(
        &mut self,
        expected: &Expected,
        watch: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Copied, CloneError> {
        let (mut there, mut copied) = (self.listed().await?, Copied::default());
        let mut missing: Vec<Listed> = Vec::new();
        for kind in KINDS {
            for object in self.source.list(kind).await? {
                match there.get(&object.key) {
                    Some(len) if *len == object.size_bytes => copied.kept += 1,
                    _ => missing.push(object),
                }
            }
        }
        let total = missing.iter().map(|object| object.size_bytes).sum();
        watch(Progress { bytes: 0, total });
        for some in missing.chunks(AT_ONCE) {
            let copies: Vec<BoxFuture<'_, Result<u64, CloneError>>> = some
                .iter()
                .map(|object| Box::pin(self.copy_one(&object.key, expected)) as BoxFuture<'_, _>)
                .collect();
            for (object, done) in some.iter().zip(join_all(copies).await) {
                copied.bytes += done?;
                copied.objects += 1;
                there.insert(object.key.clone(), object.size_bytes);
                watch(Progress { bytes: copied.bytes, total });
            }
        }
        self.have = Some(there);
        Ok(copied)
    }

    /// What the target has: listed once, and remembered.
    async fn listed(&mut self) -> Result<BTreeMap<String, u64>, StoreError> {
        if let Some(have) = self.have.take() {
            return Ok(have);
        }
        let mut have = BTreeMap::new();
        for kind in KINDS {
            let listed = self.target.list(kind).await?;
            have.extend(listed.into_iter().map(|object| (object.key, object.size_bytes)));
        }
        Ok(have)
    }

    async fn copy_one(&self, key: &str, expected: &Expected) -> Result<u64, CloneError> {
        let bytes = self.source.get(&Fetch { key: key.to_owned(), range: None }).await?;
        let checked = expected.check(key, &bytes);
        checked.map_err(|e| damaged(self.source.as_ref(), key, e))?;
        let len = bytes.len() as u64;
        self.target.put(key, bytes).await?;
        Ok(len)
    }
}
