//! What changed between two moments of a database, as it is named on the command line and in query
//! files: `DB/diff/A..B`, and `DB/diff/A..B/KIND`.
//!
//! **Invariant:** both moments are of one database, opened once. What is no such name is a
//! database.

use super::args::locator;
use super::open;
use anyhow::Context;
use factfs_core::conn::Moment;
use factfs_core::db::{ChangeKind, ChangeRows};
use factfs_core::value::Value;
use factfs_mount::tree::pins::Pin;
use factfs_mount::when;
use factfs_store::{Database, Error, Locator, shown};

/// Two moments of a database.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Which database, and of which branch numbers and times are.
    pub locator: Locator,
    /// From which moment to which.
    pub ends: [String; 2],
    /// Changes of one kind; `None` is all.
    pub kind: Option<ChangeKind>,
}

impl Changes {
    /// Reads `DB/diff/A..B`; `None` where that is not what it says.
    pub fn read(text: &str) -> anyhow::Result<Option<Self>> {
        let Some((database, _)) = text.rsplit_once("/diff/") else { return Ok(None) };
        let rest = &text[database.len() + 1..];
        let place = Locator { url: database.to_owned(), branch: None, at: None };
        let Some(changes) = Self::of(&place, rest) else { return Ok(None) };
        Ok(Some(Self { locator: Locator { at: None, ..locator(database)? }, ..changes }))
    }

    /// Reads `diff/A..B` of a database.
    pub fn of(locator: &Locator, rest: &str) -> Option<Self> {
        let rest = rest.strip_prefix("diff/")?;
        let (range, kind) = match rest.split_once('/') {
            Some((range, kind)) => {
                (range, Some(ChangeKind::ALL.into_iter().find(|known| known.name() == kind)?))
            }
            None => (rest, None),
        };
        let (from, to) = when::range(range)?;
        let ends = [from.to_owned(), to.to_owned()];
        Some(Self { locator: Locator { at: None, ..locator.clone() }, ends, kind })
    }

    /// Both values; what names a branch is what a pin has of it, if there is one.
    pub fn open(&self, pin: Option<&Pin>) -> anyhow::Result<(Database, [Moment; 2])> {
        let database = open::open(&self.locator)?;
        let at = |when: &String| {
            let place = || format!("{}@{when}", shown(&self.locator.url));
            let moment = match pin {
                Some(pin) => open::at_or_pinned(&database, &self.locator, when, pin),
                None => open::at(&database, when),
            };
            moment.with_context(place)
        };
        let [from, to] = &self.ends;
        let ends = [at(from)?, at(to)?];
        Ok((database, ends))
    }

    /// The rows of all changes, some at a time.
    pub fn rows(
        &self,
        database: &Database,
        [from, to]: [&Moment; 2],
    ) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Vec<Vec<Value>>>>> {
        let mut rows = ChangeRows::new(&to.db);
        let (changes, kind) = (database.difference(&from.db, &to.db)?, self.kind);
        Ok(changes.map(move |some| {
            let made = some.and_then(|some| rows.rows(some, kind));
            Ok(made.map_err(Error::from)?)
        }))
    }
}
