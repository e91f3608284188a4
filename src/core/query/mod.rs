//! Queries: Datalog over any number of databases, read lazily from their indexes.
//!
//! `text -> parse -> bind -> logical plan -> physical plan -> batches -> answer`; each stage is a
//! function of values with types of its own, in a file or folder of its own, in this order.
//!
//! **Invariant:** the answer depends on the query and its inputs alone, never on the order of
//! clauses, on what is cached, or on the size of batches.

mod align;
mod answer;
mod ast;
mod bind;
mod columns;
mod error;
mod exec;
mod file;
mod functions;
mod limits;
mod logical;
mod overflow;
mod parse;
mod part;
mod plan;
mod predicate;
mod resolve;
mod suggest;

#[cfg(test)]
mod tests;

pub use answer::{Answer, Large, Stats};
pub use ast::Shape;
pub use bind::Input;
pub use error::{Place, QueryError, QueryErrorKind};

pub use file::QueryFile;
pub use limits::{CancelToken, Elapsed, Limits};
pub use overflow::{Overflow, OverflowError, Rows};
pub use part::{Part, check_part, is_builtin};
pub use plan::Explain;
pub use predicate::{PredicateError, holds};

use crate::edn::{self, Form};
use crate::text::RowKeys;
use crate::value::{Symbol, Value};
use ast::{Binding, ClauseKind, InputDecl, KeyKind, QueryAst, Term};
use limits::Watch;
use overflow::{Merged, RowOrder};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A query that was read and checked, without any database.
#[derive(Clone, Debug)]
pub struct Query {
    ast: QueryAst,
    text: String,
}

/// What kind of thing an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// `$x`: a database, or rows.
    Source,
    /// `%`: rules.
    Rules,
    /// A plain name: a pull pattern.
    Pattern,
    /// `?x`: one value.
    Scalar,
    /// `[?x ...]`: values.
    Collection,
    /// `[?x ?y]`: one row.
    Tuple,
    /// `[[?x ?y]]`: rows.
    Relation,
}

/// An element of `:in`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputSpec {
    /// As it was written: `$x`, `%`, `?x`, `[?x ...]`.
    pub name: String,
    /// What kind of thing it is.
    pub kind: InputKind,
    /// For a variable: the source and the attribute whose value it is in a pattern, by which text
    /// can be read.
    pub attribute: Option<(String, String)>,
}

impl Query {
    /// Reads a query.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        Self::from_form(&edn::read_one(text)?)
    }

    /// A query from a form that was read already: errors keep its places.
    pub fn from_form(form: &Form) -> Result<Self, QueryError> {
        Ok(Self { ast: parse::parse_query(form)?, text: form.to_string() })
    }

    /// A query from a value: errors have no places.
    pub fn from_value(value: &Value) -> Result<Self, QueryError> {
        Self::from_form(&Form::from(value.clone()))
    }

    /// The query as text on one line.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What `:in` asks for, in order.
    pub fn inputs(&self) -> Vec<InputSpec> {
        let spec = |decl: &InputDecl| {
            let (kind, var) = match decl {
                InputDecl::Source(_) => (InputKind::Source, None),
                InputDecl::Rules => (InputKind::Rules, None),
                InputDecl::Pattern(_) => (InputKind::Pattern, None),
                InputDecl::Binding(binding, _) => binding_kind(binding),
            };
            let attribute = var.and_then(|var| {
                self.ast.clauses.iter().find_map(|clause| attribute_of(&clause.kind, var, "$"))
            });
            InputSpec { name: bind::name_of(decl), kind, attribute }
        };
        self.ast.inputs.iter().map(spec).collect()
    }

    /// The inputs that have a value beside the query, in `:args`.
    pub fn args(&self) -> impl Iterator<Item = (InputSpec, Form)> {
        let with_value = |(place, spec)| Some((spec, self.ast.args.get(&place)?.clone()));
        self.inputs().into_iter().enumerate().filter_map(with_value)
    }

    /// The same query with at most so many rows, whatever it says itself.
    #[must_use]
    pub fn with_limit(mut self, rows: u64) -> Self {
        self.ast.limit = Some(rows);
        self
    }

    /// The same query without so many rows at the beginning, whatever it says itself.
    #[must_use]
    pub fn with_offset(mut self, rows: u64) -> Self {
        self.ast.offset = rows;
        self
    }

    /// What the keys of rows are in EDN, where the query asks for maps.
    pub fn row_keys(&self) -> Option<RowKeys> {
        self.ast.keys.as_ref().map(|(kind, _)| match kind {
            KeyKind::Keyword => RowKeys::Keywords,
            KeyKind::Str => RowKeys::Strings,
            KeyKind::Symbol => RowKeys::Symbols,
        })
    }

    /// The shape of its answer.
    pub fn shape(&self) -> Shape {
        self.ast.shape
    }

    /// The names of its columns.
    pub fn columns(&self) -> Vec<String> {
        answer::columns(&self.ast)
    }
}

