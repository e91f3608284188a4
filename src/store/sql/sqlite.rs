//! A SQLite file as a store: write-ahead log, synced at every commit.
//!
//! **Invariant:** reading writes nothing and makes no file; the first write makes the file, which
//! must have a directory. A write that was answered is on the disk (`synchronous = EXTRA`, which
//! is what `FULL` means by it also where there can be no write-ahead log).
//!
//! Many stores may lie in one file, each its `place`. A file is for the processes of one machine:
//! SQLite's log does not work over a network file system. Space of deleted objects is used again;
//! the file becomes smaller by SQLite's own `VACUUM` only. One object has at most 1 GB.

use super::idle::Idle;
use super::{Over, Table, Tagged, Wrote};
use crate::host::SystemHost;
use crate::key;
use crate::settings::Settings;
use bytes::Bytes;
use factfs_core::store::{BoxFuture, Fetch, Host, Listed, StoreError, StoreErrorKind};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// `fact`: says what the file is, to who looks at it (`file`, `PRAGMA application_id`).
const APPLICATION_ID: i32 = 0x6661_6374;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS factfs_objects (
    place TEXT NOT NULL, name TEXT NOT NULL, tag TEXT NOT NULL, modified_ms INTEGER NOT NULL,
    bytes BLOB NOT NULL, UNIQUE (place, name))";

/// One place in one file.
#[derive(Clone, Debug)]
pub(crate) struct Sqlite {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: PathBuf,
    place: String,
    url: String,
    busy: Duration,
    idle: Idle<Connection>,
}

impl Sqlite {
    pub(crate) fn new(file: PathBuf, place: String, url: String, settings: &Settings) -> Self {
        let (busy, idle) = (settings.lock_timeout, Idle::new());
        Self { inner: Arc::new(Inner { file, place, url, busy, idle }) }
    }

    /// Runs what may wait for the disk or for a lock where it holds nobody up.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = self.inner.clone();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return work(&inner) };
        let done = runtime.spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_else(|error| {
            let reason = "the thread that did it ended early";
            let kind = StoreErrorKind::Unavailable;
            Err(StoreError::new(kind, &self.inner.url, "sqlite", reason).because(error))
        })
    }
}

