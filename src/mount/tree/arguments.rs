//! Components of a path that are arguments of a query: how many it takes, and what one means.
//!
//! **Invariant:** a name that means a database is never an argument, whether or not that database
//! can be read. What has no type by an attribute is what it is in EDN, else text.

use super::Tree;
use super::node::Scope;
use crate::error::{Failure, Kind, Result};
use crate::name::{self, Unescaped};
use factfs_core::edn::{self, Form};
use factfs_core::query::{InputKind, InputSpec, QueryFile};
use factfs_core::value::Value;

impl Tree {
    /// How many arguments a query takes from the path.
    pub(super) fn open_inputs(&self, scope: &Scope, saved: &QueryFile) -> usize {
        let open = |spec: &&InputSpec| match spec.kind {
            InputKind::Source => {
                saved.input(&spec.name).is_none() && !self.finds(scope, &spec.name)
            }
            InputKind::Scalar => saved.input(&spec.name).is_none(),
            _ => false,
        };
        saved.query.inputs().iter().filter(open).count()
    }

    fn finds(&self, scope: &Scope, symbol: &str) -> bool {
        // A pin knows the name of a store that is not mounted: opening the result says so.
        symbol == "$" || self.called(scope, &symbol[1..]).map_or(true, |found| found.is_some())
    }
}

/// A path component as text: escapes are decoded, and what needs none may be typed as it is.
pub(super) fn argument_text(arg: &str) -> Result<String> {
    let bytes = match name::unescape(arg) {
        Some(Unescaped::Whole(bytes)) => bytes,
        Some(Unescaped::Shortened { .. }) => {
            return Err(Failure::new(Kind::NameTooLong, "an argument may be at most 240 bytes"));
        }
        None if !arg.contains('%') => arg.as_bytes().to_vec(),
        None => return Err(Failure::not_found(format!("`{arg}` is no escaped value"))),
    };
    String::from_utf8(bytes).map_err(|_| Failure::not_found("an argument that is not UTF-8"))
}

/// A value whose type nothing tells: what it is in EDN, if it is a number, keyword or the like,
/// else text.
pub(super) fn untyped(text: &str) -> Value {
    match edn::read_one(text).ok().as_ref().and_then(Form::as_value) {
        Some(Value::Symbol(_)) | None => Value::str(text),
        Some(value) => value.clone(),
    }
}