fn binding_kind(binding: &Binding) -> (InputKind, Option<&Symbol>) {
    match binding {
        Binding::Var(var) => (InputKind::Scalar, Some(var)),
        Binding::Collection(item) => match item.as_ref() {
            Binding::Var(var) => (InputKind::Collection, Some(var)),
            _ => (InputKind::Relation, None),
        },
        Binding::Tuple(_) => (InputKind::Tuple, None),
        Binding::Ignore => (InputKind::Scalar, None),
    }
}

/// The source and attribute of the first pattern whose value is the variable.
fn attribute_of(kind: &ClauseKind, var: &Symbol, default: &str) -> Option<(String, String)> {
    match kind {
        ClauseKind::Data { source, terms } => match terms.as_slice() {
            [_, Term::Const(Value::Keyword(attr)), Term::Var(v), ..] if v == var => {
                let source = source.as_ref().map_or(default, Symbol::as_str);
                Some((source.to_owned(), attr.as_str().to_owned()))
            }
            _ => None,
        },
        ClauseKind::Not { source, clauses, .. } | ClauseKind::Optional { source, clauses } => {
            let default = source.as_ref().map_or(default, Symbol::as_str);
            clauses.iter().find_map(|clause| attribute_of(&clause.kind, var, default))
        }
        ClauseKind::Or { source, branches, .. } => {
            let default = source.as_ref().map_or(default, Symbol::as_str);
            branches.iter().flatten().find_map(|clause| attribute_of(&clause.kind, var, default))
        }
        _ => None,
    }
}

/// Everything up to running: the logical and the physical plan of a query over its inputs.
struct Planned {
    logical: logical::Logical,
    physical: plan::Physical,
    values: BTreeMap<Symbol, Value>,
}

/// A query that was planned over its inputs and not run yet. Planning is most of the time of a
/// query that asks for little, so whoever wants to know what one may cost goes on with this.
pub struct Prepared<'a> {
    query: &'a Query,
    planned: Planned,
    watch: Watch,
}

/// The inputs, with those among them that stand beside the query. Whoever passes all of them has
/// looked there already.
fn with_args<'a>(query: &Query, inputs: &'a [Input]) -> Cow<'a, [Input]> {
    let QueryAst { inputs: declared, args, .. } = &query.ast;
    if args.is_empty() || inputs.len() + args.len() != declared.len() {
        return Cow::Borrowed(inputs);
    }
    let mut passed = inputs.iter().cloned();
    let input = |place: usize| match args.get(&place) {
        Some(form) => Some(Input::Form(form.clone())),
        None => passed.next(),
    };
    (0..declared.len()).filter_map(input).collect()
}

impl<'a> Prepared<'a> {
    /// Plans a query over its inputs. Those that stand beside it, in `:args`, may be left out.
    pub fn new(
        query: &'a Query,
        inputs: &[Input],
        limits: &Limits,
        cancel: &CancelToken,
    ) -> Result<Self, QueryError> {
        Self::within(query, inputs, Watch::new(limits.clone(), cancel.clone(), 0))
    }

    fn within(query: &'a Query, inputs: &[Input], mut watch: Watch) -> Result<Self, QueryError> {
        let limits = &mut watch.limits;
        limits.timeout_ms = match (limits.timeout_ms, query.ast.timeout_ms) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let mut bound = bind::bind(&query.ast, &with_args(query, inputs), &mut watch)?;
        let mut values = std::mem::take(&mut bound.patterns);
        values.extend(bound.scalars.iter().cloned());
        let logical = logical::build(&query.ast, bound, &mut watch)?;
        let entities = resolve::constants(&logical)?;
        let physical = plan::plan(&logical, &entities, &mut watch);
        let physical = physical.map_err(|error| suggest::variable(error, &query.ast))?;
        Ok(Self { query, planned: Planned { logical, physical, values }, watch })
    }

