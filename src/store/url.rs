//! From what a user writes to a store.
//!
//! **Invariant:** [`canonical_url`] of two spellings of one place is the same text where that can
//! be known without asking anybody (paths made absolute, schemes in one case, no trailing `/`), it
//! opens the same place, and it shows no password. Opening touches nothing and sends nothing.

use crate::host::SystemHost;
use crate::local::LocalStore;
use crate::object::{self, Scheme};
#[cfg(feature = "postgres")]
use crate::retry::Retried;
use crate::settings::Settings;
use crate::shown::shown;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use crate::sql;
use ::url::Url;
use factfs_core::nearest::distance;
use factfs_core::store::{MemoryStore, Store, StoreError, StoreErrorKind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const SCHEMES: [(&str, Option<Scheme>); 15] = [
    ("file", None),
    ("memory", None),
    ("sqlite", None),
    ("postgres", None),
    ("postgresql", None),
    ("s3", Some(Scheme::Aws)),
    ("s3a", Some(Scheme::Aws)),
    ("gs", Some(Scheme::Google)),
    ("az", Some(Scheme::Azure)),
    ("abfs", Some(Scheme::Azure)),
    ("abfss", Some(Scheme::Azure)),
    ("adl", Some(Scheme::Azure)),
    ("azure", Some(Scheme::Azure)),
    ("https", Some(Scheme::Http)),
    ("http", Some(Scheme::Http)),
];

/// What the file of a `sqlite:` url ends with: what follows is the prefix in it.
const SQLITE_ENDS: [&str; 3] = [".db", ".sqlite", ".sqlite3"];

enum Place {
    Directory(PathBuf),
    Memory(String),
    Objects(Scheme, Url),
    Sqlite {
        file: PathBuf,
        place: String,
    },
    #[cfg(feature = "postgres")]
    Postgres(Box<sql::Address>),
}

/// The store that `url` names: a path, `file:///path`, `memory:NAME`, `s3://`, `gs://`, `az://`,
/// `https://`, `sqlite:///file.db/prefix`, `postgres://host/database/prefix`. A `memory:` store is
/// shared by name within the process.
pub fn open(url: &str, settings: &Settings) -> Result<Arc<dyn Store>, StoreError> {
    let place = parse(url)?;
    let shown = show(&place);
    Ok(match place {
        Place::Directory(path) => Arc::new(LocalStore::new(path, settings)),
        Place::Memory(name) => memory(&name),
        Place::Objects(scheme, url) => Arc::new(object::open(scheme, &url, &shown, settings)?),
        Place::Sqlite { file, place } => sqlite(file, place, shown, settings)?,
        #[cfg(feature = "postgres")]
        Place::Postgres(address) => {
            let table = sql::Postgres::new(&address, shown.clone(), settings)?;
            let store = sql::SqlStore::new(shown, table);
            let store = Retried::new(store, Arc::new(SystemHost), settings.retries);
            Arc::new(store.within(settings.retry_timeout))
        }
    })
}

#[cfg(feature = "sqlite")]
fn sqlite(
    file: PathBuf,
    place: String,
    shown: String,
    settings: &Settings,
) -> Result<Arc<dyn Store>, StoreError> {
    let table = sql::Sqlite::new(file, place, shown.clone(), settings);
    Ok(Arc::new(sql::SqlStore::new(shown, table)))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(
    _: PathBuf,
    _: String,
    shown: String,
    _: &Settings,
) -> Result<Arc<dyn Store>, StoreError> {
    let reason = "this factfs was built without SQLite (the feature `sqlite`)";
    Err(StoreError::new(StoreErrorKind::Invalid, shown, "open", reason))
}

/// How a place is written: see the invariant above.
pub fn canonical_url(url: &str) -> Result<String, StoreError> {
    parse(url).map(|place| show(&place))
}

fn show(place: &Place) -> String {
    match place {
        Place::Directory(path) => path.display().to_string(),
        Place::Memory(name) => format!("memory:{name}"),
        Place::Sqlite { file, place } => {
            let slash = if place.is_empty() { "" } else { "/" };
            format!("sqlite://{}{slash}{place}", file.display())
        }
        #[cfg(feature = "postgres")]
        Place::Postgres(address) => address.shown(),
        Place::Objects(_, url) => {
            let mut url = url.clone();
            // Only Azure has a name before the @ that is no secret: the container.
            if !matches!(url.scheme(), "abfs" | "abfss") {
                let _ = url.set_username("");
            }
            let _ = url.set_password(None);
            shown(url.as_str().trim_end_matches('/'))
        }
    }
}

/// Deletes temporaries older than `age_ms` (at least a minute) that killed processes left in a
/// local directory; how many. Other stores have none.
pub(crate) fn sweep(url: &str, age_ms: u64) -> Result<usize, StoreError> {
    let Place::Directory(path) = parse(url)? else { return Ok(0) };
    let age = std::time::Duration::from_millis(age_ms.max(60_000));
    LocalStore::new(path, &Settings::default()).sweep(age)
}

fn memory(name: &str) -> Arc<dyn Store> {
    static SHARED: Mutex<BTreeMap<String, Arc<MemoryStore>>> = Mutex::new(BTreeMap::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let new = || Arc::new(MemoryStore::with_clock(name, Arc::new(SystemHost)));
    shared.entry(name.to_owned()).or_insert_with(new).clone()
}

fn parse(text: &str) -> Result<Place, StoreError> {
    let invalid =
        |reason: String| StoreError::new(StoreErrorKind::Invalid, shown(text), "open", reason);
    if text.is_empty() || text.contains('\0') {
        return Err(invalid("this is no name of a store".into()));
    }
    let Some((scheme, rest)) = split_scheme(text) else {
        return directory(Path::new(text)).map_err(|e| invalid(e.to_string()).because(e));
    };
    match SCHEMES.iter().find(|(name, _)| *name == scheme) {
        Some(("sqlite", _)) => in_sqlite(rest).map_err(invalid),
        Some(("postgres" | "postgresql", _)) => in_postgres(rest).map_err(invalid),
        Some(("memory", _)) => Ok(Place::Memory(rest.trim_start_matches('/').to_owned())),
        Some((_, None)) => file(text, rest).map_err(invalid),
        Some((_, Some(kind))) => objects(&scheme, rest, *kind).map_err(invalid),
        None => Err(invalid(unknown(&scheme))),
    }
}

/// The scheme in lower case, and what follows its colon. `./a:b` and `/a:b` are paths.
fn split_scheme(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let first = scheme.as_bytes().first()?;
    let plain = first.is_ascii_alphabetic() && scheme.bytes().all(letter);
    plain.then(|| (scheme.to_ascii_lowercase(), rest))
}

/// An absolute path without symbolic links, as far as it exists.
fn directory(path: &Path) -> std::io::Result<Place> {
    let path = std::path::absolute(path)?;
    let mut missing = Vec::new();
    let mut there = path.as_path();
    loop {
        if let Ok(real) = std::fs::canonicalize(there) {
            let full = missing.iter().rev().fold(real, |path, name| path.join(name));
            return Ok(Place::Directory(full));
        }
        match (there.parent(), there.file_name()) {
            (Some(parent), Some(name)) => {
                missing.push(name.to_owned());
                there = parent;
            }
            // A `..` below something that is not there: no way to tell where it leads.
            _ => return Ok(Place::Directory(path)),
        }
    }
}

/// `sqlite:///path/file.db`, and after it the prefix of one of the databases in the file.
fn in_sqlite(rest: &str) -> Result<Place, String> {
    const EXAMPLE: &str = "sqlite:///path/file.db, or sqlite:///path/file.db/prefix";
    let path = rest.strip_prefix("//").unwrap_or(rest).trim_end_matches('/');
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    let is_file = |end: &usize| {
        let named = SQLITE_ENDS.iter().any(|suffix| path[..*end].ends_with(suffix));
        named && !Path::new(&path[..*end]).is_dir()
    };
    let Some(end) = ends.into_iter().find(is_file) else {
        let ends = SQLITE_ENDS.join(", ");
        return Err(format!("the name of a SQLite file ends with one of {ends}: write {EXAMPLE}"));
    };
    let place = path[end..].trim_start_matches('/').to_owned();
    if !place.is_empty() && !crate::key::valid(&place) {
        return Err("a prefix has letters, digits, '-', '_', parted by '/'".into());
    }
    match directory(Path::new(&path[..end])).map_err(|e| e.to_string())? {
        Place::Directory(file) => Ok(Place::Sqlite { file, place }),
        other => Ok(other),
    }
}

#[cfg(feature = "postgres")]
fn in_postgres(rest: &str) -> Result<Place, String> {
    let address = sql::Address::parse(&format!("postgres:{rest}"))?;
    Ok(Place::Postgres(Box::new(address)))
}

#[cfg(not(feature = "postgres"))]
fn in_postgres(_: &str) -> Result<Place, String> {
    Err("this factfs was built without PostgreSQL (the feature `postgres`)".into())
}

fn file(text: &str, rest: &str) -> Result<Place, String> {
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(host) => {
            let path = host.split(['?', '#']).next().unwrap_or_default();
            let path = path.split_once('/').map_or("path", |(_, path)| path);
            return Err(format!("a file: url has no host; did you mean file:///{path} ?"));
        }
        None => rest,
    };
    let decoded = Url::parse(&format!("file://{path}"))
        .ok()
        .filter(|_| path.starts_with('/'))
        .and_then(|url| url.to_file_path().ok());
    let path = decoded.ok_or_else(|| format!("{text}: write file:///absolute/path"))?;
    directory(&path).map_err(|e| e.to_string())
}

fn objects(scheme: &str, rest: &str, kind: Scheme) -> Result<Place, String> {
    let example = match kind {
        Scheme::Http => format!("{scheme}://host/prefix"),
        _ => format!("{scheme}://bucket/prefix"),
    };
    let Some(after) = rest.strip_prefix("//") else {
        return Err(format!("write {example}"));
    };
    if after.trim_start_matches('/').is_empty() || after.starts_with('/') {
        return Err(format!("the bucket is missing: write {example}"));
    }
    let path = after.trim_end_matches('/');
    let url = Url::parse(&format!("{scheme}://{path}"));
    let url = url.map_err(|error| format!("{error}: write {example}"))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(format!("the bucket is missing: write {example}"));
    }
    Ok(Place::Objects(kind, url))
}

fn unknown(scheme: &str) -> String {
    let names = SCHEMES.map(|(name, _)| name);
    let nearest = names.iter().map(|name| (distance(scheme, name), name)).min();
    let hint = match nearest {
        Some((far, name)) if far <= 2 && far < scheme.len() => {
            format!("; did you mean {name}: ?")
        }
        _ => format!(" (a path with a colon in it is written ./{scheme}:...)"),
    };
    let list = "/path, file:///path, memory:NAME, s3://, gs://, az://, abfs://, \
                sqlite:///file.db, postgres://, https://";
    format!("unknown kind of store {scheme:?}{hint}; known are {list}")
}

#[cfg(test)]
mod tests;
