//! Opens databases: for reading a value of one, or for writing to the head of a branch.
//!
//! **Invariant:** a moment in the past is read and never written.

use super::exit::Problem;
use factfs_core::db::Db;
use factfs_store::{Database, Error, Kind, Locator, Settings};

/// A database, open.
pub fn open(locator: &Locator) -> Result<Database, Error> {
    Database::open(locator, &Settings::from_env())
}

/// The value that was named.
pub fn read(locator: &Locator) -> anyhow::Result<(Database, Db)> {
    let database = open(locator)?;
    let db = value(&database, locator)?;
    Ok((database, db))
}

/// The value that was named, of a database that is open.
pub fn value(database: &Database, locator: &Locator) -> Result<Db, Error> {
    match &locator.at {
        Some(when) => Ok(database.at(when)?.db),
        None => database.db(),
    }
}

/// A database that is to be written.
pub fn write(locator: &Locator) -> anyhow::Result<Database> {
    if let Some(when) = &locator.at {
        let text = format!("{locator} is a moment in the past, and the past is not written");
        let hint = format!("leave out @{when}, or make a branch from it: factfs branch create");
        return Err(Problem::new(Kind::ReadOnly, text).hint(hint).into());
    }
    Ok(open(locator)?)
}
