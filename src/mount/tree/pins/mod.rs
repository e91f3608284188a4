//! Pins: a commit for each of some stores, fixed for ever under one name.
//!
//! **Invariant:** a pin's id is the beginning of the blake3 of its (uuid, commit) pairs, in the
//! order of the uuids, so it is the same on every machine, whatever the stores are mounted as.
//! Nothing here reads a store: that a commit is there is found out when it is read.

mod again;
mod kept;
mod recipe;
mod shown;

#[cfg(test)]
mod tests;

pub use kept::KnownPins;
pub use recipe::{Answered, Expected, FileRead, Made, Read, Recipe, sources};

use super::node::Name;
use crate::error::{Failure, Kind, Result};
use factfs_core::edn::{self, Form};
use factfs_core::hash::{Hasher, NodeHash};
use factfs_core::id::{CommitId, T};
use factfs_core::instant;
use factfs_core::value::{Uuid, Value};
use std::collections::BTreeMap;
use std::fmt::Write;

/// How many hexadecimal digits an id has.
const DIGITS: usize = 16;

/// A commit for each of some stores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    commits: BTreeMap<Uuid, Pinned>,
}

/// A store's commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// What the store was mounted as where the pin was made: for people.
    pub store: String,
    /// The commit; none is the empty database.
    pub commit: Option<CommitId>,
    /// When that was, milliseconds since 1970.
    pub instant_ms: Option<i64>,
}

/// Whether a name in `pins/` is a pin's id: other names are people's own.
pub fn is_pin_id(name: &str) -> bool {
    let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    name.len() == DIGITS && name.bytes().all(hexadecimal)
}

impl Pin {
    /// A pin of these. A store has one commit: the first that is given.
    pub fn new(commits: impl IntoIterator<Item = (Uuid, Pinned)>) -> Self {
        let mut pin = Self::default();
        for (uuid, pinned) in commits {
            pin.commits.entry(uuid).or_insert(pinned);
        }
        pin
    }

    /// Its name: of each store the uuid (16 bytes), `t` (8, little-endian) and the commit's hash
    /// (32; zeros for the empty database), hashed in the order of the uuids.
    pub fn id(&self) -> Name {
        let mut hasher = Hasher::new();
        for (uuid, pinned) in &self.commits {
            let (t, hash) = pinned.commit.map_or((0, [0; 32]), |commit| (commit.t.0, commit.hash));
            hasher.update(uuid.as_bytes()).update(&t.to_le_bytes()).update(&hash);
        }
        NodeHash(hasher.finish()).to_string()[..DIGITS].into()
    }

    /// The stores, in the order of their uuids.
    pub fn stores(&self) -> impl Iterator<Item = (&Uuid, &Pinned)> {
        self.commits.iter()
    }

    /// What it says of a store.
    pub fn of(&self, uuid: &Uuid) -> Option<&Pinned> {
        self.commits.get(uuid)
    }

    /// The uuid of the store that was called so where the pin was made.
    pub fn called(&self, store: &str) -> Option<&Uuid> {
        self.commits.iter().find(|(_, pinned)| pinned.store == store).map(|(uuid, _)| uuid)
    }

