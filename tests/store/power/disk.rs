//! Files and directories twice: as programs see them, and as a disk may have them after it lost
//! power.
//!
//! **Invariant:** what was synced is there after a loss of power, wholly; of what was not, any
//! beginning may be: of the changes of a file, the last of them torn at any byte, and of the
//! changes of each directory. A synced file says nothing about its name, nor a synced directory
//! about the bytes of its files.

use crate::support::Random;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The root directory.
pub const ROOT: u64 = 1;

/// What a file system is asked to do that changes something, or makes a change last.
#[derive(Clone, Debug)]
pub enum Change {
    Create { folder: u64, name: String, node: u64 },
    MakeFolder { folder: u64, name: String, node: u64 },
    Write { node: u64, at: usize, bytes: Vec<u8> },
    Resize { node: u64, length: usize },
    Rename { folder: u64, from: String, to: String },
    Remove { folder: u64, name: String },
    Sync { node: u64 },
}

/// All that was ever made, by number: what lost its name may have it again after a loss of power.
#[derive(Debug)]
pub struct Disk(BTreeMap<u64, Node>);

/// A file or a directory.
#[derive(Debug)]
pub enum Node {
    File(Twice<Vec<u8>>),
    Folder(Twice<BTreeMap<String, u64>>),
}

/// As it is now, as it was when it was synced, and what happened in between.
#[derive(Debug, Default)]
pub struct Twice<T> {
    pub now: T,
    synced: T,
    since: Vec<Change>,
}

impl<T: Clone> Twice<T> {
    fn change(&mut self, change: &Change, apply: impl Fn(&mut T, &Change)) {
        apply(&mut self.now, change);
        self.since.push(change.clone());
    }

    fn sync(&mut self) {
        self.synced = self.now.clone();
        self.since.clear();
    }

    /// How many of the changes since the last sync are on the disk.
    fn kept(&self, random: &mut Random) -> usize {
        match random.below(3) {
            0 => 0,
            1 => self.since.len(),
            _ => random.below(self.since.len() + 1),
        }
    }
}

/// What a loss of power took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lost {
    /// Changes of names.
    pub names: usize,
    /// Changes of files, torn ones too.
    pub bytes: usize,
}

impl Disk {
    /// An empty root directory.
    pub fn new() -> Self {
        Self(BTreeMap::from([(ROOT, Node::Folder(Twice::default()))]))
    }

    /// A file or directory by its number.
    pub fn node(&self, number: u64) -> Option<&Node> {
        self.0.get(&number)
    }

    /// What has a name in a directory.
    pub fn named(&self, folder: u64, name: &str) -> Option<u64> {
        match self.0.get(&folder)? {
            Node::Folder(entries) => entries.now.get(name).copied(),
            Node::File(_) => None,
        }
    }

    /// Applies a change that is known to be possible.
    pub fn apply(&mut self, change: &Change) {
        let made = match change {
            Change::Create { node, .. } => Some((*node, Node::File(Twice::default()))),
            Change::MakeFolder { node, .. } => Some((*node, Node::Folder(Twice::default()))),
            _ => None,
        };
        self.0.extend(made);
        let (Change::Create { folder: number, .. }
        | Change::MakeFolder { folder: number, .. }
        | Change::Rename { folder: number, .. }
        | Change::Remove { folder: number, .. }
        | Change::Write { node: number, .. }
        | Change::Resize { node: number, .. }
        | Change::Sync { node: number }) = change;
        match (self.0.get_mut(number).unwrap(), change) {
            (Node::File(file), Change::Sync { .. }) => file.sync(),
            (Node::Folder(folder), Change::Sync { .. }) => folder.sync(),
            (Node::File(file), change) => file.change(change, change_file),
            (Node::Folder(folder), change) => folder.change(change, change_folder),
        }
    }

    /// Makes the directory `at` as the disk could have it if power were lost now.
    pub fn lose_power(&self, at: &Path, random: &mut Random) -> Lost {
        let mut lost = Lost::default();
        self.restore(ROOT, at, random, &mut lost);
        lost
    }

    fn restore(&self, number: u64, at: &Path, random: &mut Random, lost: &mut Lost) {
        match &self.0[&number] {
            Node::File(file) => fs::write(at, after_loss(file, random, lost)).unwrap(),
            Node::Folder(folder) => {
                fs::create_dir(at).unwrap();
                let kept = folder.kept(random);
                let mut entries = folder.synced.clone();
                folder.since[..kept].iter().for_each(|one| change_folder(&mut entries, one));
                lost.names += folder.since.len() - kept;
                for (name, node) in &entries {
                    self.restore(*node, &at.join(name), random, lost);
                }
            }
        }
    }
}

fn after_loss(file: &Twice<Vec<u8>>, random: &mut Random, lost: &mut Lost) -> Vec<u8> {
    let kept = file.kept(random);
    let mut bytes = file.synced.clone();
    file.since[..kept].iter().for_each(|one| change_file(&mut bytes, one));
    lost.bytes += file.since.len() - kept;
    if let Some(Change::Write { node, at, bytes: written }) = file.since.get(kept) {
        let whole = random.below(written.len() + 1);
        let mut torn = written[..whole].to_vec();
        // The length may reach the disk before the bytes.
        if random.below(2) == 0 {
            torn.resize(written.len(), 0);
        }
        change_file(&mut bytes, &Change::Write { node: *node, at: *at, bytes: torn });
    }
    bytes
}

fn change_file(file: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { at, bytes, .. } => {
            let end = at + bytes.len();
            file.resize(file.len().max(end), 0);
            file[*at..end].copy_from_slice(bytes);
        }
        Change::Resize { length, .. } => file.resize(*length, 0),
        other => panic!("not of a file: {other:?}"),
    }
}

fn change_folder(entries: &mut BTreeMap<String, u64>, change: &Change) {
    match change {
        Change::Create { name, node, .. } | Change::MakeFolder { name, node, .. } => {
            entries.insert(name.clone(), *node);
        }
        Change::Rename { from, to, .. } => {
            let node = entries.remove(from).unwrap();
            entries.insert(to.clone(), node);
        }
        Change::Remove { name, .. } => drop(entries.remove(name)),
        other => panic!("not of a directory: {other:?}"),
    }
}
