//! Clauses to nodes: scopes, default sources, attributes.
//!
//! **Invariant:** a name means one variable in a scope and in all scopes inside it that may see it;
//! `not-join`, `or-join` and rules see only the variables that they list.

use super::optional::Sight;
use super::{AttrOperand, Conj, EntityConstant, Logical, Node, NodeKind, Operand, Pattern};
use super::{VarBinding, VarId, closure, rewrite, rules};
use crate::query::ast::{Binding, Call, Clause, ClauseKind, QueryAst, RuleVars, Term};
use crate::query::bind::{Bound, Source};
use crate::query::error::{Place, QueryError, nearest};
use crate::query::functions::{self, Kind};
use crate::query::limits::Watch;
use crate::query::suggest;
use crate::schema::Schema;
use crate::value::{Symbol, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The logical plan of a query over its inputs.
pub fn build(query: &QueryAst, bound: Bound, watch: &mut Watch) -> Result<Logical, QueryError> {
    let mut builder = Builder::new(query, bound);
    let mut scope = builder.root_scope()?;
    let mut root = builder.input_rows(&mut scope);
    scope.bound = scope.names.values().copied().collect();
    let clauses = builder.conj(&builder.rules.left_in(&query.clauses), &mut scope)?;
    root.nodes.extend(clauses.nodes);
    builder.logical.output = builder.output(query, &scope)?;
    builder.logical.root = root;
    rules::build_all(&mut builder, watch)?;
    builder.rules.finish(&mut builder.logical)?;
    rewrite::inline_rules(&mut builder.logical, watch)?;
    closure::recognise(&mut builder.logical);
    Ok(builder.logical)
}

/// What names mean at one place.
#[derive(Clone, Default)]
pub(super) struct Scope {
    pub names: BTreeMap<Symbol, VarId>,
    /// The default source.
    pub source: Option<usize>,
    /// What is bound before any clause is.
    pub bound: BTreeSet<VarId>,
}

pub(super) struct Builder {
    pub logical: Logical,
    pub rules: rules::Rules,
    sources: BTreeMap<Symbol, usize>,
    rows: Vec<crate::query::bind::BoundRows>,
    scalars: Vec<(Symbol, Value)>,
    place: Arc<Place>,
}

impl Builder {
    fn new(query: &QueryAst, bound: Bound) -> Self {
        let names = bound.sources.iter().map(|(name, _)| name.clone());
        let sources = names.enumerate().map(|(i, name)| (name, i)).collect();
        let logical = Logical {
            vars: Vec::new(),
            attribute_vars: Vec::new(),
            seeds: Vec::new(),
            root: Conj::default(),
            rules: Vec::new(),
            refs: Vec::new(),
            source_names: bound.sources.iter().map(|(name, _)| name.to_string()).collect(),
            sources: bound.sources.into_iter().map(|(_, source)| source).collect(),
            output: Vec::new(),
            warnings: Vec::new(),
        };
        let (rows, scalars) = (bound.rows, bound.scalars);
        let place = Arc::new(query.place.clone());
        let rules = rules::Rules::new(bound.rules);
        Self { logical, rules, sources, rows, scalars, place }
    }

    fn root_scope(&mut self) -> Result<Scope, QueryError> {
        let source = self.sources.get(&Symbol::new("$")).copied();
        let mut scope = Scope { source, ..Scope::default() };
        for (name, value) in std::mem::take(&mut self.scalars) {
            let var = self.var_in(&mut scope, &name);
            self.logical.seeds.push((var, value));
        }
        Ok(scope)
    }

    /// A node for each input that gives rows: they are one more source, matched by position.
    fn input_rows(&mut self, scope: &mut Scope) -> Conj {
        let mut conj = Conj::default();
        for rows in std::mem::take(&mut self.rows) {
            let terms = rows.vars.iter().map(|v| Operand::Var(self.var_in(scope, v))).collect();
            let source = self.logical.sources.len();
            self.logical.sources.push(Source::Rows(rows.rows));
            self.logical.source_names.push(":in".to_owned());
            conj.nodes
                .push(Node { kind: NodeKind::Rows { source, terms }, place: self.place.clone() });
        }
        conj
    }

    fn output(&mut self, query: &QueryAst, scope: &Scope) -> Result<Vec<VarId>, QueryError> {
        let find = query.find.iter().map(|element| (element.var(), &element.place));
        let with = query.with.iter().zip(&query.with_places);
        find.chain(with)
            .map(|(name, place)| {
                scope.names.get(name).copied().ok_or_else(|| QueryError::UnknownVars {
                    vars: vec![name.to_string()],
                    nearest: None,
                    at: place.clone(),
                })
            })
            .collect()
    }

    pub fn fresh(&mut self, name: &str) -> VarId {
        self.logical.vars.push(name.to_owned());
        self.logical.vars.len() - 1
    }

    pub fn var_in(&mut self, scope: &mut Scope, name: &Symbol) -> VarId {
        if let Some(var) = scope.names.get(name) {
            return *var;
        }
        let var = self.fresh(name.as_str());
        scope.names.insert(name.clone(), var);
        var
    }

    /// Clauses that hold together; names they show join the scope.
    pub fn conj(&mut self, clauses: &[Clause], scope: &mut Scope) -> Result<Conj, QueryError> {
        let around: BTreeSet<VarId> = scope.names.values().copied().collect();
        let mut shown = Vec::new();
        clauses.iter().for_each(|clause| clause.kind.visible(&mut shown));
        shown.into_iter().for_each(|name| {
            self.var_in(scope, name);
        });
        let mut conj = Conj::default();
        let mut sight = Sight::of(clauses, scope, around)?;
        for clause in clauses {
            self.clause(clause, scope, &mut sight, &mut conj)?;
        }
        Ok(conj)
    }

    fn source(
        &self,
        name: &Option<Symbol>,
        scope: &Scope,
        at: &Place,
    ) -> Result<usize, QueryError> {
        let found = match name {
            Some(name) => self.sources.get(name).copied(),
            None => scope.source,
        };
        found.ok_or_else(|| {
            let name = name.clone().unwrap_or_else(|| Symbol::new("$"));
            let nearest = nearest(name.as_str(), self.sources.keys().map(Symbol::as_str));
            QueryError::UnknownSource { name: name.to_string(), nearest, at: at.clone() }
        })
    }

    /// What of a scope these clauses can see, with another default source if one is named.
    fn scope_of(
        &self,
        source: &Option<Symbol>,
        mentioned: &[&Symbol],
        scope: &Scope,
        at: &Place,
    ) -> Result<Scope, QueryError> {
        let known = |name: &&&Symbol| scope.names.get(**name).map(|var| ((**name).clone(), *var));
        let names = mentioned.iter().filter_map(|name| known(&name)).collect();
        let source = match source {
            Some(_) => Some(self.source(source, scope, at)?),
            None => scope.source,
        };
        Ok(Scope { names, source, bound: BTreeSet::new() })
    }

    fn clause(
        &mut self,
        clause: &Clause,
        scope: &mut Scope,
        sight: &mut Sight,
        out: &mut Conj,
    ) -> Result<(), QueryError> {
        let place = Arc::new(clause.place.clone());
        let kind = match &clause.kind {
            ClauseKind::Data { source, terms } => {
                let source = self.source(source, scope, &place)?;
                self.data(source, terms, scope, &place)
            }
            ClauseKind::Predicate(call) => self.call(call, None, scope, &place)?,
            ClauseKind::Function(call, binding) => self.call(call, Some(binding), scope, &place)?,
            ClauseKind::Rule { source, name, args } => {
                let inner = self.scope_of(source, &[], scope, &place)?;
                let args = self.rule_args(args, scope, &place, out);
                rules::call(self, name, args, inner.source, &place)?
            }
            ClauseKind::Not { source, join, clauses } => {
                let inner = self.scope_of(source, &all_vars(&clause.kind), scope, &place)?;
                self.not(join, clauses, inner, &place)?
            }
            ClauseKind::Or { source, join, branches } => {
                let mut inner = self.scope_of(source, &all_vars(&clause.kind), scope, &place)?;
                inner.bound = sight.bound_around(clause, &inner);
                self.or(join.as_ref(), branches, inner)?
            }
            ClauseKind::Optional { source, clauses } => {
                let inner = self.scope_of(source, &all_vars(&clause.kind), scope, &place)?;
                self.optional(clauses, inner, sight, &place)?
            }
        };
        out.nodes.push(Node { kind, place });
        Ok(())
    }

    fn not(
        &mut self,
        join: &Option<Vec<Symbol>>,
        clauses: &[Clause],
        scope: Scope,
        place: &Place,
    ) -> Result<NodeKind, QueryError> {
        let mut mentioned = Vec::new();
        clauses.iter().for_each(|clause| clause.kind.mentioned(&mut mentioned));
        let (keys, mut inner) = match join {
            Some(vars) => self.only(&vars.iter().collect::<Vec<_>>(), scope),
            None => (self.shared(&mentioned, &scope), scope),
        };
        if keys.is_empty() && !mentioned.is_empty() {
            let vars = mentioned.iter().map(|name| name.to_string()).collect::<BTreeSet<_>>();
            let vars = vars.into_iter().collect();
            return Err(QueryError::NoneBound { vars, at: place.clone() });
        }
        inner.bound = keys.iter().copied().collect();
        let body = self.conj(clauses, &mut inner)?;
        Ok(NodeKind::Not { keys, body })
    }

    fn or(
        &mut self,
        join: Option<&RuleVars>,
        branches: &[Vec<Clause>],
        scope: Scope,
    ) -> Result<NodeKind, QueryError> {
        let mut mentioned = Vec::new();
        branches.iter().flatten().for_each(|clause| clause.kind.mentioned(&mut mentioned));
        let (vars, mut inner) = match join {
            Some(vars) => self.only(&vars.all().collect::<Vec<_>>(), scope),
            None => (self.shared(&mentioned, &scope), scope),
        };
        let required = join.map_or(0, |vars| vars.required.len());
        let required = vars[..required].to_vec();
        inner.bound.extend(&required);
        let branch = |clauses: &Vec<Clause>| self.conj(clauses, &mut inner.clone());
        let branches = branches.iter().map(branch).collect::<Result<_, _>>()?;
        Ok(NodeKind::Or { required, vars: distinct(vars), branches })
    }

    /// A scope that sees only these names, and their variables outside.
    fn only(&mut self, names: &[&Symbol], mut outside: Scope) -> (Vec<VarId>, Scope) {
        let vars: Vec<_> = names.iter().map(|name| self.var_in(&mut outside, name)).collect();
        let names = names.iter().map(|name| (*name).clone()).zip(vars.iter().copied()).collect();
        (vars, Scope { names, source: outside.source, bound: outside.bound })
    }

    pub fn shared(&self, mentioned: &[&Symbol], scope: &Scope) -> Vec<VarId> {
        distinct(mentioned.iter().filter_map(|name| scope.names.get(*name)).copied().collect())
    }

    fn operand(
        &mut self,
        term: &Term,
        scope: &mut Scope,
        at: &Place,
    ) -> Result<Operand, QueryError> {
        Ok(match term {
            Term::Var(name) => Operand::Var(self.var_in(scope, name)),
            Term::Const(value) => Operand::Const(value.clone()),
            Term::Source(name) => Operand::Source(self.source(&Some(name.clone()), scope, at)?),
            Term::Ignore => Operand::Ignore,
        })
    }

    /// Arguments of a rule as variables: a constant is bound to one by `ground`, so that it is
    /// unified like any other.
    fn rule_args(
        &mut self,
        args: &[Term],
        scope: &mut Scope,
        place: &Arc<Place>,
        out: &mut Conj,
    ) -> Vec<VarId> {
        let mut vars = Vec::new();
        for arg in args {
            vars.push(match arg {
                Term::Var(name) => self.var_in(scope, name),
                Term::Const(value) => {
                    let var = self.fresh(&crate::edn::to_string(value));
                    out.nodes.extend(ground(var, value.clone(), place));
                    var
                }
                Term::Source(_) | Term::Ignore => self.fresh("_"),
            });
        }
        vars
    }

    fn call(
        &mut self,
        call: &Call,
        binding: Option<&Binding>,
        scope: &mut Scope,
        place: &Place,
    ) -> Result<NodeKind, QueryError> {
        let name = call.name.as_str();
        let unsupported = |what: String| Err(QueryError::Unsupported { what, at: place.clone() });
        if name.starts_with('?') {
            return unsupported(format!("a function from :in ({name})"));
        }
        let what = if binding.is_some() { "function" } else { "predicate" };
        let Some(function) = functions::find(name) else {
            if is_foreign(&call.name) {
                return unsupported(format!("`{name}`, a function of a host language,"));
            }
            let nearest = suggest::function(name);
            let name = name.to_owned();
            return Err(QueryError::UnknownName { what, name, nearest, at: place.clone() });
        };
        if matches!(function.kind, Kind::Unsupported) {
            return unsupported(format!("`{name}`"));
        }
        let got = call.args.len();
        if !(function.min..=function.max).contains(&got) {
            let (name, expected) = (name.to_owned(), function.usage());
            return Err(QueryError::Arity { what, name, expected, got, at: place.clone() });
        }
        let args = call.args.iter().map(|arg| self.operand(arg, scope, place));
        let args = args.collect::<Result<Vec<_>, _>>()?;
        match function.kind {
            // Behind the attribute of `get-else` stands what is given in its place.
            Kind::GetElse => self.unknown_arguments(&args[..3], place),
            Kind::GetSome | Kind::Missing => self.unknown_arguments(&args, place),
            _ => {}
        }
        let binding = binding.map(|form| {
            let mut names = Vec::new();
            form.vars(&mut names);
            let vars = names.into_iter().map(|name| self.var_in(scope, name)).collect();
            VarBinding { form: form.clone(), vars }
        });
        Ok(NodeKind::Call { function, args, binding })
    }

    fn data(
        &mut self,
        source: usize,
        terms: &[Term],
        scope: &mut Scope,
        place: &Arc<Place>,
    ) -> NodeKind {
        let mut operand = |builder: &mut Self, index: usize| match terms.get(index) {
            Some(Term::Var(name)) => Operand::Var(builder.var_in(scope, name)),
            Some(Term::Const(value)) => Operand::Const(value.clone()),
            _ => Operand::Ignore,
        };
        let mut all: Vec<_> = (0..terms.len().max(5)).map(|i| operand(self, i)).collect();
        let schema = match &self.logical.sources[source] {
            Source::Rows(_) => {
                all.truncate(terms.len());
                return NodeKind::Rows { source, terms: all };
            }
            Source::Db(db) => db.schema().clone(),
        };
        let (mut e, mut v) = (all[0].clone(), all[2].clone());
        let (a, reversed) = self.attribute(&all[1], &schema, place);
        if reversed {
            std::mem::swap(&mut e, &mut v);
        }
        let is_ref = match a {
            AttrOperand::Known(id) => schema.get(id).is_some_and(|attr| attr.is_ref()),
            _ => false,
        };
        let e = self.entity(e, source, place);
        let v = if is_ref { self.entity(v, source, place) } else { v };
        let tx = self.entity(all[3].clone(), source, place);
        NodeKind::Pattern(Pattern { source, e, a, v, tx, added: all[4].clone() })
    }

    /// Puts a constant that names an entity among those to resolve.
    fn entity(&mut self, operand: Operand, source: usize, place: &Arc<Place>) -> Operand {
        let Operand::Const(value) = operand else { return operand };
        self.unknown_lookup(source, &value, place);
        self.logical.refs.push(EntityConstant { source, value, place: place.clone() });
        Operand::Entity(self.logical.refs.len() - 1)
    }

    fn attribute(&mut self, term: &Operand, schema: &Schema, at: &Place) -> (AttrOperand, bool) {
        let value = match term {
            Operand::Var(var) => {
                self.logical.attribute_vars.push(*var);
                return (AttrOperand::Var(*var), false);
            }
            Operand::Const(value) => value,
            _ => return (AttrOperand::Ignore, false),
        };
        let found = attribute_named(value, schema);
        if found.is_none() {
            self.unknown_attribute(value, schema, at);
        }
        found.unwrap_or((AttrOperand::Unknown, false))
    }
}

/// The attribute that a constant names, and whether it is named backwards (`:ns/_name`).
fn attribute_named(value: &Value, schema: &Schema) -> Option<(AttrOperand, bool)> {
    let known = |id| Some((AttrOperand::Known(id), false));
    match value {
        Value::Keyword(ident) => match schema.attr(ident.as_str()) {
            Some(attr) => known(attr.id),
            None => {
                let attr = schema.attr(ident.forward()?.as_str())?;
                Some((AttrOperand::Known(attr.id), true))
            }
        },
        Value::Long(id) => known(schema.described_by(crate::id::EntityId(*id as u64))?.id),
        _ => None,
    }
}

/// The variables of the outside that a clause may see.
fn all_vars(kind: &ClauseKind) -> Vec<&Symbol> {
    let mut names = Vec::new();
    kind.mentioned(&mut names);
    names
}

/// Whether a name can only be a method, a constructor, or a function of somebody's own program.
fn is_foreign(name: &Symbol) -> bool {
    let ours = ["clojure.core", "clojure.string", "str", "string"];
    let is_dotted = name.as_str().starts_with('.') || name.as_str().ends_with('.');
    is_dotted || name.namespace().is_some_and(|namespace| !ours.contains(&namespace))
}

pub(super) fn distinct(vars: Vec<VarId>) -> Vec<VarId> {
    let mut seen = BTreeSet::new();
    vars.into_iter().filter(|var| seen.insert(*var)).collect()
}

/// The node that gives a variable a constant.
pub(super) fn ground(var: VarId, value: Value, place: &Arc<Place>) -> Option<Node> {
    let function = functions::find("ground")?;
    let form = Binding::Var(Symbol::new("?"));
    let binding = Some(VarBinding { form, vars: vec![var] });
    let kind = NodeKind::Call { function, args: vec![Operand::Const(value)], binding };
    Some(Node { kind, place: place.clone() })
}
