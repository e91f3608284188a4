//! Schemas written as one map, `{:name {:db/unique :db.unique/identity}}`, as DataScript takes
//! them.
//!
//! **Invariant:** attributes are numbered in the order of their names; attributes that are not in
//! the map may be used. Composite tuples are in AVET, as in DataScript.

use super::apply::{About, describe};
use super::{Attribute, Flexibility, Schema, SchemaError, TupleKind, builtin};
use crate::id::{AttrId, EntityId};
use crate::value::{Keyword, Value};

impl Schema {
    /// The schema that a map from attributes to descriptions means; nil is the empty map. Keys that
    /// are no schema attributes are passed over.
    pub fn from_map(map: &Value) -> Result<Self, SchemaError> {
        let mut schema = Self { flexibility: Flexibility::Read, ..Self::default() };
        let Value::Map(entries) = map else { return Ok(schema) };
        let mut described: Vec<About> = Vec::new();
        for (ident, description) in entries.iter() {
            let (Value::Keyword(_), Value::Map(keys)) = (ident, description) else { continue };
            let mut facts = vec![(builtin::IDENT, ident.clone())];
            for (key, value) in keys.iter() {
                facts.extend(facts_of(key, value));
            }
            described.push((EntityId(0), facts));
        }
        for (_, facts) in &described {
            schema.name(describe(facts)?)?;
        }
        for (_, facts) in &described {
            schema.parts(facts)?;
        }
        Ok(schema)
    }

    fn name(&mut self, attribute: Option<Attribute>) -> Result<(), SchemaError> {
        let Some(mut attribute) = attribute else { return Ok(()) };
        if self.attr(attribute.ident.as_str()).is_some() {
            return Ok(()); // a built-in one, as `:db/ident` in many schemas
        }
        attribute.id = self.next_attr(0).ok_or(SchemaError::Full)?;
        self.insert(attribute);
        Ok(())
    }

    /// Fills in what a composite tuple is made of; parts that are not in the map are made.
    fn parts(&mut self, facts: &[(AttrId, Value)]) -> Result<(), SchemaError> {
        let [(_, Value::Keyword(ident)), ..] = facts else { return Ok(()) };
        let names = facts.iter().find(|(a, _)| *a == builtin::TUPLE_ATTRS);
        let Some((_, Value::Vector(names))) = names else { return Ok(()) };
        let mut parts = Vec::new();
        for name in names.iter() {
            let Value::Keyword(name) = name else { continue };
            parts.push(self.ensure(0, name)?);
        }
        if let Some(attribute) = self.attr(ident.as_str()).cloned() {
            let (tuple, index) = (Some(TupleKind::Composite(parts)), true);
            self.insert(Attribute { tuple, index, ..attribute.as_ref().clone() });
        }
        Ok(())
    }

    /// The number of the attribute with this name; one that nothing is known of is made.
    pub fn ensure(&mut self, block: u64, ident: &Keyword) -> Result<AttrId, SchemaError> {
        if let Some(known) = self.attr(ident.as_str()) {
            return Ok(known.id);
        }
        let id = self.next_attr(block).ok_or(SchemaError::Full)?;
        self.insert(Attribute::undescribed(id, ident.clone()));
        Ok(id)
    }
}

fn facts_of(key: &Value, value: &Value) -> Vec<(AttrId, Value)> {
    let Value::Keyword(key) = key else { return Vec::new() };
    // DataScript looks at the value alone here, and schemas out there write the short name.
    let short = key.as_str() == "db/type";
    let key = if short { &Keyword::new("db/valueType") } else { key };
    let known = builtin::attributes().into_iter().find(|a| a.ident == *key);
    let Some(known) = known.filter(|a| Schema::describes(a.id)) else { return Vec::new() };
    match value {
        Value::Vector(items) | Value::List(items) | Value::Set(items) if known.many => {
            items.iter().map(|item| (known.id, item.clone())).collect()
        }
        value => vec![(known.id, value.clone())],
    }
}
