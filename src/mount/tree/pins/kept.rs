//! Which pins a mount knows: those whose `.meta` was read here, and those that are kept.
//!
//! Kept is what was given a name, or was mounted with. It lies beside the mount's own queries, in
//! their folder: `.pins/ID/pin.edn`, `.pins/ID/NAME.meta`, and `.pins/q3`, a link to `ID`.
//!
//! **Invariant:** what was read lately is known without a file; what is kept is known as long as
//! its files are there. A pin is believed only under the id that its commits make.

use super::{Pin, Recipe, is_pin_id, path_to, read_either};
use crate::error::{Failure, Kind, Result};
use crate::tree::desk::{LocalDesk, disk};
use crate::tree::node::Name;
use lru::LruCache;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many pins, and recipes, are remembered that are not kept.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// The pins of a mount.
pub struct KnownPins {
    folder: Option<PathBuf>,
    state: Mutex<State>,
}

struct State {
    pins: LruCache<Name, Pin>,
    /// The `.meta` that says how the answer is made.
    metas: LruCache<InPin, Arc<str>>,
    /// What is kept in memory: where there is no folder, or it cannot be written.
    kept: BTreeMap<Name, Pin>,
    kept_metas: BTreeMap<InPin, Arc<str>>,
    names: BTreeMap<String, Name>,
}

/// A pin, and a name under its `results/`.
type InPin = (Name, Name);