    /// Its plan.
    pub fn explain(&self) -> Explain {
        Explain::of(&self.planned.physical, &self.planned.logical, None)
    }

    /// Runs it.
    pub fn run(self) -> Result<Answer, QueryError> {
        self.run_aside(None).map(|(answer, _)| answer)
    }

    /// The same for an answer that may be too large for memory: rows without aggregates and pulls
    /// are put aside when they take much of it, and sorted there.
    pub fn run_large(self, overflow: Box<dyn Overflow>) -> Result<Large, QueryError> {
        let (answer, merged) = self.run_aside(Some(overflow))?;
        let Answer { shape, columns, rows, stats, explain, .. } = answer;
        let rows = Rows(merged.map_or(overflow::Kind::Held(rows), overflow::Kind::Merged));
        Ok(Large { shape, columns, rows, stats, explain })
    }

    /// Runs it; the rows of its answer may lie aside.
    fn run_aside(
        self,
        overflow: Option<Box<dyn Overflow>>,
    ) -> Result<(Answer, Option<Box<Merged>>), QueryError> {
        let Self { query, planned: Planned { logical, physical, values }, watch } = self;
        let seed = seed(query, &logical);
        let mut run = exec::Run::new(&physical, &logical.sources, watch, seed);
        let sources = logical.source_names.iter().enumerate();
        let sources = sources.map(|(number, name)| (Symbol::new(name), number)).collect();
        let pulls = exec::Pulls { values: &values, sources: &sources };
        let aside = overflow.map(|overflow| {
            let order = RowOrder { keys: query.ast.order_by.clone(), width: query.ast.find.len() };
            exec::Aside::new(overflow, order)
        });
        let (rows, merged) = match exec::find(&mut run, &query.ast, &pulls, aside)? {
            exec::Found::Rows(rows) => (rows, None),
            exec::Found::Aside(merged) => (Vec::new(), Some(Box::new(merged))),
        };
        let warnings = logical.warnings.iter().cloned();
        let stats = Stats {
            rows: run.counts.iter().sum(),
            memory_bytes: run.used_bytes() as u64,
            warnings: warnings.chain(std::mem::take(&mut run.warnings)).collect(),
        };
        let explain = Explain::of(&physical, &logical, Some(&run.counts));
        let ast = &query.ast;
        let plain = ast.find.iter().all(|e| matches!(e.kind, ast::FindKind::Var(_)));
        let as_set = plain && ast.with.is_empty() && ast.order_by.is_empty() && ast.keys.is_none();
        let (shape, columns) = (ast.shape, query.columns());
        let keys = ast.keys.clone();
        Ok((Answer { shape, columns, rows, stats, explain, as_set, keys }, merged))
    }
}

/// Runs a query over its inputs. Those that stand beside it, in `:args`, may be left out.
pub fn run(
    query: &Query,
    inputs: &[Input],
    limits: &Limits,
    cancel: &CancelToken,
) -> Result<Answer, QueryError> {
    Prepared::new(query, inputs, limits, cancel)?.run()
}

/// Runs a query, perhaps one inside another.
fn run_within(query: &Query, inputs: &[Input], watch: Watch) -> Result<Answer, QueryError> {
    Prepared::within(query, inputs, watch)?.run()
}

/// The plan of a query over its inputs, without running it.
pub fn explain(query: &Query, inputs: &[Input]) -> Result<Explain, QueryError> {
    Ok(Prepared::within(query, inputs, Watch::default())?.explain())
}

/// What the seeded functions start from: the query's text and the pinned commits.
fn seed(query: &Query, logical: &logical::Logical) -> u64 {
    let mut hasher = crate::hash::Hasher::new();
    hasher.update(query.text.as_bytes());
    for source in &logical.sources {
        if let bind::Source::Db(db) = source {
            hasher.update(db.database().as_bytes());
            hasher.update(&db.basis_t().0.to_le_bytes());
            if let Some(commit) = &db.snapshot().commit {
                hasher.update(&commit.hash);
            }
        }
    }
    let hash = hasher.finish();
    hash[..8].iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}
