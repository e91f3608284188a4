//! From what a user names to a mount that answers, until it is unmounted: what the command calls.
//!
//! ```text
//! main      child::was_watchdog() first
//! mount     child::start_serving() and return, or in the process that stays:
//!           child::begin_serving(); Signals::take(); serve(…)
//! umount    point::unmount(…)
//! ```
//!
//! **Invariant:** nothing is mounted unless every database could be opened, and nothing stays
//! mounted when this returns.

use crate::error::{Failure, Kind, Result};
use crate::fuse::{Options, Session, Signals};
use crate::journal::{self, Target};
use crate::name::is_store_name;
use crate::point::{self, Mount};
use crate::source::{DatabaseSource, Mounted};
use crate::tree::{Limits, LocalDesk, Parts, Tree};
use crate::vfs::Vfs;
use crate::{child, notify};
use factfs_core::text::Format;
use factfs_store::{Database, Locator, Settings};
use rustix::fs::{Access, access};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long open files may keep a mount that is being unmounted.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What to mount, and where.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The mount point.
    pub point: PathBuf,
    /// The databases, by the name of their folder.
    pub stores: Vec<(String, Locator)>,
    /// How stores are opened.
    pub settings: Settings,
    /// The folder of the mount's own queries; none keeps them in memory.
    pub queries: Option<PathBuf>,
    /// Pins that are made known and kept, as text: each a `pin.edn` or a `.meta`.
    pub pins: Vec<String>,
    /// Whether nothing may be written.
    pub is_read_only: bool,
    /// Whether other users may read what is mounted, with the rights of this one.
    pub allow_other: bool,
    /// What one query may cost.
    pub limits: Limits,
    /// The formats that are listed.
    pub formats: Vec<Format>,
    /// Memory for answers, in bytes.
    pub cache_bytes: usize,
    /// Whether sizes are exact everywhere: then a listing waits for answers.
    pub exact_sizes: bool,
    /// How often heads are looked at while they are in use; none is by where the store is.
    pub poll: Option<Duration>,
    /// Where the log goes beside `.factfs/log`.
    pub log: Target,
}

impl Setup {
    /// The usual, without any database.
    pub fn new(point: impl Into<PathBuf>, settings: Settings) -> Self {
        Self {
            point: point.into(),
            stores: Vec::new(),
            settings,
            queries: None,
            pins: Vec::new(),
            is_read_only: false,
            allow_other: false,
            limits: Limits::default(),
            formats: vec![Format::Csv, Format::Json],
            cache_bytes: 256 << 20,
            exact_sizes: false,
            poll: None,
            log: Target::Memory,
        }
    }
}

/// Mounts, says so by `ready`, and serves until unmounted or told to end: whether all files were
/// closed by then.
pub fn serve(setup: &Setup, signals: &Signals, ready: impl FnOnce(&Mount)) -> Result<bool> {
    journal::collect(&setup.log)?;
    // What is wrong with the mount point is said before anything is opened.
    let stores: Vec<PathBuf> = folders(setup);
    point::check_device()?;
    let was_there = point::is_there(&setup.point);
    point::prepare(&setup.point, &stores)?;
    let tree = open_tree(setup).inspect_err(|_| {
        if !was_there {
            // Only tidying up: what is told is why nothing was mounted.
            let _ = std::fs::remove_dir(&setup.point);
        }
    });
    let tree = Arc::new(tree?);
    let vfs = Vfs::new(tree, setup.cache_bytes)?.with_exact_sizes(setup.exact_sizes);
    let vfs = Arc::new(vfs);
    vfs.start_ahead();
    let options = Options {
        allow_other: setup.allow_other,
        is_read_only: setup.is_read_only,
        stores,
        ..Options::default()
    };
    let session = Session::mount(vfs, &setup.point, &options)?;
    let watchdog = child::start_watchdog(session.mounted())?;
    ready(session.mounted());
    note_mounted(setup, session.mounted());
    child::ready()?;
    let why = session.wait(signals);
    tracing::info!(%why, "unmounting");
    notify::tell("STOPPING=1\nSTATUS=unmounting");
    let is_over = session.unmount(PATIENCE)?;
    if !is_over {
        tracing::warn!("files were still open when the mount was left");
    }
    drop(watchdog);
    Ok(is_over)
}