impl KnownPins {
    /// Those kept beside these queries.
    pub fn beside(desk: &LocalDesk) -> Self {
        let folder = match desk {
            LocalDesk::Folder(folder) => Some(folder.join(".pins")),
            LocalDesk::Memory(_) => None,
        };
        let (pins, metas) = (LruCache::new(REMEMBERED), LruCache::new(REMEMBERED));
        let (kept, kept_metas, names) = Default::default();
        let state = State { pins, metas, kept, kept_metas, names };
        Self { folder, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what a `.meta` says that was read.
    pub fn note(&self, recipe: &Recipe, meta: &str) {
        let pin = recipe.pin();
        let id = pin.id();
        let mut state = self.lock();
        if let Some(name) = recipe.name() {
            state.metas.put((id.clone(), name), meta.into());
        }
        state.pins.put(id, pin);
    }

    /// The pin of an id.
    pub fn get(&self, id: &str) -> Result<Option<Pin>> {
        let remembered = |state: &mut State| state.pins.get(id).cloned();
        let found = remembered(&mut self.lock());
        if let Some(pin) = found.or_else(|| self.lock().kept.get(id).cloned()) {
            return Ok(Some(pin));
        }
        let Some(folder) = &self.folder else { return Ok(None) };
        let path = folder.join(id).join("pin.edn");
        let Some(text) = read_text(&path)? else { return Ok(None) };
        let pin = Pin::read(&text).map_err(|failure| at(&path, failure))?;
        if *pin.id() != *id {
            let message = format!("{} is of pin {}", path.display(), pin.id());
            return Err(Failure::new(Kind::Invalid, message));
        }
        self.lock().pins.put(id.into(), pin.clone());
        Ok(Some(pin))
    }

    /// How the answer of this name under a pin's `results/` is made.
    pub fn recipe(&self, id: &str, name: &str) -> Result<Option<Recipe>> {
        let key = (Name::from(id), Name::from(name));
        let remembered = |state: &mut State| {
            let found = state.metas.get(&key).cloned();
            found.or_else(|| state.kept_metas.get(&key).cloned())
        };
        let found = remembered(&mut self.lock());
        if let Some(meta) = found {
            return Recipe::read(&meta).map(Some);
        }
        let Some(folder) = &self.folder else { return Ok(None) };
        let path = folder.join(id).join(format!("{name}.meta"));
        let Some(text) = read_text(&path)? else { return Ok(None) };
        let recipe = Recipe::read(&text).map_err(|failure| at(&path, failure))?;
        // What was changed is another answer, and has another name.
        if recipe.name().as_deref() != Some(name) {
            return Ok(None);
        }
        self.lock().metas.put(key, text.into());
        Ok(Some(recipe))
    }

    /// The answers that were kept with a pin.
    pub fn recipes(&self, id: &str) -> Result<Vec<Recipe>> {
        let state = self.lock();
        let of_pin = state.kept_metas.iter().filter(|((of, _), _)| **of == *id);
        let metas: Vec<Arc<str>> = of_pin.map(|(_, meta)| meta.clone()).collect();
        drop(state);
        let mut found = metas.iter().map(|m| Recipe::read(m)).collect::<Result<Vec<_>>>()?;
        let Some(folder) = &self.folder else { return Ok(found) };
        for file in entries(&folder.join(id))? {
            if let Some(name) = file.strip_suffix(".meta") {
                found.extend(self.recipe(id, name)?);
            }
        }
        Ok(found)
    }

    /// Keeps a pin that is known, with the answers that are known of it.
    pub fn keep(&self, id: &str) -> Result<()> {
        let pin = self.get(id)?.ok_or_else(|| unknown(id))?;
        match &self.folder {
            Some(folder) => self.keep_in(&folder.join(id), id, &pin),
            None => {
                self.keep_here(id, pin);
                Ok(())
            }
        }
    }

    fn keep_here(&self, id: &str, pin: Pin) {
        let noted = self.noted(id);
        let mut state = self.lock();
        state.kept.insert(id.into(), pin);
        state.kept_metas.extend(noted);
    }

    fn keep_in(&self, own: &Path, id: &str, pin: &Pin) -> Result<()> {
        if !own.join("pin.edn").exists() {
            put(own, "pin.edn", &pin.text())?;
        }
        for ((_, name), meta) in self.noted(id) {
            put(own, &format!("{name}.meta"), &meta)?;
        }
        Ok(())
    }

    /// The answers of a pin that are remembered.
    fn noted(&self, id: &str) -> Vec<(InPin, Arc<str>)> {
        let state = self.lock();
        let of_pin = state.metas.iter().filter(|((of, _), _)| **of == *id);
        of_pin.map(|(key, meta)| (key.clone(), meta.clone())).collect()
    }

    /// Keeps what a text pins, a pin's own or a `.meta`: the pin's path from the mount point, or
    /// that of the answer. Where the folder cannot be written, as long as the mount lasts.
    pub fn add(&self, text: &str) -> Result<String> {
        let (pin, recipe) = read_either(text)?;
        let (id, path) = (pin.id(), path_to(&pin, recipe.as_ref()));
        match &recipe {
            Some(recipe) => self.note(recipe, text),
            None => drop(self.lock().pins.put(id.clone(), pin.clone())),
        }
        match self.keep(&id) {
            Err(failure) if matches!(failure.kind, Kind::Denied | Kind::ReadOnly) => {
                self.keep_here(&id, pin);
                Ok(path)
            }
            kept => kept.map(|()| path),
        }
    }

    /// The names that people gave, and the ids that are kept, in order.
    pub fn listed(&self) -> Result<(Vec<String>, Vec<String>)> {
        let state = self.lock();
        let mut ids: Vec<String> = state.kept.keys().map(|id| id.to_string()).collect();
        let mut names: Vec<String> = state.names.keys().cloned().collect();
        drop(state);
        let Some(folder) = &self.folder else { return Ok((names, ids)) };
        for name in entries(folder)? {
            match is_pin_id(&name) {
                true => ids.push(name),
                false if self.named(&name)?.is_some() => names.push(name),
                false => {}
            }
        }
        ids.sort();
        ids.dedup();
        Ok((names, ids))
    }

    /// The id that a name stands for.
    pub fn named(&self, name: &str) -> Result<Option<Name>> {
        let Some(folder) = &self.folder else { return Ok(self.lock().names.get(name).cloned()) };
        let target = match fs::read_link(folder.join(name)) {
            Ok(target) => target,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(disk(&folder.join(name), &error)),
        };
        Ok(target.to_str().filter(|id| is_pin_id(id)).map(Name::from))
    }

    /// Gives a pin a name, in the place of what had it; without a pin, takes the name away.
    pub fn name(&self, name: &str, id: Option<&str>) -> Result<()> {
        if let Some(id) = id {
            self.keep(id)?;
        }
        let Some(folder) = &self.folder else {
            let mut state = self.lock();
            match id {
                Some(id) => state.names.insert(name.to_owned(), id.into()),
                None => state.names.remove(name),
            };
            return Ok(());
        };
        let path = folder.join(name);
        let done = match id {
            Some(id) => relink(folder, &path, id),
            None => fs::remove_file(&path),
        };
        done.map_err(|error| disk(&path, &error))
    }
}

/// The failure of using a pin that nobody told this mount of.
pub(super) fn unknown(id: &str) -> Failure {
    let message = format!("no pin {id} is known here: an id does not say which commits it is of");
    let hint = "mount with --pin FILE, a pin.edn or the .meta of an answer";
    Failure::not_found(message).hint(hint)
}

fn at(path: &Path, failure: Failure) -> Failure {
    Failure { message: format!("{}: {}", path.display(), failure.message), ..failure }
}

fn is_absent(error: &io::Error) -> bool {
    // What is there and no link is no name of a pin.
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput)
}

fn read_text(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(disk(path, &error)),
    }
}

fn entries(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| disk(folder, &error))?,
    };
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

fn put(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    crate::tree::desk::replace(folder, &path, text).map_err(|error| disk(&path, &error))
}

/// A link is replaced wholly or not at all, as a file is.
fn relink(folder: &Path, path: &Path, id: &str) -> io::Result<()> {
    let beside = tempfile::Builder::new().prefix(".name").tempdir_in(folder)?;
    let new = beside.path().join("link");
    std::os::unix::fs::symlink(id, &new)?;
    fs::rename(&new, path)
}
