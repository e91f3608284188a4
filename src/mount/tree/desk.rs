//! Where saved queries are kept: a folder of this machine, or the facts of a branch.
//!
//! **Invariant:** a text is kept byte for byte, also one that is no query; its result says why. A
//! query is replaced wholly or not at all.

use super::node::{Desk, Name};
use crate::error::{Failure, Kind, Result};
use crate::name::is_query_name;
use crate::source::{Moment, Mounted};
use factfs_core::datom::Order;
use factfs_core::db::{Db, EntityRef};
use factfs_core::edn::{self, Form};
use factfs_core::value::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

const NAME: &str = "factfs.query/name";
const TEXT: &str = "factfs.query/text";

/// A saved query's text, and when it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Milliseconds since 1970.
    pub mtime_ms: i64,
}

/// The name of the query that a file of a queries folder is; other files are scratch.
pub fn query_of(file: &str) -> Option<&str> {
    file.strip_suffix(".edn").filter(|name| is_query_name(name))
}

/// The saved queries of this mount.
#[derive(Debug)]
pub enum LocalDesk {
    /// Files `NAME.edn` in a folder, made at the first save.
    Folder(PathBuf),
    /// In memory, gone with the mount.
    Memory(Mutex<BTreeMap<String, Text>>),
}

impl Default for LocalDesk {
    fn default() -> Self {
        Self::Memory(Mutex::default())
    }
}

impl LocalDesk {
    /// The names, in order.
    pub fn names(&self) -> Result<Vec<String>> {
        let folder = match self {
            Self::Folder(folder) => folder,
            Self::Memory(texts) => {
                let texts = texts.lock().unwrap_or_else(PoisonError::into_inner);
                return Ok(texts.keys().cloned().collect());
            }
        };
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| disk(folder, &error))?,
        };
        let name = |entry: io::Result<fs::DirEntry>| {
            query_of(entry.ok()?.file_name().to_str()?).map(str::to_owned)
        };
        let mut names: Vec<String> = entries.filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    /// The text of a query, if there is one of that name.
    pub fn get(&self, name: &str) -> Result<Option<Text>> {
        let path = match self {
            Self::Folder(folder) => file_of(folder, name),
            Self::Memory(texts) => {
                let texts = texts.lock().unwrap_or_else(PoisonError::into_inner);
                return Ok(texts.get(name).cloned());
            }
        };
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|error| disk(&path, &error))?,
        };
        let modified = fs::metadata(&path).and_then(|meta| meta.modified()).ok();
        let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let mtime_ms = since.map_or(0, |since| since.as_millis() as i64);
        Ok(Some(Text { text: String::from_utf8_lossy(&bytes).into_owned(), mtime_ms }))
    }

    /// Keeps a text under a name; `None` removes it.
    pub fn put(&self, name: &str, text: Option<&str>, now_ms: i64) -> Result<()> {
        let folder = match self {
            Self::Folder(folder) => folder,
            Self::Memory(texts) => {
                let mut texts = texts.lock().unwrap_or_else(PoisonError::into_inner);
                match text {
                    Some(text) => {
                        let text = Text { text: text.to_owned(), mtime_ms: now_ms };
                        texts.insert(name.to_owned(), text)
                    }
                    None => texts.remove(name),
                };
                return Ok(());
            }
        };
        let path = file_of(folder, name);
        let done = match text {
            Some(text) => replace(folder, &path, text),
            None => fs::remove_file(&path),
        };
        done.map_err(|error| disk(&path, &error))
    }
}

fn file_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.edn"))
}

