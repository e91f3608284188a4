//! Files of this machine as sources of the mount's own queries.
//!
//! **Invariant:** only a query that is kept on this machine may name a file, and only where it is
//! read as of now: what is stored in a database travels, and a file has no past. Naming one costs
//! no more than reading it once while it stays as it is.

use super::answer::{Limits, Question};
use super::desk::LocalDesk;
use super::diff::row_bytes;
use super::node::Scope;
use super::plan::Pinned;
use super::{Tree, pins};
use crate::error::{Failure, Kind, Result};
use crate::local::{self, LocalFile};
use crate::spool::Cancel;
use factfs_core::query::Query;
use factfs_core::value::{Tag, Value};
use std::path::PathBuf;
use std::time::Instant;

/// A file of more bytes is not read for a size alone.
const SMALL_BYTES: u64 = 256 << 10;

/// A file that a query reads as rows.
#[derive(Clone, Debug)]
pub struct FileSource {
    /// `$x`
    pub symbol: String,
    /// The file.
    pub file: LocalFile,
    /// The types of its columns, as far as attributes tell.
    pub types: Vec<Option<Tag>>,
}

impl Tree {
    /// The file that a query calls by this path, as it is now.
    pub(super) fn file_of(&self, scope: &Scope, symbol: &str, path: &str) -> Result<FileSource> {
        if let Some(why) = refused(scope) {
            let message = format!("{symbol}: `file:{path}`: {why}");
            let hint = "a query in MOUNT/queries may name a file, and is read in MOUNT/results";
            return Err(Failure::new(Kind::Invalid, message).hint(hint));
        }
        let base = match &self.desk {
            LocalDesk::Folder(folder) => Some(folder.as_path()),
            LocalDesk::Memory(_) => None,
        };
        let found = local::absolute(path, base)
            .and_then(|path| self.contents.look(&path, self.limits.bytes, self.now_ms()));
        let file = found.map_err(|failure| Failure {
            message: format!("{symbol}: {}", failure.message),
            ..failure
        })?;
        Ok(FileSource { symbol: symbol.to_owned(), file, types: Vec::new() })
    }

    /// The file as a recipe says it was, wherever it is now; it is not looked at.
    pub(super) fn file_again(read: &pins::FileRead) -> FileSource {
        let file = LocalFile {
            path: PathBuf::from(&read.path),
            format: read.format,
            bytes: read.bytes,
            blake3: read.blake3.clone(),
            mtime_ms: 0,
            is_outside: false,
        };
        FileSource { symbol: read.symbol.clone(), file, types: Vec::new() }
    }
}

/// Why no file can be named there.
fn refused(scope: &Scope) -> Option<&'static str> {
    match scope {
        Scope::Mount => None,
        Scope::Snapshot(_) => Some("a query that is read in a store names no files"),
        Scope::Time(_) => Some("a file has no past"),
        Scope::Pin(_) => Some("a pin keeps no files"),
    }
}

impl FileSource {
    /// What the answer depends on.
    pub(super) fn identity(&self) -> String {
        let LocalFile { blake3, format, .. } = &self.file;
        format!("{} file {blake3} {}", self.symbol, format.extension())
    }

    /// Reads columns by the types of the attributes that their variables are values of.
    pub(super) fn typed(self, query: &Query, sources: &[Pinned]) -> Self {
        let schema = |name: &str| {
            let pinned = sources.iter().find(|p| p.symbol == name && p.changes.is_none());
            pinned.map(|pinned| pinned.moment.db.schema())
        };
        Self { types: query.column_types(&self.symbol, &schema), ..self }
    }

    /// Its rows, as far as the limits go.
    pub(super) fn relation(
        &self,
        limits: &Limits,
        started: Instant,
        cancel: &Cancel,
    ) -> Result<Value> {
        let (mut all, mut bytes): (Vec<Value>, u64) = (Vec::new(), 0);
        let at = self.file.path.display();
        self.file.rows(&self.types, &mut |row| {
            cancel.check()?;
            if started.elapsed() > limits.time {
                let message = format!("{at} takes longer than {:?} to read", limits.time);
                return Err(Failure::new(Kind::Timeout, message));
            }
            bytes += row_bytes(&row);
            if bytes > limits.memory_bytes {
                let message = format!("the rows of {at} take more than {}", limits.memory_bytes);
                let hint = "import it into a store, and read it there";
                return Err(Failure::new(Kind::Memory, message + " bytes").hint(hint));
            }
            all.push(Value::from(row));
            Ok(())
        })?;
        Ok(Value::from(all))
    }
}

impl Question {
    /// Whether its files are read in no time.
    pub(super) fn has_small_files(&self) -> bool {
        self.files.iter().all(|(_, source)| source.file.bytes <= SMALL_BYTES)
    }
}
