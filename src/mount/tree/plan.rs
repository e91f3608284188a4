//! From a query and a place to a question: every input gets its value, every database is pinned.
//!
//! **Invariant:** each branch that one plan touches is looked at once, so that all its sources are
//! of one moment; a plan holds all that its answer depends on, and [`Plan::identity`] is those
//! things as text.

mod text;

use super::Tree;
use super::answer::Question;
use super::arguments::{argument_text, untyped};
use super::diff::{Compared, end_named};
use super::files::FileSource;
use super::node::{At, Place, Scope};
use super::pins::whole_commit;
use crate::error::{Failure, Kind, Result};
use crate::local;
use crate::source::{Moment, Mounted};
use factfs_core::db::ChangeKind;
use factfs_core::edn::{self, Form};
use factfs_core::hash::NodeHash;
use factfs_core::query::{Input, InputKind, InputSpec, QueryFile};
use factfs_core::schema::ValueType;
use factfs_core::text::parse_cell;
use factfs_core::value::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use text::{conflicts, difference};

/// A question, and where it came from.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The question, everything pinned.
    pub question: Question,
    /// The text of the query.
    pub text: String,
    /// The databases, in the order of `:in`.
    pub sources: Vec<Pinned>,
    /// The other inputs, by name.
    pub inputs: Vec<(String, Value)>,
    /// Whether all sources can never be anything else.
    pub is_fixed: bool,
}

/// A database that a plan reads.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// `$x`
    pub symbol: String,
    /// The store, as mounted.
    pub store: String,
    /// Its uuid.
    pub uuid: String,
    /// The value.
    pub moment: Moment,
    /// Whether a branch is named, so that under a pin it is that pin's commit.
    pub is_branch: bool,
    /// Which changes are read, where this is the newer end of a difference.
    pub changes: Option<&'static str>,
}

impl Plan {
    /// All that the answer depends on, as text.
    pub fn identity(&self) -> String {
        let mut out = NodeHash::of(self.text.as_bytes()).to_string();
        for pinned in &self.sources {
            // Writing to a string cannot fail.
            let _ = write!(out, " {} {} {}", pinned.symbol, pinned.uuid, full_id(&pinned.moment));
            out.extend(pinned.changes.iter().flat_map(|changes| [" ", changes]));
        }
        for (_, source) in &self.question.files {
            let _ = write!(out, " {}", source.identity());
        }
        for (name, value) in &self.inputs {
            let _ = write!(out, " {name} {}", edn::to_string(value));
        }
        out
    }

    /// Whether all that it reads are databases, or what changed in them, files, and rows that the
    /// query brings with it. What stopped a merge is no more than named.
    pub fn is_repeatable(&self) -> bool {
        let specs = self.question.query.inputs();
        let mut named = specs.iter().filter(|spec| spec.kind == InputKind::Source);
        named.all(|spec| {
            let is_rows = |(name, value): &(String, Value)| {
                *name == spec.name && !matches!(value, Value::Str(_))
            };
            self.sources.iter().any(|pinned| pinned.symbol == spec.name)
                || self.question.files.iter().any(|(_, source)| source.symbol == spec.name)
                || self.inputs.iter().any(is_rows)
        })
    }

    /// When the newest of the sources was written.
    pub fn changed_ms(&self) -> Option<i64> {
        let instants = self.sources.iter().filter_map(|pinned| pinned.moment.instant_ms);
        instants.chain(self.question.files.iter().map(|(_, source)| source.file.mtime_ms)).max()
    }
}

/// The whole hash: twelve digits are for people. And how often facts were erased: then a commit is
/// less than it was.
fn full_id(moment: &Moment) -> String {
    let commit = whole_commit(moment.commit);
    match moment.db.snapshot().purges {
        0 => commit,
        purges => format!("{commit}/{purges}"),
    }
}