/// Local folders that hold data, and that of the cache.
fn folders(setup: &Setup) -> Vec<PathBuf> {
    let stores = setup.stores.iter().filter_map(|(_, locator)| local(&locator.url));
    let cache = setup.settings.disk_cache().ok().flatten().map(|(root, _)| root);
    stores.chain(cache).collect()
}

fn note_mounted(setup: &Setup, mount: &Mount) {
    let names: Vec<&str> = setup.stores.iter().map(|(name, _)| name.as_str()).collect();
    let (at, stores) = (mount.point.display(), names.join(" "));
    tracing::info!(%at, %stores, version = env!("CARGO_PKG_VERSION"), "mounted");
    notify::tell(&format!("READY=1\nSTATUS={stores} mounted at {at}"));
}

/// The tree of the databases, all of them open.
pub fn open_tree(setup: &Setup) -> Result<Tree> {
    let mut names = BTreeSet::new();
    let mut stores = Vec::new();
    for (name, locator) in &setup.stores {
        if !is_store_name(name) {
            let message = format!("`{name}` cannot be the name of a store's folder");
            let hint = "letters, digits, - _ . and none of queries results at pins diff";
            return Err(Failure::new(Kind::Invalid, message).hint(hint));
        }
        if !names.insert(name) {
            let message = format!("two stores are to be mounted as `{name}`");
            return Err(Failure::new(Kind::Exists, message).hint("name them: NAME=URL"));
        }
        stores.push(open_store(name, locator, &setup.settings, setup.poll)?);
    }
    let desk = setup.queries.clone().map_or_else(LocalDesk::default, LocalDesk::Folder);
    let parts = Parts {
        stores,
        desk,
        clock: Arc::new(now_ms),
        limits: setup.limits,
        formats: setup.formats.clone(),
        is_read_only: setup.is_read_only,
    };
    let tree = Tree::new(parts);
    setup.pins.iter().try_for_each(|text| tree.pins().add(text).map(drop))?;
    Ok(tree)
}

/// One database, open under a name; `poll` is how often its heads are looked at, if not as usual
/// for where it is.
pub fn open_store(
    name: &str,
    locator: &Locator,
    settings: &Settings,
    poll: Option<Duration>,
) -> Result<Mounted> {
    let named = |mut failure: Failure| {
        failure.message = format!("{name}: {}", failure.message);
        failure
    };
    // The source opens other branches by itself; what is shown as head is the mount's.
    let whole = Locator { branch: None, at: None, ..locator.clone() };
    let database = Database::open(&whole, settings).map_err(|error| named(error.into()))?;
    let source = DatabaseSource::new(database, why_read_only(&locator.url)).map_err(named)?;
    let source = match poll {
        Some(interval) => source.polled(interval),
        None => source,
    };
    let (branch, at) = (locator.branch.clone(), locator.at.clone());
    let mounted = Mounted { branch, at, ..Mounted::new(name, Arc::new(source)) };
    let head = mounted.head_branch();
    match &mounted.at {
        Some(when) => mounted.source.at(&head, when).map_err(named)?,
        None => mounted.source.head(&head).map_err(named)?,
    };
    Ok(mounted)
}

/// Why nothing can be written to a place, where that is plain without trying.
fn why_read_only(url: &str) -> Option<String> {
    if url.starts_with("http://") || url.starts_with("https://") {
        return Some("it is read over HTTP".to_owned());
    }
    match access(&local(url)?, Access::WRITE_OK) {
        Err(Errno::ROFS) => Some("its folder is on a read-only file system".to_owned()),
        Err(Errno::ACCESS) => Some("this user may not write to its folder".to_owned()),
        _ => None,
    }
}

/// The folder of a store on this machine.
fn local(url: &str) -> Option<PathBuf> {
    match url.strip_prefix("file://") {
        Some(path) => Some(PathBuf::from(path)),
        None if url.contains("://") || url.starts_with("memory:") => None,
        None => Some(Path::new(url).to_owned()),
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The folder of the mount's own queries: `$XDG_DATA_HOME/factfs/queries`, else in
/// `~/.local/share`.
pub fn default_queries(settings: &Settings) -> Option<PathBuf> {
    let set = |name: &str| settings.env.get(name).filter(|value| !value.is_empty());
    let base = set("XDG_DATA_HOME").map(PathBuf::from);
    let base = base.or_else(|| Some(Path::new(set("HOME")?).join(".local/share")))?;
    Some(base.join("factfs/queries"))
}
