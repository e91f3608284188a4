//! The inputs of a query: databases that are opened, values that were given, what the file says.
//!
//! **Invariant:** each element of `:in` gets its input from the command line, else from the query
//! file, else it is an error that says how to give it; what is given and not asked for is an error,
//! too. A database that is named twice is read once: both see the same commit. A file of rows is
//! read as a mount reads it.

use super::args::locator;
use super::changes::Changes;
use super::exit::Problem;
use super::open;
use anyhow::Context;
use factfs_core::conn::Moment;
use factfs_core::db::Db;
use factfs_core::edn::{self, Form};
use factfs_core::query::{Input, InputKind, InputSpec, QueryFile};
use factfs_core::value::Value;
use factfs_mount::local::{self, Contents};
use factfs_mount::tree::pins::Pin;
use factfs_store::{Database, Kind, Locator};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What the command line gives a query.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Databases, by name without `$`; the one without a name is the name "".
    pub databases: BTreeMap<String, Locator>,
    /// What changed between two moments, by name without `$`.
    pub changes: BTreeMap<String, Changes>,
    /// Files of rows, by name without `$`.
    pub files: BTreeMap<String, PathBuf>,
    /// Values, by name as in `:in`.
    pub values: BTreeMap<String, String>,
    /// What `%` is.
    pub rules: Option<Form>,
    /// The commits of databases that are named without a moment.
    pub pin: Option<Pin>,
}

/// Finds the inputs of one query.
pub struct Inputs<'a> {
    given: &'a Given,
    saved: &'a QueryFile,
    folder: Option<&'a Path>,
    open: BTreeMap<String, Moment>,
    used: BTreeSet<String>,
    databases: Vec<Database>,
}

impl<'a> Inputs<'a> {
    /// From these places; the files that a query file names lie in its folder.
    pub fn new(given: &'a Given, saved: &'a QueryFile, folder: Option<&'a Path>) -> Self {
        let (open, used, databases) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        Self { given, saved, folder, open, used, databases }
    }

    /// An input for each element of `:in`, and the databases that were opened for them.
    pub fn all(mut self, specs: &[InputSpec]) -> anyhow::Result<(Vec<Input>, Vec<Database>)> {
        self.nothing_is_strange(specs)?;
        let mut inputs = BTreeMap::new();
        // Databases first: `:basis` is the newest instant of them, and columns of files have the
        // types of their attributes.
        let sources = specs.iter().enumerate().filter(|(_, spec)| spec.kind == InputKind::Source);
        let (files, databases): (Vec<_>, Vec<_>) =
            sources.map(|(n, spec)| (n, spec, self.file(&spec.name))).partition(|s| s.2.is_some());
        for (number, spec, _) in databases {
            inputs.insert(number, self.source(spec, specs)?);
        }
        for (number, spec, path) in files {
            let rows =
                self.rows_of(&path.transpose()?.unwrap_or_default(), spec, specs, &inputs)?;
            inputs.insert(number, rows);
        }
        for (number, spec) in specs.iter().enumerate() {
            if spec.kind != InputKind::Source {
                let value = match spec.kind {
                    InputKind::Rules => Input::Form(self.rules()?),
                    _ => Input::Value(self.value(spec)?),
                };
                inputs.insert(number, value);
            }
        }
        self.nothing_is_left(specs)?;
        Ok((inputs.into_values().collect(), self.databases))
    }

    fn source(&mut self, spec: &InputSpec, specs: &[InputSpec]) -> anyhow::Result<Input> {
        let name = spec.name.trim_start_matches('$');
        if let Some(changes) = self.given.changes.get(name) {
            self.used.insert(format!("${name}"));
            return self.rows(changes);
        }
        let sources = specs.iter().filter(|spec| spec.kind == InputKind::Source).count();
        let only = self.given.databases.get("").filter(|_| sources == 1);
        if let Some(locator) = self.given.databases.get(name).or(only) {
            let key = if self.given.databases.contains_key(name) { name } else { "" };
            self.used.insert(format!("${key}"));
            return Ok(Input::Db(self.database(locator)?));
        }
        let Some(form) = self.saved.input(&spec.name) else {
            let hint = match name {
                "" => "name it after the query".to_owned(),
                name => format!("--in {name}=DB"),
            };
            let text = format!("no database for {}", spec.name);
            return Err(Problem::new(Kind::NotFound, text).hint(hint).into());
        };
        match form.as_str() {
            None => Ok(Input::Value(form.to_value())),
            Some(text) => self.written(text),
        }
    }

