//! The naive evaluator: nested loops over all datoms, in whatever order clauses allow, no index and
//! no plan.
//!
//! It shares the parser with the engine and nothing else but the built-in functions; what the
//! engine answers is compared with it. It knows patterns with lookup refs, calls of pure functions
//! and of those that read (`reads`), `not`, `not-join`, `or`, `or-join`, `optional` and rules
//! without arguments to coerce, and aggregates (`fold`); rules are asked again and again until
//! nothing more is known of them; entities carry their database, so that those of two never join.

use super::*;
use crate::query::ast::{Clause, ClauseKind, RuleDef, RuleVars, Term};
use crate::query::functions::{self, Kind, Scratch};
use std::cell::RefCell;
use std::collections::BTreeSet;

pub(super) type Env = BTreeMap<Symbol, Value>;

/// A datom `e a v tx added`, entities as pairs of database and number.
pub(super) type Fact = [Value; 5];

pub(super) struct Naive<'a> {
    pub(super) sources: BTreeMap<Symbol, Vec<Fact>>,
    rules: &'a [RuleDef],
    /// What is known of rules.
    tables: RefCell<BTreeMap<Goal, BTreeSet<Vec<Value>>>>,
}

/// A rule of a source, with those of its arguments that are known.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Goal {
    name: Symbol,
    source: String,
    args: Vec<Option<Value>>,
}

/// An entity of a database as a value that equals no other.
pub(super) fn entity(database: u128, e: u64) -> Value {
    Value::List(vec![Value::Long(database as i64), Value::Long(e as i64)].into())
}

/// A datom of a database.
pub(super) fn fact(database: u128, db: &Db, d: &Datom) -> Fact {
    let v = match &d.v {
        Value::Ref(e) => entity(database, e.0),
        other => whole(other),
    };
    let a = Value::Keyword(db.schema().get(d.a).unwrap().ident.clone());
    [entity(database, d.e.0), a, v, entity(database, d.tx.0), Value::Bool(d.added)]
}

/// All facts of a database.
pub(super) fn facts(database: u128, db: &Db) -> Vec<Fact> {
    let all = db.datoms(crate::datom::Order::Eavt, None, None, None).unwrap();
    all.iter().map(|d| fact(database, db, d)).collect()
}

impl<'a> Naive<'a> {
    pub fn new(sources: BTreeMap<Symbol, Vec<Fact>>, rules: &'a [RuleDef]) -> Self {
        Self { sources, rules, tables: RefCell::default() }
    }

    /// The rows of `:find`, entities as their numbers.
    pub fn answer(&self, query: &QueryAst) -> Vec<Vec<Value>> {
        let mut envs = self.conj(&query.clauses, "$", vec![Env::new()]);
        while self.grow() {
            while self.grow() {}
            envs = self.conj(&query.clauses, "$", vec![Env::new()]);
        }
        let value = |env: usize, var: &Symbol| envs[env].get(var).cloned().unwrap_or(Value::Nil);
        super::fold::rows(query, value, envs.len())
    }

    /// Takes the first clause that can run; the others wait.
    fn conj(&self, clauses: &[Clause], source: &str, envs: Vec<Env>) -> Vec<Env> {
        let Some(first) = envs.first() else { return Vec::new() };
        let bound: BTreeSet<Symbol> = first.keys().cloned().collect();
        let mut visible = Vec::new();
        clauses.iter().for_each(|c| c.kind.visible(&mut visible));
        let visible: BTreeSet<Symbol> = visible.into_iter().cloned().collect();
        // What is optional adds to rows and takes none away: it comes last. An `or` around it
        // waits for what others bind.
        let next = |turn: usize| {
            let ready = |c: &Clause| turn_of(c) == turn && is_ready(c, &bound, &visible);
            clauses.iter().position(ready)
        };
        let Some(next) = (0..3).find_map(next) else {
            assert!(clauses.is_empty(), "nothing can run of {clauses:?}");
            return envs;
        };
        let mut rest = clauses.to_vec();
        let clause = rest.remove(next);
        let envs = envs.iter().flat_map(|env| self.clause(&clause, source, env));
        self.conj(&rest, source, envs.collect())
    }

