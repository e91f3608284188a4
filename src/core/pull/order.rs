//! `:order-by` of an attribute with many values: by what they are, or by what entities have.
//!
//! **Invariant:** what is missing comes first, and last where the order is descending; what is
//! equal stays in the order of the index.

use super::PullError;
use super::plan::{Field, Plan};
use crate::datom::{KeyRange, Order};
use crate::db::Db;
use crate::id::{AttrId, EntityId};
use crate::schema::Schema;
use crate::value::{Keyword, Value};
use hashbrown::HashMap;
use std::cmp::Ordering;

/// One thing that values are sorted by, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct By {
    /// An attribute of the entity; none: the value itself.
    attribute: Option<Keyword>,
    descending: bool,
}

impl By {
    /// The name of the attribute, if it is one.
    pub(super) fn attribute(&self) -> Option<&Keyword> {
        self.attribute.as_ref()
    }
}

/// One thing that values are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    of: Of,
    descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Itself,
    Attribute(AttrId),
    /// No attribute has this name.
    Nothing,
}

/// What entities have that others are sorted by.
pub(super) type Keys = HashMap<(EntityId, AttrId), Value>;

/// Reads `:name`, `:desc` or `[:name :desc :age]`.
pub(super) fn parse(value: &Value) -> Option<Vec<By>> {
    let items = match value {
        Value::Keyword(_) => std::slice::from_ref(value),
        Value::Vector(items) | Value::List(items) => items,
        _ => return None,
    };
    let (mut all, mut open): (Vec<By>, bool) = (Vec::new(), false);
    for item in items {
        let Value::Keyword(name) = item else { return None };
        let descending = match name.as_str() {
            "asc" => Some(false),
            "desc" => Some(true),
            _ => None,
        };
        match (descending, all.last_mut()) {
            (Some(descending), Some(last)) if open => last.descending = descending,
            (Some(descending), None) => all.push(By { attribute: None, descending }),
            (Some(_), Some(_)) => return None,
            (None, _) => all.push(By { attribute: Some(name.clone()), descending: false }),
        }
        open = descending.is_none();
    }
    (!all.is_empty()).then_some(all)
}

/// What the names mean; `None` if values that are no entities are to be sorted by attributes.
pub(super) fn plan(all: &[By], of_entities: bool, schema: &Schema) -> Option<Vec<Key>> {
    let key = |by: &By| {
        let of = match &by.attribute {
            None => Of::Itself,
            Some(_) if !of_entities => return None,
            Some(id) if id.as_str() == "db/id" => Of::Itself,
            Some(name) => match schema.attr(name.as_str()) {
                Some(attribute) => Of::Attribute(attribute.id),
                None => Of::Nothing,
            },
        };
        Some(Key { of, descending: by.descending })
    };
    all.iter().map(key).collect()
}

/// Whether anything of a plan is sorted by what entities have.
pub(super) fn needs_keys(plan: &Plan) -> bool {
    plan.fields.iter().any(|field| attributes(field).next().is_some())
}

/// The attributes that a field's values are sorted by.
pub(super) fn attributes(field: &Field) -> impl Iterator<Item = AttrId> {
    field.order.iter().filter_map(|key| match key.of {
        Of::Attribute(a) => Some(a),
        _ => None,
    })
}

/// Reads all at once.
pub(super) fn read(db: &Db, wanted: Vec<(EntityId, AttrId)>) -> Result<Keys, PullError> {
    let ranges: Vec<_> =
        wanted.iter().map(|(e, a)| KeyRange::prefix(Some(*e), Some(*a), None)).collect();
    let found = db.scan(Order::Eavt, &ranges)?;
    let first = |slices: &Vec<crate::datom::Slice>| {
        let mut rows = slices.iter().flat_map(|s| s.rows.clone().map(move |row| (s, row)));
        let held = rows.find(|(s, row)| s.facts.added(*row));
        held.map(|(s, row)| s.facts.v(row).to_value())
    };
    let keys = wanted.into_iter().zip(&found);
    Ok(keys.filter_map(|(key, slices)| Some((key, first(slices)?))).collect())
}

/// Sorts the values of a field.
pub(super) fn sort(values: &mut [Value], order: &[Key], keys: &Keys) {
    let key = |value: &Value, of: Of| match (of, value) {
        (Of::Itself, value) => Some(value.clone()),
        (Of::Attribute(a), Value::Ref(e)) => keys.get(&(*e, a)).cloned(),
        _ => None,
    };
    values.sort_by(|a, b| {
        let compared = order.iter().map(|by| {
            let ordering = key(a, by.of).cmp(&key(b, by.of));
            if by.descending { ordering.reverse() } else { ordering }
        });
        compared.into_iter().find(|o| *o != Ordering::Equal).unwrap_or(Ordering::Equal)
    });
}