    /// A database as a query file writes it: `NAME/at/WHEN` of one that was given, or by its URL;
    /// or what changed there, `NAME/diff/A..B`.
    fn written(&mut self, text: &str) -> anyhow::Result<Input> {
        let (name, rest) = text.split_once('/').unwrap_or((text, ""));
        let Some(locator) = self.given.databases.get(name) else {
            return match Changes::read(text)? {
                Some(changes) => self.rows(&changes),
                None => Ok(Input::Db(self.database(&locator(text)?)?)),
            };
        };
        self.used.insert(format!("${name}"));
        if let Some(changes) = Changes::of(locator, rest) {
            return self.rows(&changes);
        }
        let at = rest.strip_prefix("at/").or(rest.strip_prefix("commits/"));
        let branch = rest.strip_prefix("branches/");
        let mut locator = locator.clone();
        match (rest, at, branch) {
            ("" | "head", ..) => {}
            (_, Some(when), _) => locator.at = Some(when.to_owned()),
            (_, _, Some(branch)) => locator.branch = Some(branch.to_owned()),
            _ => {
                let text = format!("`{text}` is no snapshot of {name}");
                let hint = format!(
                    "{name}, {name}/at/WHEN, {name}/branches/BRANCH; or rows, {name}/diff/A..B"
                );
                return Err(Problem::new(Kind::NotFound, text).hint(hint).into());
            }
        }
        Ok(Input::Db(self.database(&locator)?))
    }

    /// The file of rows that a source is, if it is one.
    fn file(&mut self, symbol: &str) -> Option<anyhow::Result<PathBuf>> {
        let name = symbol.trim_start_matches('$');
        if let Some(path) = self.given.files.get(name) {
            self.used.insert(format!("${name}"));
            return Some(Ok(path.clone()));
        }
        let is_given =
            self.given.databases.contains_key(name) || self.given.changes.contains_key(name);
        let written = self.saved.input(symbol).and_then(Form::as_str).filter(|_| !is_given)?;
        file_of_rows(written, self.folder).transpose()
    }

    /// The rows of a file, read by the attributes that its columns are joined with.
    fn rows_of(
        &self,
        path: &Path,
        spec: &InputSpec,
        specs: &[InputSpec],
        inputs: &BTreeMap<usize, Input>,
    ) -> anyhow::Result<Input> {
        let schema = |name: &str| {
            let number = specs.iter().position(|spec| spec.name == name)?;
            match inputs.get(&number)? {
                Input::Db(db) => Some(db.schema()),
                Input::Value(_) | Input::Form(_) => None,
            }
        };
        let types = self.saved.query.column_types(&spec.name, &schema);
        let mut rows = Vec::new();
        let file = Contents::default().look(path, u64::MAX, 0)?;
        file.rows(&types, &mut |row| {
            rows.push(Value::from(row));
            Ok(())
        })?;
        Ok(Input::Value(Value::from(rows)))
    }

    /// What changed, as rows.
    fn rows(&mut self, changes: &Changes) -> anyhow::Result<Input> {
        let (database, [from, to]) = changes.open(self.given.pin.as_ref())?;
        let mut rows = Vec::new();
        for some in changes.rows(&database, [&from, &to])? {
            rows.extend(some?.into_iter().map(Value::from));
        }
        let key = |end: &str| format!("{}@{end}", changes.locator);
        self.open.extend([(key(&changes.ends[0]), from), (key(&changes.ends[1]), to)]);
        self.databases.push(database);
        Ok(Input::Value(Value::from(rows)))
    }

    fn database(&mut self, locator: &Locator) -> anyhow::Result<Db> {
        let key = locator.to_string();
        if let Some(moment) = self.open.get(&key) {
            return Ok(moment.db.clone());
        }
        let (database, moment) = match &self.given.pin {
            Some(pin) if locator.at.is_none() => open::pinned(locator, pin)?,
            _ => open::read(locator)?,
        };
        self.databases.push(database);
        let db = moment.db.clone();
        self.open.insert(key, moment);
        Ok(db)
    }

