//! What the errors of object_store mean to the caller of a store.
//!
//! **Invariant:** what may have been applied is never called refused. The status of an answer is
//! read from the text of the error, because the type that carries it is private to object_store.

use super::reach::Unreachable;
use factfs_core::store::{StoreError, StoreErrorKind};
use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};
use std::error::Error as _;

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Read,
    Write,
}

/// The error of a store for an error of object_store.
pub(super) fn failed(
    url: &str,
    object: &str,
    asked: Asked,
    has_read: bool,
    error: Error,
) -> StoreError {
    use StoreErrorKind::{Denied, Invalid, NotFound, ReadOnly, Unavailable};
    if let Error::Unauthenticated { path, source } = &error
        && path == "credentials"
    {
        // Of our own: it says all in one line.
        return StoreError::new(Denied, url, object, source.to_string());
    }
    let (kind, reason): (_, String) = match &error {
        Error::NotFound { .. } => (NotFound, missing(&error)),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => match (asked, has_read) {
            (Asked::Write, true) => {
                (ReadOnly, "these credentials may read here, and not write (HTTP 403)".into())
            }
            (Asked::Write, false) => (Denied, format!("writing was refused: {}", said(&error))),
            (Asked::Read, _) => (Denied, format!("reading was refused: {}", said(&error))),
        },
        Error::NotSupported { .. }
        | Error::NotImplemented { .. }
        | Error::InvalidPath { .. }
        | Error::UnknownConfigurationKey { .. } => (Invalid, said(&error)),
        _ => match (transport(&error), status(&error)) {
            (Some(HttpErrorKind::Connect), _) => {
                (Unavailable, format!("cannot be reached: {}", root(&error)))
            }
            (Some(HttpErrorKind::Timeout), _) => (Unavailable, "did not answer in time".to_owned()),
            (_, Some(n)) if later(n) => {
                (Unavailable, format!("asks to be asked later: {}", said(&error)))
            }
            (_, Some(400..=499)) => (Invalid, said(&error)),
            _ if not_partial(&error) => {
                (Invalid, "the server cannot send part of a file (no range requests)".into())
            }
            _ => (Unavailable, said(&error)),
        },
    };
    StoreError::new(kind, url, object, reason).because(error)
}

/// Whether the service looked at a write and said no: it was not applied, and will not be.
pub(super) fn refused(error: &Error) -> bool {
    // An earlier attempt of the same request may have been applied before this one was refused.
    let repeated = chain(error).any(|text| text.contains(" retries, max_retries: "));
    let denied = matches!(
        error,
        Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::NotFound { .. }
            | Error::NotImplemented { .. }
            | Error::NotSupported { .. }
            | Error::InvalidPath { .. }
    );
    let client_error = status(error).is_some_and(|n| (400..500).contains(&n) && !later(n));
    !repeated && (denied || client_error)
}

/// Whether a status says that the same may succeed later.
fn later(status: u16) -> bool {
    status == 408 || status == 429
}

/// Whether the object is shorter than the range asked.
pub(super) fn out_of_range(error: &Error) -> bool {
    // object_store notices by itself what a service answered with less.
    let noticed = |text: String| {
        text.contains("Requested ") && text.contains(", got ")
            || text.contains("Wanted range starting at")
    };
    status(error) == Some(416) || chain(error).any(noticed)
}

fn not_partial(error: &Error) -> bool {
    chain(error).any(|text| text.contains("non-partial response when range requested"))
}

fn missing(error: &Error) -> String {
    let what = if no_bucket(error) { "bucket" } else { "object" };
    format!("there is no such {what}")
}

/// Whether it is not an object that is missing, but the whole place.
pub(super) fn no_bucket(error: &Error) -> bool {
    let names = ["NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist"];
    chain(error).any(|text| names.iter().any(|name| text.contains(name)))
}

fn sources(error: &Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |&error| error.source())
}

fn chain(error: &Error) -> impl Iterator<Item = String> {
    sources(error).map(ToString::to_string)
}

fn transport(error: &Error) -> Option<HttpErrorKind> {
    if sources(error).any(|error| error.downcast_ref::<Unreachable>().is_some()) {
        return Some(HttpErrorKind::Connect);
    }
    sources(error).find_map(|error| error.downcast_ref::<HttpError>()).map(HttpError::kind)
}

fn status(error: &Error) -> Option<u16> {
    const BEFORE: &str = "non-2xx status code: ";
    chain(error).find_map(|text| {
        let from = text.find(BEFORE)? + BEFORE.len();
        text.get(from..from + 3)?.parse().ok()
    })
}

/// The last word of the chain: what the operating system said.
fn root(error: &Error) -> String {
    chain(error).last().unwrap_or_default()
}

/// What the service said, in one line: the message of its XML, if there is one.
fn said(error: &Error) -> String {
    let texts: Vec<_> = chain(error).collect();
    let tag = |name: &str| {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        texts.iter().find_map(|text| {
            let from = text.find(&open)? + open.len();
            let length = text.get(from..)?.find(&close)?;
            text.get(from..from + length).map(str::to_owned)
        })
    };
    if let (Some(code), Some(message)) = (tag("Code"), tag("Message")) {
        return format!("{code}: {message}");
    }
    if let Some(status) = status(error) {
        return format!("HTTP {status}");
    }
    let line = root(error).split_whitespace().collect::<Vec<_>>().join(" ");
    if error.source().is_none() { error.to_string() } else { line }
}
