//! Where the databases of a report are: as the command line says, where they were when the report
//! was made, or in a mount that runs here.
//!
//! **Invariant:** a place is taken for a database's only if it says that it has its uuid, unless
//! the command line names it: then what is there is told, whatever it is.

use super::exit::Problem;
use super::open;
use factfs_mount::error::Failure;
use factfs_mount::open_store;
use factfs_mount::point;
use factfs_mount::source::Mounted;
use factfs_mount::tree::pins::Read;
use factfs_store::{Kind, Locator};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a mount may take to say what it shows: one that hangs is passed over.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where databases are.
pub struct Located {
    /// As the command line says, by what the store was mounted as.
    given: BTreeMap<String, Locator>,
    /// What runs here: the place by uuid. Looked at once.
    mounted: Option<BTreeMap<String, String>>,
    /// Where each was found, by uuid.
    found: BTreeMap<String, String>,
}

impl Located {
    /// With what the command line gives; each must be the name of a source.
    pub fn new(given: BTreeMap<String, Locator>, reads: &[Read]) -> anyhow::Result<Self> {
        let is_known = |name: &str| reads.iter().any(|read| is_called(read, name));
        if let Some(name) = given.keys().find(|name| !is_known(name)) {
            let names: Vec<&str> = reads.iter().map(|read| read.store.as_str()).collect();
            let text = format!("nothing was read from a store `{name}`");
            let hint = format!("there are: {}", names.join(" "));
            return Err(Problem::new(Kind::NotFound, text).hint(hint).into());
        }
        Ok(Self { given, mounted: None, found: BTreeMap::new() })
    }

    /// The database that a source names, if it is known where that is.
    pub fn open(&mut self, read: &Read) -> Result<Option<Mounted>, Failure> {
        let uuid = read.uuid.to_string();
        let given = self.given.iter().find(|(name, _)| is_called(read, name));
        if let Some((_, locator)) = given {
            self.found.insert(uuid, locator.url.clone());
            return open_store(&read.store, locator, &open::settings(), None).map(Some);
        }
        // What may be a secret was left out of a url, and was left out wholly.
        let written = read.url.clone().filter(|url| !url.contains("..."));
        let mut failed = None;
        if let Some(url) = written
            && let Some(store) = self.try_open(read, url, &mut failed)
        {
            return Ok(Some(store));
        }
        let mounted = self.mounted.get_or_insert_with(mounted).get(&uuid).cloned();
        let found = mounted.and_then(|url| self.try_open(read, url, &mut failed));
        match (found, failed) {
            (None, Some(failure)) => Err(failure),
            (found, _) => Ok(found),
        }
    }

    /// Opens the place if it is of the database that is meant.
    fn try_open(
        &mut self,
        read: &Read,
        url: String,
        failed: &mut Option<Failure>,
    ) -> Option<Mounted> {
        let locator = Locator { url: url.clone(), branch: None, at: None };
        let opened = open_store(&read.store, &locator, &open::settings(), None);
        match opened {
            Err(failure) if failure.kind == Kind::NotFound => return None,
            Ok(store) if store.source.uuid() != read.uuid => return None,
            _ => self.found.insert(read.uuid.to_string(), url),
        };
        opened.map_err(|failure| *failed = Some(failure)).ok()
    }

    /// Where it was found.
    pub fn url(&self, read: &Read) -> Option<&str> {
        self.found.get(&read.uuid.to_string()).map(String::as_str)
    }
}

/// A store has the name that it was mounted as, and that of the input.
fn is_called(read: &Read, name: &str) -> bool {
    name == read.store || name.trim_start_matches('$') == read.symbol.trim_start_matches('$')
}

/// The databases that mounts of this machine show, by uuid.
fn mounted() -> BTreeMap<String, String> {
    let (send, receive) = mpsc::channel();
    for mount in point::mounts() {
        let send = send.clone();
        // Who asks is gone when a mount that hung says something after all.
        thread::spawn(move || send.send(shown(&mount.point)));
    }
    drop(send);
    let mut found = BTreeMap::new();
    while let Ok(stores) = receive.recv_timeout(PATIENCE) {
        found.extend(stores);
    }
    found
}

/// What one mount shows: uuid and url.
fn shown(point: &Path) -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir(point) else { return Vec::new() };
    let store = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path().join("store.json")).ok()?;
        let about: serde_json::Value = serde_json::from_str(&text).ok()?;
        Some((about["uuid"].as_str()?.to_owned(), about["url"].as_str()?.to_owned()))
    };
    entries.filter_map(|entry| store(entry.ok()?)).collect()
}
