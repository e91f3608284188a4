//! The config file, `factfs.toml`: mounts by name, and options for all of them.
//!
//! **Invariant:** what is not understood is refused with file and line, and with the nearest name
//! that is known; nothing is read over. Paths in it begin at its folder. A url with a password is
//! taken only where others may not read the file.

use super::options::{self, Row};
use crate::cli::args::{locator, place_of};
use crate::cli::exit::Problem;
use anyhow::Context;
use factfs_core::nearest::nearest;
use factfs_mount::name::is_store_name;
use factfs_store::{Locator, shown};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// An option and its value.
pub type Given = (&'static Row, String);

/// A config file.
#[derive(Debug)]
pub struct Config {
    /// Where it is.
    pub path: PathBuf,
    /// Options for all mounts.
    pub common: Vec<Given>,
    /// The mounts, by name.
    pub mounts: BTreeMap<String, Entry>,
}

/// A mount in it.
#[derive(Debug)]
pub struct Entry {
    /// Where, as written.
    pub point: String,
    /// Its databases.
    pub stores: Vec<Store>,
    /// Its options.
    pub options: Vec<Given>,
    /// Whether `--all` mounts it, too.
    pub is_auto: bool,
}

/// A database of a mount.
#[derive(Debug)]
pub struct Store {
    /// The name of its folder.
    pub name: String,
    /// Where it is.
    pub locator: Locator,
    /// The profile that its credentials come from.
    pub profile: Option<String>,
}

impl Store {
    /// `NAME=DB`, or a database that is named like the last part of its url.
    pub fn named(text: &str) -> anyhow::Result<Self> {
        let store = |name: &str, locator| Self { name: name.to_owned(), locator, profile: None };
        if let Some((name, url)) = text.split_once('=')
            && !name.contains('/')
        {
            return Ok(store(name, locator(url)?));
        }
        let locator = locator(text)?;
        let last = place_of(&locator.url).rsplit(['/', ':']).next().unwrap_or_default().to_owned();
        Ok(store(&last, locator))
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Where it is looked for, in this order.
pub fn places(env: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let set = |name: &str| env.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let user = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    let user = user.filter(|folder| folder.is_absolute());
    let all = user.into_iter().chain([PathBuf::from("/etc")]);
    all.map(|folder| folder.join("factfs/factfs.toml")).collect()
}

impl Config {
    /// The one that was named, else the first that is there.
    pub fn find(
        named: Option<&Path>,
        env: &BTreeMap<String, String>,
    ) -> anyhow::Result<Option<Self>> {
        if let Some(path) = named {
            let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
            return Ok(Some(Self::read(path, &text)?));
        }
        // In a folder that is closed to this user there is none of his.
        match places(env).into_iter().find(|path| path.exists()) {
            Some(path) => Self::find(Some(&path), env),
            None => Ok(None),
        }
    }

    /// What the text of one says.
    pub fn read(path: &Path, text: &str) -> anyhow::Result<Self> {
        let reader = Reader { path, text };
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            reader.problem(at, error.message())
        })?;
        let mut config =
            Self { path: path.to_owned(), common: Vec::new(), mounts: BTreeMap::new() };
        for (key, value) in table.get_ref() {
            match &**key.get_ref() {
                "mounts" => {
                    for (name, entry) in reader.table(value)? {
                        let (name, entry) = reader.mount(name, entry)?;
                        config.mounts.insert(name, entry);
                    }
                }
                _ => config.common.push(reader.option(key, value, &["mounts"])?),
            }
        }
        Ok(config)
    }

    /// The mount of this name.
    pub fn mount(&self, name: &str) -> anyhow::Result<&Entry> {
        self.mounts.get(name).ok_or_else(|| {
            let message = format!("{} has no mount `{name}`", self.path.display());
            let known = nearest(name, self.mounts.keys().map(String::as_str));
            let all: Vec<&str> = self.mounts.keys().map(String::as_str).collect();
            let hint = match known {
                Some(other) => format!("did you mean `{other}`?"),
                None if all.is_empty() => "it has none: [mounts.NAME]".to_owned(),
                None => format!("there are: {}", all.join(" ")),
            };
            Problem::new(factfs_store::Kind::NotFound, message).hint(hint).into()
        })
    }

    /// The folder that paths in it begin at.
    pub fn folder(&self) -> PathBuf {
        folder(&self.path)
    }
}

fn folder(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    std::path::absolute(&folder).unwrap_or(folder)
}

type Key<'a> = Spanned<DeString<'a>>;
type Item<'a> = Spanned<DeValue<'a>>;

/// Reads one file.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Reader<'_> {
    fn problem(&self, at: usize, message: impl std::fmt::Display) -> Problem {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        Problem::invalid(format!("{}:{line}: {message}", self.path.display()))
    }

    fn table<'a, 'i>(&self, item: &'a Item<'i>) -> Result<&'a DeTable<'i>, Problem> {
        let refused = || self.problem(item.span().start, "a table is expected here");
        item.get_ref().as_table().ok_or_else(refused)
    }

    fn string<'a>(&self, key: &Key<'_>, item: &'a Item<'_>) -> Result<&'a str, Problem> {
        let what = || format!("{}: a text is expected, in quotes", key.get_ref());
        item.get_ref().as_str().ok_or_else(|| self.problem(item.span().start, what()))
    }

    /// An option, its value as text. `others` are names that would do here, too.
    fn option(&self, key: &Key<'_>, item: &Item<'_>, others: &[&str]) -> Result<Given, Problem> {
        let (at, name) = (key.span().start, key.get_ref());
        let row = options::named(name)
            .ok_or_else(|| self.problem(at, options::unknown(name, others)).hint(PAGE))?;
        let value = scalar(item.get_ref()).or_else(|| {
            let texts = item.get_ref().as_array()?.iter();
            let texts: Option<Vec<_>> = texts.map(|text| text.get_ref().as_str()).collect();
            Some(texts?.join(":"))
        });
        let what = || self.problem(item.span().start, format!("{name}: one value is expected"));
        let value = value.ok_or_else(what)?;
        options::check(row, &value).map_err(|why| self.problem(at, why).hint(PAGE))?;
        Ok((row, value))
    }

    fn mount(&self, name: &Key<'_>, item: &Item<'_>) -> anyhow::Result<(String, Entry)> {
        let (at, name) = (name.span().start, name.get_ref().to_string());
        if !is_store_name(&name) {
            let message = format!("`{name}` cannot be the name of a mount");
            return Err(self.problem(at, message).hint("letters, digits, - _ .").into());
        }
        let (mut point, mut is_auto) = (None, true);
        let (mut stores, mut options) = (Vec::new(), Vec::new());
        for (key, value) in self.table(item)? {
            match &**key.get_ref() {
                "point" => point = Some(self.string(key, value)?.to_owned()),
                "noauto" => {
                    let refused = || self.problem(value.span().start, "noauto: true or false");
                    is_auto = !value.get_ref().as_bool().ok_or_else(refused)?;
                }
                "stores" => {
                    for (name, store) in self.table(value)? {
                        stores.push(self.store(name, store)?);
                    }
                }
                _ => options.push(self.option(key, value, &["point", "stores", "noauto"])?),
            }
        }
        let missing = |what: &str| self.problem(at, format!("the mount `{name}` has no {what}"));
        let point = point.ok_or_else(|| missing("point").hint("point = \"/the/folder\""))?;
        if stores.is_empty() {
            return Err(missing("stores").hint("stores.NAME = \"URL\"").into());
        }
        Ok((name, Entry { point, stores, options, is_auto }))
    }

    fn store(&self, name: &Key<'_>, item: &Item<'_>) -> anyhow::Result<Store> {
        let (at, folder) = (name.span().start, name.get_ref().to_string());
        if !is_store_name(&folder) {
            let message = format!("`{folder}` cannot be the name of a store's folder");
            return Err(self.problem(at, message).hint("letters, digits, - _ .").into());
        }
        if let Some(url) = item.get_ref().as_str() {
            let locator = self.locator(item.span().start, url)?;
            return Ok(Store { name: folder, locator, profile: None });
        }
        let (mut url, mut branch, mut when, mut profile) = (None, None, None, None);
        for (key, value) in self.table(item)? {
            let text = self.string(key, value)?.to_owned();
            match &**key.get_ref() {
                "url" => url = Some(self.locator(value.span().start, &text)?),
                "branch" => branch = Some(text),
                "at" => when = Some(text),
                "profile" => profile = Some(text),
                other => {
                    let known = ["url", "branch", "at", "profile"];
                    let meant = nearest(other, known.into_iter());
                    let meant = meant.map(|name| format!("; did you mean `{name}`?"));
                    let message = format!("a store has no `{other}`{}", meant.unwrap_or_default());
                    let problem = self.problem(key.span().start, message);
                    return Err(problem.hint(known.join(" ")).into());
                }
            }
        }
        let missing = || self.problem(at, format!("the store `{folder}` has no url"));
        let mut locator: Locator = url.ok_or_else(missing)?;
        locator.branch = branch.or(locator.branch);
        locator.at = when.or(locator.at);
        Ok(Store { name: folder, locator, profile })
    }

    fn locator(&self, at: usize, url: &str) -> anyhow::Result<Locator> {
        let is_secret = shown(url) != url;
        let mode = || Some(fs::metadata(self.path).ok()?.permissions().mode());
        if is_secret && mode().is_some_and(|mode| mode & 0o077 != 0) {
            let message = "the url holds a password, and others may read this file";
            let hint = "chmod 600 the file, or leave the password to the option credentials";
            return Err(self.problem(at, message).hint(hint).into());
        }
        let is_path = !url.contains("://") && !url.starts_with("memory:");
        let from_home = url.strip_prefix("~/").and_then(|rest| {
            let home = std::env::var("HOME").ok().filter(|home| !home.is_empty())?;
            Some(format!("{home}/{rest}"))
        });
        let text = match from_home {
            Some(text) => text,
            None if is_path => folder(self.path).join(url).to_string_lossy().into_owned(),
            None => url.to_owned(),
        };
        let place = self.problem(at, "").to_string();
        locator(&text).with_context(|| place.trim_end_matches([':', ' ']).to_owned())
    }
}

const PAGE: &str = "man factfs.toml lists what there is";

/// A value that is no table and no list, as it is written in `-o`.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Boolean(is_so) => Some(is_so.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}
