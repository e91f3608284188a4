//! What is wrong with a query though it is one by its syntax: names that nothing has, options that
//! mean nothing, forms that other systems know.
//!
//! **Invariant:** what is noted here stops a query from being asked, and stops nobody from reading
//! it.

use crate::query::error::QueryError;

/// Errors in the order in which they were found.
#[derive(Default)]
pub struct Later(Vec<QueryError>);

impl Later {
    /// Keeps an error.
    pub fn note(&mut self, error: QueryError) {
        self.0.push(error);
    }

    /// The value, or what to put in its place if there is an error, which is kept.
    pub fn or<T>(&mut self, value: Result<T, QueryError>, instead: T) -> T {
        value.unwrap_or_else(|error| {
            self.note(error);
            instead
        })
    }

    /// The first error, else the result.
    pub fn first<T>(self, result: Result<T, QueryError>) -> Result<T, QueryError> {
        self.0.into_iter().next().map_or(result, Err)
    }
}
