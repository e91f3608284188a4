//! Inode numbers: which number is which thing.
//!
//! **Invariant:** a number never means other bytes: files are numbered by what their bytes depend
//! on, folders by their path. A folder keeps its number while mounted; a file's record goes when
//! the kernel forgets it, and its number is never given again.

use crate::tree::node::Node;
use crate::tree::{Entry, Key, Resolved};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The number of the mount point.
pub const ROOT: u64 = 1;

/// A thing with a number.
#[derive(Clone, Debug)]
pub struct Inode {
    /// The number.
    pub ino: u64,
    /// What it is.
    pub resolved: Arc<Resolved>,
    /// Its size, once known.
    pub size_bytes: Option<u64>,
}

/// The numbers of a mount.
#[derive(Debug)]
pub struct Inodes(Mutex<Table>);

#[derive(Debug)]
struct Table {
    numbers: HashMap<Key, u64>,
    records: HashMap<u64, Record>,
    next: u64,
}

#[derive(Debug)]
struct Record {
    resolved: Arc<Resolved>,
    size_bytes: Option<u64>,
    lookups: u64,
}

impl Inodes {
    /// A table with the mount point alone.
    pub fn new(root: Resolved) -> Self {
        let numbers = HashMap::from([(root.key, ROOT)]);
        let record = Record { resolved: Arc::new(root), size_bytes: None, lookups: 1 };
        Self(Mutex::new(Table {
            numbers,
            records: HashMap::from([(ROOT, record)]),
            next: ROOT + 1,
        }))
    }

    /// The number of a thing that the kernel is told of: one more reference to it.
    pub fn refer(&self, resolved: Resolved, size_bytes: Option<u64>) -> Inode {
        let mut table = self.lock();
        let ino = table.number(resolved.key);
        let resolved = Arc::new(resolved);
        let known = table.records.get(&ino);
        let moves = matches!(resolved.entry, Entry::Query(_) | Entry::Transact(_));
        let kept = known.and_then(|record| record.size_bytes).filter(|_| !moves);
        let size_bytes = size_bytes.or(kept);
        let lookups = known.map_or(0, |record| record.lookups) + 1;
        table.records.insert(ino, Record { resolved: resolved.clone(), size_bytes, lookups });
        Inode { ino, resolved, size_bytes }
    }

    /// The thing with a number.
    pub fn get(&self, ino: u64) -> Option<Inode> {
        let table = self.lock();
        let record = table.records.get(&ino)?;
        Some(Inode { ino, resolved: record.resolved.clone(), size_bytes: record.size_bytes })
    }

    /// Notes a size that became known.
    pub fn set_size(&self, ino: u64, size_bytes: u64) {
        if let Some(record) = self.lock().records.get_mut(&ino) {
            record.size_bytes = Some(size_bytes);
        }
    }

    /// A folder got another name, and so did what is in it: `moved` says where a thing is now. The
    /// kernel goes on using their numbers.
    pub fn rename(&self, moved: impl Fn(&Node) -> Option<Node>) {
        let mut table = self.lock();
        let Table { numbers, records, .. } = &mut *table;
        for (ino, record) in records.iter_mut() {
            let Some(node) = moved(&record.resolved.node) else { continue };
            let mut resolved = (*record.resolved).clone();
            // What is numbered by its path.
            if resolved.key == Key::of(&resolved.node.path()) {
                numbers.remove(&resolved.key);
                resolved.key = Key::of(&node.path());
                numbers.insert(resolved.key, *ino);
            }
            record.resolved = Arc::new(Resolved { node, ..resolved });
        }
    }

    /// A folder was removed: what is made under its name is another one, with other numbers. Who is
    /// in it goes on with the old ones, which the kernel takes for dead.
    pub fn retire(&self, is_inside: impl Fn(&Node) -> bool) {
        let mut table = self.lock();
        let Table { numbers, records, .. } = &mut *table;
        for record in records.values().filter(|record| is_inside(&record.resolved.node)) {
            numbers.remove(&record.resolved.key);
        }
    }

    /// The kernel let go of some references.
    pub fn forget(&self, ino: u64, lookups: u64) {
        let mut table = self.lock();
        let Some(record) = table.records.get_mut(&ino).filter(|_| ino != ROOT) else { return };
        record.lookups = record.lookups.saturating_sub(lookups);
        if record.lookups > 0 {
            return;
        }
        let Some(record) = table.records.remove(&ino) else { return };
        let key = record.resolved.key;
        // Another thing may have the key by now.
        if !matches!(record.resolved.entry, Entry::Folder) && table.numbers.get(&key) == Some(&ino)
        {
            table.numbers.remove(&key);
        }
    }

    /// How many things the kernel holds.
    pub fn len(&self) -> usize {
        self.lock().records.len()
    }

    /// Whether it holds none; never, as there is the mount point.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn number(&mut self, key: Key) -> u64 {
        if let Some(ino) = self.numbers.get(&key) {
            return *ino;
        }
        let ino = self.next;
        self.next += 1;
        self.numbers.insert(key, ino);
        ino
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::node::Name;

    fn thing(path: &str, entry: Entry) -> Resolved {
        let node = Node::Store(Name::from(path));
        Resolved { node, key: Key::of(path), entry, mtime_ms: 0, mode: 0, is_fixed: false }
    }

    #[test]
    fn folders_keep_their_number_and_files_do_not() {
        let inodes = Inodes::new(thing("/", Entry::Folder));
        let folder = inodes.refer(thing("a", Entry::Folder), None).ino;
        let link = inodes.refer(thing("b", Entry::Link("x".into())), None).ino;
        assert_eq!(inodes.refer(thing("b", Entry::Link("x".into())), None).ino, link);
        inodes.forget(folder, 1);
        inodes.forget(link, 1);
        assert!(inodes.get(link).is_some() && inodes.get(folder).is_none());
        inodes.forget(link, 1);
        assert_eq!(inodes.len(), 1);
        assert_eq!(inodes.refer(thing("a", Entry::Folder), None).ino, folder);
        assert_ne!(inodes.refer(thing("b", Entry::Link("x".into())), None).ino, link);
    }

    #[test]
    fn a_folder_that_is_renamed_keeps_its_number() {
        let inodes = Inodes::new(thing("/", Entry::Folder));
        let store = |name: &str| {
            let node = Node::Store(Name::from(name));
            Resolved { key: Key::of(&node.path()), node, ..thing("", Entry::Folder) }
        };
        let (a, b) = (inodes.refer(store("a"), None).ino, inodes.refer(store("b"), None).ino);
        inodes.forget(b, 1);
        let renamed = |node: &Node| (*node == store("a").node).then(|| store("b").node);
        inodes.rename(renamed);
        assert_eq!(inodes.get(a).unwrap().resolved.node, store("b").node);
        assert_eq!(inodes.refer(store("b"), None).ino, a);
        assert_ne!(inodes.refer(store("a"), None).ino, a);
        inodes.retire(|node| *node == store("b").node);
        assert_ne!(inodes.refer(store("b"), None).ino, a);
    }
}
