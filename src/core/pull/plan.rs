//! What a pattern means in one database: attributes by number, whether they are refs, many-valued,
//! parts.
//!
//! **Invariant:** plans are in one vector and name each other by place; plan 0 pulls the entities
//! asked for, the last one pulls everything of a part.

use super::order::{self, Key};
use super::xform::Xform;
use super::{AttributeSpec, Limit, Pattern, PullError, Spec, Sub};
use crate::db::Db;
use crate::id::AttrId;
use crate::schema::{Attribute, Flexibility};
use crate::value::{Keyword, Value};

/// How many values of a many-valued attribute come if nothing is said.
pub(super) const DEFAULT_LIMIT: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Everything, but what has a spec of its own.
    pub(super) wildcard: bool,
    pub(super) fields: Vec<Field>,
}

/// One attribute of a plan.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) written: Keyword,
    pub(super) key: Value,
    pub(super) source: Source,
    /// Whether the result is one value, not a vector.
    pub(super) single: bool,
    pub(super) limit: usize,
    pub(super) order: Vec<Key>,
    pub(super) default: Option<Value>,
    pub(super) xform: Option<Xform>,
    pub(super) below: Below,
}

/// Where a field's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The entity's own id.
    Id,
    /// No attribute has this name: there is never a value.
    Nowhere,
    Forward(AttrId),
    Reverse(AttrId),
}

/// What becomes of an entity that is a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Below {
    /// It is no entity, or its id is enough.
    Id,
    Plan(usize),
    Recursion(Option<u32>),
    /// Everything of it, and of its parts.
    Part,
}

pub(super) fn plans(db: &Db, pattern: &Pattern) -> Result<Vec<Plan>, PullError> {
    let mut plans = Vec::new();
    plan(db, pattern, &mut plans)?;
    plans.push(Plan { wildcard: true, fields: Vec::new() });
    Ok(plans)
}

fn plan(db: &Db, pattern: &Pattern, plans: &mut Vec<Plan>) -> Result<usize, PullError> {
    let at = plans.len();
    plans.push(Plan::default());
    let (mut wildcard, mut fields): (bool, Vec<Field>) = (false, Vec::new());
    for spec in &pattern.specs {
        match spec {
            Spec::Wildcard => wildcard = true,
            Spec::Attribute(spec) => {
                let field = field(db, spec, plans)?;
                // Said twice under one key, the last counts.
                fields.retain(|earlier| earlier.key != field.key);
                fields.push(field);
            }
        }
    }
    plans[at] = Plan { wildcard, fields };
    Ok(at)
}

fn field(db: &Db, spec: &AttributeSpec, plans: &mut Vec<Plan>) -> Result<Field, PullError> {
    let attribute = db.schema().attr(spec.forward.as_str()).cloned();
    let wrong = |reason| PullError::Attribute { attribute: spec.written.clone(), reason };
    let is_id = spec.written.as_str() == "db/id";
    let is_ref = attribute.as_ref().is_some_and(|a| a.is_ref());
    let is_many = spec.reverse || attribute.as_ref().is_some_and(|a| a.many);
    // Where attributes need no description, one that has none has one value that is no entity.
    let open = db.schema().flexibility == Flexibility::Read && !is_id;
    if !is_ref && (attribute.is_some() || open) {
        if spec.reverse {
            return Err(wrong("the reverse of an attribute needs {:db/valueType :db.type/ref}"));
        }
        if spec.sub != Sub::Nothing {
            return Err(wrong("what its values refer to needs {:db/valueType :db.type/ref}"));
        }
    }
    if is_id && spec.sub != Sub::Nothing {
        return Err(wrong("an id refers to nothing else"));
    }
    if matches!(spec.limit, Limit::Most(_)) && (attribute.is_some() || open) && !is_many {
        return Err(wrong("a limit needs {:db/cardinality :db.cardinality/many}"));
    }
    if !spec.order.is_empty() && (attribute.is_some() || open) && !is_many {
        return Err(wrong("an order needs {:db/cardinality :db.cardinality/many}"));
    }
    let order = order::plan(&spec.order, is_ref || attribute.is_none(), db.schema());
    let order = order.ok_or_else(|| {
        wrong("values that are no entities are ordered by themselves, :asc or :desc")
    })?;
    let component = attribute.as_ref().is_some_and(|a| a.component);
    let below = match &spec.sub {
        Sub::Pattern(pattern) => Below::Plan(plan(db, pattern, plans)?),
        Sub::Recursion(depth) => Below::Recursion(*depth),
        Sub::Nothing if component && !spec.reverse => Below::Part,
        Sub::Nothing => Below::Id,
    };
    let source = match attribute {
        _ if is_id => Source::Id,
        None => Source::Nowhere,
        Some(a) if spec.reverse => Source::Reverse(a.id),
        Some(a) => Source::Forward(a.id),
    };
    Ok(Field {
        written: spec.written.clone(),
        key: spec.alias.clone().unwrap_or_else(|| Value::Keyword(spec.written.clone())),
        source,
        single: !is_many || (spec.reverse && component),
        limit: match spec.limit {
            Limit::Unsaid => DEFAULT_LIMIT,
            Limit::All => usize::MAX,
            Limit::Most(most) => most,
        },
        order,
        default: spec.default.clone(),
        xform: spec.xform,
        below,
    })
}

/// What a wildcard makes of an attribute.
pub(super) fn wild(attribute: &Attribute) -> Field {
    Field {
        written: attribute.ident.clone(),
        key: Value::Keyword(attribute.ident.clone()),
        source: Source::Forward(attribute.id),
        single: !attribute.many,
        limit: DEFAULT_LIMIT,
        order: Vec::new(),
        default: None,
        xform: None,
        below: if attribute.component { Below::Part } else { Below::Id },
    }
}