/// Writes a file of a folder, wholly or not at all.
pub(super) fn replace(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    // A query is as open to others as it was, or as new files are here.
    let usual = fs::Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new().permissions(usual).tempfile_in(folder)?;
    if let Ok(before) = fs::metadata(path) {
        file.as_file().set_permissions(before.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

pub(super) fn disk(path: &Path, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => Kind::NotFound,
        io::ErrorKind::PermissionDenied => Kind::Denied,
        io::ErrorKind::StorageFull => Kind::Full,
        io::ErrorKind::ReadOnlyFilesystem => Kind::ReadOnly,
        _ => Kind::Unavailable,
    };
    Failure::new(kind, format!("{}: {error}", path.display()))
}

/// The names of the queries that a database value holds, in order.
pub fn stored_names(db: &Db) -> Result<Vec<String>> {
    let Some(attribute) = db.schema().attr(NAME) else { return Ok(Vec::new()) };
    let datoms = db.datoms(Order::Aevt, None, Some(attribute.id), None)?;
    let names = datoms.iter().filter_map(|datom| datom.v.as_ref().as_str());
    let mut names: Vec<String> =
        names.filter(|name| is_query_name(name)).map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

/// The text of a query that a database value holds.
pub fn stored(moment: &Moment, name: &str) -> Result<Option<Text>> {
    let db = &moment.db;
    let (Some(key), Some(text)) = (db.schema().attr(NAME), db.schema().attr(TEXT)) else {
        return Ok(None);
    };
    let Some(e) = db.entid(&EntityRef::Lookup(key.id, Value::str(name)))? else { return Ok(None) };
    let value = db.value(e, text.id)?;
    let text = value.as_ref().and_then(|value| value.as_ref().as_str()).unwrap_or_default();
    Ok(Some(Text { text: text.to_owned(), mtime_ms: moment.instant_ms.unwrap_or(0) }))
}

/// Keeps a text under a name in a branch; `None` removes it. The attributes are made with the first
/// one.
pub fn store(mounted: &Mounted, branch: &str, name: &str, text: Option<&str>) -> Result<()> {
    mounted.check_writable()?;
    let head = mounted.source.head(branch)?;
    if head.db.schema().attr(NAME).is_none() || head.db.schema().attr(TEXT).is_none() {
        if text.is_none() {
            return Ok(());
        }
        mounted.source.transact(branch, &form(ATTRIBUTES)?)?;
    }
    let key = edn::to_string(&Value::str(name));
    let tx = match text {
        Some(text) => {
            let text = edn::to_string(&Value::str(text));
            format!("[{{:{NAME} {key} :{TEXT} {text}}}]")
        }
        None => format!("[[:db/retractEntity [:{NAME} {key}]]]"),
    };
    mounted.source.transact(branch, &form(&tx)?).map(drop)
}

const ATTRIBUTES: &str = r#"[
 {:db/ident :factfs.query/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one
  :db/unique :db.unique/identity :db/doc "the name of a saved query"}
 {:db/ident :factfs.query/text :db/valueType :db.type/string :db/cardinality :db.cardinality/one
  :db/doc "the text of a saved query"}]"#;

fn form(text: &str) -> Result<Form> {
    Ok(edn::read_one(text)?)
}

impl Desk {
    /// The store and branch that the queries are in, if they are in one.
    pub fn branch(&self) -> Option<(&Name, &Name)> {
        if let Self::Branch(store, branch) = self { Some((store, branch)) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemorySource;
    use std::sync::Arc;

    #[test]
    fn a_store_keeps_texts_as_they_are() {
        let mounted = Mounted::new("c", Arc::new(MemorySource::new("c")));
        let head = || mounted.source.head("main").unwrap();
        assert_eq!(stored(&head(), "low").unwrap(), None);
        store(&mounted, "main", "low", Some("[:find \"x\\y\"\n")).unwrap();
        store(&mounted, "main", "abc", Some("")).unwrap();
        assert_eq!(stored_names(&head().db).unwrap(), ["abc", "low"]);
        assert_eq!(stored(&head(), "low").unwrap().unwrap().text, "[:find \"x\\y\"\n");
        store(&mounted, "main", "low", None).unwrap();
        assert_eq!(stored_names(&head().db).unwrap(), ["abc"]);
    }

    #[test]
    fn a_folder_keeps_files() {
        let folder = tempfile::tempdir().unwrap();
        let desk = LocalDesk::Folder(folder.path().join("queries"));
        assert_eq!(desk.names().unwrap(), [""; 0]);
        desk.put("low", Some("[:find ?x]"), 0).unwrap();
        fs::write(folder.path().join("queries/.swp"), "x").unwrap();
        assert_eq!(desk.names().unwrap(), ["low"]);
        assert_eq!(desk.get("low").unwrap().unwrap().text, "[:find ?x]");
        desk.put("low", None, 0).unwrap();
        assert_eq!(desk.get("low").unwrap(), None);
    }

    #[test]
    fn a_query_that_is_edited_stays_as_open_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let desk = LocalDesk::Folder(folder.path().to_owned());
        desk.put("low", Some("[:find ?x]"), 0).unwrap();
        let path = folder.path().join("low.edn");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
        desk.put("low", Some("[:find ?y]"), 0).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o664);
    }
}
