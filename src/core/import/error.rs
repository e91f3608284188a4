//! Why a row says nothing that could be understood.
//!
//! **Invariant:** an error names the line and the column where there are some, and shows what is
//! there. What to do about it is in [`ImportProblem::hint`], as far as it is the same for whoever
//! reads rows.

use crate::db::DbError;
use crate::text::{CellError, RecordError};
use std::fmt;
use std::sync::Arc;

/// What is wrong, and where.
#[derive(Clone, Debug)]
pub struct ImportError {
    /// The line that the row starts on, from 1.
    pub line: Option<u64>,
    /// The name of the column.
    pub column: Option<Arc<str>>,
    /// What is wrong.
    pub problem: ImportProblem,
}

/// What is wrong.
#[derive(Clone, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what each is")]
pub enum ImportProblem {
    #[error("a column has no name")]
    Unnamed,
    #[error("column `{column}`: {character:?} cannot be part of an attribute's name")]
    Character { column: String, character: char },
    #[error("column `{column}`: which attribute is it?")]
    NoNamespace { column: String },
    #[error("unknown attribute :{ident}")]
    UnknownAttribute { ident: String, nearest: Option<String> },
    #[error(":{ident} is no ref: it has no .{via}")]
    NoRef { ident: String, via: String },
    #[error(":{via} does not identify entities: it should be :db/unique")]
    NotUnique { via: String },
    #[error(":{ident} does not identify entities")]
    NotIdentity { ident: String },
    #[error(transparent)]
    Cell(#[from] CellError),
    #[error("`{text}` is no number")]
    NoNumber { text: String },
    #[error("of which entity is {idents} to be retracted?")]
    Nobody { idents: String },
    #[error("{cells} cells under a header of {header}")]
    Cells { cells: usize, header: usize },
    #[error("the header is missing: the file is empty")]
    NoHeader,
    #[error("column {number} is named `{name}` like one before")]
    Doubled { number: usize, name: String },
    #[error("{unit} {number}: an object is expected")]
    NoObject { unit: &'static str, number: u64 },
    #[error("{wanted} columns are asked for, and there are {found}: {columns}")]
    Columns { wanted: usize, found: usize, columns: String },
    #[error("{unit} {number}: rows with names and rows without")]
    MixedRows { unit: &'static str, number: u64 },
    #[error("a collection of rows is expected, not a {shown}")]
    NoRelation { shown: String },
    #[error("`{format}` can be written, not read")]
    NoRows { format: &'static str },
    #[error("line {line}, column {column}: {reason}")]
    Json { line: u64, column: usize, reason: String },
    #[error("`{shown}` is no form of a transaction")]
    NoForm { shown: String },
    #[error("`{shown}` names no entity")]
    NoEntity { shown: String },
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, &self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column `{column}`: ")?,
            (Some(line), None) => write!(f, "line {line}: ")?,
            (None, _) => {}
        }
        self.problem.fmt(f)
    }
}

impl std::error::Error for ImportError {}

impl<P: Into<ImportProblem>> From<P> for ImportError {
    fn from(problem: P) -> Self {
        Self { line: None, column: None, problem: problem.into() }
    }
}

impl ImportProblem {
    /// On this line.
    pub(super) fn on_line(self, line: u64) -> ImportError {
        ImportError { line: Some(line), column: None, problem: self }
    }

    /// In this column of this line.
    pub(super) fn in_column(self, line: u64, column: &Arc<str>) -> ImportError {
        ImportError { line: Some(line), column: Some(column.clone()), problem: self }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownAttribute { nearest: Some(nearest), .. } => {
                format!("did you mean :{nearest}?")
            }
            Self::NotIdentity { .. } => {
                "its schema should say :db/unique :db.unique/identity".to_owned()
            }
            Self::Nobody { .. } => "the row has to name it by db/id or by an identity".to_owned(),
            Self::NoForm { .. } => {
                "a transaction is an array of forms or one object; a form is an object or an array \
                 that begins with an operation, as [\"db/add\", 17, \"a/b\", 1]"
                    .to_owned()
            }
            Self::NoEntity { .. } => {
                "an entity is an id, an \":ident\", [\"an/identity\", value] or a name of your own"
                    .to_owned()
            }
            _ => return None,
        })
    }
}
