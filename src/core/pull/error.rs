//! Why nothing could be pulled.
//!
//! **Invariant:** the message names the form at fault as it was written; where it stands in the
//! text is found by `place`.

use crate::catalogue::Code;
use crate::db::DbError;
use crate::nearest::hint;
use crate::value::Keyword;

/// Why nothing could be pulled.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PullError {
    /// The pattern is none.
    #[error("{expected}, not {found}{}", hint(.nearest))]
    Syntax {
        /// What was expected.
        expected: &'static str,
        /// What was there.
        found: String,
        /// What was meant, if it is like something that can be written.
        nearest: Option<String>,
    },
    /// An attribute is used for what it is not.
    #[error("{attribute}: {reason}")]
    Attribute {
        /// As it was written.
        attribute: Keyword,
        /// What it would have to be.
        reason: &'static str,
    },
    /// A function that is not in the list.
    #[error("unknown function {name} for :xform{}; there are {known}", hint(.nearest))]
    UnknownXform {
        /// What was written.
        name: String,
        /// The one that is most like it, if one is alike.
        nearest: Option<String>,
        /// Those that can be written.
        known: String,
    },
    /// A function got a value that it cannot take.
    #[error(":xform {name} cannot take the {found} of {attribute}")]
    Xform {
        /// The function.
        name: &'static str,
        /// The attribute.
        attribute: Keyword,
        /// The type of the value.
        found: &'static str,
    },
    /// Recursion went too deep.
    #[error("the pattern goes deeper than {limit} entities; give its recursion a depth")]
    TooDeep {
        /// How deep it may go.
        limit: usize,
    },
    /// Recursion made too much.
    #[error("the pattern makes more than {limit} maps by recursion; give its recursion a depth")]
    TooLarge {
        /// How many it may make.
        limit: usize,
    },
    /// The database could not be read.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl PullError {
    /// Which kind of error it is, in the catalogue.
    pub fn code(&self) -> Code {
        match self {
            Self::Syntax { .. } => Code::PullSyntax,
            Self::Attribute { .. } => Code::PullAttribute,
            Self::UnknownXform { .. } => Code::PullUnknownFunction,
            Self::Xform { .. } => Code::PullFunction,
            Self::TooDeep { .. } => Code::PullTooDeep,
            Self::TooLarge { .. } => Code::PullTooLarge,
            Self::Db(error) => error.code(),
        }
    }
}