impl Tree {
    /// Binds a query's inputs where it is read.
    pub(super) fn plan(&self, scope: &Scope, text: &str, call_args: &[String]) -> Result<Plan> {
        let saved = self.read_query(text)?;
        let specs = saved.query.inputs();
        let mut binding = Binding {
            tree: self,
            scope,
            saved: &saved,
            args: call_args.iter(),
            pinned: BTreeMap::new(),
            sources: Vec::new(),
            differences: Vec::new(),
            files: Vec::new(),
            is_branch: false,
            rows: Vec::new(),
            is_fixed: true,
        };
        // All sources before the others, whose types and `:basis` come from them.
        let mut given = vec![None; specs.len()];
        for (number, (spec, place)) in specs.iter().zip(&mut given).enumerate() {
            if spec.kind == InputKind::Source {
                *place = Some(binding.source(number, &spec.name)?);
            }
        }
        let mut inputs = Vec::new();
        for (spec, place) in specs.iter().zip(&mut given).filter(|(_, place)| place.is_none()) {
            let (value, input) = match spec.kind {
                InputKind::Rules => {
                    let form = binding.rules()?;
                    (form.to_value(), Input::Form(form.clone()))
                }
                _ => {
                    let value = binding.value(spec)?;
                    (value.clone(), Input::Value(value))
                }
            };
            inputs.push((spec.name.clone(), value));
            *place = Some(input);
        }
        if let Some(extra) = binding.args.next() {
            let message = format!("`{extra}` is an argument more than the query takes");
            return Err(Failure::not_found(message));
        }
        let Binding { sources, differences, files, rows, is_fixed, .. } = binding;
        inputs.extend(rows);
        let (query, given) = (saved.query.clone(), given.into_iter().flatten().collect());
        let typed = |(number, file): (usize, FileSource)| (number, file.typed(&query, &sources));
        let files = files.into_iter().map(typed).collect();
        let keys = query.row_keys();
        let question = Question { keys, query, inputs: given, differences, files };
        Ok(Plan { question, text: text.to_owned(), sources, inputs, is_fixed })
    }

    /// The store mounted under a name, else the one whose own name it is.
    pub(super) fn store_called(&self, name: &str) -> Option<&Mounted> {
        let own = |mounted: &&Mounted| mounted.source.name().as_deref() == Some(name);
        self.stores.get(name).or_else(|| self.stores.values().find(own))
    }

    /// The store that a name means in a scope: under a pin, the one that had it where the pin was
    /// made.
    pub(super) fn called(&self, scope: &Scope, name: &str) -> Result<Option<Mounted>> {
        match scope {
            Scope::Pin(id) => self.pinned_called(id, name),
            _ => Ok(self.store_called(name).cloned()),
        }
    }
}

/// The work of binding.
struct Binding<'a> {
    tree: &'a Tree,
    scope: &'a Scope,
    saved: &'a QueryFile,
    args: std::slice::Iter<'a, String>,
    pinned: BTreeMap<(String, String), Moment>,
    sources: Vec<Pinned>,
    differences: Vec<(usize, Arc<Compared>)>,
    files: Vec<(usize, FileSource)>,
    /// Whether the source that is being bound names a branch.
    is_branch: bool,
    /// Sources that are rows at hand: what they are, for the identity of the plan.
    rows: Vec<(String, Value)>,
    is_fixed: bool,
}

