//! Opens databases: for reading a value of one, or for writing to the head of a branch.
//!
//! **Invariant:** a moment in the past is read and never written.

use super::exit::Problem;
use anyhow::Context;
use factfs_core::conn::Moment;
use factfs_mount::tree::pins::{Pin, Pinned, whole_commit};
use factfs_store::{Database, Kind, Locator, Settings, shown};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// What the command line says of the cache on disk, in the place of the environment.
static CACHE: OnceLock<[Option<String>; 2]> = OnceLock::new();

/// Where nodes of remote stores are kept on disk, and how many bytes of them.
pub fn set_cache(root: Option<String>, limit: Option<String>) {
    // A program runs one command: nobody else has set it.
    let _ = CACHE.set([root, limit]);
}

/// How stores are opened.
pub fn settings() -> Settings {
    let mut settings = Settings::from_env();
    for (name, given) in
        ["FACTFS_CACHE", "FACTFS_CACHE_BYTES"].into_iter().zip(CACHE.get().into_iter().flatten())
    {
        settings.env.extend(given.iter().map(|value| (name.to_owned(), value.clone())));
    }
    settings
}

/// A database, open.
pub fn open(locator: &Locator) -> anyhow::Result<Database> {
    Database::open(locator, &settings()).with_context(|| shown(&locator.url))
}

/// The value that was named, and which commit it is.
pub fn read(locator: &Locator) -> anyhow::Result<(Database, Moment)> {
    let database = open(locator)?;
    let moment = match &locator.at {
        Some(when) => database.at(when).with_context(|| locator.to_string())?,
        None => {
            let db = database.db()?;
            let (commit, instant_ms) = (db.snapshot().commit, db.snapshot().instant_ms);
            Moment { db, commit, instant_ms, name: None, fixed: false }
        }
    };
    Ok((database, moment))
}

/// The value at a moment of an open database; `head` is the branch that was named, or the default
/// one.
pub fn at(database: &Database, when: &str) -> anyhow::Result<Moment> {
    Ok(database.at(named(database, when)?)?)
}

fn named<'a>(database: &'a Database, when: &'a str) -> anyhow::Result<&'a str> {
    Ok(if when == "head" { database.branch()? } else { when })
}

/// The same, but what names a branch is what a pin has of the database.
pub fn at_or_pinned(
    database: &Database,
    locator: &Locator,
    when: &str,
    pin: &Pin,
) -> anyhow::Result<Moment> {
    let name = named(database, when)?;
    match database.refs()?.branches.contains_key(name) {
        true => in_pin(database, locator, pin),
        false => Ok(database.at(name)?),
    }
}

/// What a pin has of the database that was named.
pub fn pinned(locator: &Locator, pin: &Pin) -> anyhow::Result<(Database, Moment)> {
    let database = open(locator)?;
    let moment = in_pin(&database, locator, pin)?;
    Ok((database, moment))
}

fn in_pin(database: &Database, locator: &Locator, pin: &Pin) -> anyhow::Result<Moment> {
    let uuid = database.uuid();
    let Some(pinned) = pin.of(&uuid) else {
        let store = |(uuid, pinned): (&_, &Pinned)| format!("{} {uuid}", pinned.store);
        let mut known: Vec<String> = pin.stores().map(store).collect();
        known.sort();
        let text = format!("{locator}: pin {} has no commit of it ({uuid})", pin.id());
        let hint = format!(
            "it has: {}; a database that is not pinned is named with @WHEN",
            known.join(", ")
        );
        return Err(Problem::new(Kind::NotFound, text).hint(hint).into());
    };
    database.at(&whole_commit(pinned.commit)).with_context(|| locator.to_string())
}

/// A pin, from a file of one or the `.meta` of an answer.
pub fn pin(file: &Path) -> anyhow::Result<(Pin, String)> {
    let named = || file.display().to_string();
    let text = fs::read_to_string(file).with_context(named)?;
    let pin = Pin::read(&text).with_context(named)?;
    Ok((pin, text))
}

/// A database that is to be written.
pub fn write(locator: &Locator) -> anyhow::Result<Database> {
    if let Some(when) = &locator.at {
        let text = format!("{locator} is a moment in the past, and the past is not written");
        let hint = format!("leave out @{when}, or make a branch from it: factfs branch create");
        return Err(Problem::new(Kind::ReadOnly, text).hint(hint).into());
    }
    open(locator)
}
