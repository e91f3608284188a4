//! From an answer to its recipe, and from a recipe to the same answer.
//!
//! **Invariant:** an answer made from a recipe has the identity of the one that the recipe was
//! taken of, so both have the same bytes, and are made once.

use super::shown::not_mounted;
use super::{Answered, FileRead, Made, Read, Recipe, invalid};
use crate::error::Result;
use crate::local::LocalFile;
use crate::source::{Moment, Mounted};
use crate::tree::diff::{self, Compared};
use crate::tree::node::{Leaf, Node, Part, Place, Scope};
use crate::tree::plan::{self, Plan};
use crate::tree::work::{Pins, Work};
use crate::tree::{FileSource, Question, Resolved, Tree, path};
use factfs_core::edn;
use factfs_core::query::{Input, InputKind, QueryFile};
use factfs_core::value::Value;
use factfs_store::canonical_url;
use std::sync::Arc;

impl Tree {
    /// How the answer that a work is, or is about, is made; none for what is no function of
    /// commits alone, such as what says which branch it is of.
    pub fn recipe(&self, work: &Work) -> Option<Recipe> {
        let (format, sources) = (work.leaf.format, self.reads(work));
        match &work.pins {
            Pins::Plan(Err(_)) => None,
            Pins::Plan(Ok(plan)) => {
                // What stopped a merge is kept nowhere else.
                if !plan.is_repeatable() {
                    return None;
                }
                let inputs = plan.inputs.iter();
                let mut inputs: Vec<(String, String)> =
                    inputs.map(|(name, value)| (name.clone(), edn::to_string(value))).collect();
                inputs.sort();
                let name = match &work.node {
                    Node::Result(_, call, _) => call.query.to_string(),
                    _ => "query".to_owned(),
                };
                let made = Made::Answer(Answered { name, text: plan.text.clone(), inputs });
                let files = plan.question.files.iter().map(|(_, source)| read_file(source));
                let files = files.collect();
                Some(Recipe { made, format, sources, files }.under_its_name())
            }
            Pins::Difference(_) => {
                Some(Recipe { made: Made::Difference, format, sources, files: Vec::new() })
            }
            Pins::Moment(_) => {
                let Node::Part(_, part) = &work.node else { return None };
                if matches!(part, Part::SnapshotJson(_)) {
                    return None;
                }
                let path = part.path();
                let path = path.trim_end_matches(".meta").trim_end_matches(".err");
                let made = Made::Part(path.to_owned());
                Some(Recipe { made, format, sources, files: Vec::new() })
            }
        }
    }

    /// The databases that a work reads; all of them are mounted.
    pub(in crate::tree) fn reads(&self, work: &Work) -> Vec<Read> {
        match (&work.pins, &work.node) {
            (Pins::Moment(pinned), Node::Part(place, _)) => {
                vec![read("$", &pinned.0, &pinned.1, !place.is_fixed())]
            }
            (Pins::Plan(Ok(plan)), _) => {
                plan.sources.iter().filter_map(|pinned| self.read_by(pinned)).collect()
            }
            (Pins::Difference(compared), _) => {
                let sources = compared.pinned("$", [false; 2]);
                sources.iter().filter_map(|pinned| self.read_by(pinned)).collect()
            }
            (Pins::Moment(_) | Pins::Plan(Err(_)), _) => Vec::new(),
        }
    }

    fn read_by(&self, pinned: &plan::Pinned) -> Option<Read> {
        let mounted = self.stores.get(pinned.store.as_str())?;
        let changes = pinned.changes.map(str::to_owned);
        let read = read(&pinned.symbol, mounted, &pinned.moment, pinned.is_branch);
        Some(Read { changes, ..read })
    }
}

fn read_file(source: &FileSource) -> FileRead {
    let LocalFile { path, format, bytes, blake3, .. } = &source.file;
    FileRead {
        symbol: source.symbol.clone(),
        path: path.display().to_string(),
        format: *format,
        bytes: *bytes,
        blake3: blake3.clone(),
    }
}

fn read(symbol: &str, mounted: &Mounted, moment: &Moment, is_branch: bool) -> Read {
    let url = mounted.source.url();
    Read {
        symbol: symbol.to_owned(),
        store: mounted.name.to_string(),
        url: Some(canonical_url(&url).unwrap_or(url)),
        uuid: mounted.source.uuid(),
        commit: moment.commit,
        instant_ms: moment.instant_ms,
        purges: moment.db.snapshot().purges,
        is_branch,
        changes: None,
    }
}

impl Tree {
    /// An answer as a recipe says, in the format of `leaf`.
    pub(in crate::tree) fn made_again(&self, node: &Node, leaf: Leaf, recipe: &Recipe) -> Resolved {
        let Made::Answer(answered) = &recipe.made else {
            let plan = Err(invalid("a file of a snapshot is read in its commit"));
            return self.answer(node, leaf, "", plan, true);
        };
        let plan = self.plan_again(recipe, answered).map(Arc::new);
        self.answer(node, leaf, &answered.text, plan, true)
    }