impl Inner {
    fn connect(&self, create: bool) -> rusqlite::Result<Connection> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
        let connection = Connection::open_with_flags(&self.file, flags)?;
        connection.busy_timeout(self.busy)?;
        connection.pragma_update(None, "synchronous", "EXTRA")?;
        Ok(connection)
    }

    /// Runs a reading; `None` if there is no file, or no table in it.
    fn read<T>(
        &self,
        object: &str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let result = match self.idle.take() {
            Some(connection) => Ok(connection),
            None if matches!(self.file.try_exists(), Ok(false)) => return Ok(None),
            None => self.connect(false),
        };
        let result = result.and_then(|connection| {
            let found = match read(&connection) {
                Err(error) if no_table(&error) => None,
                other => Some(other?),
            };
            self.idle.give(connection);
            Ok(found)
        });
        result.map_err(|error| self.failed(object, error))
    }

    /// Runs one statement that writes; how many rows it changed.
    fn change(
        &self,
        mut write: impl FnMut(&Connection) -> rusqlite::Result<usize>,
    ) -> rusqlite::Result<usize> {
        let connection = match self.idle.take() {
            Some(connection) => connection,
            None => self.connect(true)?,
        };
        let changed = match write(&connection) {
            Err(error) if no_table(&error) => {
                self.prepare(&connection)?;
                write(&connection)?
            }
            other => other?,
        };
        self.idle.give(connection);
        Ok(changed)
    }

    fn prepare(&self, connection: &Connection) -> rusqlite::Result<()> {
        let until = std::time::Instant::now() + self.busy;
        loop {
            match prepare(connection) {
                // Changing to the log does not wait for others who do the same, as writing does.
                Err(error) if is_busy(&error) && std::time::Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                other => return other,
            }
        }
    }

    fn get(&self, what: &[Fetch]) -> Result<Vec<Bytes>, StoreError> {
        let Some(first) = what.first() else { return Ok(Vec::new()) };
        let parts = self.read(&first.key, |connection| {
            // One moment for all: what is asked for lies where it lay when it was looked up.
            let moment = connection.unchecked_transaction()?;
            let parts = what.iter().map(|one| part(&moment, &self.place, one));
            parts.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let parts = parts.unwrap_or_else(|| what.iter().map(|_| None).collect());
        let found = what.iter().zip(parts).map(|(one, part)| match part {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(length)) => Err(key::past_the_end(&self.url, one, Some(length))),
            None => Err(self.error(StoreErrorKind::NotFound, &one.key, "there is no such object")),
        });
        found.collect()
    }

    fn tagged(&self, name: &str, unless: Option<&str>) -> Result<Tagged, StoreError> {
        const SQL: &str = "SELECT tag, CASE WHEN tag = ?3 THEN NULL ELSE bytes END
            FROM factfs_objects WHERE place = ?1 AND name = ?2";
        let row = self.read(name, |connection| {
            let mut statement = connection.prepare_cached(SQL)?;
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            statement.query_row(params![self.place, name, unless], row).optional()
        })?;
        Ok(match row.flatten() {
            None => Tagged::Absent,
            Some((_, None)) => Tagged::Unchanged,
            Some((tag, Some(bytes))) => Tagged::Found { tag, bytes: <Vec<u8>>::into(bytes) },
        })
    }

    fn write(&self, name: &str, over: &Over, tag: &str, bytes: &[u8]) -> Result<Wrote, StoreError> {
        const INSERT: &str = "INSERT INTO factfs_objects (place, name, tag, modified_ms, bytes)
            VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (place, name) DO";
        let sql = match over {
            Over::Anything => {
                &format!("{INSERT} UPDATE SET tag = ?3, modified_ms = ?4, bytes = ?5")
            }
            Over::Nothing => &format!("{INSERT} NOTHING"),
            Over::Tag(_) => {
                "UPDATE factfs_objects SET tag = ?3, modified_ms = ?4, bytes = ?5
                 WHERE place = ?1 AND name = ?2 AND tag = ?6"
            }
        };
        let now_ms = SystemHost.now_ms();
        let changed = self.change(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            match over {
                Over::Tag(old) => {
                    statement.execute(params![self.place, name, tag, now_ms, bytes, old])
                }
                _ => statement.execute(params![self.place, name, tag, now_ms, bytes]),
            }
        });
        match changed {
            Ok(0) => Ok(Wrote::No),
            Ok(_) => Ok(Wrote::Yes),
            Err(error) if may_be_applied(&error) => Ok(Wrote::Unknown(self.failed(name, error))),
            Err(error) => Err(self.failed(name, error)),
        }
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM factfs_objects WHERE place = ?1 AND name = ?2";
        let deleted = self.read(name, |connection| {
            connection.prepare_cached(SQL)?.execute(params![self.place, name])
        });
        deleted.map(|_| ())
    }

    fn list(&self, from: &str, below: &str) -> Result<Vec<Listed>, StoreError> {
        const SQL: &str = "SELECT name, length(bytes), modified_ms FROM factfs_objects
            WHERE place = ?1 AND name >= ?2 AND name < ?3 ORDER BY name";
        let found = self.read("list", |connection| {
            let mut statement = connection.prepare_cached(SQL)?;
            let rows = statement.query_map(params![self.place, from, below], |row| {
                let size_bytes = row.get::<_, i64>(1)?.unsigned_abs();
                Ok(Listed { key: row.get(0)?, size_bytes, modified_ms: row.get(2)? })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        Ok(found?.unwrap_or_default())
    }

    fn error(&self, kind: StoreErrorKind, object: &str, reason: &str) -> StoreError {
        StoreError::new(kind, &self.url, object, reason)
    }

    fn failed(&self, object: &str, error: rusqlite::Error) -> StoreError {
        use StoreErrorKind::{Corrupt, Denied, Full, Invalid, ReadOnly, Unavailable};
        let code = error.sqlite_error_code();
        let (kind, reason) = match code {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                let seconds = self.busy.as_secs();
                (Unavailable, format!("other writers held the file for {seconds} s"))
            }
            Some(ErrorCode::ReadOnly) => (ReadOnly, "the file may be read, not written".into()),
            Some(ErrorCode::PermissionDenied) => (Denied, "permission denied".into()),
            Some(ErrorCode::DiskFull) => (Full, "no space left on the file system".into()),
            Some(ErrorCode::NotADatabase) => (Corrupt, "this is no SQLite file".into()),
            Some(ErrorCode::DatabaseCorrupt) => (Corrupt, format!("the file is damaged: {error}")),
            Some(ErrorCode::TooBig) => (Invalid, "an object in SQLite has at most 1 GB".into()),
            Some(ErrorCode::CannotOpen) => self.why_not_opened(),
            _ => (Unavailable, error.to_string()),
        };
        self.error(kind, object, &reason).because(error)
    }

    /// SQLite only says that it cannot: asks the file system why.
    fn why_not_opened(&self) -> (StoreErrorKind, String) {
        use StoreErrorKind::{Denied, Invalid, ReadOnly, Unavailable};
        let folder = self.file.parent().unwrap_or(&self.file);
        if !folder.is_dir() {
            return (Invalid, format!("there is no directory {}", folder.display()));
        }
        if self.file.is_dir() {
            return (Invalid, format!("{} is a directory", self.file.display()));
        }
        match std::fs::File::open(&self.file) {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                (Denied, "permission denied by the file system".into())
            }
            Ok(_) => {
                let reason = "SQLite keeps a log beside the file, and may not write here";
                (ReadOnly, reason.into())
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                (ReadOnly, "the file cannot be made here".into())
            }
            Err(e) => (Unavailable, e.to_string()),
        }
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    if pages == 0 {
        // Before the first page is written. The map of pages that comes with it lets SQLite go to
        // the middle of a large object without reading all before it.
        connection.pragma_update(None, "page_size", 8192)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.execute_batch(CREATE)
}

/// Part of an object; the inner error is its length, where the range does not fit.
fn part(
    connection: &Connection,
    place: &str,
    what: &Fetch,
) -> rusqlite::Result<Option<Result<Bytes, u64>>> {
    const WHOLE: &str = "SELECT bytes FROM factfs_objects WHERE place = ?1 AND name = ?2";
    const ROW: &str =
        "SELECT rowid, length(bytes) FROM factfs_objects WHERE place = ?1 AND name = ?2";
    let key = params![place, what.key];
    let Some(range) = &what.range else {
        let mut statement = connection.prepare_cached(WHOLE)?;
        let bytes = statement.query_row(key, |row| row.get::<_, Vec<u8>>(0)).optional()?;
        return Ok(bytes.map(|bytes| Ok(Bytes::from(bytes))));
    };
    let mut statement = connection.prepare_cached(ROW)?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let Some((id, length)) = statement.query_row(key, row).optional()? else { return Ok(None) };
    let length = length.unsigned_abs();
    if range.end > length {
        return Ok(Some(Err(length)));
    }
    let mut bytes = vec![0; (range.end - range.start) as usize];
    let blob = connection.blob_open("main", "factfs_objects", "bytes", id, true)?;
    blob.read_at_exact(&mut bytes, range.start as usize)?;
    Ok(Some(Ok(bytes.into())))
}

fn no_table(error: &rusqlite::Error) -> bool {
    // SQLite has no code of its own for it.
    error.sqlite_error_code() == Some(ErrorCode::Unknown)
        && error.to_string().contains("no such table")
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether a write that failed may be found in the file all the same, later.
fn may_be_applied(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), None | Some(ErrorCode::SystemIoFailure))
}

impl Table for Sqlite {
    fn get(&self, what: Vec<Fetch>) -> BoxFuture<'_, Result<Vec<Bytes>, StoreError>> {
        Box::pin(self.apart(move |inner| inner.get(&what)))
    }

    fn tagged(
        &self,
        name: String,
        unless: Option<String>,
    ) -> BoxFuture<'_, Result<Tagged, StoreError>> {
        Box::pin(self.apart(move |inner| inner.tagged(&name, unless.as_deref())))
    }

    fn write(
        &self,
        name: String,
        over: Over,
        tag: String,
        bytes: Bytes,
    ) -> BoxFuture<'_, Result<Wrote, StoreError>> {
        Box::pin(self.apart(move |inner| inner.write(&name, &over, &tag, &bytes)))
    }

    fn delete(&self, name: String) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.apart(move |inner| inner.delete(&name)))
    }

    fn list(&self, from: String, below: String) -> BoxFuture<'_, Result<Vec<Listed>, StoreError>> {
        Box::pin(self.apart(move |inner| inner.list(&from, &below)))
    }
}
