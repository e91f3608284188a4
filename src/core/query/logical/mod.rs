//! The logical plan: what the clauses mean, free of names, sources' defaults and the order of the
//! text.
//!
//! **Invariant:** a variable is a number, one for each scope it lives in, so that two scopes never
//! share one by accident; non-recursive rules are gone, in their place stand their bodies;
//! constants that name entities are collected, to be resolved together. Nothing here says in which
//! order things are done.

mod build;
mod builtin;
mod closure;
mod ignored;
mod optional;
mod rewrite;
mod rules;
mod warnings;

pub use build::build;
pub use builtin::{is_builtin, names as builtin_rules};
pub use closure::Closure;

use super::ast::Binding;
use super::error::Place;
use super::functions::Function;
use crate::id::AttrId;
use crate::value::Value;
use std::sync::Arc;

/// A variable.
pub type VarId = usize;
/// A rule that is evaluated as a table.
pub type RuleId = usize;

/// What stands in a position.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    Var(VarId),
    Const(Value),
    /// A constant that names an entity: its number in [`Logical::refs`].
    Entity(usize),
    Source(usize),
    Ignore,
}

impl Operand {
    pub fn var(&self) -> Option<VarId> {
        if let Self::Var(var) = self { Some(*var) } else { None }
    }
}

/// What stands in the position of the attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum AttrOperand {
    Known(AttrId),
    /// No attribute has that name: nothing matches.
    Unknown,
    Var(VarId),
    Ignore,
}

/// A pattern over the datoms of a database.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub source: usize,
    pub e: Operand,
    pub a: AttrOperand,
    pub v: Operand,
    pub tx: Operand,
    pub added: Operand,
}

impl Pattern {
    pub fn operands(&self) -> [&Operand; 4] {
        [&self.e, &self.v, &self.tx, &self.added]
    }
}

/// A binding over variables by number.
#[derive(Clone, Debug)]
pub struct VarBinding {
    pub form: Binding,
    /// The variables in the order of the text.
    pub vars: Vec<VarId>,
}

#[derive(Clone)]
pub enum NodeKind {
    Pattern(Pattern),
    /// A pattern over rows, by position.
    Rows {
        source: usize,
        terms: Vec<Operand>,
    },
    /// A predicate (no binding) or a function expression.
    Call {
        function: &'static Function,
        args: Vec<Operand>,
        binding: Option<VarBinding>,
    },
    /// Rows for which the body has no answer; `keys` are the variables it shares with the outside.
    Not {
        keys: Vec<VarId>,
        body: Conj,
    },
    /// The union of branches over `vars`; `required` must be bound before.
    Or {
        required: Vec<VarId>,
        vars: Vec<VarId>,
        branches: Vec<Conj>,
    },
    /// Rows extended by the body where it has answers, else by nil.
    Optional {
        keys: Vec<VarId>,
        fresh: Vec<VarId>,
        body: Conj,
    },
    Rule {
        rule: RuleId,
        args: Vec<VarId>,
    },
}

#[derive(Clone)]
pub struct Node {
    pub kind: NodeKind,
    pub place: Arc<Place>,
}

/// Clauses that must all hold.
#[derive(Clone, Default)]
pub struct Conj {
    pub nodes: Vec<Node>,
}

/// One definition of a rule.
#[derive(Clone)]
pub struct Definition {
    pub head: Vec<VarId>,
    pub body: Conj,
}

/// A rule, for one default source.
#[derive(Clone)]
pub struct Rule {
    pub name: String,
    /// How many of the first arguments must be bound.
    pub required: usize,
    pub arity: usize,
    pub definitions: Vec<Definition>,
    /// Rules with one number call each other.
    pub component: usize,
    pub recursive: bool,
    /// What it is reachability over, if it is that and nothing else.
    pub closure: Option<Closure>,
    pub place: Arc<Place>,
}

/// A constant that names an entity of a source, and its place.
pub struct EntityConstant {
    pub source: usize,
    pub value: Value,
    pub place: Arc<Place>,
}

/// The whole query.
pub struct Logical {
    /// The names of the variables, for messages.
    pub vars: Vec<String>,
    /// Variables that must show the ident of an attribute, not its entity.
    pub attribute_vars: Vec<VarId>,
    pub seeds: Vec<(VarId, Value)>,
    pub root: Conj,
    pub rules: Vec<Rule>,
    pub refs: Vec<EntityConstant>,
    pub sources: Vec<super::bind::Source>,
    pub source_names: Vec<String>,
    /// The variables of `:find`, then those of `:with`.
    pub output: Vec<VarId>,
    pub warnings: Vec<String>,
}

impl Logical {
    /// Whether rows that were passed in hold what may be a name of an entity: an ident, or a lookup
    /// ref.
    pub fn has_names(&self, source: usize) -> bool {
        let name =
            |value: &Value| matches!(value, Value::Keyword(_) | Value::Vector(_) | Value::List(_));
        match &self.sources[source] {
            super::bind::Source::Rows(rows) => rows.iter().flatten().any(name),
            super::bind::Source::Db(_) => false,
        }
    }

    pub fn names(&self, vars: impl IntoIterator<Item = VarId>) -> Vec<String> {
        let name = |var| self.vars.get(var).cloned().unwrap_or_default();
        vars.into_iter().map(name).collect()
    }
}

impl NodeKind {
    /// The variables the node can bind or shares with its neighbours.
    pub fn provides(&self, out: &mut Vec<VarId>) {
        match self {
            Self::Pattern(p) => {
                out.extend(p.operands().into_iter().filter_map(Operand::var));
                if let AttrOperand::Var(var) = p.a {
                    out.push(var);
                }
            }
            Self::Rows { terms, .. } => out.extend(terms.iter().filter_map(Operand::var)),
            Self::Call { binding, .. } => out.extend(binding.iter().flat_map(|b| &b.vars)),
            Self::Not { .. } => {}
            Self::Or { vars, .. } => out.extend(vars),
            Self::Optional { fresh, .. } => out.extend(fresh),
            Self::Rule { args, .. } => out.extend(args),
        }
    }

    /// The variables that must be bound before the node can run, whatever the order.
    pub fn requires(&self, out: &mut Vec<VarId>) {
        match self {
            Self::Call { args, .. } => out.extend(args.iter().filter_map(Operand::var)),
            Self::Not { keys, .. } | Self::Optional { keys, .. } => out.extend(keys),
            Self::Or { required, .. } => out.extend(required),
            _ => {}
        }
    }

    /// All variables that the node and its neighbours share.
    pub fn touches(&self) -> Vec<VarId> {
        let mut vars = Vec::new();
        self.provides(&mut vars);
        self.requires(&mut vars);
        vars.sort_unstable();
        vars.dedup();
        vars
    }
}
