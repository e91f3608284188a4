//! The typed query: what was written, with places, before anything is known about databases.
//!
//! **Invariant:** names are as typed; nothing is resolved. Default sources are still implicit.

use super::error::Place;
use crate::edn::Form;
use crate::value::{Symbol, Value};

/// The shape of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// `:find ?a ?b`: a set of rows.
    Relation,
    /// `:find [?a ...]`: the first column.
    Collection,
    /// `:find [?a ?b]`: one row.
    Tuple,
    /// `:find ?a .`: one value.
    Scalar,
}

/// Where a pull pattern comes from.
#[derive(Clone, Debug)]
pub enum PatternTerm {
    Literal(Form),
    Named(Symbol),
}

/// One element of `:find`.
#[derive(Clone, Debug)]
pub struct FindElement {
    pub kind: FindKind,
    pub place: Place,
}

#[derive(Clone, Debug)]
pub enum FindKind {
    Var(Symbol),
    Pull {
        source: Option<Symbol>,
        var: Symbol,
        pattern: PatternTerm,
    },
    /// What stands before the variable is a number, or a variable of `:in`.
    Aggregate {
        name: Symbol,
        args: Vec<Term>,
        var: Symbol,
    },
}

impl FindElement {
    pub fn var(&self) -> &Symbol {
        match &self.kind {
            FindKind::Var(var) | FindKind::Pull { var, .. } | FindKind::Aggregate { var, .. } => {
                var
            }
        }
    }
}

/// What map rows are keyed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    Keyword,
    Str,
    Symbol,
}

/// A term of a clause.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    Var(Symbol),
    Const(Value),
    Source(Symbol),
    Ignore,
}

/// How a value is taken apart into variables.
#[derive(Clone, Debug, PartialEq)]
pub enum Binding {
    Ignore,
    Var(Symbol),
    /// `[b ...]`; a relation is a collection of tuples.
    Collection(Box<Binding>),
    Tuple(Vec<Binding>),
}

impl Binding {
    pub fn vars<'a>(&'a self, out: &mut Vec<&'a Symbol>) {
        match self {
            Self::Ignore => {}
            Self::Var(var) => out.push(var),
            Self::Collection(item) => item.vars(out),
            Self::Tuple(items) => items.iter().for_each(|item| item.vars(out)),
        }
    }

    /// Whether each value gives exactly one row.
    pub fn is_single(&self) -> bool {
        match self {
            Self::Ignore | Self::Var(_) => true,
            Self::Collection(_) => false,
            Self::Tuple(items) => items.iter().all(Self::is_single),
        }
    }
}

/// One element of `:in`.
#[derive(Clone, Debug)]
pub enum InputDecl {
    Source(Symbol),
    Rules,
    Pattern(Symbol),
    Binding(Binding, Place),
}

/// `(f arg*)`.
#[derive(Clone, Debug)]
pub struct Call {
    pub name: Symbol,
    pub args: Vec<Term>,
}

/// A clause of `:where` or of a rule.
#[derive(Clone, Debug)]
pub struct Clause {
    pub kind: ClauseKind,
    pub place: Place,
}

#[derive(Clone, Debug)]
pub enum ClauseKind {
    Data {
        source: Option<Symbol>,
        terms: Vec<Term>,
    },
    Predicate(Call),
    Function(Call, Binding),
    Rule {
        source: Option<Symbol>,
        name: Symbol,
        args: Vec<Term>,
    },
    /// `join` is `None` in `not`, the listed variables in `not-join`.
    Not {
        source: Option<Symbol>,
        join: Option<Vec<Symbol>>,
        clauses: Vec<Clause>,
    },
    Or {
        source: Option<Symbol>,
        join: Option<RuleVars>,
        branches: Vec<Vec<Clause>>,
    },
    Optional {
        source: Option<Symbol>,
        clauses: Vec<Clause>,
    },
}

/// The variables of a rule's head or of an `or-join`.
#[derive(Clone, Debug, Default)]
pub struct RuleVars {
    /// Those that must be bound before.
    pub required: Vec<Symbol>,
    /// The others.
    pub free: Vec<Symbol>,
}

