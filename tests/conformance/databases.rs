//! The databases of a file, made when a case first asks for them.
//!
//! **Invariant:** a database holds exactly the recorded datoms: it is made by its recorded
//! transactions where they come to that, else from the datoms themselves, and the difference is
//! told.

use super::format::File;
use super::{load, steps};
use factfs_core::db::Db;
use factfs_core::edn::Form;
use std::collections::BTreeMap;

/// How a database came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Steps,
    Datoms,
    /// From the datoms, as the steps came to something else.
    Differs(String),
}

/// A database, and what its names mean.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub db: Db,
    pub origin: Origin,
    pub names: load::Names,
}

/// The databases of a file.
pub struct Databases<'f> {
    file: &'f File,
    made: BTreeMap<String, Result<Loaded, String>>,
}

impl<'f> Databases<'f> {
    pub fn new(file: &'f File) -> Self {
        Self { file, made: BTreeMap::new() }
    }

    /// The database of a name, or why there is none.
    pub fn get(&mut self, name: &str) -> Result<Loaded, String> {
        if let Some(made) = self.made.get(name) {
            return made.clone();
        }
        let made = match self.file.dbs.get(name) {
            None => Err(format!("there is no database {name}")),
            Some(form) => make(form, &self.file.dbs.values().collect::<Vec<_>>()),
        };
        self.made.insert(name.to_owned(), made.clone());
        made
    }

    /// Those that were made, and how.
    pub fn origins(&self) -> impl Iterator<Item = (&str, &Origin)> {
        let made = self.made.iter();
        made.filter_map(|(name, made)| Some((name.as_str(), &made.as_ref().ok()?.origin)))
    }
}

fn make(form: &Form, others: &[&Form]) -> Result<Loaded, String> {
    let recorded = load::Recorded::read(form, others)?;
    let (db, names) = (recorded.db()?, recorded.names.clone());
    let Some(list) = form.get("steps").and_then(Form::as_seq) else {
        return Ok(Loaded { db, origin: Origin::Datoms, names });
    };
    Ok(match steps::run(&recorded, list).and_then(|made| steps::same(&recorded, &made, &db)) {
        Ok(made) => Loaded { db: made, origin: Origin::Steps, names },
        Err(difference) => Loaded { db, origin: Origin::Differs(difference), names },
    })
}
