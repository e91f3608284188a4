//! Built-in functions on values, for those who have no query: predicates of attributes and of
//! entities.
//!
//! **Invariant:** a function means here what it means in a query; those that read a database, or
//! that chance decides, are none.

use super::functions::{self, FnError, Kind, Scratch};
use super::limits::Watch;
use super::suggest;
use crate::nearest::hint;
use crate::value::Value;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PredicateError {
    /// No built-in function has this name.
    #[error("unknown predicate {name}{}", hint(.nearest))]
    Unknown {
        /// What was written.
        name: String,
        /// The built-in function that is most like it, if one is alike.
        nearest: Option<String>,
    },
    /// The function takes another number of arguments.
    #[error("{name}: {usage}, got {got}")]
    Arity {
        /// The function.
        name: String,
        /// How many it takes, in words.
        usage: String,
        /// How many there are.
        got: usize,
    },
    /// The function has no value for these arguments.
    #[error("{name}: {error}")]
    Failed {
        /// The function.
        name: String,
        /// Why, in words.
        error: String,
    },
}

/// Whether a built-in function holds for these arguments: its value is neither nil nor false.
pub fn holds(name: &str, args: &[Value]) -> Result<bool, PredicateError> {
    const CHANCE: [&str; 2] = ["rand", "rand-int"];
    let unknown =
        || PredicateError::Unknown { name: name.to_owned(), nearest: suggest::function(name) };
    let function = functions::find(name).filter(|f| !CHANCE.contains(&f.name));
    let function = function.ok_or_else(unknown)?;
    if !(function.min..=function.max).contains(&args.len()) {
        let (name, usage) = (name.to_owned(), function.usage());
        return Err(PredicateError::Arity { name, usage, got: args.len() });
    }
    let failed =
        |error: FnError| PredicateError::Failed { name: name.to_owned(), error: error.to_string() };
    match function.kind {
        Kind::Pure(run) => {
            let mut scratch = Scratch::new(0, Watch::default());
            run(args, &mut scratch).map(|value| value.is_truthy()).map_err(failed)
        }
        Kind::Compare(comparison) => Ok(comparison.of(args)),
        _ => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_functions_hold_or_not() {
        assert_eq!(holds("pos?", &[Value::Long(1)]), Ok(true));
        assert_eq!(holds("clojure.core/pos?", &[Value::Long(-1)]), Ok(false));
        assert_eq!(holds("<", &[Value::Long(1), Value::Long(2)]), Ok(true));
        assert_eq!(holds("clojure.string/blank?", &[Value::str(" ")]), Ok(true));
        let nearest = Some("pos?".to_owned());
        let name = "poss?".to_owned();
        assert_eq!(holds("poss?", &[]), Err(PredicateError::Unknown { name, nearest }));
        assert!(matches!(holds("rand", &[]), Err(PredicateError::Unknown { .. })));
        assert!(matches!(holds("pos?", &[]), Err(PredicateError::Arity { .. })));
        assert!(matches!(holds("pos?", &[Value::str("x")]), Err(PredicateError::Failed { .. })));
    }
}