    /// What a recipe makes, to be rendered: for who asks without a mount.
    pub fn recipe_work(&self, recipe: &Recipe) -> Result<Resolved> {
        match &recipe.made {
            Made::Answer(_) => {
                let scope = Scope::Pin(recipe.pin().id());
                let query = recipe.name().unwrap_or_else(|| "query".into());
                let call = crate::tree::node::Call { query, args: Vec::new() };
                let leaf = Leaf::answer(recipe.format);
                Ok(self.made_again(&Node::Result(scope, call, leaf), leaf, recipe))
            }
            Made::Difference => self.difference_again(recipe),
            Made::Part(part) => {
                let Some(read) = recipe.sources.first() else {
                    return Err(invalid("it was read from no database"));
                };
                let mounted = self.read_from(read)?;
                let id = self.commit_of(mounted, read.commit)?.id();
                let mut node = Node::Snapshot(Place::commit(&mounted.name, &id));
                for name in part.split('/') {
                    let missing = || invalid(&format!("`{part}` is no file of a snapshot"));
                    node = path::child(&node, name).ok_or_else(missing)?;
                }
                self.resolve(&node)
            }
        }
    }

    fn read_from(&self, read: &Read) -> Result<&Mounted> {
        self.store_of(&read.uuid).ok_or_else(|| not_mounted(&read.store, &read.uuid))
    }

    fn difference_again(&self, recipe: &Recipe) -> Result<Resolved> {
        let Some(to) = recipe.sources.first() else {
            return Err(invalid("it was read from no database"));
        };
        let (compared, _) = self.compared_again(recipe, to)?;
        let range = format!("{}..{}", compared.from.id(), compared.to.id());
        let leaf = Leaf::answer(recipe.format);
        let store = compared.mounted.name.clone();
        self.resolve(&Node::DiffFile(store, range.into(), compared.kind, leaf))
    }

    /// The two values whose difference was read, and whether a branch was named for what they lead
    /// to, and for the older one.
    fn compared_again(&self, recipe: &Recipe, to: &Read) -> Result<(Compared, [bool; 2])> {
        let symbol = diff::from_symbol(&to.symbol);
        let from = recipe.sources.iter().find(|read| read.symbol == symbol);
        let missing = || invalid(&format!("it does not say what {} is compared with", to.symbol));
        let (from, mounted) = (from.ok_or_else(missing)?, self.read_from(to)?.clone());
        let kind = to.changes.as_deref().and_then(diff::kind_of);
        let branches = [to.is_branch, from.is_branch];
        let [from, to] = [from, to].map(|read| self.commit_of(&mounted, read.commit));
        Ok((Compared { mounted, from: from?, to: to?, kind }, branches))
    }

    fn plan_again(&self, recipe: &Recipe, answered: &Answered) -> Result<Plan> {
        let query = QueryFile::read(&answered.text)?.query;
        let (mut sources, mut inputs, mut given) = (Vec::new(), Vec::new(), Vec::new());
        let (mut differences, mut files, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for spec in query.inputs() {
            let given_as = answered.inputs.iter().find(|(name, _)| *name == spec.name);
            if spec.kind == InputKind::Source {
                if let Some(file) = recipe.files.iter().find(|file| file.symbol == spec.name) {
                    files.push((given.len(), Self::file_again(file)));
                    given.push(Input::Value(Value::from(Vec::new())));
                    continue;
                }
                let read = recipe.sources.iter().find(|read| read.symbol == spec.name);
                if let (None, Some((_, text))) = (read, given_as) {
                    let value = edn::read_one(text)?.to_value();
                    rows.push((spec.name.clone(), value.clone()));
                    given.push(Input::Value(value));
                    continue;
                }
                let missing =
                    || invalid(&format!("it does not say which database {} is", spec.name));
                let read = read.ok_or_else(missing)?;
                if read.changes.is_some() {
                    let (compared, branches) = self.compared_again(recipe, read)?;
                    sources.extend(compared.pinned(&spec.name, branches));
                    differences.push((given.len(), Arc::new(compared)));
                    given.push(Input::Value(Value::from(Vec::new())));
                    continue;
                }
                let mounted = self.read_from(read)?.clone();
                let moment = self.commit_of(&mounted, read.commit)?;
                given.push(Input::Db(moment.db.clone()));
                sources.push(plan::Pinned {
                    symbol: spec.name.clone(),
                    store: mounted.name.to_string(),
                    uuid: mounted.source.uuid().to_string(),
                    moment,
                    is_branch: read.is_branch,
                    changes: None,
                });
                continue;
            }
            let missing = || invalid(&format!("it does not say what {} is", spec.name));
            let form = edn::read_one(&given_as.ok_or_else(missing)?.1)?;
            inputs.push((spec.name.clone(), form.to_value()));
            given.push(match spec.kind {
                InputKind::Rules => Input::Form(form),
                _ => Input::Value(form.to_value()),
            });
        }
        inputs.extend(rows);
        let typed = |(number, file): (usize, FileSource)| (number, file.typed(&query, &sources));
        let files = files.into_iter().map(typed).collect();
        let keys = query.row_keys();
        let question = Question { keys, query, inputs: given, differences, files };
        Ok(Plan { question, text: answered.text.clone(), sources, inputs, is_fixed: true })
    }
}