    fn clause(&self, clause: &Clause, default: &str, env: &Env) -> Vec<Env> {
        let named =
            |source: &Option<Symbol>| source.as_ref().map_or(default, |s| s.as_str()).to_owned();
        match &clause.kind {
            ClauseKind::Data { source, terms } => {
                let source = Symbol::new(&named(source));
                let Some(terms) = self.terms(&source, terms) else { return Vec::new() };
                let facts = &self.sources[&source];
                facts.iter().filter_map(|fact| unify(env, &terms, fact)).collect()
            }
            ClauseKind::Predicate(call) => {
                let keep = self.call(call, env).is_truthy();
                keep.then(|| env.clone()).into_iter().collect()
            }
            ClauseKind::Function(call, binding) => {
                let value = self.call(call, env);
                if value == Value::Nil { Vec::new() } else { bind(env, binding, &value) }
            }
            ClauseKind::Not { source, join, clauses } => {
                let inner = match join {
                    Some(vars) => only(env, vars.iter()),
                    None => env.clone(),
                };
                let found = self.conj(clauses, &named(source), vec![inner]);
                found.is_empty().then(|| env.clone()).into_iter().collect()
            }
            ClauseKind::Or { source, join, branches } => {
                let outer: Vec<Symbol> = match join {
                    Some(vars) => vars.all().cloned().collect(),
                    None => env.keys().cloned().collect(),
                };
                let mut out = Vec::new();
                for branch in branches {
                    let inner = only(env, outer.iter());
                    for found in self.conj(branch, &named(source), vec![inner]) {
                        let keep = |var: &Symbol| join.is_none() || outer.contains(var);
                        let more = found.into_iter().filter(|(var, _)| keep(var));
                        out.push(env.clone().into_iter().chain(more).collect());
                    }
                }
                out
            }
            ClauseKind::Optional { source, clauses } => {
                let found = self.conj(clauses, &named(source), vec![env.clone()]);
                if found.is_empty() { vec![with_nil(env, clauses)] } else { found }
            }
            ClauseKind::Rule { source, name, args } => self.rule(name, args, &named(source), env),
        }
    }

    fn call(&self, call: &ast::Call, env: &Env) -> Value {
        self.read(call, env).unwrap_or_else(|| apply(call, env))
    }

    /// What is known by now of a rule whose arguments are these; what is not known yet is noted as
    /// a goal.
    fn rule(&self, name: &Symbol, args: &[Term], source: &str, env: &Env) -> Vec<Env> {
        let value = |arg: &Term| match arg {
            Term::Const(value) => Some(value.clone()),
            Term::Var(name) => env.get(name).cloned(),
            _ => None,
        };
        let args_now = args.iter().map(value).collect();
        let goal = Goal { name: name.clone(), source: source.to_owned(), args: args_now };
        let mut tables = self.tables.borrow_mut();
        let rows = tables.entry(goal).or_default();
        let found: BTreeSet<Env> = rows.iter().filter_map(|row| unify(env, args, row)).collect();
        found.into_iter().collect()
    }

    /// Asks each goal once more, given what is known of the others: whether more is known now, or
    /// wanted. When nothing is, what is known is the least fixed point.
    fn grow(&self) -> bool {
        let goals: Vec<Goal> = self.tables.borrow().keys().cloned().collect();
        let mut is_more = false;
        for goal in &goals {
            let rows = self.unfold(goal);
            let mut tables = self.tables.borrow_mut();
            let known = tables.get_mut(goal).unwrap();
            let before = known.len();
            known.extend(rows);
            is_more |= known.len() > before;
        }
        is_more || self.tables.borrow().len() > goals.len()
    }

    fn unfold(&self, goal: &Goal) -> Vec<Vec<Value>> {
        let mut rows = Vec::new();
        for def in self.rules.iter().filter(|def| def.name == goal.name) {
            let head: Vec<&Symbol> = def.vars.all().collect();
            let known = |(var, value): (&&Symbol, &Option<Value>)| {
                let value = value.as_ref().filter(|_| !is_only_optional(var, def))?;
                Some(((*var).clone(), value.clone()))
            };
            let inner: Env = head.iter().zip(&goal.args).filter_map(known).collect();
            let found = self.conj(&def.clauses, &goal.source, vec![inner]);
            rows.extend(found.iter().map(|env| head.iter().map(|var| env[*var].clone()).collect()));
        }
        rows
    }
}

/// The environments in which a binding stands for a value.
fn bind(env: &Env, binding: &Binding, value: &Value) -> Vec<Env> {
    match (binding, value) {
        (Binding::Ignore, _) => vec![env.clone()],
        (Binding::Var(var), value) => {
            let term = [Term::Var(var.clone())];
            unify(env, &term, std::slice::from_ref(value)).into_iter().collect()
        }
        (Binding::Tuple(items), Value::Vector(values)) => {
            let mut envs = vec![env.clone()];
            for (item, value) in items.iter().zip(values.iter()) {
                envs = envs.iter().flat_map(|env| bind(env, item, value)).collect();
            }
            envs
        }
        (Binding::Collection(item), Value::Vector(values)) => {
            values.iter().flat_map(|value| bind(env, item, value)).collect()
        }
        other => panic!("the naive evaluator does not know {other:?}"),
    }
}