    fn rules(&self) -> anyhow::Result<Form> {
        let rules = self.given.rules.as_ref().or(self.saved.rules.as_ref());
        let rules = rules.or_else(|| self.saved.input("%"));
        let missing = || Problem::invalid("no rules for %").hint("--rules FILE");
        Ok(rules.cloned().ok_or_else(missing)?)
    }

    fn value(&mut self, spec: &InputSpec) -> anyhow::Result<Value> {
        if let Some(name) = names(&spec.name).find(|name| self.given.values.contains_key(*name)) {
            self.used.insert(name.to_owned());
            let text = self.given.values[name].as_str();
            return read(text, spec);
        }
        match self.saved.input(&spec.name) {
            Some(form) if form.is_keyword("basis") => Ok(self.basis()),
            Some(form) => Ok(form.to_value()),
            None => {
                let text = format!("no value for {}", spec.name);
                let name = names(&spec.name).last().unwrap_or_default();
                let hint = format!("--arg '{name}=EDN'");
                Err(Problem::invalid(text).hint(hint).into())
            }
        }
    }

    /// The newest instant of the databases: a query sees no clock.
    fn basis(&self) -> Value {
        let newest = self.open.values().filter_map(|moment| moment.instant_ms).max();
        newest.map_or(Value::Nil, Value::Inst)
    }

    /// A name that no input has is likely the misspelt name of one that would be missed.
    fn nothing_is_strange(&self, specs: &[InputSpec]) -> anyhow::Result<()> {
        let inputs = specs.iter().filter_map(|spec| self.saved.input(&spec.name));
        let written: Vec<&str> = inputs.filter_map(Form::as_str).collect();
        let in_file = |name: &str| written.iter().any(|w| w.split('/').next() == Some(name));
        let sources = self.given.databases.keys().chain(self.given.changes.keys());
        let sources = sources.chain(self.given.files.keys());
        let sources = sources.filter(|name| !name.is_empty());
        let sources = sources.filter(|name| !in_file(name)).map(|name| format!("${name}"));
        let values = self.given.values.keys().cloned();
        let is_known =
            |given: &str| specs.iter().any(|spec| names(&spec.name).any(|name| name == given));
        match sources.chain(values).find(|given| !is_known(given)) {
            Some(given) => Err(no_input(&given, specs)),
            None => Ok(()),
        }
    }

    fn nothing_is_left(&self, specs: &[InputSpec]) -> anyhow::Result<()> {
        let databases = self.given.databases.keys().chain(self.given.changes.keys());
        let databases = databases.chain(self.given.files.keys()).map(|name| format!("${name}"));
        let values = self.given.values.keys().cloned();
        let Some(name) = databases.chain(values).find(|name| !self.used.contains(name)) else {
            return Ok(());
        };
        Err(no_input(&name, specs))
    }
}

/// The file of rows that `file:PATH` names; a path that does not begin at the root begins in
/// `folder`. Any other URL is a database.
pub fn file_of_rows(text: &str, folder: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    let path = local::path_in(text).filter(|path| local::format_of(Path::new(path)).is_some());
    let here = || std::env::current_dir().context("the current directory");
    Ok(match (path, folder) {
        (None, _) => None,
        (Some(path), Some(folder)) if !folder.as_os_str().is_empty() => {
            Some(local::absolute(path, Some(folder))?)
        }
        (Some(path), _) => Some(local::absolute(path, Some(&here()?))?),
    })
}

fn no_input(name: &str, specs: &[InputSpec]) -> anyhow::Error {
    let known: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    let text = format!("the query has no input {name}; it has [{}]", known.join(" "));
    Problem::invalid(text).into()
}

/// What an input may be called: as it is written, and by its variable with and without `?`.
fn names(written: &str) -> impl Iterator<Item = &str> {
    let inside = written.trim_matches(|c| c == '[' || c == ']').split_whitespace().next();
    let variable = inside.unwrap_or(written);
    [written, variable.trim_start_matches('?'), variable].into_iter()
}

/// A value as typed.
fn read(text: &str, spec: &InputSpec) -> anyhow::Result<Value> {
    let place = |error| anyhow::Error::new(error).context(format!("--arg {}", spec.name));
    Ok(edn::read_one(text).map_err(place)?.to_value())
}