impl Binding<'_> {
    fn source(&mut self, number: usize, symbol: &str) -> Result<Input> {
        self.is_branch = false;
        let form = self.saved.input(symbol);
        let given = form.and_then(Form::as_str);
        if let Some(path) = given.and_then(local::path_in) {
            let source = self.tree.file_of(self.scope, symbol, path)?;
            self.files.push((number, source));
            self.is_fixed = false;
            return Ok(Input::Value(Value::from(Vec::new())));
        }
        if let Some(rows) = form.filter(|form| is_rows(form)).map(Form::to_value) {
            self.rows.push((symbol.to_owned(), rows.clone()));
            return Ok(Input::Value(rows));
        }
        if let Some((store, range, kind)) = given.and_then(difference) {
            return self.difference(number, symbol, store, range, kind);
        }
        if let Some((store, branch)) = given.and_then(conflicts) {
            return self.conflicts(symbol, store, branch);
        }
        let (mounted, moment) = if form.is_some() {
            let Some(path) = given else {
                let message =
                    format!("{symbol} wants a path such as \"store/at/2026-06\", or rows");
                return Err(Failure::new(Kind::Invalid, message));
            };
            self.at_path(path)?
        } else if symbol == "$" {
            self.dollar()?
        } else if let Some(mounted) = self.called(&symbol[1..])? {
            let branch = mounted.head_branch();
            let moment = self.moving(&mounted, &branch)?;
            (mounted, moment)
        } else if let Some(arg) = self.args.next() {
            let text = argument_text(arg)?;
            self.at_argument(&text)?
        } else {
            let known: Vec<_> = self.tree.stores.keys().map(|name| format!("${name}")).collect();
            let message = format!("no store is mounted as {symbol}");
            let hint = format!("there are: {}", known.join(" "));
            return Err(Failure::not_found(message).hint(hint));
        };
        let db = moment.db.clone();
        self.pin(symbol, &mounted, moment);
        Ok(Input::Db(db))
    }

    fn pin(&mut self, symbol: &str, mounted: &Mounted, moment: Moment) {
        let (store, uuid) = (mounted.name.to_string(), mounted.source.uuid().to_string());
        let (symbol, is_branch) = (symbol.to_owned(), self.is_branch);
        self.sources.push(Pinned { symbol, store, uuid, moment, is_branch, changes: None });
    }

    /// The changes from one value to another, as rows: both are pinned here, and compared when the
    /// question is answered.
    fn difference(
        &mut self,
        number: usize,
        symbol: &str,
        store: &str,
        range: &str,
        kind: Option<ChangeKind>,
    ) -> Result<Input> {
        let mounted = self.store_of(store, &format!("{store}/diff/{range}"))?;
        let mut branches = [false; 2];
        let [from, to] = self.tree.ends(range, |when| {
            self.is_branch = false;
            let end = self.end(&mounted, when)?;
            // The older end comes first here, and what they lead to among the sources.
            branches = [self.is_branch, branches[0]];
            Ok(end)
        })?;
        let compared = Compared { mounted, from, to, kind };
        self.sources.extend(compared.pinned(symbol, branches));
        self.differences.push((number, Arc::new(compared)));
        Ok(Input::Value(Value::from(Vec::new())))
    }

    /// What stopped the last merge into a branch, as rows.
    fn conflicts(&mut self, symbol: &str, store: &str, branch: Option<&str>) -> Result<Input> {
        let mounted = self.store_of(store, &format!("{store}/merge.conflicts"))?;
        let branch = branch.map_or_else(|| mounted.head_branch(), str::to_owned);
        let (hash, rows) = self.tree.conflict_rows(&mounted.name, &branch.as_str().into());
        let what = format!("{}/branches/{branch}/merge.conflicts {hash}", mounted.name);
        self.rows.push((symbol.to_owned(), Value::str(&what)));
        self.is_fixed = false;
        Ok(Input::Value(rows))
    }

    /// What a name in a difference means; in the past a branch is what it was then.
    fn end(&mut self, mounted: &Mounted, when: &str) -> Result<Moment> {
        let head = mounted.head_branch();
        let when = end_named(&head, when);
        let is_branch = || -> Result<bool> {
            let is_past = matches!(self.scope, Scope::Time(_) | Scope::Pin(_));
            Ok(is_past && mounted.source.branches()?.iter().any(|branch| branch.name == when))
        };
        match when == head || is_branch()? {
            true => self.moving(mounted, when),
            false => self.fixed(mounted, &head, when),
        }
    }

    fn store_of(&self, name: &str, path: &str) -> Result<Mounted> {
        self.called(name)?.ok_or_else(|| {
            let known: Vec<_> = self.tree.stores.keys().map(|name| name.to_string()).collect();
            let message = format!("`{path}` begins with no mounted store");
            Failure::not_found(message).hint(format!("there are: {}", known.join(" ")))
        })
    }

    fn called(&self, name: &str) -> Result<Option<Mounted>> {
        self.tree.called(self.scope, name)
    }

    /// `$`: the snapshot that the result is read from.
    fn dollar(&mut self) -> Result<(Mounted, Moment)> {
        if let Scope::Snapshot(place) = self.scope {
            return self.at_place(place);
        }
        if let Scope::Pin(id) = self.scope
            && let Some(mounted) = self.tree.only_pinned(id)?
        {
            let moment = self.moving(&mounted, "")?;
            return Ok((mounted, moment));
        }
        let mut stores = self.tree.stores.values();
        match (stores.next(), stores.next()) {
            (Some(mounted), None) => {
                let branch = mounted.head_branch();
                Ok((mounted.clone(), self.moving(mounted, &branch)?))
            }
            _ => {
                let known: Vec<_> = self.tree.stores.keys().map(|n| format!("${n}")).collect();
                let message = "`$` could be any of the mounted stores here";
                let hint =
                    format!("name them, :in {}, or read the result in a store", known.join(" "));
                Err(Failure::not_found(message).hint(hint))
            }
        }
    }

    fn at_place(&mut self, place: &Place) -> Result<(Mounted, Moment)> {
        let mounted = self.tree.mounted(&place.store)?.clone();
        let moment = match &place.at {
            At::Branch(branch) => self.moving(&mounted, branch)?,
            At::Commit(_) => self.tree.moment(place)?,
        };
        Ok((mounted, moment))
    }

    /// A branch: its head, or in the past what it was then; looked at once.
    fn moving(&mut self, mounted: &Mounted, branch: &str) -> Result<Moment> {
        self.is_branch = true;
        if let Scope::Pin(id) = self.scope {
            return self.tree.pinned(mounted, id);
        }
        let key = (mounted.name.to_string(), branch.to_owned());
        if let Some(moment) = self.pinned.get(&key) {
            return Ok(moment.clone());
        }
        let moment = match self.scope {
            Scope::Time(time) => self.tree.moment_at(mounted, branch, time)?,
            Scope::Mount | Scope::Snapshot(_) | Scope::Pin(_) => self.tree.head(mounted, branch)?,
        };
        self.is_fixed &= mounted.at.is_some();
        self.pinned.insert(key, moment.clone());
        Ok(moment)
    }

    /// A path of the mount, as a query file writes it.
    fn at_path(&mut self, path: &str) -> Result<(Mounted, Moment)> {
        if let Some((scheme, _)) = path.split_once(':').filter(|(scheme, _)| !scheme.contains('/'))
        {
            let message =
                format!("`{path}`: a stored query names mounted stores and paths of the mount");
            let hint = format!("mount it and name it: no query reads {scheme}: itself");
            return Err(Failure::new(Kind::Invalid, message).hint(hint));
        }
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let mounted = self.store_of(parts.first().copied().unwrap_or_default(), path)?;
        let head = mounted.head_branch();
        let moment = match &parts[1..] {
            [] | ["head"] => self.moving(&mounted, &head)?,
            ["branches", branch] => self.moving(&mounted, branch)?,
            ["at" | "tags" | "commits", when] | ["head", "at", when] => {
                self.fixed(&mounted, &head, when)?
            }
            ["branches", branch, "at", when] => self.fixed(&mounted, branch, when)?,
            _ => {
                let message = format!("`{path}` is no snapshot folder");
                let hint = "such are STORE, STORE/at/WHEN, STORE/branches/NAME, STORE/tags/NAME; \
                            rows of changes are STORE/diff/A..B";
                return Err(Failure::not_found(message).hint(hint));
            }
        };
        Ok((mounted, moment))
    }

    fn fixed(&mut self, mounted: &Mounted, branch: &str, when: &str) -> Result<Moment> {
        let moment = self.tree.moment_at(mounted, branch, when)?;
        self.is_fixed &= moment.is_fixed;
        Ok(moment)
    }

    /// A path argument: `STORE`, `STORE@WHEN`, `STORE#BRANCH`, or WHEN of the store that is read
    /// from.
    fn at_argument(&mut self, text: &str) -> Result<(Mounted, Moment)> {
        let (rest, when) = text.split_once('@').map_or((text, None), |(a, b)| (a, Some(b)));
        let (name, branch) = rest.split_once('#').map_or((rest, None), |(a, b)| (a, Some(b)));
        if let Some(mounted) = self.called(name)? {
            let branch = branch.map_or_else(|| mounted.head_branch(), str::to_owned);
            let moment = match when {
                Some(when) => self.fixed(&mounted, &branch, when)?,
                None => self.moving(&mounted, &branch)?,
            };
            return Ok((mounted, moment));
        }
        let (mounted, _) = self.dollar()?;
        let branch = match self.scope {
            Scope::Snapshot(Place { at: At::Branch(branch), .. }) => branch.to_string(),
            _ => mounted.head_branch(),
        };
        let moment = self.fixed(&mounted, &branch, text)?;
        Ok((mounted, moment))
    }

    /// The value of what is no database.
    fn value(&mut self, spec: &InputSpec) -> Result<Value> {
        match (spec.kind, self.saved.input(&spec.name)) {
            (_, Some(form)) => self.given(form),
            (InputKind::Scalar, None) => self.argument(spec),
            _ => {
                let hint = "a collection gets its value in :inputs, {?x [1 2 3]}";
                let message = format!("{} of :in has no value", spec.name);
                Err(Failure::new(Kind::Invalid, message).hint(hint))
            }
        }
    }

    fn rules(&self) -> Result<&Form> {
        let rules = self.saved.rules.as_ref().or_else(|| self.saved.input("%"));
        let missing = "`%` is in :in, and there are no :rules";
        rules.ok_or_else(|| Failure::new(Kind::Invalid, missing))
    }

    fn given(&self, form: &Form) -> Result<Value> {
        if !form.is_keyword("basis") {
            return Ok(form.to_value());
        }
        let newest = self.sources.iter().filter_map(|pinned| pinned.moment.instant_ms).max();
        newest.map(Value::Inst).ok_or_else(|| {
            Failure::new(
                Kind::Invalid,
                ":basis is the newest instant of the sources, and they are empty",
            )
        })
    }

    /// The next component of the path, read as the attribute's type.
    fn argument(&mut self, spec: &InputSpec) -> Result<Value> {
        let symbol = &spec.name;
        let Some(arg) = self.args.next() else {
            let message = format!("{symbol} has no value");
            let hint = "it is an argument in the path: results/QUERY/VALUE.csv";
            return Err(Failure::not_found(message).hint(hint));
        };
        let text = argument_text(arg)?;
        let Some((source, attribute)) = &spec.attribute else {
            return Ok(untyped(&text));
        };
        let pinned = self.sources.iter().find(|pinned| pinned.symbol == *source);
        let schema = pinned.or(self.sources.first()).map(|pinned| pinned.moment.db.schema());
        let found = schema.and_then(|schema| schema.attr(attribute)).and_then(|a| a.value_type);
        let Some(tag) = found.and_then(ValueType::tag) else { return Ok(untyped(&text)) };
        parse_cell(&text, tag)
            .map_err(|error| Failure::new(Kind::Invalid, format!("{symbol}: {error}")))
    }
}

/// Whether a form can be rows that a query brings with it.
fn is_rows(form: &Form) -> bool {
    form.as_seq().or(form.as_set()).is_some() || form.as_map().is_some()
}
