//! What the errors of PostgreSQL mean to the caller of a store.
//!
//! **Invariant:** what may have been committed is never called refused: only a server that says
//! that the statement failed has refused it.

use factfs_core::store::{StoreError, StoreErrorKind};
use std::error::Error as _;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Read,
    Write,
}

/// The error of a store for one of the client's.
pub(super) fn failed(
    url: &str,
    object: &str,
    asked: Asked,
    has_read: bool,
    error: Error,
) -> StoreError {
    use StoreErrorKind::{Denied, Full, Invalid, NotFound, ReadOnly, Unavailable};
    let said = error.as_db_error().map(|e| e.message().to_owned());
    let code = error.code().map(SqlState::code).unwrap_or_default();
    let (kind, reason) = match (code, said) {
        ("25006", Some(_)) => (ReadOnly, "this server may be read, not written".into()),
        ("42501", Some(_)) if asked == Asked::Write && has_read => {
            (ReadOnly, "this role may read here, and not write".into())
        }
        ("42501", Some(said)) => (Denied, said),
        ("3D000", Some(said)) => (NotFound, format!("{said} (make one with createdb)")),
        ("53100", Some(said)) => (Full, said),
        ("54000", Some(said)) => (Invalid, said),
        (code, Some(said)) if code.starts_with("28") => (Denied, said),
        (_, Some(said)) => (Unavailable, said),
        (_, None) => without_answer(&error),
    };
    StoreError::new(kind, url, object, reason).because(error)
}

/// Of an error that did not come from the server.
fn without_answer(error: &Error) -> (StoreErrorKind, String) {
    let root = root(error);
    if root.contains("password missing") {
        let reason = "the server asks for a password: set PGPASSWORD, or write it into ~/.pgpass";
        return (StoreErrorKind::Denied, reason.into());
    }
    if root.contains("server does not support TLS") {
        let reason = "the server has no TLS: add ?sslmode=disable to go without";
        return (StoreErrorKind::Invalid, reason.into());
    }
    let text = error.to_string();
    if text.contains("TLS handshake") {
        let reason = format!(
            "no TLS connection: {root} (PGSSLROOTCERT names the certificate of an authority of \
             your own; ?sslmode=disable goes without TLS)"
        );
        return (StoreErrorKind::Denied, reason);
    }
    let reason = match text.contains("connect") {
        true => format!("cannot be reached: {root}"),
        false => root,
    };
    (StoreErrorKind::Unavailable, reason)
}

fn root(error: &Error) -> String {
    let mut last: &dyn std::error::Error = error;
    if let Some(mut source) = error.source() {
        last = source;
        while let Some(deeper) = source.source() {
            (last, source) = (deeper, deeper);
        }
    }
    last.to_string()
}

/// Whether the server looked at a statement and said no: it was not committed, and will not be.
pub(super) fn refused(error: &Error) -> bool {
    let code = error.code().map(SqlState::code).unwrap_or_default();
    // Data, constraints, transaction states, access, conflicts, resources; not shutting down, which
    // may happen while a commit waits for its replicas.
    ["22", "23", "25", "28", "3D", "3F", "40", "42", "53", "54", "0A"]
        .iter()
        .any(|class| code.starts_with(class))
}

/// Whether what was to be made is there, or is being made by somebody else at this moment.
pub(super) fn is_there_already(error: &Error) -> bool {
    let codes = [
        SqlState::UNIQUE_VIOLATION,
        SqlState::DUPLICATE_TABLE,
        SqlState::DUPLICATE_OBJECT,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::INTERNAL_ERROR,
    ];
    error.code().is_some_and(|code| codes.contains(code))
}