/// What clauses would have bound is nil, which is in no fact.
fn with_nil(env: &Env, clauses: &[Clause]) -> Env {
    let (mut env, mut shown) = (env.clone(), Vec::new());
    clauses.iter().for_each(|clause| clause.kind.visible(&mut shown));
    for var in shown {
        env.entry(var.clone()).or_insert(Value::Nil);
    }
    env
}

fn only<'a>(env: &Env, vars: impl Iterator<Item = &'a Symbol>) -> Env {
    vars.filter_map(|var| Some((var.clone(), env.get(var)?.clone()))).collect()
}

fn is_ready(clause: &Clause, bound: &BTreeSet<Symbol>, visible: &BTreeSet<Symbol>) -> bool {
    let needs: Vec<&Symbol> = match &clause.kind {
        ClauseKind::Predicate(call) | ClauseKind::Function(call, _) => call
            .args
            .iter()
            .filter_map(|arg| if let Term::Var(var) = arg { Some(var) } else { None })
            .collect(),
        ClauseKind::Not { join: Some(vars), .. } => vars.iter().collect(),
        ClauseKind::Not { join: None, .. } => {
            let mut mentioned = Vec::new();
            clause.kind.mentioned(&mut mentioned);
            mentioned.into_iter().filter(|var| visible.contains(*var)).collect()
        }
        ClauseKind::Or { join: Some(RuleVars { required, .. }), .. } => required.iter().collect(),
        _ => Vec::new(),
    };
    needs.into_iter().all(|var| bound.contains(var))
}

/// The environment in which terms stand for these values.
fn unify(env: &Env, terms: &[Term], values: &[Value]) -> Option<Env> {
    let mut env = env.clone();
    for (term, value) in terms.iter().zip(values) {
        match term {
            Term::Const(constant) => same(value, constant).then_some(())?,
            Term::Var(var) => match env.get(var) {
                Some(known) if !same(known, value) => return None,
                Some(_) => {}
                None => {
                    env.insert(var.clone(), value.clone());
                }
            },
            _ => {}
        }
    }
    Some(env)
}

/// Integers of two types are the same where their numbers are: here they are all longs.
pub(super) fn whole(value: &Value) -> Value {
    match value {
        Value::BigInt(n) => i64::try_from(&**n).map_or_else(|_| value.clone(), Value::Long),
        other => other.clone(),
    }
}

/// An entity as its number.
pub(super) fn number(value: &Value) -> Value {
    match value {
        Value::List(pair) => pair[1].clone(),
        other => other.clone(),
    }
}

/// Entities are the same in one database only; a number is the same as an entity of any.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::List(_), Value::List(_)) => a == b,
        _ => number(a).equals(&number(b)),
    }
}

fn apply(call: &ast::Call, env: &Env) -> Value {
    let value = |term: &Term| match term {
        Term::Var(var) => env[var].clone(),
        Term::Const(value) => value.clone(),
        other => panic!("{other:?}"),
    };
    let mut args: Vec<Value> = call.args.iter().map(value).collect();
    if args.iter().any(|arg| !matches!(arg, Value::List(_))) {
        args = args.iter().map(number).collect();
    }
    match functions::find(call.name.as_str()).unwrap().kind {
        Kind::Pure(function) => function(&args, &mut Scratch::default()).unwrap(),
        Kind::Compare(comparison) => Value::Bool(comparison.of(&args)),
        _ => panic!("{call:?}"),
    }
}

/// Which clauses come first: those without `optional`, an `or` around it, it itself.
fn turn_of(clause: &Clause) -> usize {
    match &clause.kind {
        ClauseKind::Optional { .. } => 2,
        ClauseKind::Or { branches, .. } => {
            usize::from(branches.iter().flatten().any(|c| turn_of(c) > 0))
        }
        _ => 0,
    }
}

/// Whether only an `optional` of the definition gives the variable: then what the caller has is
/// compared afterwards.
fn is_only_optional(var: &Symbol, def: &RuleDef) -> bool {
    let looks = |clause: &Clause| {
        let mut names = Vec::new();
        clause.kind.mentioned(&mut names);
        names.contains(&var)
    };
    let (optional, others): (Vec<_>, Vec<_>) = def.clauses.iter().partition(|c| turn_of(c) == 2);
    optional.into_iter().any(looks) && !others.into_iter().any(looks)
}
