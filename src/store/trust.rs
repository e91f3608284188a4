//! Which places were found to keep their word: a note in the user's cache directory, so that not
//! every command asks a store anew.
//!
//! **Invariant:** only a place that was found safe is noted; one that was not is asked again each
//! time. A note is about one database at one url through one endpoint, by one version of this
//! program. A cache that is missing, or cannot be read or written, means to ask.

use crate::settings::Settings;
use factfs_core::hash::NodeHash;
use factfs_core::value::Uuid;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The variables that say which service a url means.
const ENDPOINTS: [&str; 12] = [
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AZURE_ENDPOINT",
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_STORAGE_USE_EMULATOR",
    "GOOGLE_BASE_URL",
    "HTTPS_PROXY",
    "PGHOST",
    "PGPORT",
];

/// What is known of one place.
#[derive(Debug)]
pub(crate) struct Trust {
    /// Why it is not to be written; `Some(None)` is a safe one.
    known: Mutex<Option<Option<String>>>,
    /// Where notes are, if anywhere.
    folder: Option<PathBuf>,
    /// The program, the url and the endpoint.
    place: String,
}

impl Trust {
    /// Nothing, yet, of the place at `url`.
    pub(crate) fn new(url: &str, settings: &Settings) -> Self {
        let cache = settings.var("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || settings.var("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let cache = cache.filter(|path| path.is_absolute()).or_else(home);
        let mut place = format!("{}\0{url}", env!("CARGO_PKG_VERSION"));
        for name in ENDPOINTS {
            place.push_str(&format!("\0{name}={}", settings.var(name).unwrap_or_default()));
        }
        let folder = cache.map(|cache| cache.join("factfs/trust"));
        Self { known: Mutex::new(None), folder, place }
    }

    /// Why the place is not to be written, if so; `probe` finds out where that is not known. With
    /// a database's `uuid` a note is looked for, and written.
    pub(crate) fn why_not<E>(
        &self,
        uuid: Option<Uuid>,
        probe: impl FnOnce() -> Result<Option<String>, E>,
    ) -> Result<Option<String>, E> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let note = uuid.and_then(|uuid| self.note(uuid));
        let noted = note.as_ref().is_some_and(|note| note.is_file());
        let why = match &*known {
            Some(why) => why.clone(),
            None if noted => None,
            None => probe()?,
        };
        if let (None, Some(note), false) = (&why, &note, noted) {
            write(note);
        }
        Ok(known.insert(why).clone())
    }

    fn note(&self, uuid: Uuid) -> Option<PathBuf> {
        let name = NodeHash::of(format!("{}\0{uuid}", self.place).as_bytes());
        Some(self.folder.as_ref()?.join(name.to_string()))
    }
}

fn write(note: &Path) {
    let folder = note.parent().map_or(Ok(()), std::fs::create_dir_all);
    if let Err(error) = folder.and_then(|()| std::fs::write(note, b"safe\n")) {
        tracing::debug!(%error, "that this store is safe was not noted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let env = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings { env, ..Settings::default() }
    }

    /// Whether a process that comes new to the place asks the store, which answers `why`.
    fn asks(url: &str, uuid: u8, settings: &Settings, why: Option<&str>) -> bool {
        let trust = Trust::new(url, settings);
        let mut asked = 0;
        for _ in 0..2 {
            let probe = || {
                asked += 1;
                Ok::<_, Infallible>(why.map(str::to_owned))
            };
            trust.why_not(Some(Uuid::from_bytes([uuid; 16])), probe).unwrap();
        }
        assert!(asked < 2, "a process asks once");
        asked == 1
    }

    #[test]
    fn a_note_is_about_one_database_url_and_endpoint() {
        let directory = tempfile::tempdir().unwrap();
        let cache = ("XDG_CACHE_HOME", directory.path().to_str().unwrap());
        let (here, there) =
            (settings(&[cache]), settings(&[cache, ("AWS_ENDPOINT_URL", "http://x")]));
        assert!(asks("s3://a/b", 1, &here, None));
        assert!(!asks("s3://a/b", 1, &here, None));
        assert!(asks("s3://a/c", 1, &here, None));
        assert!(asks("s3://a/b", 2, &here, None));
        assert!(asks("s3://a/b", 1, &there, None));
    }

    #[test]
    fn a_place_that_is_not_safe_is_asked_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let here = settings(&[("XDG_CACHE_HOME", directory.path().to_str().unwrap())]);
        assert!(asks("s3://a/b", 1, &here, Some("two winners")));
        assert!(asks("s3://a/b", 1, &here, Some("two winners")));
    }

    #[test]
    fn a_cache_that_is_missing_or_closed_is_no_error() {
        for cache in ["", "relative", "/proc/none", "/dev/null"] {
            let settings = settings(&[("XDG_CACHE_HOME", cache)]);
            assert!(asks("s3://a/b", 1, &settings, None), "{cache}");
            assert!(asks("s3://a/b", 1, &settings, None), "{cache}");
        }
    }
}
