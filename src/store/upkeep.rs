//! What keeps a database well, for callers that wait: looking through it, repairing it, copying it.
//!
//! **Invariant:** each opens the place and no branch of it: a damaged head is met by those who look
//! for it.

use crate::opening::{Opening, wait};
use crate::{Error, Settings};
use factfs_core::clone::{Cloning, Copied, Progress};
use factfs_core::verify::{self, Report, Step};
use std::sync::Arc;

/// Looks through all of a database. What is wrong is in the report; an error is one of reaching it.
pub fn verify(
    url: &str,
    settings: &Settings,
    watch: &mut (dyn FnMut(Step) + Send),
) -> Result<Report, Error> {
    let opening = Opening::new(url, settings)?;
    Ok(wait(verify::verify(&opening.place, watch))??)
}

/// Makes trees, novelty, schema and counts of a branch anew from its log.
pub fn repair(
    url: &str,
    branch: &str,
    settings: &Settings,
    watch: &mut (dyn FnMut(Step) + Send),
) -> Result<(), Error> {
    let opening = Opening::new(url, settings)?;
    opening.require_writable(None)?;
    Ok(wait(verify::repair(&opening.place, branch, watch))??)
}

/// A copy of a database that is made, once or again and again.
#[derive(Debug)]
pub struct Copying(Cloning);

impl Copying {
    /// From one url to another; `fork` makes a database of its own. Nothing is written yet.
    pub fn new(from: &str, to: &str, fork: bool, settings: &Settings) -> Result<Self, Error> {
        let (source, target) = (Opening::new(from, settings)?, Opening::new(to, settings)?);
        target.require_trust(None)?;
        let host: Arc<dyn factfs_core::store::Host> = target.place.host.clone();
        Ok(Self(Cloning::new(source.place.store, target.place.store, host, fork)))
    }

    /// Copies what is new.
    pub fn run(&mut self, watch: &mut (dyn FnMut(Progress) + Send)) -> Result<Copied, Error> {
        Ok(wait(self.0.run(watch))??)
    }

    /// Whether there is something new.
    pub fn has_changed(&self) -> Result<bool, Error> {
        Ok(wait(self.0.has_changed())??)
    }
}