    /// It as text, as [`Pin::read`] reads it.
    pub fn text(&self) -> String {
        let mut out = format!("{{:pin \"{}\"\n :stores\n [", self.id());
        for (i, (uuid, pinned)) in self.commits.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n  " };
            let store = edn::to_string(&Value::str(&pinned.store));
            let commit = whole_commit(pinned.commit);
            // Writing to a string cannot fail.
            let _ = write!(out, "{separator}{{:uuid #uuid \"{uuid}\" :commit \"{commit}\"");
            let _ = write!(out, " :store {store}");
            if let Some(ms) = pinned.instant_ms {
                let _ = write!(out, " :instant #inst \"{}\"", instant::format(ms));
            }
            out.push('}');
        }
        out + "]}\n"
    }

    /// Reads the text of a pin, or a `.meta`, which says of each store which commit was read.
    pub fn read(text: &str) -> Result<Self> {
        if is_json(text) {
            return Ok(Recipe::read(text)?.pin());
        }
        let form = edn::read_one(text)?;
        let Some(stores) = form.get("stores").and_then(Form::as_vector) else {
            let hint = "a pin is {:stores [{:uuid #uuid \"…\" :commit \"T-HASH\"} …]}, or a .meta";
            return Err(invalid("this is no pin").hint(hint));
        };
        let stores = stores.iter().map(read_store).collect::<Result<Vec<_>>>()?;
        let count = stores.len();
        let pin = Self::new(stores);
        if pin.commits.len() != count || count == 0 {
            return Err(invalid("a pin has one commit for each store, and at least one store"));
        }
        let id = pin.id();
        match form.get("pin").map(Form::as_str) {
            Some(said) if said != Some(&id) => {
                let said = said.unwrap_or("something that is no text");
                let message = format!("the pin is called {said}, and what it pins makes {id}");
                Err(invalid(&message).hint("it was changed: leave out :pin if that was meant"))
            }
            _ => Ok(pin),
        }
    }
}

/// The path of what a text pins from the mount point: of the answer that a `.meta` is about, else
/// of the pin.
pub fn path_of(text: &str) -> Result<String> {
    let (pin, recipe) = read_either(text)?;
    Ok(path_to(&pin, recipe.as_ref()))
}

fn path_to(pin: &Pin, recipe: Option<&Recipe>) -> String {
    recipe.and_then(Recipe::again).unwrap_or_else(|| format!("pins/{}", pin.id()))
}

/// The pin that a text is, or the one of a `.meta`, and how the answer of that is made.
fn read_either(text: &str) -> Result<(Pin, Option<Recipe>)> {
    if !is_json(text) {
        return Ok((Pin::read(text)?, None));
    }
    let recipe = Recipe::read(text)?;
    Ok((recipe.pin(), Some(recipe)))
}

/// Whether a text is a `.meta`, not a pin: JSON has commas and colons where EDN has none.
fn is_json(text: &str) -> bool {
    text.trim_start().strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with('"'))
}

fn invalid(message: &str) -> Failure {
    Failure::new(Kind::Invalid, message)
}

fn read_store(form: &Form) -> Result<(Uuid, Pinned)> {
    let uuid = match form.get("uuid").and_then(Form::as_value) {
        Some(Value::Uuid(uuid)) => Some(*uuid),
        Some(Value::Str(text)) => text.parse().ok(),
        _ => None,
    };
    let commit = form.get("commit").and_then(Form::as_str).and_then(read_commit);
    let (Some(uuid), Some(commit)) = (uuid, commit) else {
        let hint = "each is {:uuid #uuid \"…\" :commit \"T-HASH\"}, the hash with all 64 digits";
        return Err(invalid(&format!("{form} pins no store")).hint(hint));
    };
    let instant_ms = match form.get("instant").and_then(Form::as_value) {
        Some(Value::Inst(ms)) => Some(*ms),
        _ => None,
    };
    let store = form.get("store").and_then(Form::as_str).unwrap_or_default().to_owned();
    Ok((uuid, Pinned { store, commit, instant_ms }))
}

/// A commit with its whole hash; `0` is the empty database.
pub fn whole_commit(commit: Option<CommitId>) -> String {
    let whole = |commit: CommitId| format!("{}-{}", commit.t, NodeHash(commit.hash));
    commit.map_or_else(|| "0".to_owned(), whole)
}

/// The commit that [`whole_commit`] wrote.
fn read_commit(text: &str) -> Option<Option<CommitId>> {
    if text == "0" {
        return Some(None);
    }
    let (t, hex) = text.split_once('-')?;
    let is_hex = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    let t: u64 = t.parse().ok().filter(|t| *t > 0 && is_hex)?;
    let mut hash = [0; 32];
    for (byte, digits) in hash.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(Some(CommitId { t: T(t), hash }))
}