impl RuleVars {
    pub fn all(&self) -> impl Iterator<Item = &Symbol> {
        self.required.iter().chain(&self.free)
    }

    pub fn len(&self) -> usize {
        self.required.len() + self.free.len()
    }
}

/// One definition of a rule.
#[derive(Clone, Debug)]
pub struct RuleDef {
    pub name: Symbol,
    pub vars: RuleVars,
    pub clauses: Vec<Clause>,
    pub place: Place,
}

impl RuleDef {
    /// Its places are in the rules, not in the query.
    pub fn mark(&mut self) {
        self.place.in_rules = true;
        self.clauses.iter_mut().for_each(Clause::mark);
    }
}

impl Clause {
    fn mark(&mut self) {
        self.place.in_rules = true;
        match &mut self.kind {
            ClauseKind::Not { clauses, .. } | ClauseKind::Optional { clauses, .. } => {
                clauses.iter_mut().for_each(Self::mark);
            }
            ClauseKind::Or { branches, .. } => {
                branches.iter_mut().flatten().for_each(Self::mark);
            }
            _ => {}
        }
    }
}

/// What `:order-by` sorts by: a position in the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey {
    pub column: usize,
    pub descending: bool,
}

/// A whole query.
#[derive(Clone, Debug)]
pub struct QueryAst {
    pub shape: Shape,
    pub find: Vec<FindElement>,
    pub keys: Option<(KeyKind, Vec<Symbol>)>,
    pub with: Vec<Symbol>,
    /// Where those stand.
    pub with_places: Vec<Place>,
    pub inputs: Vec<InputDecl>,
    /// `:in` is not written, and the database that it would name is not read: nothing need be
    /// passed.
    pub needs_no_input: bool,
    pub clauses: Vec<Clause>,
    pub order_by: Vec<SortKey>,
    pub limit: Option<u64>,
    pub offset: u64,
    pub timeout_ms: Option<u64>,
    pub place: Place,
}

impl ClauseKind {
    /// The variables that the clause shows to its neighbours: all of them, those listed in a join,
    /// none of a `not`.
    pub fn visible<'a>(&'a self, out: &mut Vec<&'a Symbol>) {
        let terms = |terms: &'a [Term], out: &mut Vec<&'a Symbol>| {
            out.extend(
                terms.iter().filter_map(|t| if let Term::Var(v) = t { Some(v) } else { None }),
            );
        };
        match self {
            Self::Data { terms: t, .. } | Self::Rule { args: t, .. } => terms(t, out),
            Self::Predicate(call) => terms(&call.args, out),
            Self::Function(call, binding) => {
                terms(&call.args, out);
                binding.vars(out);
            }
            Self::Not { join: Some(vars), .. } => out.extend(vars),
            Self::Not { join: None, .. } => {}
            Self::Or { join: Some(vars), .. } => out.extend(vars.all()),
            Self::Or { branches, .. } => {
                branches.iter().flatten().for_each(|c| c.kind.visible(out))
            }
            Self::Optional { clauses, .. } => clauses.iter().for_each(|c| c.kind.visible(out)),
        }
    }

    /// The variables that the clause may bind.
    pub fn binds<'a>(&'a self, out: &mut Vec<&'a Symbol>) {
        match self {
            Self::Predicate(_) | Self::Not { .. } => {}
            Self::Function(_, binding) => binding.vars(out),
            Self::Or { join: None, branches, .. } => {
                branches.iter().flatten().for_each(|c| c.kind.binds(out))
            }
            Self::Optional { clauses, .. } => clauses.iter().for_each(|c| c.kind.binds(out)),
            other => other.visible(out),
        }
    }

    /// All variables of the clause, those inside a `not` included.
    pub fn mentioned<'a>(&'a self, out: &mut Vec<&'a Symbol>) {
        match self {
            Self::Not { join: None, clauses, .. } | Self::Optional { clauses, .. } => {
                clauses.iter().for_each(|c| c.kind.mentioned(out))
            }
            Self::Or { join: None, branches, .. } => {
                branches.iter().flatten().for_each(|c| c.kind.mentioned(out))
            }
            other => other.visible(out),
        }
    }
}
