//! The databases of a file, made when a case first asks for them.
//!
//! **Invariant:** a database holds exactly the recorded datoms: it is made by its recorded
//! transactions where they come to that, else from the datoms themselves, and the difference is
//! told.

use super::call::Stop;
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
    made: BTreeMap<String, Result<Loaded, Stop>>,
}

impl<'f> Databases<'f> {
    pub fn new(file: &'f File) -> Self {
        Self { file, made: BTreeMap::new() }
    }

    /// The database of a name, or why there is none.
    pub fn get(&mut self, name: &str) -> Result<Loaded, Stop> {
        if let Some(made) = self.made.get(name) {
            return made.clone();
        }
        let made = match self.file.dbs.get(name) {
            None => Err(Stop::runner(format!("there is no database {name}"))),
            Some(form) => make(form, &self.file.dbs.values().collect::<Vec<_>>()),
        };
        self.made.insert(name.to_owned(), made.clone());
        made
    }
}

fn make(form: &Form, others: &[&Form]) -> Result<Loaded, Stop> {
    if form.get("datoms").and_then(Form::as_seq).is_none() {
        let is_host = form.get("datoms").is_some_and(|datoms| datoms.is_keyword("host"));
        return Err(if is_host { Stop::Host } else { Stop::runner("no datoms are recorded") });
    }
    let recorded = load::Recorded::read(form, others).map_err(Stop::NoDatabase)?;
    let (db, names) = (recorded.db().map_err(Stop::NoDatabase)?, recorded.names.clone());
    let Some(list) = form.get("steps").and_then(Form::as_seq) else {
        return Ok(Loaded { db, origin: Origin::Datoms, names });
    };
    Ok(match steps::run(&recorded, list).and_then(|made| steps::same(&recorded, &made, &db)) {
        Ok(made) => Loaded { db: made, origin: Origin::Steps, names },
        Err(difference) => Loaded { db, origin: Origin::Differs(difference), names },
    })
}
